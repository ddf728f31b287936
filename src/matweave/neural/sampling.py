"""Positives of a log with negatives drawn beside them: what losses on pairs are trained on.

Draw        The m items that a user has not, in order, are numbered 0..m-1; a draw is a number r below m, and the r-th of them is
            found by binary search in the user's sorted row: entry k of the row has (item - k) such items before it. So every
            draw is exact and costs log2(row) steps, however full the row is; nothing is tried again. (r is the upper half of 64
            hashed bits times m, over 2^32: shares are off by m / 2^32 at most.)
Hash        SplitMix64's finalizer (Steele, Lea, Flood 2014) of seed + position · golden ratio: a draw depends on its seed and
            position alone, so pieces can be drawn by any thread, or again.
Batches     (epoch, place) alone decides a batch. They are made in pieces of some hundred thousand rows, which on an
            accelerator are sent in one go, and then sliced.
Cost        About 30 ns a row on one core; a piece of some MB is held.
Checked by  tests/neural/test_sampling.py: never the user's own items, uniform by a chi-squared bound, equal bits by any threads.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import Tensor, generator, torch
from matweave.linalg.hashes import GOLDEN, mixed
from matweave.randomness import child_seed, stepped
from matweave.threads import in_parallel
from matweave.train.task import Batch

PIECE = 1 << 18  # rows made at once
_SHARE = 1 << 15  # draws worth a thread's while


def draw_negatives(csr: Csr, users: np.ndarray, count: int, seed: int, *, first: int = 0) -> np.ndarray:
    """Items (n, count) int32 for rows `users` (n,) of `csr`, uniformly from those that the row has not; a row of all items gets any.

    first: the position of users[0] in the stream of this seed; draws of one position are the same in any piece.

    >>> log = Csr.from_pairs([0, 0, 1], [0, 2, 1], shape=(2, 3))
    >>> draw_negatives(log, np.array([0, 0]), 3, seed=5).tolist()
    [[1, 1, 1], [1, 1, 1]]
    """
    n = len(users)
    found = np.empty((n, count), np.int32)
    pieces = max(1, min(n, n * count // _SHARE))
    cuts = [(i * n // pieces, (i + 1) * n // pieces) for i in range(pieces)]
    start = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)

    def work(low: int, high: int) -> None:
        _draw(
            csr.indptr,
            csr.indices,
            users[low:high],
            found[low:high],
            np.int64(csr.n_columns),
            start,
            first + low,
        )

    in_parallel(work, cuts)
    return found


@final
class Pointwise:
    """Batches of rows, each a positive of the log (label 1, or its `labels`) or one of its `negatives` (label 0).

    batch(epoch, at) gives users (b,) and items (b,) int64, labels (b,) float32; the rows of one positive follow each other, its own
    first. batch_size counts all of them; a batch holds at least one positive. labels: (nnz,) float32 in the order of the
    log's entries; None for ones.

    >>> log = Csr.from_pairs([0, 1], [0, 2], shape=(2, 3))
    >>> users, items, labels = Pointwise(log, batch_size=4, negatives=1, seed=0).batch(0, 0)
    >>> sorted(users.tolist()), labels.tolist()
    ([0, 0, 1, 1], [1.0, 0.0, 1.0, 0.0])
    """

    def __init__(
        self, log: Csr, *, batch_size: int, negatives: int, seed: int, labels: np.ndarray | None = None
    ) -> None:
        self._pairs = _Pairs(log, max(1, batch_size // (1 + negatives)), negatives, seed)
        self._labels = labels
        self.examples, self.steps_per_epoch = log.nnz * (1 + negatives), self._pairs.steps
        self._made: tuple[Tensor, Tensor, Tensor] | None = None

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._pairs.to(device)

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        low, high, fresh = self._pairs.go_to(epoch, at)
        each = 1 + self._pairs.negatives
        if fresh or self._made is None:
            entries, users, items = self._pairs.piece()
            labels = np.zeros(items.shape, np.float32)
            labels[:, 0] = 1.0 if self._labels is None else self._labels[entries]
            arrays = np.repeat(users, each), items.ravel(), labels.ravel()
            made = [torch.from_numpy(a).to(self._pairs.device) for a in arrays]
            self._made = made[0], made[1], made[2]
        return tuple(tensor[low * each : high * each] for tensor in self._made)


@final
class Pairwise:
    """Batches of `batch_size` positives, each with `negatives` drawn beside it.

    batch(epoch, at) gives users (b,), positives (b,) and negatives (b, negatives), int64.

    >>> log = Csr.from_pairs([0, 1], [0, 2], shape=(2, 3))
    >>> [tuple(t.shape) for t in Pairwise(log, batch_size=2, negatives=4, seed=0).batch(0, 0)]
    [(2,), (2,), (2, 4)]
    """

    def __init__(self, log: Csr, *, batch_size: int, negatives: int, seed: int) -> None:
        self._pairs = _Pairs(log, batch_size, negatives, seed)
        self.examples, self.steps_per_epoch = log.nnz, self._pairs.steps
        self._made: tuple[Tensor, Tensor] | None = None

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._pairs.to(device)

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        low, high, fresh = self._pairs.go_to(epoch, at)
        if fresh or self._made is None:
            _, users, items = self._pairs.piece()
            made = [torch.from_numpy(a).to(self._pairs.device) for a in (users, items)]
            self._made = made[0], made[1]
        users, items = self._made[0][low:high], self._made[1][low:high]
        return users, items[:, 0], items[:, 1:]


@final
class _Pairs:
    """The positives of an epoch in their drawn order, and the piece of them that the batches now are slices of."""

    def __init__(self, log: Csr, positives: int, negatives: int, seed: int) -> None:
        self.log, self.positives, self.negatives, self.seed = log, positives, negatives, seed
        self.owners = np.repeat(np.arange(log.n_rows, dtype=np.int64), log.counts)
        self.steps = -(-log.nnz // positives)
        self.per_piece = max(1, PIECE // (positives * (1 + negatives)))  # batches
        self.device = torch.device("cpu")
        self._base = child_seed(seed, "negatives")
        self._order: tuple[int, np.ndarray] = (-1, self.owners)
        self._at = (-1, -1)  # epoch and number of the piece

    def to(self, device: torch.device) -> None:
        self.device, self._at = device, (-1, -1)

    def go_to(self, epoch: int, at: int) -> tuple[int, int, bool]:
        """Where the batch's positives stand in its piece, from and to, and whether this is another piece than before."""
        piece, place = divmod(at, self.per_piece)
        fresh = self._at != (epoch, piece)
        self._at = epoch, piece
        low, start = place * self.positives, at * self.positives
        return low, low + min(self.positives, self.log.nnz - start), fresh

    def piece(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Entries of the log (p,), their users (p,) and items (p, 1 + negatives), the positive in front; int64."""
        epoch, number = self._at
        if self._order[0] != epoch:
            drawn = torch.randperm(self.log.nnz, generator=generator(self.seed, "order", epoch))
            self._order = epoch, drawn.numpy()
        start = number * self.per_piece * self.positives
        entries = self._order[1][start : start + self.per_piece * self.positives]
        users = self.owners[entries]
        items = np.empty((len(entries), 1 + self.negatives), np.int64)
        items[:, 0] = self.log.indices[entries]
        if self.negatives:
            items[:, 1:] = draw_negatives(
                self.log, users, self.negatives, stepped(self._base, epoch), first=start
            )
        return entries, users, items


@njit(nogil=True, cache=True)
def _draw(indptr, indices, users, found, n_items, seed, first):
    count = found.shape[1]
    for p in range(len(users)):
        low, high = indptr[users[p]], indptr[users[p] + 1]
        if high - low >= n_items:  # nothing is left out: any item
            high = low
        free = np.uint64(n_items - (high - low))
        for k in range(count):
            h = mixed(np.uint64(seed + np.uint64((first + p) * count + k + 1) * GOLDEN))
            r = np.int64(((h >> np.uint64(32)) * free) >> np.uint64(32))
            a, b = low, high
            while a < b:  # the first entry with more than r free items before it
                middle = (a + b) >> 1
                if np.int64(indices[middle]) - (middle - low) <= r:
                    a = middle + 1
                else:
                    b = middle
            found[p, k] = r + (a - low)
