"""Windows sliding over histories: the last items before a place, and the next ones at it, made as they are asked for.

A user of n items has the windows whose targets begin at place s = L, L + 1, ..., n - T: the L items before s, the T items from s on. A user of
fewer than L + T items has one, at s = max(1, n - T), with the items before it at the right of the L places and `n_items` in the
places left over (Tang & Wang's padding); where n <= T it has n - 1 targets, and the places left over are told by -1.
So every user of two items has a window, and one of fewer has none.

Window w belongs to the user in whose run of numbers it falls; only the windows of a batch are ever made.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import generator, torch
from matweave.neural.sampling import draw_negatives
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch


@final
class Windows:
    """Batches of `batch_size` windows of `length` items and `targets` next ones, with `negatives` for each target.

    batch(epoch, at) gives, for B windows: items (B, length), n_items where there is none; users (B,); targets (B, targets), -1 where
    there is none; negatives (B, targets · negatives), drawn uniformly from what the user has nowhere. All int64.

    >>> log = Csr.from_pairs([0, 0, 0, 1, 1], [0, 1, 2, 2, 0], shape=(2, 3))
    >>> from dataclasses import replace
    >>> log = replace(log, order=np.array([0, 1, 2, 1, 0], np.int32))
    >>> found = Windows(log, length=2, targets=1, negatives=1, batch_size=4, seed=0)
    >>> items, users, targets, _ = found.batch(0, 0)
    >>> rows = zip(users.tolist(), items.tolist(), targets.tolist())
    >>> sorted(rows)
    [(0, [0, 1], [2]), (1, [3, 2], [0])]
    """

    def __init__(
        self, histories: Csr, *, length: int, targets: int, negatives: int, batch_size: int, seed: int
    ) -> None:
        counts = histories.counts
        runs = np.where(counts >= 2, np.maximum(counts - (length + targets) + 1, 1), 0)
        self.histories, self.items = histories, histories.in_order()
        self.length, self.targets, self.negatives = length, targets, negatives
        self.batch_size, self.seed = batch_size, seed
        self._ends = np.cumsum(runs)
        self.examples = int(runs.sum())
        self.steps_per_epoch = -(-self.examples // batch_size)
        self._base = child_seed(seed, "negatives")
        self._order: tuple[int, np.ndarray] = (-1, self._ends)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, drawn.numpy())
        windows = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        users = np.searchsorted(self._ends, windows, side="right")
        made = _windows(
            self.histories.indptr,
            self.items,
            users,
            self._ends[users] - windows - 1,
            self.length,
            self.targets,
            self.histories.n_columns,
        )
        negatives = draw_negatives(
            self.histories, users, self.targets * self.negatives, stepped(self._base, epoch, at)
        )
        arrays = (made[0], users, made[1], negatives.astype(np.int64))
        return tuple(torch.from_numpy(a).to(self._device) for a in arrays)


def last_images(histories: Csr, length: int) -> np.ndarray:
    """The last `length` items of each row at the right of (n, length) int64, and n_items in the places left over.

    >>> one = Csr(indptr=np.array([0, 2]), indices=np.array([1, 4], np.int32), values=None, n_columns=9,
    ...           order=np.array([1, 0], np.int32))
    >>> last_images(one, 3).tolist()
    [[9, 4, 1]]
    """
    ends = histories.indptr[1:]
    return _images(histories.indptr[:-1], ends, histories.in_order(), length, histories.n_columns)


@njit(nogil=True, cache=True)
def _windows(indptr, items, users, from_last, length, targets, padding):
    """from_last: how many windows of the same user come after each."""
    seen = np.full((len(users), length), padding, np.int64)
    wanted = np.full((len(users), targets), -1, np.int64)
    for b in range(len(users)):
        low, high = indptr[users[b]], indptr[users[b] + 1]
        start = max(low + 1, high - targets - from_last[b])
        for t in range(min(length, start - low)):
            seen[b, length - 1 - t] = items[start - 1 - t]
        for t in range(min(targets, high - start)):
            wanted[b, t] = items[start + t]
    return seen, wanted


@njit(nogil=True, cache=True)
def _images(starts, ends, items, length, padding):
    seen = np.full((len(starts), length), padding, np.int64)
    for b in range(len(starts)):
        for t in range(min(length, ends[b] - starts[b])):
            seen[b, length - 1 - t] = items[ends[b] - 1 - t]
    return seen
