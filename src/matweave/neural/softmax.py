"""Losses over a catalogue of items: the softmax over all of them in bounded memory, sampled, and binary ones.

Scores s_pj = h_p·e_j + b_j of P steps and n items; y_p the item that came, N_p the wrong items drawn for it.

    softmax     -mean_p log( exp s_py / Σ_j exp s_pj )
    sampled     -mean_p log( exp s_py / (exp s_py + Σ_{j in N} exp s_pj) ), N drawn uniformly and shared by the batch, y_p in
                N left out; with uniform draws the correction by log q is the same for all rivals (Jean et al. 2015,
                moved to the target: + log(|N| / n), so that it estimates the full softmax)
    binary      -mean_p ( log σ(s_py) + Σ_{j in N_p} log(1 - σ(s_pj)) )                       (Kang & McAuley 2018)
    gbce        the same with σ(s_py)^β; β = a (t (1 - 1/a) + 1/a), a = |N_p| / (n - 1)         (Petrov & Macdonald 2023),
                t in [0, 1]: 0 is the binary loss, 1 is fully calibrated

The full softmax takes the steps in blocks: each block's scores become its probabilities and then its gradient in one buffer
of at most 2^21 numbers, so neither scores nor probabilities of all steps are ever in memory, and the backward
pass multiplies what the forward pass has found. A catalogue too wide for that is blocked by items too, and its scores are made twice.

Cost        3 products of P n d (4 where items are blocked), memory O(2^21 + P d + n d).
Checked by  tests/neural/test_softmax.py: torch's cross-entropy in float64, blocks of every size, gradients numerically.
"""

from __future__ import annotations

import math
from typing import Any, final

from matweave.deep import Tensor, functional, torch

CELLS = 1 << 21  # scores in memory at once


def softmax_loss(
    h: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, *, cells: int = CELLS
) -> Tensor:
    """Mean cross-entropy of the softmax over all items: h (P, d), table (n, d), bias (n,) or None, targets (P,) int64.

    >>> h, table = torch.zeros(3, 2), torch.ones(4, 2)
    >>> round(float(softmax_loss(h, table, None, torch.tensor([0, 1, 2]))), 4) == round(math.log(4), 4)
    True
    """
    found = _Softmax.apply(h, table, bias, targets, cells)
    assert isinstance(found, Tensor)
    return found


def sampled_softmax_loss(
    h: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, drawn: Tensor
) -> Tensor:
    """The same over the target and items `drawn` (k,) uniformly, shared by all steps."""
    good = (h * functional.embedding(targets, table)).sum(1)
    bad = h @ functional.embedding(drawn, table).T
    if bias is not None:
        good, bad = good + bias[targets], bad + bias[drawn]
    bad = bad.masked_fill(drawn == targets[:, None], -math.inf)
    shift = math.log(len(table) / len(drawn))  # each drawn item stands for so many
    return (torch.logaddexp(good, torch.logsumexp(bad, 1) + shift) - good).mean()


def binary_loss(
    h: Tensor,
    table: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    negatives: Tensor,
    *,
    beta: float = 1.0,
    dense: bool | None = None,
) -> Tensor:
    """Binary cross-entropy of each target against its negatives (P, k); beta: the power of the target's σ.

    A negative that is the target itself does not count. dense: whether scores of all items are made, in blocks, and the
    negatives' taken from them (None: where that is cheaper, for a sixteenth of the items or more).

    >>> h, table = torch.zeros(2, 3), torch.ones(5, 3)
    >>> round(float(binary_loss(h, table, None, torch.tensor([0, 1]), torch.tensor([[2], [3]]))), 4)
    1.3863
    """
    if 16 * negatives.shape[1] >= len(table) if dense is None else dense:
        found = _Binary.apply(h, table, bias, targets, negatives, beta)
        assert isinstance(found, Tensor)
        return found
    vectors = functional.embedding(torch.cat([targets[:, None], negatives], 1), table)
    scores = torch.bmm(vectors, h.unsqueeze(2)).squeeze(2)
    if bias is not None:
        scores = scores + torch.cat([bias[targets, None], bias[negatives]], 1)
    rivals = functional.softplus(scores[:, 1:]).masked_fill(negatives == targets[:, None], 0.0)
    return (beta * functional.softplus(-scores[:, 0]) + rivals.sum(1)).mean()


def gbce_power(negatives: int, items: int, t: float) -> float:
    """β of gBCE for so many negatives of each step, a catalogue of `items` and the calibration t in [0, 1].

    >>> gbce_power(99, 100, 0.75), round(gbce_power(1, 1001, 1.0), 4)
    (1.0, 0.001)
    """
    alpha = negatives / max(items - 1, 1)
    return alpha * (t * (1 - 1 / alpha) + 1 / alpha)


