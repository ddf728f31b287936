"""Picture files (PNG, JPEG, BMP, GIF, WebP, TIFF, PNM) to one array of pixels, by pillow (extra `deep`).

Two passes. The heads are read first, so that a set of mixed sizes or channels is refused before any picture is
decoded; then each is decoded, turned as its EXIF orientation says, brought to the channels and the size asked for,
and written into its place. Every unreadable or empty file is named, in one error.

    grey    1 channel: bilevel, 8 bits, 16 bits, a palette of greys
    RGB     3 channels: also other palettes, CMYK, YCbCr, LAB, HSV
    alpha   4 channels: RGB, a palette or grey with transparency

Pixels are bytes. A set with a 16-bit picture in it is float32 in 0..1 instead, all of it. Of a file of several
frames the first is read. What was turned, converted or left out is told.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from matweave.data.pixels import CHANNELS, by, resize, to_channels
from matweave.errors import DataError, TooBig, missing_extra

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm", ".pnm"}
)
_LIMIT = 16 << 30  # bytes of pixels
_DEEP = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_MODES = {"1": 1, "L": 1, "P": 3, "RGB": 3, "CMYK": 3, "YCbCr": 3, "LAB": 3, "HSV": 3, "RGBX": 3}
_MODES |= dict.fromkeys(_DEEP, 1) | dict.fromkeys(("RGBA", "LA", "PA", "RGBa", "La"), 4)
_BASE = {1: "L", 3: "RGB", 4: "RGBA"}
_TRANSPOSED = range(5, 9)  # EXIF orientations that swap height and width


class _Head(NamedTuple):
    size: tuple[int, int]  # height, width
    channels: int
    deep: bool
    frames: int
    orientation: int


def read_files(
    files: Sequence[Path],
    names: Sequence[str],
    where: str,
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """The pictures as (n, c, h, w), uint8 or float32, and lines that tell what was decided.

    names: of the pictures, for errors. channels, size: what all are brought to; None: they must agree.
    Raises DataError that lists unreadable files, sizes and channels that differ; TooBig beyond 16 GiB;
    MissingExtra without pillow.
    """
    heads: dict[int, _Head] = {}
    bad: list[str] = []
    with _pillow(where) as Image:
        for i, file in enumerate(files):
            head = _try(bad, names[i], _head, Image, file)
            if head is not None:
                heads[i] = head
        problems = [*_unreadable(bad), *_mixed(heads, names, channels, size)]
        if problems:
            raise DataError("\n".join(problems), where=where, mend=_mend(bad, problems))
        c = channels or heads[0].channels
        shape = (len(files), c, *(size or heads[0].size))
        deep = any(head.deep for head in heads.values())
        total = int(np.prod(shape, dtype=object)) * (4 if deep else 1)
        if total > _LIMIT:
            raise TooBig(
                f"{len(files):,} pictures of {by(shape[2:])} take {total / 2**30:.1f} GiB",
                where=where,
                mend="give a smaller size=, or fewer pictures",
            )
        out = np.empty(shape, np.float32 if deep else np.uint8)
        for i, file in enumerate(files):
            made = _try(bad, names[i], _decoded, Image, file, heads[i], deep)
            if made is not None:
                out[i] = resize(to_channels(made, c, where), shape[2:])[0]
    if bad:
        raise DataError("\n".join(_unreadable(bad)), where=where, mend=_mend(bad, []))
    return out, _told(list(heads.values()), c, shape[2:], deep, out)


@contextmanager
def _pillow(where: str) -> Iterator[Any]:
    """pillow's Image; its warnings of odd files are no reason to stop, but a picture as large as a bomb is."""
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("deep", "pillow", f"reading pictures ({where})") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield Image


def _try(bad: list[str], name: str, read: Any, *given: Any) -> Any:
    try:
        return read(*given)
    except Exception as error:  # pillow's decoders raise whatever their file makes them
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        bad.append(f"{name!r} ({reason.splitlines()[0][:80]})")
        return None


def _head(Image: Any, file: Path) -> _Head:
    if not file.stat().st_size:
        raise ValueError("zero bytes")
    try:
        opened = Image.open(file)
    except Image.UnidentifiedImageError as error:
        raise ValueError("no picture that pillow knows") from error
    with opened as image:
        if image.mode not in _MODES:
            raise ValueError(f"pixels of mode {image.mode} are not read")
        width, height = image.size
        orientation = image.getexif().get(0x0112, 1)
        turned = orientation in _TRANSPOSED
        deep = image.mode in _DEEP
        channels = 1 if image.mode == "P" and _is_grey_palette(image) else _MODES[image.mode]
        return _Head(
            size=(width, height) if turned else (height, width),
            channels=4 if "transparency" in image.info and not deep else channels,
            deep=deep,
            frames=getattr(image, "n_frames", 1),
            orientation=orientation,
        )


