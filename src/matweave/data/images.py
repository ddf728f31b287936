"""Images with their targets, and the normalisation that a model of them is trained on.

A set of images is one array, n × channels × height × width, of bytes or float32; `matweave.data.read_images` reads it
from files, `Images.of` takes it from arrays.

Normalisation is of each channel: out = (x - mean) / std over all pixels of all training images, bytes taken as 0..1.
A constant channel has std 1. Cost: two passes over the pixels, no copy beyond the float32 result. Checked against the
same written out in float64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, final

import numpy as np

from matweave.data.pixels import CHANNELS, as_pixels, refuse_not_finite, shape_told
from matweave.data.targets import Targets, as_index
from matweave.errors import DataError

_CHUNK = 1 << 20  # numbers taken to float64 at a time
_CACHED = 1 << 18  # numbers that stay in the cache between two steps


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """A set of images of one size.

    pixels: (n, channels, height, width) uint8 or float32. targets: n of them, or None. names: the file of each image,
    or its array and place, "train-images[17]". report: lines that tell what the reader found, chose and left out.

    Raises DataError where these do not fit together.
    """

    pixels: np.ndarray
    targets: Targets | None
    names: tuple[str, ...]
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.pixels)
        problems = []
        if self.pixels.ndim != 4 or self.pixels.dtype not in (np.uint8, np.float32):
            problems.append(f"pixels are {self.pixels.dtype} of shape {self.pixels.shape}")
        if len(self.names) != n:
            problems.append(f"there are {n:,} images, but {len(self.names):,} names")
        if self.targets is not None and len(self.targets) != n:
            problems.append(f"there are {n:,} images, but {len(self.targets):,} labels")
        if problems:
            raise DataError(
                "\n".join(problems),
                where="Images",
                mend="give one label and one name for each of n × c × h × w",
            )

    @classmethod
    def of(cls, x: Any, y: Targets | Iterable[Any] | None = None) -> Images:
        """Images from an array, n × h × w or n × c × h × w, with labels (or `Targets`, of numbers for instance).

        Raises DataError for other shapes and types, pixels that are not finite, missing labels, counts that differ.

        >>> Images.of(np.zeros((2, 8, 8)), ["a", "b"])
        Images(2 of 8 × 8, 1 channel, 2 classes)
        """
        x = np.asarray(x)
        if x.ndim == 4 and min(x.shape[1:3]) > max(CHANNELS) and x.shape[3] in CHANNELS:
            raise DataError(
                f"images of shape {x.shape} have their channels last",
                where="Images.of",
                mend="give n × channels × height × width: x.transpose(0, 3, 1, 2)",
            )
        pixels = as_pixels(x, "Images.of", channels_last=False)
        targets = y if isinstance(y, Targets) or y is None else Targets.of_labels(y)
        return cls(pixels=pixels, targets=targets, names=tuple(f"x[{i}]" for i in range(len(pixels))))

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        kind = "no labels" if self.targets is None else f"{self.targets.n_classes} classes"
        kind = "numbers" if self.targets is not None and self.targets.classes is None else kind
        return f"Images({len(self):,} of {shape_told(self.shape)}, {kind})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    def take(self, index: Any) -> Images:
        """Some of the images, by integer index, mask or slice, in that order.

        >>> Images.of(np.zeros((3, 8, 8))).take([2, 0]).names
        ('x[2]', 'x[0]')
        """
        chosen = as_index(index)
        places = np.arange(len(self))[chosen].tolist()
        return Images(
            pixels=self.pixels[chosen],
            targets=None if self.targets is None else self.targets.take(chosen),
            names=tuple(self.names[i] for i in places),
            report=self.report,
        )

    def digests(self) -> np.ndarray:
        """A fingerprint of each image's pixels, uint64 (n,): equal images have equal ones (BLAKE2b, 8 bytes).

        >>> a, b = Images.of(np.zeros((2, 8, 8))).digests()
        >>> bool(a == b)
        True
        """
        width = int(np.prod(self.pixels.shape[1:])) * self.pixels.itemsize
        held = np.ascontiguousarray(self.pixels).reshape(-1).view(np.uint8).data
        rows = (held[at : at + width] for at in range(0, len(held), width))
        return np.frombuffer(b"".join(blake2b(row, digest_size=8).digest() for row in rows), np.uint64)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePreparation:
    """The shape and normalisation of training images, to bring others to the same; saved with a model.

    shape: channels, height, width. mean, std: (channels,) float32. scale: what the training pixels were, "bytes"
    (taken as 0..1), "unit" (numbers in 0..1; bytes are taken as 0..1 later) or "numbers" (bytes are taken as they are).
    """

    shape: tuple[int, int, int]
    mean: np.ndarray
    std: np.ndarray
    scale: str

    @classmethod
    def fit(cls, images: Images) -> ImagePreparation:
        """Measure training images. Raises DataError where there are none, or pixels are not finite.

        >>> ImagePreparation.fit(Images.of(np.array([[[0, 255]]], np.uint8))).mean
        array([0.5], dtype=float32)
        """
        if not len(images):
            raise DataError("there are no images", where="ImagePreparation.fit", mend="give training images")
        refuse_not_finite(images.pixels, "ImagePreparation.fit", images.names)
        channels = images.pixels.swapaxes(0, 1)
        of_bytes = images.pixels.dtype == np.uint8
        moments = np.array([(_byte_moments if of_bytes else _moments)(channel) for channel in channels])
        in_unit = not of_bytes and images.pixels.min() >= 0 and images.pixels.max() <= 1
        std = moments[:, 1].astype(np.float32)
        return cls(
            shape=images.shape,
            mean=moments[:, 0].astype(np.float32),
            std=np.where(std < np.finfo(np.float32).tiny, np.float32(1), std),
            scale="bytes" if of_bytes else "unit" if in_unit else "numbers",
        )

    def apply(self, images: Images) -> np.ndarray:
        """The images normalised, float32 (n, channels, height, width).

        Raises DataError where their shape is another, pixels are not finite, or numbers beyond 0..1 stand where the
        training images were bytes.

        >>> images = Images.of(np.array([[[0, 255]]], np.uint8))
        >>> ImagePreparation.fit(images).apply(images)
        array([[[[-1.,  1.]]]], dtype=float32)
        """
        pixels = images.pixels
        if images.shape != self.shape:
            height, width = self.shape[1:]
            raise DataError(
                f"the images are of {shape_told(images.shape)}, but those of training of {shape_told(self.shape)}",
                where="ImagePreparation.apply",
                mend=f'read them with size="{height}x{width}" and channels={self.shape[0]}',
            )
        of_bytes = pixels.dtype == np.uint8
        if self.scale == "bytes" and not of_bytes:
            _refuse_beyond_unit(images)
        unit = 255.0 if of_bytes and self.scale != "numbers" else 1.0
        mean = (self.mean.astype(np.float64) * unit).astype(np.float32)
        over = (1.0 / (self.std.astype(np.float64) * unit)).astype(np.float32)
        out = np.empty(pixels.shape, np.float32)
        step = _step(pixels, _CACHED)
        with np.errstate(over="ignore"):  # what overflows is infinite, and named
            for at in range(0, len(pixels), step):
                for channel in range(pixels.shape[1]):
                    here = np.s_[at : at + step, channel]
                    np.subtract(pixels[here], mean[channel], out=out[here])
                    np.multiply(out[here], over[channel], out=out[here])
        if not of_bytes:
            refuse_not_finite(out, "ImagePreparation.apply", images.names)
        return out


def _refuse_beyond_unit(images: Images) -> None:
    refuse_not_finite(images.pixels, "ImagePreparation.apply", images.names)
    low, high = float(images.pixels.min(initial=0)), float(images.pixels.max(initial=0))
    if low < 0 or high > 1:
        raise DataError(
            f"the pixels are numbers from {low:.6g} to {high:.6g}, but those of training were bytes, taken as 0..1",
            where="ImagePreparation.apply",
            mend="give bytes (uint8), or divide by the largest value there can be",
        )


def _byte_moments(pixels: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of bytes / 255, exact: from how often each value occurs."""
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in _parts(pixels))
    shares, values = counts / pixels.size, np.arange(256) / 255
    mean = float(shares @ values)
    return mean, float(np.sqrt(shares @ (values - mean) ** 2))


def _moments(pixels: np.ndarray) -> tuple[float, float]:
    """The same of float32 numbers, in float64; about the first value, so that a constant has exactly none."""
    about = float(pixels[0, 0, 0])
    mean = sum(float((part - about).sum()) for part in _wide(pixels)) / pixels.size + about
    square = sum(float(((part - mean) ** 2).sum()) for part in _wide(pixels)) / pixels.size
    return mean, square**0.5


def _parts(pixels: np.ndarray) -> Iterable[np.ndarray]:
    step = _step(pixels, _CHUNK)
    return (pixels[at : at + step] for at in range(0, len(pixels), step))


def _wide(pixels: np.ndarray) -> Iterable[np.ndarray]:
    return (part.astype(np.float64) for part in _parts(pixels))


def _step(pixels: np.ndarray, numbers: int) -> int:
    """How many images make about so many numbers."""
    return max(1, numbers // max(1, int(np.prod(pixels.shape[1:]))))