@final
class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, table: Tensor, bias: Tensor | None, targets: Tensor, cells: int
    ) -> Tensor:
        h, table = h.detach(), table.detach()
        n = len(table)
        by_items = n > max(1, cells // 64)  # fewer steps a block would leave the products thin
        rows = max(1, min(512, cells // 8) if by_items else cells // n)
        wide = max(1, cells // rows)
        need_h, need_table, need_bias = ctx.needs_input_grad[:3]
        grads = (
            torch.empty_like(h) if need_h else None,
            torch.zeros_like(table) if need_table else None,
            torch.zeros_like(bias) if need_bias and bias is not None else None,
        )
        loss = h.new_zeros((), dtype=torch.float64)
        for start in range(0, len(h), rows):
            part = slice(start, start + rows)
            block = _items_blocked if by_items else _block
            loss += block(h[part], table, bias, targets[part], part, 1 / len(h), grads, wide)
        ctx.save_for_backward(*(g for g in grads if g is not None))
        ctx.there = [g is not None for g in grads]
        return (loss / len(h)).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (outer,) = grads
        saved = iter(ctx.saved_tensors)
        return (*(next(saved) * outer if there else None for there in ctx.there), None, None)


@final
class _Binary(torch.autograd.Function):
    """Scores of all items in blocks of steps; the gradient is made in their place, as for the softmax."""

    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        table: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        negatives: Tensor,
        beta: float,
    ) -> Tensor:
        h, table = h.detach(), table.detach()
        rows = max(1, CELLS // len(table))
        dh, dtable = torch.empty_like(h), torch.zeros_like(table)
        dbias = None if bias is None else torch.zeros_like(bias)
        loss = h.new_zeros((), dtype=torch.float64)
        for start in range(0, len(h), rows):
            part = slice(start, start + rows)
            mine, wrong, right = h[part], negatives[part], targets[part, None]
            scores = mine @ table.T if bias is None else torch.addmm(bias.detach(), mine, table.T)
            bad, good = scores.gather(1, wrong), scores.gather(1, right)
            counts = wrong != right
            rivals = functional.softplus(bad).masked_fill(~counts, 0.0)
            loss += beta * functional.softplus(-good).sum(dtype=torch.float64) + rivals.sum(
                dtype=torch.float64
            )
            grad = scores.zero_()
            grad.scatter_add_(1, wrong, torch.sigmoid(bad) * counts)
            grad.scatter_add_(1, right, -beta * torch.sigmoid(-good))
            grad *= 1 / len(h)
            torch.mm(grad, table, out=dh[part])
            dtable.addmm_(grad.T, mine)
            if dbias is not None:
                dbias += grad.sum(0)
        ctx.save_for_backward(dh, dtable, *(() if dbias is None else (dbias,)))
        return (loss / len(h)).to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (outer,) = grads
        dh, dtable, *dbias = (g * outer for g in ctx.saved_tensors)
        return dh, dtable, dbias[0] if dbias else None, None, None, None


def _block(h, table, bias, targets, part, scale, grads, wide):
    """One block of steps against all items: loss summed, gradients added."""
    dh, dtable, dbias = grads
    scores = h @ table.T if bias is None else torch.addmm(bias.detach(), h, table.T)
    at = torch.arange(len(h), device=h.device)
    good, top = scores[at, targets], scores.amax(1)
    torch.softmax(scores, 1, out=scores)
    # the largest probability is at least 1 / n, so its logarithm is safe
    loss = (top - scores.amax(1).log() - good).sum(dtype=torch.float64)
    scores[at, targets] -= 1
    scores *= scale
    if dh is not None:
        torch.mm(scores, table, out=dh[part])
    if dtable is not None:
        dtable.addmm_(scores.T, h)
    if dbias is not None:
        dbias += scores.sum(0)
    return loss


def _items_blocked(h, table, bias, targets, part, scale, grads, wide):
    """The same with the items in blocks: first the normaliser, then each block's gradient."""
    dh, dtable, dbias = grads
    if dh is not None:
        dh[part] = 0
    cuts = [slice(a, min(a + wide, len(table))) for a in range(0, len(table), wide)]

    def scored(cut: slice) -> Tensor:
        return h @ table[cut].T if bias is None else torch.addmm(bias[cut].detach(), h, table[cut].T)

    total = torch.full((len(h),), -math.inf, device=h.device, dtype=h.dtype)
    for cut in cuts:
        total = torch.logaddexp(total, torch.logsumexp(scored(cut), 1))
    good = (h * table[targets]).sum(1)
    if bias is not None:
        good = good + bias.detach()[targets]
    for cut in cuts:
        scores = scored(cut).sub_(total[:, None]).exp_()
        mine = ((targets >= cut.start) & (targets < cut.stop)).nonzero().squeeze(1)
        scores[mine, targets[mine] - cut.start] -= 1
        scores *= scale
        if dh is not None:
            dh[part].addmm_(scores, table[cut])
        if dtable is not None:
            dtable[cut].addmm_(scores.T, h)
        if dbias is not None:
            dbias[cut] += scores.sum(0)
    return (total - good).sum(dtype=torch.float64)
