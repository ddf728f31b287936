"""Pixels of a set of images as one array, n × channels × height × width: which layouts and types are read as that.

    bytes (uint8)               stay bytes
    whole numbers in 0..255     become bytes, without loss
    other numbers, booleans     float32, as they are

Layout: n × h × w is one channel. Of four dimensions the channels are the one of size 1, 3 or 4; where both the
second and the last could be, or neither, nothing is guessed.

Resizing is linear with a triangle as wide as a pixel of the smaller grid (so that shrinking averages, with no
aliases): out = A_h · image · A_wᵀ, where row i of A holds max(0, 1 - |j + ½ - (i + ½) s| / max(s, 1)), s = old / new,
divided by its sum. Cost of an image: h' h w + h' w w' products a channel. Checked against pillow's, which is the same.

Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); an alpha channel is laid over white.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from matweave.data.targets import Targets
from matweave.errors import DataError

CHANNELS = {1: "grey", 3: "RGB", 4: "RGB and alpha"}
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_CHUNK = 1 << 22  # pixels converted at a time
_EXACT = 1 << 24  # whole numbers up to here are exact in float32


class Found(NamedTuple):
    """What a reader found: pixels (n, c, h, w), targets, the name of each image, lines to tell."""

    pixels: np.ndarray
    targets: Targets | None
    names: tuple[str, ...]
    report: tuple[str, ...]


def as_pixels(x: Any, where: str, *, channels_last: bool | None = None) -> np.ndarray:
    """An array of images as (n, c, h, w), uint8 or float32.

    channels_last: where the channels of four dimensions are; None decides by their size.
    Raises DataError for another shape or type, an ambiguous layout, no images, or pixels that are not finite,
    with the first ten images named by index.

    >>> as_pixels(np.zeros((2, 8, 8, 3), np.uint8), "photos.npz").shape
    (2, 3, 8, 8)
    """
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        more = ": flat rows need their height and width, x.reshape(n, height, width)" if x.ndim == 2 else ""
        raise DataError(
            f"the images are an array of shape {x.shape}{more}",
            where=where,
            mend="give n × height × width, or n × channels × height × width",
        )
    if x.ndim == 3:
        x = x[:, None]
    elif _is_channels_last(x.shape, where) if channels_last is None else channels_last:
        x = x.transpose(0, 3, 1, 2)
    if not x.size:
        raise DataError(
            f"there are no images: {'×'.join(map(str, x.shape))} pixels",
            where=where,
            mend="give at least one image of at least one pixel",
        )
    return np.ascontiguousarray(_as_numbers(x, where))


def _is_channels_last(shape: tuple[int, ...], where: str) -> bool:
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        said = "both the second and the last dimension could be" if first else "no dimension is"
        raise DataError(
            f"images of shape {shape}: {said} the channels (1 grey, 3 RGB, 4 with alpha)",
            where=where,
            mend="save them as n × height × width (grey), or n × 3 × height × width with height and width over 4",
        )
    return last


def _as_numbers(x: np.ndarray, where: str) -> np.ndarray:
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind not in "iufb":
        raise DataError(
            f"the pixels are of type {x.dtype}",
            where=where,
            mend="give bytes (uint8), or numbers (float32)",
        )
    if x.dtype.kind in "iu":
        low, high = int(x.min()), int(x.max())
        if low >= 0 and high <= 255:
            return x.astype(np.uint8)
        if max(abs(low), abs(high)) > _EXACT:
            raise DataError(
                f"the pixels are whole numbers from {low:,} to {high:,}, which float32 cannot hold exactly",
                where=where,
                mend="scale them first, for instance to 0..1",
            )
    with np.errstate(over="ignore"):  # what overflows is infinite, and named
        x = x.astype(np.float32, copy=False)
    refuse_not_finite(x, where)
    return x


def refuse_not_finite(pixels: np.ndarray, where: str, names: Sequence[str] = ()) -> None:
    """Raise DataError where a pixel is NaN or infinite, naming the first ten images by name or index.

    >>> refuse_not_finite(np.float32([[[[1]]], [[[np.nan]]]]), "x.npz")
    Traceback (most recent call last):
    matweave.errors.DataError: 1 of 2 images have pixels that are NaN or infinite: index 1
      where: x.npz
      mend:  replace these pixels, or leave these images out
    """
    if pixels.dtype == np.uint8:
        return
    good = np.array([np.isfinite(image).all() for image in _chunks(pixels)])
    if good.all():
        return
    wrong = np.flatnonzero(~np.isfinite(pixels).all(axis=(1, 2, 3)))
    said = [repr(names[i]) if names else str(i) for i in wrong[:10].tolist()]
    more = f" (+{len(wrong) - 10:,} more)" if len(wrong) > 10 else ""
    raise DataError(
        f"{len(wrong):,} of {len(pixels):,} images have pixels that are NaN or infinite: "
        f"{'' if names else 'index '}{', '.join(said)}{more}",
        where=where,
        mend="replace these pixels, or leave these images out",
    )


def _chunks(pixels: np.ndarray):
    step = max(1, _CHUNK // max(1, int(np.prod(pixels.shape[1:]))))
    return (pixels[at : at + step] for at in range(0, len(pixels), step))


def to_channels(pixels: np.ndarray, channels: int, where: str) -> np.ndarray:
    """Images (n, c, h, w) of 1 or 3 channels from those of 1, 3 or 4; DataError for another number.

    >>> to_channels(np.full((1, 1, 2, 2), 7, np.uint8), 3, "photos").shape
    (1, 3, 2, 2)
    """
    have = pixels.shape[1]
    if have == channels:
        return pixels
    if have not in CHANNELS:
        raise DataError(
            f"images of {have} channels cannot be turned into {CHANNELS[channels]} ones",
            where=where,
            mend="leave channels out, or give images of 1, 3 or 4 channels",
        )
    if have == 1:
        return np.repeat(pixels, channels, axis=1)
    out = np.empty((len(pixels), channels, *pixels.shape[2:]), pixels.dtype)
    white = np.float32(255 if pixels.dtype == np.uint8 else 1)
    at = 0
    for part in _chunks(pixels):
        part = part.astype(np.float32)
        if have == 4:
            part = white + (part[:, :3] - white) * (part[:, 3:] / white)
        if channels == 1:
            part = np.einsum("nchw,c->nhw", part, _GREY)[:, None]
        out[at : at + len(part)] = np.rint(part) if pixels.dtype == np.uint8 else part
        at += len(part)
    return out


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (n, c, h, w) stretched to another height and width, of the same type.

    >>> resize(np.float32([[[[0, 2], [4, 6]]]]), (1, 1))
    array([[[[3.]]]], dtype=float32)
    """
    if pixels.shape[2:] == size:
        return pixels
    rows, columns = _weights(pixels.shape[2], size[0]), _weights(pixels.shape[3], size[1])
    out = np.empty((*pixels.shape[:2], *size), pixels.dtype)
    at = 0
    for part in _chunks(pixels):
        made = rows @ part.astype(np.float32) @ columns.T
        out[at : at + len(made)] = np.rint(made).clip(0, 255) if pixels.dtype == np.uint8 else made
        at += len(made)
    return out


@lru_cache(maxsize=64)
def _weights(old: int, new: int) -> np.ndarray:
    scale = old / new
    centre = (np.arange(new)[:, None] + 0.5) * scale
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(old) + 0.5 - centre) / max(scale, 1.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def by(size: Iterable[int]) -> str:
    """A height and width in words.

    >>> by((28, 32))
    '28 × 32'
    """
    return " × ".join(map(str, size))


def shape_told(shape: tuple[int, ...]) -> str:
    """Channels, height, width in words.

    >>> shape_told((3, 28, 32))
    '28 × 32, 3 channels'
    """
    return f"{by(shape[1:])}, {shape[0]} channel{'s' if shape[0] > 1 else ''}"
