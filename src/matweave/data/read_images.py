"""Read a set of images, by what the path is.

    MNIST idx         a folder of *-images-idx3-ubyte[.gz] and labels, or one such file      matweave.data.read_idx
    pictures          a folder for each class, perhaps below train and test; one picture     matweave.data.read_image_folder
    .npz              x and y, or x_train, y_train, x_test, y_test                           matweave.data.read_npz

Images of several sizes or kinds are refused unless the caller says which all are to have; what is then resized or
converted is told, as is everything that was found and not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

from matweave.data.image_files import SUFFIXES
from matweave.data.images import Images
from matweave.data.pixels import CHANNELS, by, resize, shape_told, to_channels
from matweave.data.read_idx import idx_parts, is_idx, read_idx
from matweave.data.read_image_folder import folder_parts, read_image_folder
from matweave.data.read_npz import npz_parts, read_npz
from matweave.errors import ConfigError, DataError, nearest


def parts_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The parts that images come in, among train, valid and test; () for a set that has none.

    Raises DataError where there is no file or folder, or none that `read_images` reads.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "set.npz")
    ...     np.savez(file, x_train=np.zeros((2, 8, 8)), x_test=np.zeros((1, 8, 8)))
    ...     parts_of(file)
    ('train', 'test')
    """
    path = Path(path)
    with _readable(path):
        kind = _kind(path)
        return {"idx": idx_parts, "npz": npz_parts, "folder": folder_parts, "picture": lambda _: ()}[kind](
            path
        )


def read_images(
    path: str | os.PathLike[str],
    *,
    part: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    channels: int | None = None,
    size: int | str | tuple[int, int] | None = None,
) -> Images:
    """Read a set of images, told apart by what the path is; see the head of this file.

    part: one of `parts_of(path)`; needed where there are several. labels: the labels of a file of idx images, where
    they do not stand beside it. channels: 1 or 3, to turn all images into grey or RGB ones. size: 28 or "28x32"
    (height × width), to resize all. Without these, images of several kinds or sizes are refused.

    Raises DataError for what cannot be read, all of it named; ConfigError for a bad part, channels or size.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "set.npz")
    ...     np.savez(file, x=np.zeros((2, 8, 8), np.uint8), y=["cat", "dog"])
    ...     read_images(file, size=4)
    Images(2 of 4 × 4, 1 channel, 2 classes)
    """
    path, size = Path(path), as_size(size)
    check_channels(channels)
    kind = _kind(path)
    part = _part(path, part)
    if labels is not None and (kind != "idx" or path.is_dir()):
        raise ConfigError(
            f"labels is {str(labels)!r}, but only a file of idx images takes its labels from another file",
            where=str(path),
            mend="leave labels out, or give the file of images",
        )
    with _readable(path):
        if kind == "idx":
            found = read_idx(path, part=part, labels=None if labels is None else Path(labels))
        elif kind == "npz":
            found = read_npz(path, part=part)
        else:
            found = read_image_folder(path, part=part, channels=channels, size=size)
    pixels, told = found.pixels, []
    if channels is not None and channels != pixels.shape[1]:
        told.append(f"all images, {CHANNELS.get(pixels.shape[1], '')}, became {CHANNELS[channels]}")
        pixels = to_channels(pixels, channels, str(path))
    if size is not None and size != pixels.shape[2:]:
        told.append(f"all images were resized from {by(pixels.shape[2:])} to {by(size)} (stretched to fit)")
        pixels = resize(pixels, size)
    shape = shape_told(pixels.shape[1:])
    first = f"{len(pixels):,} images of {shape}{f', part {part}' if part else ''}"
    return Images(
        pixels=pixels, targets=found.targets, names=found.names, report=(first, *found.report, *told)
    )


def as_size(size: Any) -> tuple[int, int] | None:
    """(height, width) from 28, "28", "28x32" or a pair; None for None. Raises ConfigError for anything else.

    >>> as_size(28), as_size("28x32")
    ((28, 28), (28, 32))
    """
    if size is None:
        return None
    parts = size.lower().replace("×", "x").split("x") if isinstance(size, str) else size
    parts = [parts] if isinstance(parts, Integral) else parts
    try:
        found = [int(part) for part in parts if not isinstance(part, (bool, float))]
        if len(found) == len(parts) in (1, 2) and min(found) >= 1:
            return found[0], found[-1]
    except (TypeError, ValueError):
        pass
    raise ConfigError(
        f"size is {size!r}, but must be a height and width >= 1",
        where="read_images",
        mend='give size=28 or size="28x32" (height x width)',
    )


def check_channels(channels: Any) -> None:
    """Raise ConfigError unless channels is None, 1 or 3.

    >>> check_channels(2)
    Traceback (most recent call last):
    matweave.errors.ConfigError: channels is 2, but must be 1 (grey), 3 (RGB) or none (as the images are)
      where: read_images
      mend:  give channels=1 or channels=3
    """
    good = channels is None or (isinstance(channels, Integral) and channels in (1, 3))
    if not good or isinstance(channels, bool):
        raise ConfigError(
            f"channels is {channels!r}, but must be 1 (grey), 3 (RGB) or none (as the images are)",
            where="read_images",
            mend="give channels=1 or channels=3",
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read ({error.strerror or error})",
            where=str(path),
            mend="give a path that may be read",
        ) from error


def _kind(path: Path) -> str:
    if path.is_dir():
        return "idx" if is_idx(path) else "folder"
    if path.suffix.lower() == ".npz" and path.is_file():
        return "npz"
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return "picture"
    if path.is_file() and is_idx(path):
        return "idx"
    there = "is no file of images" if path.exists() else "does not exist"
    raise DataError(
        f"{path} {there}",
        where=str(path),
        mend="give a folder with one folder of pictures for each class, MNIST idx files, an .npz, or a picture",
    )


def _part(path: Path, part: str | None) -> str | None:
    parts = parts_of(path)
    if part is None and len(parts) < 2:
        return parts[0] if parts else None
    if part in parts:
        return part
    said = f"comes in parts: {', '.join(parts)}" if parts else "does not come in parts"
    asked = "which to read is not said" if part is None else f"part is {part!r}{nearest(str(part), parts)}"
    raise ConfigError(
        f"{path} {said}; {asked}",
        where=str(path),
        mend=f"give part={parts[0]!r}" if parts else "leave part out",
    )
