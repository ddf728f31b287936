"""MNIST's idx files, plain or gzipped: images of bytes, and their labels.

    images   magic 2051, count, rows, columns (big-endian 32-bit), then count × rows × columns bytes
    labels   magic 2049, count, then count bytes

Source: LeCun, Cortes, Burges, the page of the MNIST database, "file format". A set is named PREFIX-images-idx3-ubyte
and PREFIX-labels-idx1-ubyte (also with a dot before idx); a prefix that ends in train is the part "train", one in
t10k or test the part "test". Checked: the magic numbers, that the counts agree, and that each file holds just the
bytes its head says.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from matweave.data.pixels import Found, as_pixels
from matweave.data.targets import Targets
from matweave.errors import DataError

_IMAGES = re.compile(
    r"(?P<prefix>.*?)(?P<mid>[-_.]?)images(?P<end>[-_.]idx3[-_.]ubyte)(?P<gz>\.gz)?", re.IGNORECASE
)
_PARTS = {"train": "train", "t10k": "test", "test": "test"}
_MAGIC = {2051: "idx images", 2049: "idx labels"}
_CHUNK = 1 << 24


def is_idx(path: Path) -> bool:
    """Whether a file is idx by its name or first bytes, or a folder holds idx images by name."""
    if path.is_dir():
        return bool(_images_in(path))
    return _IMAGES.fullmatch(path.name) is not None or _starts_as_idx(path)


def idx_parts(folder: Path) -> tuple[str, ...]:
    """The parts that the idx files of a folder make, train before test; a file or an unnamed set has none."""
    found = _images_in(folder) if folder.is_dir() else []
    return tuple(part for part in ("train", "test") if part in map(_part_of, found))


def read_idx(path: Path, *, part: str | None = None, labels: Path | None = None) -> Found:
    """The images of a file, or of a part of a folder, with the labels beside it or those of `labels`.

    `part` is one of `idx_parts`, or None for the only set there is.
    Raises DataError where a file is missing, truncated, too long, of another kind, or the counts differ.
    """
    report: list[str] = []
    file = _choose(path, part, report) if path.is_dir() else path
    pixels = as_pixels(_images(file), str(file))
    n = len(pixels)
    targets = None
    beside = labels or _labels_beside(file)
    if beside is None:
        report.append(f"no labels file stands beside {file.name}: read without labels")
    else:
        codes = _labels(beside)
        if len(codes) != n:
            raise DataError(
                f"{file.name} holds {n:,} images, but {beside.name} {len(codes):,} labels",
                where=str(beside),
                mend="give the labels of these images (labels=)",
            )
        targets = Targets.of_labels(codes, where=str(beside))
        report.append(f"labels from {beside.name}: {targets.n_classes} classes")
    hit = _IMAGES.fullmatch(file.name)
    stem = f"{hit['prefix']}{hit['mid']}images" if hit else file.name
    return Found(pixels, targets, tuple(f"{stem}[{i}]" for i in range(n)), tuple(report))


def _images_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if _IMAGES.fullmatch(p.name) and p.is_file())


def _part_of(file: Path) -> str | None:
    hit = _IMAGES.fullmatch(file.name)
    last = re.split(r"[-_.]", hit["prefix"].lower())[-1] if hit else ""
    return _PARTS.get(last)


def _choose(folder: Path, part: str | None, report: list[str]) -> Path:
    files = [f for f in _images_in(folder) if part is None or _part_of(f) == part]
    plain = {f.name for f in files}
    twice = [f for f in files if f.suffix == ".gz" and f.name[:-3] in plain]
    report += [f"{f.name} stands there plain too; the plain file was read" for f in twice]
    files = [f for f in files if f not in twice]
    if len(files) != 1:
        raise DataError(
            f"{folder} holds {len(files)} files of idx images{f' of the part {part!r}' if part else ''}"
            f"{': ' + ', '.join(f.name for f in files[:10]) if files else ''}",
            where=str(folder),
            mend="give one file of them, or a folder with one set in a part",
        )
    return files[0]


def _labels_beside(images: Path) -> Path | None:
    hit = _IMAGES.fullmatch(images.name)
    if hit is None:
        return None
    name = f"{hit['prefix']}{hit['mid']}labels{hit['end'].replace('3', '1')}"
    endings = (hit["gz"] or "", "" if hit["gz"] else ".gz")
    found = [images.with_name(name + ending) for ending in endings]
    return next((p for p in found if p.is_file()), None)


def _images(path: Path) -> np.ndarray:
    data = _bytes(path, 2051, 3)
    return np.frombuffer(data, np.uint8, offset=16).reshape(struct.unpack(">3I", data[4:16]))


def _labels(path: Path) -> np.ndarray:
    return np.frombuffer(_bytes(path, 2049, 1), np.uint8, offset=8)


def _bytes(path: Path, magic: int, dimensions: int) -> bytes:
    """The file whole, its head checked: never more is unpacked than the head says."""
    head = 4 * (dimensions + 1)
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            start = file.read(head)
            if len(start) >= 4 and (found := struct.unpack(">I", start[:4])[0]) != magic:
                kind = f"which is {_MAGIC[found]}" if found in _MAGIC else "no idx file of bytes"
                raise _refused(path, f"its magic number is {found} ({kind}), not {magic} ({_MAGIC[magic]})")
            if len(start) < head:
                raise _refused(path, f"it is truncated: {len(start)} of the {head} bytes of its head")
            sizes = struct.unpack(f">{dimensions}I", start[4:])
            wanted = int(np.prod([int(s) for s in sizes], dtype=object))
            parts, left = [start], wanted + 1
            while left and (part := file.read(min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
    except (OSError, EOFError, zlib.error) as error:
        raise _refused(path, f"it cannot be read ({getattr(error, 'strerror', None) or error})") from error
    found = wanted + 1 - left
    said = " × ".join(f"{s:,}" for s in sizes)
    if found < wanted:
        raise _refused(
            path, f"it is truncated: {found:,} of the {wanted:,} bytes that its head says ({said})"
        )
    if found > wanted:
        raise _refused(path, f"it goes on after the {wanted:,} bytes that its head says ({said})")
    return b"".join(parts)


def _starts_as_idx(path: Path) -> bool:
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            return int.from_bytes(file.read(4), "big") in _MAGIC
    except (OSError, EOFError, zlib.error):  # whatever it is, it is for another reader to say
        return False


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _refused(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path.name} is refused: {reason}",
        where=str(path),
        mend="get the file again, or give another",
    )
