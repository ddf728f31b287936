"""Rows of a log as autoencoders read them: only what is there, dropped and normalised, through a first layer that knows no zeros.

Input       x̂_u = m ∘ x_u / (|x_u| (1 - p)), x_u the row of ones, m_i 1 with probability 1 - p, else 0: the row is first brought to length 1,
            then thinned (Liang, Krishnan, Hoffman, Jebara 2018, section 3.2 and their code). All kept entries of a row are
            equal, so a row is a list of codes and one scale.
Product     (x̂ E)_u = scale_u Σ_{i kept} e_i, a sum of table rows; its gradient to the table, row i: Σ_{u keeps i} scale_u g_u, is a sum of
            the same kind over the entries by item. Both are torch's embedding_bag: no atomic adds, so the same bits each time.
Draws       entry k of a batch is kept where a hash (SplitMix64's finalizer) of the step's seed and k says so.
Cost        entries · width additions each way, where the dense product takes users · items · width; 10 ns an entry for the batch.
Checked by  tests/neural/test_user_rows.py: dense products, numerical gradients, shares kept, the same batch from its place.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import Tensor, functional, generator, nn, torch
from matweave.linalg.hashes import GOLDEN, mixed
from matweave.neural.embeddings import Table
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch


class Bags(NamedTuple):
    """Entries of n rows, one row behind the other: codes (P,) and where each row begins, starts (n,), int32.

    back_rows (P,), back_starts (items,): the same entries by item, which a gradient needs. weights, back_weights (P,) float32, or
    None where every entry is 1.
    """

    codes: Tensor
    starts: Tensor
    back_rows: Tensor | None = None
    back_starts: Tensor | None = None
    weights: Tensor | None = None
    back_weights: Tensor | None = None


def row_sums(bags: Bags, table: Tensor) -> Tensor:
    """Σ weight · table row over the entries of each row: (n, width) from a table (items, width).

    >>> bags = Bags(torch.tensor([0, 2], dtype=torch.int32), torch.tensor([0, 2], dtype=torch.int32))
    >>> row_sums(bags, torch.tensor([[1.0], [10.0], [100.0]])).tolist()
    [[101.0], [0.0]]
    """
    if bags.back_rows is None or not table.requires_grad:
        return _sums(bags.codes, bags.starts, bags.weights, table.detach())
    found = _RowSums.apply(table, bags)
    assert isinstance(found, Tensor)
    return found


def bags_of(counts: Tensor, codes: Tensor) -> Bags:
    """The entries of rows with these counts (n,), for a product without a gradient to the table."""
    return Bags(codes, (counts.cumsum(0) - counts).to(codes.dtype))


@final
class FirstLayer(nn.Module):
    """x̂ E + b: a linear layer on thinned, normalised rows. std: spread of E at the start; bias_std: of b."""

    def __init__(
        self, items: int, width: int, *, rank: int | None, std: float, bias_std: float = 0.001
    ) -> None:
        super().__init__()
        self.table = Table(items, width, rank=rank, std=std)
        self.bias = nn.Parameter(torch.randn(width) * bias_std)

    def forward(self, counts: Tensor, bags: Bags, kept: float = 1.0) -> Tensor:
        """(n, width). counts (n,): entries of each row before it was thinned; kept: the share that is left, 1 - p."""
        table = self.table
        x = row_sums(bags, table.weight if table.rank is None else table.left)
        x = x * (1 / (kept * counts.clamp(min=1).sqrt()))[:, None]
        return (x if table.rank is None else x @ table.right) + self.bias


@final
class UserRows:
    """Batches of rows that have entries, `batch_size` at a time: counts (B,) int64 and codes (P,) int32.

    drop: share of the entries that the input lacks; then a batch goes on with the four tensors of `Bags` for what is kept, and
    codes are the targets. None: no such input.

    >>> rows = UserRows(Csr.from_pairs([0, 0, 2], [0, 2, 1], shape=(3, 3)), batch_size=2, drop=0.0)
    >>> counts, codes, kept, starts, back_rows, back_starts = rows.batch(0, 0)
    >>> rows.examples, sorted(counts.tolist()), sorted(kept.tolist()), back_starts.tolist()
    (2, [1, 2], [0, 1, 2], [0, 1, 2])
    """

    def __init__(self, rows: Csr, *, batch_size: int, drop: float | None, seed: int = 0) -> None:
        self.csr, self.batch_size, self.drop, self.seed = rows, batch_size, drop, seed
        self.there = np.flatnonzero(rows.counts > 0)
        self.examples = len(self.there)
        self.steps_per_epoch = -(-self.examples // batch_size)
        self._base = child_seed(seed, "kept")
        self._order: tuple[int, np.ndarray] = (-1, self.there)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, self.there[drawn.numpy()])
        mine = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        counts, codes = gathered(self.csr, mine)
        arrays = [counts, codes]
        if self.drop is not None:
            seed = np.uint64(stepped(self._base, epoch, at))
            kept, starts, ends = _thinned(counts, codes, self.drop, seed)
            arrays += [kept, starts, *by_item(kept, ends, self.csr.n_columns)[:2]]
        return tuple(torch.from_numpy(a).to(self._device) for a in arrays)


def gathered(rows: Csr, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """counts (n,) int64 and codes (P,) int32 of some rows, one behind the other."""
    counts = rows.indptr[chosen + 1] - rows.indptr[chosen]
    return counts, rows.indices[entries_of(rows, chosen, counts)]


def entries_of(rows: Csr, chosen: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Where the entries of some rows stand in the matrix, (P,) int64."""
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(rows.indptr[chosen] - before, counts)


