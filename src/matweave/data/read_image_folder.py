"""A folder of pictures: a folder for each class, perhaps below train and test, or pictures without classes.

    PATH/cat/1.png, PATH/dog/1.png, ...                      classes cat, dog
    PATH/train/cat/1.png, ..., PATH/test/cat/1.png, ...      the same in parts (train, valid or val, test)
    PATH/1.png, PATH/2.png, ...                              no classes: to predict

A picture's class is the folder at the top, however deep it lies. Classes and pictures stand in natural order.
Folders are a level of parts where all bear names of parts and one has folders of its own; so `train` may
be a class. Files that are no pictures, and hidden ones, are counted and told, not read. Pictures beside the
folders of classes have no class: they are refused, not guessed.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from matweave.data.image_files import SUFFIXES, read_files
from matweave.data.labels import natural_order
from matweave.data.pixels import Found
from matweave.data.targets import Targets
from matweave.errors import DataError, listed

_PARTS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_ORDER = ("train", "valid", "test")


class _Listing(NamedTuple):
    pictures: list[str]  # paths below the folder, with /
    others: Counter  # of files that are no pictures, by suffix
    hidden: int
    again: int  # folders that a link had led to before


def folder_parts(folder: Path) -> tuple[str, ...]:
    """The parts that a folder of pictures comes in, in the order train, valid, test; none where it has no such level."""
    return tuple(part for part in _ORDER if part in _level(folder))


def read_image_folder(
    path: Path,
    *,
    part: str | None = None,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
) -> Found:
    """The pictures of a folder or of one part of it (one of `folder_parts`), or a single picture file.

    channels, size: what all pictures are brought to (None: they must agree).
    Raises DataError where there is no picture, some are unreadable or stand outside the classes, or they differ;
    OSError where a folder may not be read.
    """
    if path.is_file():
        pixels, told = read_files([path], [path.name], str(path), channels=channels, size=size)
        return Found(pixels, None, (path.name,), tuple(told))
    folder = _level(path)[part] if part is not None else path
    found = _listing(folder)
    if not found.pictures:
        held = [*found.others] or ["nothing"]
        raise DataError(
            f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))}); it holds {', '.join(map(str, held[:10]))}",
            where=str(folder),
            mend="give a folder with one folder of pictures for each class",
        )
    classes = natural_order({name.partition("/")[0] for name in found.pictures if "/" in name})
    loose = [name for name in found.pictures if "/" not in name]
    if classes and loose:
        raise DataError(
            f"{len(loose):,} pictures lie beside the folders of classes {listed(classes)}: {listed(natural_order(loose))}",
            where=str(folder),
            mend="put each picture into the folder of its class",
        )
    place = {name: code for code, name in enumerate(classes)}
    names = natural_order(found.pictures)
    names.sort(
        key=lambda name: place.get(name.partition("/")[0], 0)
    )  # stable: in natural order within a class
    pixels, told = read_files([folder / n for n in names], names, str(folder), channels=channels, size=size)
    targets = None
    if classes:
        codes = np.array([place[name.partition("/")[0]] for name in names], np.int64)
        targets = Targets(values=codes, classes=tuple(classes))
    return Found(pixels, targets, tuple(names), (*_told(folder, found, classes), *told))


def _level(folder: Path) -> dict[str, Path]:
    """The folders of the parts, where the first level is one of parts."""
    inside = [p for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name)]
    if not inside or not all(p.name.lower() in _PARTS for p in inside):
        return {}
    if not any(q.is_dir() and not _is_hidden(q.name) for p in inside for q in p.iterdir()):
        return {}  # classes of these names
    found: dict[str, Path] = {}
    for p in sorted(inside):
        part = _PARTS[p.name.lower()]
        if part in found:
            raise DataError(
                f"{found[part].name!r} and {p.name!r} are both the part {part!r}",
                where=str(folder),
                mend="keep one of them",
            )
        found[part] = p
    return found


def _listing(folder: Path) -> _Listing:
    pictures, others, hidden = [], Counter(), 0
    seen: set[str] = set()  # real paths: links are followed, but never in a circle
    again = 0
    for at, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        real = os.path.realpath(at)
        if real in seen:
            again += 1
            folders.clear()
            continue
        seen.add(real)
        hidden += sum(map(_is_hidden, folders)) + sum(map(_is_hidden, files))
        folders[:] = sorted(f for f in folders if not _is_hidden(f))
        for file in files:
            suffix = os.path.splitext(file)[1].lower()
            if _is_hidden(file):
                continue
            if suffix in SUFFIXES:
                pictures.append(Path(at, file).relative_to(folder).as_posix())
            else:
                others[suffix or "without a suffix"] += 1
    return _Listing(pictures, others, hidden, again)


def _raise(error: OSError) -> None:
    raise error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _told(folder: Path, found: _Listing, classes: list[str]) -> list[str]:
    told = [f"{len(classes)} classes, by folder" if classes else "no folders of classes: read without labels"]
    empty = [
        p.name for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name) and p.name not in classes
    ]
    if empty:
        told.append(f"folders without a picture are no classes: {listed(natural_order(empty))}")
    if found.others:
        said = ", ".join(f"{n:,} {suffix}" for suffix, n in found.others.most_common(10))
        told.append(f"{sum(found.others.values()):,} files are no pictures and were not read: {said}")
    if found.hidden:
        told.append(f"{found.hidden:,} hidden files or folders were not read")
    if found.again:
        told.append(f"{found.again:,} links lead to folders that were read already, and were not read again")
    return told
