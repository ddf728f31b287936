"""The ranking losses of GRU4Rec: the target beside the strongest of many rivals, by a softmax over the rivals.

r_i is the score of the item that came, r_j those of its rivals, s_j = exp r_j / Σ_k exp r_k over the rivals alone:

    top1_max    Σ_j s_j ( σ(r_j - r_i) + σ(r_j²) )
    bpr_max     -log Σ_j s_j σ(r_i - r_j) + λ Σ_j s_j r_j²                (Hidasi & Karatzoglou, CIKM 2018)

The weights s_j are differentiated too. Rivals of a step are the targets of the batch's other users at the same step (the paper's
mini-batch sampling: there a mini-batch is one step of B parallel sessions, here one column of the grid of histories)
and items drawn for the whole batch by count^alpha (its additional sampling). A rival that is the target
itself is none; a step left without rivals adds 0.

Cost        P steps, B users, k drawn: P (B + k) d multiply-adds and three passes over P (B + k) scores, which are held.
Checked by  tests/neural/test_gain_losses.py: NumPy in float64 step by step, gradients numerically, steps without rivals.
"""

from __future__ import annotations

from matweave.deep import Tensor, functional, torch

_NEVER = -1e30  # the score of what is no rival: finite, so that a row of nothing else has no NaN


def rivals(
    h: Tensor, table: Tensor, bias: Tensor, targets: Tensor, drawn: Tensor, grid: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of targets (P,), of rivals (P, B + k), and which of them are rivals (P, B + k) bool.

    h (P, d), table (n, d), bias (n,), targets (P,) and drawn (k,) int64; grid: slots (P,) and lengths (B,) as
    `NextItems.batch` gives them.

    >>> h, table, grid = torch.ones(2, 1), torch.eye(3, 1), (torch.tensor([0, 1]), torch.tensor([1, 1]))
    >>> good, bad, there = rivals(h, table, torch.zeros(3), torch.tensor([0, 2]), torch.tensor([0]), grid)
    >>> good.tolist(), bad.tolist(), there.tolist()
    ([1.0, 0.0], [[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]], [[False, True, False], [True, False, True]])
    """
    slots, lengths = grid
    users, longest = len(lengths), int(lengths.max())
    vectors = functional.embedding(targets, table)
    good = (h * vectors).sum(1) + bias[targets]
    # column t of the grid: the steps t of all users, (longest, users, ...)
    at = slots % longest * users + slots // longest
    ours, theirs = (_laid(values, at, users, longest) for values in (h, vectors))
    ids = torch.full((longest * users,), -1, device=h.device).index_copy(0, at, targets)
    shifts = bias[ids.clamp(min=0)].view(longest, 1, users)
    beside = torch.baddbmm(shifts, ours, theirs.transpose(1, 2)).view(longest * users, users)
    ids = ids.view(longest, users).index_select(0, slots % longest)
    there = torch.cat([(ids >= 0) & (ids != targets[:, None]), drawn != targets[:, None]], 1)
    far = torch.addmm(bias[drawn], h, functional.embedding(drawn, table).T)
    return good, torch.cat([beside.index_select(0, at), far], 1), there


def top1_max(good: Tensor, bad: Tensor, there: Tensor) -> Tensor:
    """Mean TOP1-max of steps: good (P,), bad (P, K), there (P, K) bool.

    >>> float(top1_max(torch.zeros(1), torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool)))
    1.0
    """
    shares = bad.masked_fill(~there, _NEVER).softmax(1)
    loss = (shares * (torch.sigmoid(bad - good[:, None]) + torch.sigmoid(bad * bad))).sum(1)
    return loss.masked_fill(~there.any(1), 0.0).mean()


def bpr_max(good: Tensor, bad: Tensor, there: Tensor, *, regularization: float) -> Tensor:
    """Mean BPR-max of the same steps; regularization: λ, of the rivals' scores.

    >>> yes = torch.ones(1, 3, dtype=torch.bool)
    >>> round(float(bpr_max(torch.zeros(1), torch.zeros(1, 3), yes, regularization=1.0).exp()), 6)
    2.0
    """
    shares = bad.masked_fill(~there, _NEVER).log_softmax(1)
    loss = -torch.logsumexp(shares + functional.logsigmoid(good[:, None] - bad), 1)
    if regularization:
        loss = loss + regularization * (shares.exp() * bad * bad).sum(1)
    return loss.masked_fill(~there.any(1), 0.0).mean()


def _laid(values: Tensor, at: Tensor, users: int, longest: int) -> Tensor:
    empty = values.new_zeros(longest * users, values.shape[1])
    return empty.index_copy(0, at, values).view(longest, users, -1)
