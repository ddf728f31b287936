"""Augmentation of images: moved, bent, partly erased, mixed with each other; whole batches as tensor operations.

Moves       One map per image from the places of the result to those of the image, in pixels from the middle,
            u = M (v - t),  M = F · (1/s) · [[1, -tan φ], [0, 1]] · [[cos θ, sin θ], [-sin θ, cos θ]]:
            turned by θ, leant by φ, s times as large, mirrored by F = diag(±1, 1), then moved by t (shift and crop).
            Whatever is on is composed into this one map, and the image is read once, bilinearly: interpolating
            twice would blur twice. Where only flip and crop are on, places are whole and pixels are copied exactly.
Elastic     Places are displaced by a smooth random field: Gaussian noise on a lattice, smoothed by a Gaussian of 1/7
            of the side (4 pixels of 28), at any pixel of standard deviation `elastic` sides (Simard, Steinkraus &
            Platt 2003, section 2: there noise at every pixel, of σ 4 on 29 × 29). Part of the same single pass.
Erase       With this probability a rectangle of 2 to 33 % of the area, height / width of 0.3 to 3.3 evenly on the log
            scale, becomes background (Zhong et al. 2020, algorithm 1; sides are cut to the image, not drawn again).
Mixup       x = λ x_i + (1 - λ) x_j, y likewise, λ ~ Beta(α, α) for every pair (Zhang et al. 2018, eq. 1).
Cutmix      A box of x_j is pasted into x_i; its sides are √(1 - λ) of the image's, its middle anywhere, what lies outside
            is cut off, and y_i's weight is the exact share of the pixels kept (Yun et al. 2019, eqs. 1-2). Where both are
            on, a coin decides for each pair. j is a permutation of the batch.
Background  What comes in from outside is the image's own background, the median of each channel along its border: ink
            on paper, white on black and photographs alike, whatever the normalisation. `fill` gives it instead.
Cost        O(pixels). Batch of 128 × 1 × 28 × 28, 1 thread: 1.5 ms of processor for all moves together, 4 ms with
            everything on; of 128 × 3 × 32 × 32: 5 and 6.5 ms (least of 100; a test holds the first below 15 ms).
Checked by  tests/by_hand/augment.py (places one at a time), quarter turns and whole shifts against rot90 and roll,
            areas counted by hand, planted background, contiguous against channels-last: tests/train/test_augment_images.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np

from matweave.config import Rule, check, config, flag, integer, number, optional
from matweave.deep import Tensor, functional, torch
from matweave.errors import ConfigError, DataError
from matweave.train.augment import Augmentation
from matweave.train.warp_images import border, boxes, moved, warped

SMOOTH = 7
"""The smoothing of the elastic field is a Gaussian whose deviation is this part of the side."""

ERASED = (0.02, 0.33)
"""Least and largest share of the area of a rectangle erased."""

LONGEST = 3.3
"""Largest ratio of the sides of a rectangle erased, either way."""


@final
@config
class ImageAugmentation(Augmentation):
    """All off by default. shift: up to this share of the width and of the height, either way, each. rotate: up to so
    many degrees, either way. scale: 0.1: times 0.9 to 1.1. shear: upright lines lean by up to so many degrees, either
    way. elastic: standard deviation of the bending, as a share of the side. flip: mirrored left to right, on a coin.
    crop: as if padded by so many pixels all around and cut at random to the old size. erase: probability of losing a
    rectangle. mixup, cutmix: α of Beta(α, α), 0: off. fill: the background, one number or one per channel, as
    normalised; None: the median of each image's border. classes: how many there are; mixup and cutmix need it where
    answers are class codes.

    >>> x, y = torch.arange(4.0).reshape(1, 1, 2, 2), torch.tensor([0])
    >>> moved, _ = ImageAugmentation(flip=True)((x, y), torch.Generator().manual_seed(3))
    >>> moved.tolist()
    [[[[1.0, 0.0], [3.0, 2.0]]]]
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    flip: bool = False
    crop: int = 0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    fill: float | tuple[float, ...] | None = None
    classes: int | None = None

    strengths: ClassVar[Mapping[str, float | bool]] = {
        "shift": 0.1,
        "rotate": 15,
        "scale": 0.1,
        "shear": 10,
        "elastic": 0.03,
        "flip": True,
        "crop": 4,
        "erase": 0.5,
        "mixup": 0.2,
        "cutmix": 1.0,
    }

    def __post_init__(self) -> None:
        check(
            self,
            shift=number(0, 1),
            rotate=number(0, 180),
            scale=number(0, 0.9),
            shear=number(0, 60),
            elastic=number(0, 0.5),
            flip=flag(),
            crop=integer(0),
            erase=number(0, 1),
            mixup=number(0),
            cutmix=number(0),
            fill=_colour,
            classes=optional(integer(1)),
        )

    @property
    def mixes(self) -> bool:
        """Whether answers are mixed too: class codes (n,) then become probabilities (n, classes)."""
        return self.mixup > 0 or self.cutmix > 0

    def __call__(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """(x, y) changed: x float (n, channels, height, width); y codes or numbers, mixed where `mixes`.

        Raises DataError for other shapes and types, or codes of `classes` and more; ConfigError where mixup or cutmix
        meets codes without `classes`, where crop leaves nothing, where fill has another number of channels.
        """
        x, y = self._checked(batch)
        nhwc = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        bends = any((self.shift, self.rotate, self.scale, self.shear, self.elastic))
        if bends or self.flip or self.crop or self.erase:
            fill = border(x) if self.fill is None else x.new_tensor(self.fill).reshape(1, -1, 1, 1)
            if bends:
                maps = self._maps(x, generator)
                x = warped(x, maps, fill, self._bent(x, generator) if self.elastic else None)
            elif self.flip or self.crop:
                x = moved(x, self._maps(x, generator), fill)
            if self.erase:
                x = torch.where(self._holes(x, generator), fill, x)
        if self.mixes:
            x, y = self._mixed(x, y, generator)
        return x.contiguous(memory_format=torch.channels_last if nhwc else torch.contiguous_format), y

    def _checked(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        if len(batch) != 2 or batch[0].ndim != 4 or batch[0].dtype not in (torch.float32, torch.float64):
            seen = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in batch)
            raise DataError(
                f"the batch is {seen}",
                where="ImageAugmentation",
                mend="give (x, y), x float32 (n, channels, height, width), as prepared for the network",
            )
        x, y = batch
        problems = []
        if self.crop >= min(x.shape[2:]):
            problems.append(f"crop={self.crop} could leave nothing of images of {x.shape[2]} × {x.shape[3]}")
        if isinstance(self.fill, tuple | list) and len(self.fill) != x.shape[1]:
            problems.append(f"fill has {len(self.fill)} values, and the images {x.shape[1]} channels")
        if self.mixes and not y.is_floating_point() and self.classes is None:
            problems.append("mixup and cutmix turn class codes into probabilities, and classes is not set")
        if problems:
            raise ConfigError(
                "\n".join(problems), where="ImageAugmentation", mend="correct the settings, or leave them out"
            )
        return x, y

    def _maps(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The map of each image, float32 (n, 2, 3), on the CPU: from places of the result to places of the image."""
        n, _, height, width = x.shape
        turn, lean, size, right, down, side, crop_right, crop_down = _uniform(generator, n, 8)
        turn, lean = (turn * self.rotate).deg2rad(), (lean * self.shear).deg2rad()
        right = right * (self.shift * width) + (crop_right * (self.crop + 0.5)).round().clamp(
            -self.crop, self.crop
        )
        down = down * (self.shift * height) + (crop_down * (self.crop + 0.5)).round().clamp(
            -self.crop, self.crop
        )
        mirror = torch.where(side < 0, -1.0, 1.0) if self.flip else torch.ones(n)
        cos, sin, tan = turn.cos(), turn.sin(), lean.tan()
        back = torch.stack([mirror * (cos + tan * sin), mirror * (sin - tan * cos), -sin, cos], 1)
        back = (back / (1 + size * self.scale)[:, None]).reshape(n, 2, 2)
        offset = -(back * torch.stack([right, down], 1)[:, None]).sum(2, keepdim=True)
        return torch.cat([back, offset], 2)

    def _bent(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Displacements right and down in pixels, float (n, 2, height, width)."""
        n, _, height, width = x.shape
        knots = torch.arange(-2.0, SMOOTH + 2) + 0.5  # in deviations of the smoothing, two beyond either edge
        far = self.elastic * torch.tensor([width, height]).view(2, 1, 1)
        noise = far * torch.randn(n, 2, len(knots), len(knots), generator=generator)
        down, across = (_bumps(side, knots) for side in (height, width))
        field = down @ (noise @ across.T)
        return field.to(x.device, x.dtype)

    def _holes(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Where images are erased, bool (n, 1, height, width)."""
        n, _, height, width = x.shape
        hit, area, ratio, down, right = _uniform(generator, n, 5)
        least, most = ERASED
        area = height * width * (least + (most - least) * (area + 1) / 2)
        ratio = torch.exp(ratio * math.log(LONGEST))
        tall = (area * ratio).sqrt().round().clamp(1, height)
        wide = (area / ratio).sqrt().round().clamp(1, width)
        top = ((down + 1) / 2 * (height - tall + 1)).floor()
        left = ((right + 1) / 2 * (width - wide + 1)).floor()
        tall = torch.where((hit + 1) / 2 < self.erase, tall, 0.0)
        return boxes(top, top + tall, left, left + wide, height, width).to(x.device)

    def _mixed(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        n, _, height, width = x.shape
        partner = torch.randperm(n, generator=generator)
        cuts, down, right = _uniform(generator, n, 3)
        cuts = cuts < 0 if self.mixup and self.cutmix else torch.full((n,), self.cutmix > 0)
        # torch has no public draw from Beta that takes a generator
        rng = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
        alpha = torch.where(cuts, float(self.cutmix), float(self.mixup)).double().numpy()
        kept = torch.from_numpy(rng.beta(alpha, alpha)).to(x.dtype)
        pixels = kept.view(n, 1, 1, 1)
        if self.cutmix:
            half = (1 - kept).clamp(min=0).sqrt() / 2
            middle, centre = (down + 1) / 2 * height, (right + 1) / 2 * width
            rows = (middle - half * height).round(), (middle + half * height).round()
            columns = (centre - half * width).round(), (centre + half * width).round()
            outside = (~boxes(*rows, *columns, height, width)).to(x.dtype)
            pixels = torch.where(cuts.view(n, 1, 1, 1), outside, pixels)
            kept = torch.where(cuts, outside.sum((1, 2, 3)) / (height * width), kept)
        partner, pixels, kept = (t.to(x.device) for t in (partner, pixels, kept))
        y = y if y.is_floating_point() else self._probabilities(y, x.dtype)
        kept = kept.to(y.dtype).view(n, *[1] * (y.ndim - 1))
        return torch.lerp(x[partner], x, pixels), torch.lerp(y[partner], y, kept)

    def _probabilities(self, y: Tensor, dtype: torch.dtype) -> Tensor:
        classes = self.classes or 0
        if y.ndim != 1 or bool(((y < 0) | (y >= classes)).any()):
            raise DataError(
                f"the answers are {y.dtype} {tuple(y.shape)} from {int(y.min())} to {int(y.max())}",
                where="ImageAugmentation",
                mend=f"give one class code in [0, {classes - 1}] for each image, or set classes",
            )
        return functional.one_hot(y.long(), classes).to(dtype)


def _uniform(generator: torch.Generator, n: int, k: int) -> tuple[Tensor, ...]:
    """k draws of n numbers in [-1, 1)."""
    return (torch.rand(k, n, generator=generator) * 2 - 1).unbind()


def _bumps(side: int, knots: Tensor) -> Tensor:
    """Gaussians about the knots at every pixel, float (side, knots), rows of norm 1: unit noise stays of unit variance."""
    places = (torch.arange(side) + 0.5) * (SMOOTH / side)
    return functional.normalize(torch.exp(-((places[:, None] - knots) ** 2) / 2), dim=1)


def _colour(value: object) -> str | None:
    several = isinstance(value, tuple | list)
    rule: Rule = number()
    if value is None or (several and value and not any(map(rule, value))):
        return None
    return None if not several and rule(value) is None else "a number, or one number per channel, or none"
