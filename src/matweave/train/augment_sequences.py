"""Augmentation of sequences: noise, size, speed, gaps and delays; whole padded batches as tensor operations.

Step t of a sequence of length L lies at u = t / (L - 1). Everything happens within a sequence's own L steps: lengths stay,
no step is mixed with padding, and padding is zero afterwards, whatever it held before. In the order they are applied:

Time warp   The step at u is read at w(u) = u + Σ_k a_k sin(πku) / (πk), k = 1..4, linearly between two steps. w(0) = 0,
            w(1) = 1, and the speed w'(u) = 1 + Σ a_k cos(πku) lies within 1 ± Σ|a_k|: smooth, monotone, onto the
            sequence itself. The direction of a is Gaussian, Σ|a_k| evenly in [0, time_warp]. (Um et al. 2017 draw the
            speed as a spline through Gaussian knots, which can run backwards; this cannot.)
Shift       By whole steps, up to this share of L, earlier or later; steps beyond the ends are lost, those that come in
            are zero. Not circular: the end of a sequence is not what comes before its beginning.
Scale       All channels by one factor, evenly in 1 ± scale.
Jitter      Gaussian noise, of standard deviation `jitter` where the training data have 1 (Um et al. 2017).
Mask        One block of steps becomes zero, the mean of normalised data: its length evenly in 0..mask · L, rounded, its place
            anywhere (Park et al. 2019, section 2: time masking), one step is left at least. Codes become UNKNOWN instead.

Cost        O(steps · channels). Batch of 128 × 100 × 12, 1 thread: 3.5 ms of processor for all five (least of 100).
Checked by  tests/by_hand/augment.py (step by step), garbage in the padding, constant and linear sequences, properties of
            the warp by hypothesis: tests/train/test_augment_sequences.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, final

from matweave.config import check, config, number
from matweave.deep import Tensor, torch
from matweave.errors import ConfigError, DataError
from matweave.train.augment import TOKENS_CAN, Augmentation

UNKNOWN = 1
"""The code of a character that is not in the alphabet, as SequencePreparation gives it; 0 is padding."""

WAVES = 4
"""Sines in a time warp."""


@final
@config
class SequenceAugmentation(Augmentation):
    """All off by default. jitter: standard deviation of the noise, in those of the data. scale: 0.1: times 0.9 to 1.1.
    time_warp: 0.2: speeds of 0.8 to 1.2. mask: up to this share of the steps lost in one block. shift: up to this share of
    the length, either way, filled with zeros. For sequences of codes mask alone: nothing lies between two characters.

    >>> x, lengths, y = torch.tensor([[2, 3, 4, 5, 0]]), torch.tensor([4]), torch.tensor([0])
    >>> SequenceAugmentation(mask=0.5)((x, lengths, y), torch.Generator().manual_seed(5))[0]
    tensor([[1, 1, 4, 5, 0]])
    """

    jitter: float = 0.0
    scale: float = 0.0
    time_warp: float = 0.0
    mask: float = 0.0
    shift: float = 0.0

    strengths: ClassVar[Mapping[str, float | bool]] = {
        "jitter": 0.05,
        "scale": 0.1,
        "time_warp": 0.2,
        "mask": 0.15,
        "shift": 0.1,
    }

    def __post_init__(self) -> None:
        check(
            self,
            jitter=number(0),
            scale=number(0, 0.9),
            time_warp=number(0, 0.9),
            mask=number(0, 1),
            shift=number(0, 1),
        )

    def __call__(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """(x, lengths, y) with x changed: x float (n, steps, channels) or int64 codes (n, steps), lengths int64 (n,).

        Raises DataError for other shapes and types; ConfigError where codes meet more than mask, and where time_warp or
        shift meets answers for every step, which would stay behind.
        """
        x, lengths, y = self._checked(batch)
        n, steps = x.shape[:2]
        at = torch.arange(steps, device=x.device)
        valid = at < lengths[:, None]
        if self.time_warp:
            x = resampled(x, warp(lengths, steps, _waves(n, self.time_warp, generator).to(x.device)), lengths)
        if self.shift:
            x = _delayed(x, (self._drawn(n, generator, self.shift, x) * lengths).round().long(), lengths)
        if self.scale:
            x = x * (1 + self._drawn(n, generator, self.scale, x))[:, None, None]
        if self.jitter:
            x = x + self.jitter * torch.randn(x.shape, generator=generator).to(x.device, x.dtype)
        if self.mask:
            size, start = torch.rand(2, n, generator=generator).to(x.device)
            most = torch.minimum((self.mask * lengths).round(), lengths - 1).clamp(min=0)
            size = (size * (most + 1)).floor().minimum(most)
            start = (start * (lengths - size + 1)).floor()
            lost = (at >= start[:, None]) & (at < (start + size)[:, None])
            x = torch.where(lost if x.ndim == 2 else lost[:, :, None], UNKNOWN if x.ndim == 2 else 0.0, x)
        if x is not batch[0]:
            x = torch.where(valid if x.ndim == 2 else valid[:, :, None], x, 0)
        return x, lengths, y

    def _drawn(self, n: int, generator: torch.Generator, most: float, like: Tensor) -> Tensor:
        """n numbers, evenly in ± most."""
        return ((torch.rand(n, generator=generator) * 2 - 1) * most).to(like.device, like.dtype)

    def _checked(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        good = len(batch) == 3 and (
            (batch[0].ndim == 3 and batch[0].is_floating_point())
            or (batch[0].ndim == 2 and batch[0].dtype == torch.int64)
        )
        if not good or batch[1].shape != batch[0].shape[:1] or batch[1].dtype != torch.int64:
            seen = ", ".join(f"{t.dtype} {tuple(t.shape)}" for t in batch)
            raise DataError(
                f"the batch is {seen}",
                where="SequenceAugmentation",
                mend="give (x, lengths, y): x of floats (n, steps, channels) or int64 codes (n, steps), lengths int64 (n,)",
            )
        x, lengths, y = batch
        problems = []
        if x.ndim == 2:
            wrong = [name for name in self.strengths if getattr(self, name) and name not in TOKENS_CAN]
            problems += [f"{name} cannot be done to sequences of codes" for name in wrong]
        if y.ndim > (2 if y.is_floating_point() else 1):  # one answer for every step
            wrong = [name for name in ("time_warp", "shift") if getattr(self, name)]
            problems += [f"{name} would part the steps from their answers {tuple(y.shape)}" for name in wrong]
        if problems:
            raise ConfigError(
                "\n".join(problems), where="SequenceAugmentation", mend="leave them out: 0 is off"
            )
        return x, lengths, y


def warp(lengths: Tensor, steps: int, waves: Tensor) -> Tensor:
    """Where each step is read, float (n, steps): within 0..length - 1 and rising; 0 beyond the length.

    lengths: int64 (n,). waves: (n, k), the amplitudes a; a row's absolute values must sum to less than 1.

    >>> warp(torch.tensor([3]), 4, torch.tensor([[0.5]])).round(decimals=3).tolist()
    [[0.0, 1.318, 2.0, 0.0]]
    """
    last = (lengths - 1).clamp(min=0)[:, None].to(waves.dtype)
    at = torch.arange(steps, device=waves.device, dtype=waves.dtype)
    share = at / last.clamp(min=1)
    k = torch.arange(1, waves.shape[1] + 1, device=waves.device, dtype=waves.dtype) * math.pi
    waved = (torch.sin(share[:, :, None] * k) * (waves / k)[:, None]).sum(2)
    inner = (at > 0) & (at < last)  # the ends stay where they are, to the last bit
    places = torch.where(inner, (share + waved) * last, torch.minimum(at, last))
    return torch.where(at <= last, places.minimum(last).clamp(min=0), 0.0)


def resampled(x: Tensor, places: Tensor, lengths: Tensor) -> Tensor:
    """Sequences (n, steps, channels) read linearly at `places` (n, steps), each within its own length.

    >>> resampled(torch.tensor([[[0.0], [4.0], [9.0]]]), torch.tensor([[0.0, 0.5, 0.0]]), torch.tensor([2])).tolist()
    [[[0.0], [2.0], [0.0]]]
    """
    before = places.floor().long()
    after = torch.minimum(before + 1, (lengths - 1).clamp(min=0)[:, None])
    share = (places - before).to(x.dtype)[:, :, None]
    return torch.lerp(_steps(x, before), _steps(x, after), share)


def _delayed(x: Tensor, by: Tensor, lengths: Tensor) -> Tensor:
    """Sequences `by` (n,) steps later, zeros where nothing came from within the length."""
    source = torch.arange(x.shape[1], device=x.device) - by[:, None]
    inside = (source >= 0) & (source < lengths[:, None])
    return torch.where(inside[:, :, None], _steps(x, source.clamp(0, x.shape[1] - 1)), 0.0)


def _steps(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))


def _waves(n: int, most: float, generator: torch.Generator) -> Tensor:
    """Amplitudes (n, WAVES) whose absolute values sum to at most `most` in each row."""
    amplitudes = torch.randn(n, WAVES, generator=generator)
    size = torch.rand(n, 1, generator=generator) * most
    return amplitudes * (size / amplitudes.abs().sum(1, keepdim=True))
