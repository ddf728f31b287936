"""Images from a NumPy archive (.npz), and their labels where it holds them; never a pickle.

    x, y (also images, labels; data, target)                                   one set
    x_train, y_train, x_test, y_test, x_valid, y_valid                         parts (Keras)
    train_images, train_labels, val_images, val_labels, test_images, ...       parts (MedMNIST)

Capitals do not matter. Labels are (n,) or (n, 1): text, whole numbers and booleans are classes, and so are floats that
are all whole; other floats are numbers to predict (regression). Layouts and types of pixels: `matweave.data.pixels`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from matweave.data.pixels import Found, as_pixels
from matweave.data.targets import Targets
from matweave.errors import DataError, listed

_IMAGES = ("x", "images", "image", "data")
_LABELS = ("y", "labels", "label", "target", "targets")
_PARTS = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}


def npz_parts(path: Path) -> tuple[str, ...]:
    """The parts whose images the archive holds, in the order train, valid, test. Raises DataError for no archive."""
    with _opened(path) as arrays:
        return tuple(part for part in _PARTS if _named(arrays.files, _IMAGES, part))


def read_npz(path: Path, *, part: str | None = None) -> Found:
    """The images and labels of the archive, or of one part of it (one of `npz_parts`).

    Raises DataError where the archive is no whole one, an array is missing, pickled, or of another shape, or the
    counts differ.
    """
    where = str(path)
    with _opened(path) as arrays:
        names = _named(arrays.files, _IMAGES, part), _named(arrays.files, _LABELS, part)
        for found in names:
            if len(found) > 1:
                raise DataError(
                    f"{path.name} holds {listed(found)}: which is meant is not clear",
                    where=where,
                    mend="keep one of them, named x (images) and y (labels)",
                )
        if not names[0]:
            raise DataError(
                f"{path.name} holds no array of images; it holds {listed(arrays.files) or 'nothing'}",
                where=where,
                mend="name the images x and the labels y (or x_train, y_train, x_test, y_test)",
            )
        images = names[0][0]
        pixels = as_pixels(_array(arrays, images, path), f"{where} ({images})")
        if not names[1]:
            given, report = None, [f"{images} has no labels beside it: read without labels"]
        else:
            given, report = _array(arrays, names[1][0], path), []
    targets = None
    if given is not None:
        targets = _targets(given, len(pixels), f"{where} ({names[1][0]})", names, report)
    said = tuple(f"{images}[{i}]" for i in range(len(pixels)))
    return Found(pixels, targets, said, tuple(report))


def _named(files: list[str], kinds: tuple[str, ...], part: str | None) -> list[str]:
    """The arrays of that kind; of a part, the part stands before or after the name, with or without a line."""
    wanted = set(kinds)
    if part is not None:
        wanted = {
            t
            for k in kinds
            for p in _PARTS.get(part, ())
            for t in (f"{k}_{p}", f"{p}_{k}", f"{k}{p}", f"{p}{k}")
        }
    return [f for f in files if f.lower() in wanted]


def _targets(
    given: np.ndarray, n: int, where: str, names: tuple[list[str], list[str]], report: list[str]
) -> Targets:
    shape = given.shape
    if given.ndim == 2 and shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise DataError(
            f"the labels are an array of shape {shape}, but must be one for each image",
            where=where,
            mend="save one label for each image (of one-hot rows: y.argmax(axis=1))",
        )
    if len(given) != n:
        raise DataError(
            f"{names[0][0]} holds {n:,} images, but {names[1][0]} {len(given):,} labels",
            where=where,
            mend="save one label for each image",
        )
    if given.dtype.kind == "f" and np.isfinite(given).all() and (given != np.trunc(given)).any():
        report.append(f"{names[1][0]} holds numbers with a fraction: numbers to predict, no classes")
        return Targets.of_values(given, where=where)
    targets = Targets.of_labels(given, where=where)
    report.append(f"labels from {names[1][0]}: {targets.n_classes} classes")
    return targets


@contextmanager
def _opened(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise _refused(path, "it is no whole .npz archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                yield arrays
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise _refused(path, f"it cannot be read ({error})") from error


def _array(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    try:
        return arrays[name]
    except ValueError as error:
        pickled = "pickle" in str(error)
        reason = "holds Python objects, which are never unpickled" if pickled else f"cannot be read ({error})"
        raise _refused(path, f"its array {name!r} {reason}") from error


def _refused(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path.name} is refused: {reason}",
        where=str(path),
        mend="save it again with np.savez(path, x=images, y=labels)",
    )