def by_item(codes: np.ndarray, ends: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries by row as entries by item: rows (P,) int32, starts (items,) int32, and the place of each among those by row.

    >>> [a.tolist() for a in by_item(np.array([1, 0, 1], np.int32), np.array([2, 3]), 3)]
    [[0, 0, 1], [0, 1, 3], [1, 0, 2]]
    """
    return _by_item(codes, ends, items)


def _sums(codes: Tensor, starts: Tensor, weights: Tensor | None, table: Tensor) -> Tensor:
    if not len(codes):  # all was dropped
        return table.new_zeros(len(starts), table.shape[1])
    return functional.embedding_bag(codes, table, starts, mode="sum", per_sample_weights=weights)


@final
class _RowSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, bags: Bags) -> Tensor:
        ctx.bags = bags
        return _sums(bags.codes, bags.starts, bags.weights, table)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        bags: Bags = ctx.bags
        assert bags.back_rows is not None
        assert bags.back_starts is not None
        return _sums(bags.back_rows, bags.back_starts, bags.back_weights, grads[0].contiguous()), None


@njit(nogil=True, cache=True)
def _thinned(counts, codes, drop, seed):
    """The codes kept, where each row's begin, and where they end."""
    n = len(counts)
    kept = np.empty(len(codes), np.int32)
    starts, ends = np.empty(n, np.int32), np.empty(n, np.int64)
    least = np.uint64(drop * 4294967296.0)
    p = q = 0
    for row in range(n):
        starts[row] = q
        for _ in range(counts[row]):
            z = mixed(np.uint64(seed + np.uint64(p + 1) * GOLDEN))
            kept[q] = codes[p]
            q += np.uint64(z >> np.uint64(32)) >= least
            p += 1
        ends[row] = q
    return kept[:q].copy(), starts, ends


@njit(nogil=True, cache=True)
def _by_item(codes, ends, items):
    starts = np.zeros(items + 1, np.int32)
    for code in codes:
        starts[code + 1] += 1
    for item in range(items):
        starts[item + 1] += starts[item]
    at = starts[:-1].copy()
    rows, places = np.empty(len(codes), np.int32), np.empty(len(codes), np.int64)
    p = 0
    for row in range(len(ends)):
        while p < ends[row]:
            place = at[codes[p]]
            at[codes[p]] = place + 1
            rows[place] = row
            places[place] = p
            p += 1
    return rows, starts[:-1].copy(), places