def _is_grey_palette(image: Any) -> bool:
    """Whether a palette holds greys only, as grey GIFs have it; looked at without decoding the picture."""
    mode, data = image.palette.getdata()
    bands, _, planar = mode.partition(";")
    colours = np.frombuffer(bytes(data), np.uint8)
    colours = colours[: len(colours) // len(bands) * len(bands)]
    colours = colours.reshape(len(bands), -1).T if planar == "L" else colours.reshape(-1, len(bands))
    return bool((colours[:, 0] == colours[:, 1]).all() and (colours[:, 0] == colours[:, 2]).all())


def _decoded(Image: Any, file: Path, head: _Head, deep: bool) -> np.ndarray:
    """One picture as (1, c, h, w), in the type of the set."""
    from PIL import ImageOps

    with Image.open(file) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened) if head.orientation != 1 else opened
        if head.deep:
            pixels = np.asarray(image)
            if pixels.min() < 0 or pixels.max() > 65535:
                raise ValueError("pixels beyond 16 bits are not read")
        else:
            base = _BASE[head.channels]
            pixels = np.asarray(image if image.mode == base else image.convert(base))
    if deep:
        pixels = pixels.astype(np.float32) / np.float32(65535 if head.deep else 255)
    return pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None]


def _mixed(
    heads: dict[int, _Head], names: Sequence[str], channels: int | None, size: tuple[int, int] | None
) -> list[str]:
    problems = []
    for what, wanted, kind in (
        ("sizes", size, lambda head: by(head.size)),
        ("kinds", channels, lambda head: f"{CHANNELS[head.channels]} ({head.channels} channels)"),
    ):
        first: dict[str, str] = {}
        for i, head in heads.items():
            first.setdefault(kind(head), names[i])
        if wanted is None and len(first) > 1:
            counts = Counter(map(kind, heads.values())).most_common()
            said = "; ".join(f"{k}: {n:,} pictures, as {first[k]!r}" for k, n in counts[:10])
            more = f" (+{len(counts) - 10} more)" if len(counts) > 10 else ""
            problems.append(f"the pictures are of {len(counts)} {what}: {said}{more}")
    return problems


def _unreadable(bad: list[str]) -> list[str]:
    more = f" (+{len(bad) - 10:,} more)" if len(bad) > 10 else ""
    return [f"{len(bad):,} pictures cannot be read: {', '.join(bad[:10])}{more}"] if bad else []


def _mend(bad: list[str], problems: list[str]) -> str:
    mends = ["replace or remove the files named"] if bad else []
    text = "\n".join(problems)
    if " sizes: " in text:
        mends.append('give size=, for instance size="64x64": all are resized to it (height x width)')
    if " kinds: " in text:
        mends.append("give channels=1 (all grey) or channels=3 (all RGB)")
    return "; ".join(mends)


def _told(
    heads: list[_Head], channels: int, size: tuple[int, ...], deep: bool, pixels: np.ndarray
) -> list[str]:
    def count(found: Iterator[bool]) -> str:
        return f"{sum(found):,} of {len(heads):,} pictures"

    told = []
    if any(h.frames > 1 for h in heads):
        told.append(f"{count(h.frames > 1 for h in heads)} have several frames: the first was read")
    if any(h.orientation in range(2, 9) for h in heads):
        told.append(
            f"{count(h.orientation in range(2, 9) for h in heads)} were turned by their EXIF orientation"
        )
    if deep:
        told.append(f"{count(h.deep for h in heads)} have 16 bits: all pixels are float32 in 0..1")
    if any(h.size != size for h in heads):
        told.append(f"{count(h.size != size for h in heads)} were resized to {by(size)} (stretched to fit)")
    for have, name in CHANNELS.items():
        if have != channels and any(h.channels == have for h in heads):
            over = ", alpha over white" if have == 4 else ""
            told.append(
                f"{count(h.channels == have for h in heads)}, {name}, became {CHANNELS[channels]}{over}"
            )
    if all(h.channels >= 3 for h in heads) and channels >= 3 and all(map(_is_grey, pixels)):
        told.append("all pictures are grey in three equal channels: channels=1 reads them as one")
    return told


def _is_grey(picture: np.ndarray) -> bool:
    return bool((picture[0] == picture[1]).all() and (picture[0] == picture[2]).all())
