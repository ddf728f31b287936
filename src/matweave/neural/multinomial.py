"""The multinomial log-likelihood of rows over a catalogue, in bounded memory.

Loss        L = -1/B Σ_u Σ_{i in u} log π_ui,  π_u = softmax(E h_u + b)          (Liang, Krishnan, Hoffman, Jebara 2018, eq. 2)
Gradient    of the scores: (n_u π_u - x_u) / B, n_u the entries of row u and x_u their ones

Rows are taken in blocks: a block's scores become their log-probabilities, then the gradient, in one buffer of at most 2^20 numbers,
so neither scores nor the dense row of targets of a whole batch is ever in memory, and the backward pass multiplies what the
forward pass has found. A side that needs no gradient costs none.

Cost        3 products of B · items · width, 2 where one side stands still; entries · 2 lookups.
Checked by  tests/neural/test_multinomial.py: torch's log_softmax in float64, blocks of every size, gradients numerically.
"""

from __future__ import annotations

from typing import Any, final

from matweave.deep import Tensor, nn, torch
from matweave.neural.embeddings import Table

CELLS = 1 << 20  # scores in memory at once
ALIGNED = (
    16  # rows of the buffer begin at multiples of it: MKL was a third slower on rows of 3,706 than of 3,712
)


def multinomial_loss(
    h: Tensor, table: Tensor, bias: Tensor, counts: Tensor, codes: Tensor, *, cells: int = CELLS
) -> Tensor:
    """Mean over rows of -Σ log π: h (B, d), table (n, d), bias (n,), counts (B,) int64, codes (P,) of all rows, one behind the other.

    >>> loss = multinomial_loss(torch.zeros(2, 3), torch.ones(4, 3), torch.zeros(4), torch.tensor([2, 1]), torch.tensor([0, 1, 3]))
    >>> round(float(loss), 4)  # 3/2 log 4
    2.0794
    """
    found = _Multinomial.apply(h, table, bias, counts, codes, cells)
    assert isinstance(found, Tensor)
    return found


@final
class LastLayer(nn.Module):
    """E h + b over all items, and its loss. std: spread of E at the start; bias_std: of b."""

    def __init__(
        self, items: int, width: int, *, rank: int | None, std: float, bias_std: float = 0.001
    ) -> None:
        super().__init__()
        self.table = Table(items, width, rank=rank, std=std)
        self.bias = nn.Parameter(torch.randn(items) * bias_std)

    def row(self, h: Tensor, *, still: bool = False) -> Tensor:
        """What the items' vectors are multiplied with: h itself, or its product with the thin right side of a low-rank table.

        still: no gradient goes to that side.
        """
        if self.table.rank is None:
            return h
        return h @ (self.table.right.detach() if still else self.table.right).T

    def item_table(self) -> tuple[Tensor, Tensor]:
        """The items' vectors, with as many columns as `row` gives, and biases."""
        return (self.table.weight if self.table.rank is None else self.table.left), self.bias

    def loss(self, h: Tensor, counts: Tensor, codes: Tensor) -> Tensor:
        """The multinomial loss of hidden rows h (B, width)."""
        return multinomial_loss(self.row(h), *self.item_table(), counts, codes)


@final
class _Multinomial(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, table: Tensor, bias: Tensor, counts: Tensor, codes: Tensor, cells: int
    ) -> Tensor:
        n, rows = len(table), max(1, min(len(h), cells // max(1, len(table))))
        wide = -(-n // ALIGNED) * ALIGNED
        need_h, need_table, need_bias = ctx.needs_input_grad[:3]
        grad_h = torch.empty_like(h) if need_h else None
        grad_table = torch.zeros_like(table) if need_table else None
        grad_bias = torch.zeros_like(bias) if need_bias else None
        owners = torch.repeat_interleave(
            torch.arange(len(h), device=h.device), counts, output_size=len(codes)
        )
        cells_of = (owners % rows) * wide + codes  # within the block
        ends = [0, *counts.cumsum(0).tolist()]
        loss = h.new_zeros((), dtype=torch.float64)
        buffer = h.new_empty(rows, wide)
        for start in range(0, len(h), rows):
            part = slice(start, min(start + rows, len(h)))
            mine = cells_of[ends[part.start] : ends[part.stop]]
            whole = buffer[: part.stop - part.start]
            block, flat = whole[:, :n], whole.view(-1)
            whole[:, n:] = -torch.inf  # of probability 0
            torch.addmm(bias, h[part], table.T, out=block)
            torch.log_softmax(whole, 1, out=whole)
            loss -= flat.index_select(0, mine).sum(dtype=torch.float64)
            if not (need_h or need_table or need_bias):
                continue
            whole.exp_().mul_((counts[part] / len(h))[:, None])
            flat.index_add_(0, mine, flat.new_full((1,), -1 / len(h)).expand(len(mine)))
            if grad_h is not None:
                torch.mm(block, table, out=grad_h[part])
            if grad_table is not None:
                grad_table.addmm_(block.T, h[part])
            if grad_bias is not None:
                grad_bias += block.sum(0)
        grads = (grad_h, grad_table, grad_bias)
        ctx.save_for_backward(*(g for g in grads if g is not None))
        ctx.there = [g is not None for g in grads]
        return (loss / len(h)).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        saved = iter(ctx.saved_tensors)
        return (*(next(saved) * grads[0] if there else None for there in ctx.there), None, None, None)
