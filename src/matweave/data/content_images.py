"""A folder of pictures named by the ids of items: 1193.png, 1193.jpg, ...; they become bytes of one size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.data.content_columns import whole_numbers
from matweave.data.image_files import SUFFIXES, read_files
from matweave.data.item_content import ItemContent
from matweave.data.pixels import by
from matweave.data.read_images import as_size, check_channels
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, listed


def holds_pictures(path: Path) -> bool:
    """Whether a path is a folder with pictures in it, and not one of Parquet files."""
    return path.is_dir() and any(_is_picture(file) for file in path.iterdir())


def read_item_images(folder: Path, *, size: Any = 64, channels: int = 3) -> ItemContent:
    """Content with an image for each picture in a folder; files that are no pictures are counted and told.

    size: 64, or "48x64" (height × width), which all are stretched to. channels: 1 (grey) or 3 (RGB).
    Raises DataError where there is no folder or picture, two are of one item, or some are unreadable; MissingExtra without pillow.
    """
    check_channels(channels)
    shape = as_size(size)
    if shape is None:
        raise ConfigError("images of items are brought to one size", where="size", mend="give size=64")
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {folder}",
            where=str(folder),
            mend="give a folder of pictures named by item id",
        )
    files = sorted((f for f in folder.iterdir() if f.is_file() and not f.name.startswith(".")), key=_natural)
    pictures = [f for f in files if _is_picture(f)]
    if not pictures:
        raise DataError(
            f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})",
            where=str(folder),
            mend="give a folder of pictures named by item id, as 1193.png",
        )
    by_id: dict[str, list[str]] = {}
    for file in pictures:
        by_id.setdefault(file.stem, []).append(file.name)
    double = [name for names in by_id.values() if len(names) > 1 for name in names]
    if double:
        raise DataError(
            f"several pictures are of one item: {listed(double)}", where=str(folder), mend="keep one of each"
        )
    pixels, told = read_files(
        pictures, [f.name for f in pictures], str(folder), channels=channels or 3, size=shape
    )
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    others = len(files) - len(pictures)
    told = [f"{len(pictures):,} images of items, brought to {by(shape)}", *told]
    told += [f"{others:,} files in {folder} are no pictures and were not read"] if others else []
    ids = whole_numbers(pa.chunked_array([pa.array(list(by_id), pa.large_string())]))
    return ItemContent(
        items=Vocabulary(ids=ids),
        pixels=pixels,
        picture=np.arange(len(pixels), dtype=np.int64),
        report=tuple(told),
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", path.name)]
