"""Histories as a network reads them: the last items of each user, in the order they happened, without padding between.

    packed      steps of all users of a batch one behind the other, P in all: what linear layers and norms work on
    slots       where each packed step stands in a grid of (users, longest): what attention and recurrence work on

Only the last `length` items are read. A step's position counts from the end, length - 1 for the last, so that a history of
any length ends at the same position. In training the target of a step is the item after it, never an earlier one.

Rows are gathered by compiled kernels from the order that `Csr` keeps; the batch of (epoch, at) depends on the seed alone.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit

from matweave.config import integer
from matweave.data.csr import Csr
from matweave.deep import Tensor, generator, torch
from matweave.errors import ConfigError
from matweave.neural.sampling import draw_negatives
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch


@final
class NextItems:
    """Batches of histories for next-item training, `batch_size` users each; a user of fewer than two items has no target.

    batch(epoch, at) gives, P packed steps of B users:
      inputs (P,), targets (P,), slots (P,), positions (P,) int64; lengths (B,) int64; negatives int64, if any.

    negatives: wrong items drawn uniformly, so many (k) for each `draw` (0: none): "step", (P, k), from the items that the
    step's user has nowhere; "any", (P, k), from all items; "batch", (k,), from all for all steps, by their counts to the
    power `alpha`. In the last two a step's own target is the loss's to mask.
    Where no user has two items there are no examples and no batches. Raises ConfigError for a batch size out of range.
    """

    def __init__(
        self,
        histories: Csr,
        *,
        length: int,
        batch_size: int,
        negatives: int = 0,
        draw: str = "step",
        alpha: float = 0.0,
        seed: int = 0,
    ) -> None:
        if integer(1)(batch_size):
            raise ConfigError(
                f"batch_size is {batch_size!r}", where="batch_size", mend="give an integer >= 1"
            )
        counts = histories.counts
        self.users = np.flatnonzero(counts >= 2)
        self.histories, self.items = histories, histories.in_order()
        self.length, self.batch_size, self.negatives, self.draw = length, batch_size, negatives, draw
        self.examples = len(self.users)
        self.steps_per_epoch = -(-self.examples // batch_size)
        self.seed, self._base = seed, child_seed(seed, "negatives")
        self._shares = (
            np.cumsum(np.bincount(histories.indices, minlength=histories.n_columns) ** alpha)
            if alpha and negatives
            else None
        )
        self._order: tuple[int, np.ndarray] = (-1, self.users)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, self.users[drawn.numpy()])
        rows = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        indptr = self.histories.indptr
        lengths = np.minimum(indptr[rows + 1] - indptr[rows] - 1, self.length)
        steps = _next_items(indptr, self.items, rows, lengths, lengths.max(), self.length)
        arrays = [*steps, lengths]
        seed = stepped(self._base, epoch, at)
        if self.negatives and self.draw == "batch":
            arrays.append(self._drawn(child_rng(seed)))
        elif self.negatives and self.draw == "step":
            owners = np.repeat(rows, lengths)
            drawn = draw_negatives(self.histories, owners, self.negatives, seed)
            arrays.append(drawn.astype(np.int64))
        made = [torch.from_numpy(a).to(self._device) for a in arrays]
        if self.negatives and self.draw == "any":
            made.append(self._any((len(steps[0]), self.negatives), seed))
        return tuple(made)

    def _any(self, shape: tuple[int, int], seed: int) -> Tensor:
        """Drawn where they are used: they are millions, which an accelerator draws itself sooner than it is sent them."""
        n = self.histories.n_columns
        if self._device.type == "cpu":
            return torch.from_numpy(child_rng(seed).integers(0, n, shape))
        there = torch.Generator(self._device)
        there.manual_seed(seed)
        return torch.randint(n, shape, generator=there, device=self._device)

    def _drawn(self, rng: np.random.Generator) -> np.ndarray:
        if self._shares is None:
            return rng.integers(0, self.histories.n_columns, self.negatives)
        return np.searchsorted(self._shares, rng.random(self.negatives) * self._shares[-1], side="right")


def child_rng(seed: int) -> np.random.Generator:
    """A quick generator of a step's seed."""
    return np.random.Generator(np.random.SFC64(seed))


def last_steps(histories: Csr, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `length` items of each row, first of them first: codes (n, longest) int64, filled up by 0, and how many (n,).

    >>> one = Csr(indptr=np.array([0, 3]), indices=np.array([1, 4, 6], np.int32), values=None, n_columns=9,
    ...           order=np.array([2, 0, 1], np.int32))
    >>> codes, lengths = last_steps(one, 2)
    >>> codes.tolist(), lengths.tolist()
    ([[1, 4]], [2])
    """
    lengths = np.minimum(histories.counts, length)
    codes = np.zeros((histories.n_rows, max(1, int(lengths.max(initial=1)))), np.int64)
    _fill_last(histories.indptr, histories.in_order(), lengths, codes)
    return codes, lengths


def packed(codes: Tensor, lengths: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Padded rows (n, T) as packed inputs, slots and positions (P,), as `NextItems` gives them.

    >>> [t.tolist() for t in packed(torch.tensor([[7, 8], [9, 0]]), torch.tensor([2, 1]), 5)]
    [[7, 8, 9], [0, 1, 2], [3, 4, 4]]
    """
    steps = torch.arange(codes.shape[1], device=codes.device)
    there = steps < lengths[:, None]
    slots = there.flatten().nonzero().squeeze(1)
    positions = (length - lengths[:, None] + steps)[there]
    return codes[there], slots, positions


@njit(nogil=True, cache=True)
def _next_items(indptr, items, rows, lengths, longest, length):
    total = lengths.sum()
    inputs, targets = np.empty(total, np.int64), np.empty(total, np.int64)
    slots, positions = np.empty(total, np.int64), np.empty(total, np.int64)
    p = 0
    for b in range(len(rows)):
        n = lengths[b]
        start = indptr[rows[b] + 1] - n - 1
        for t in range(n):
            inputs[p] = items[start + t]
            targets[p] = items[start + t + 1]
            slots[p] = b * longest + t
            positions[p] = length - n + t
            p += 1
    return inputs, targets, slots, positions


@njit(nogil=True, cache=True)
def _fill_last(indptr, items, lengths, codes):
    for b in range(len(lengths)):
        start = indptr[b + 1] - lengths[b]
        for t in range(lengths[b]):
            codes[b, t] = items[start + t]
