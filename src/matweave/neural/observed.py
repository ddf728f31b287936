"""Squared error on the entries that are there: what autoencoders of ratings are trained on.

Loss        Σ_{(n, i) there} (h_n·w_i + b_i - r_ni)², a sum over the entries of a batch of rows
Gradient    with errors e:  h_n: 2 Σ_i e_ni w_i,  w_i: 2 Σ_n e_ni h_n,  b_i: 2 Σ_n e_ni; sums of rows over entries (user_rows.py)

On the CPU an entry's product is made for itself by a compiled kernel, rows shared out among threads, so the cost goes with the
entries; on an accelerator all products of a block of rows are made, where they are nearly free, and those that are there are taken.

Cost        5 products of entries · width multiply-adds with the first layer's: on ml-1m, 512 items a batch, width 500, see
            benchmarks/speed/recbole.py beside the dense loop.
Checked by  tests/neural/test_observed.py: the dense masked loss in float64, numerical gradients, both ways of making products.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import Tensor, generator, torch
from matweave.neural.user_rows import Bags, by_item, entries_of, gathered, row_sums
from matweave.threads import in_parallel
from matweave.train.task import Batch

CELLS = 1 << 26  # products in memory at once, on an accelerator
_SHARE = 1 << 22  # multiply-adds worth a thread's while


@final
class ObservedRows:
    """Batches of rows with values, `batch_size` at a time, all rows, those without entries too: counts (B,) int64, codes (P,) and starts
    (B,) int32, values (P,) float32, and the same by column: rows (P,), starts (columns,) int32 and places (P,) int64.

    >>> rows = ObservedRows(Csr.from_pairs([0, 0, 1], [0, 2, 1], [1.0, 2.0, 3.0]), batch_size=2)
    >>> [len(tensor) for tensor in rows.batch(0, 0)]
    [2, 3, 2, 3, 3, 3, 3]
    """

    def __init__(self, rows: Csr, *, batch_size: int, seed: int = 0) -> None:
        self.csr, self.batch_size, self.seed = rows, batch_size, seed
        self.values = rows.weights()
        self.examples = rows.n_rows
        self.steps_per_epoch = -(-self.examples // batch_size)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, drawn.numpy())
        mine = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        counts, codes = gathered(self.csr, mine)
        values = self.values[entries_of(self.csr, mine, counts)]
        ends = np.cumsum(counts)
        back = by_item(codes, ends, self.csr.n_columns)
        arrays = (counts, codes, (ends - counts).astype(np.int32), values, *back)
        return tuple(torch.from_numpy(a).to(self._device) for a in arrays)


def observed_bags(batch: Batch, scale: float = 1.0, shift: float = 0.0) -> Bags:
    """The entries of a batch of `ObservedRows`, weighted by their values times `scale` plus `shift`."""
    _, codes, starts, values, back_rows, back_starts, places = batch
    values = values * scale + shift
    return Bags(codes, starts, back_rows, back_starts, values, values[places])


def observed_loss(
    h: Tensor, table: Tensor, bias: Tensor, batch: Batch, *, dense: bool | None = None
) -> Tensor:
    """The sum of squared errors of h (B, d) against table (columns, d) and bias (columns,) on the entries of a batch.

    dense: whether products of all cells are made (None: on accelerators).

    >>> batch = ObservedRows(Csr.from_pairs([0, 0], [0, 1], [1.0, 2.0]), batch_size=1).batch(0, 0)
    >>> float(observed_loss(torch.ones(1, 2), torch.ones(2, 2), torch.zeros(2), batch))
    1.0
    """
    found = _Observed.apply(h, table, bias, batch, h.device.type != "cpu" if dense is None else dense)
    assert isinstance(found, Tensor)
    return found


@final
class _Observed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, table: Tensor, bias: Tensor, batch: Batch, dense: bool) -> Tensor:
        counts, codes, starts, values, back_rows, back_starts, places = batch
        products = (_dense if dense else _entries)(h, table, counts, codes, starts)
        errors = products + bias.index_select(0, codes) - values
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(h, table, errors, codes, starts, back_rows, back_starts, places)
        return errors.square().sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        h, table, errors, codes, starts, back_rows, back_starts, places = ctx.saved_tensors
        errors = errors * (2 * grads[0])
        by_column = errors.index_select(0, places)
        every = torch.arange(len(places), dtype=codes.dtype, device=codes.device)
        return (
            row_sums(Bags(codes, starts, weights=errors), table),
            row_sums(Bags(back_rows, back_starts, weights=by_column), h),
            row_sums(Bags(every, back_starts), by_column[:, None]).squeeze(1),
            None,
            None,
        )


def _dense(h: Tensor, table: Tensor, counts: Tensor, codes: Tensor, starts: Tensor) -> Tensor:
    rows = max(1, min(len(h), CELLS // max(1, len(table))))
    ends = [*starts.tolist(), len(codes)]
    owners = torch.repeat_interleave(torch.arange(len(h), device=h.device), counts, output_size=len(codes))
    found = h.new_empty(len(codes))
    for low in range(0, len(h), rows):
        part = slice(ends[low], ends[min(low + rows, len(h))])
        cells = (h[low : low + rows] @ table.T).view(-1)
        found[part] = cells.index_select(0, (owners[part] - low) * len(table) + codes[part])
    return found


def _entries(h: Tensor, table: Tensor, counts: Tensor, codes: Tensor, starts: Tensor) -> Tensor:
    found = h.new_empty(len(codes))
    arrays = [t.detach().contiguous().numpy() for t in (h, table, codes, starts)]
    pieces = max(1, min(16, len(codes) * h.shape[1] // _SHARE, len(h)))
    cuts = np.searchsorted(np.cumsum(counts.numpy()), np.arange(1, pieces) * (len(codes) / pieces)).tolist()
    borders = [0, *cuts, len(h)]
    out = found.numpy()
    in_parallel(_products, [(*arrays, out, a, b) for a, b in pairwise(borders)])
    return found


@njit(nogil=True, cache=True, fastmath=True)
def _products(h, table, codes, starts, out, low, high):
    for row in range(low, high):
        end = starts[row + 1] if row + 1 < len(starts) else len(codes)
        mine = h[row]
        for p in range(starts[row], end):
            other = table[codes[p]]
            total = mine[0] * other[0]
            for k in range(1, len(mine)):
                total += mine[k] * other[k]
            out[p] = total
