"""Fold-in for models that were trained on pairs of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from matweave.data.csr import Csr
from matweave.factor.fold import FLOOR, FoldIn
from matweave.factor.rows import FactorRows
from matweave.linalg.pairwise_row import best_row
from matweave.linalg.rank_loss import rank_losses
from matweave.linalg.rank_loss_row import USERS, Items, mean_rows
from matweave.threads import in_parallel

if TYPE_CHECKING:
    from matweave.factor.forms import FactorModel


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PairwiseFold(FoldIn):
    """The minimum of a row's part of BPR's objective, in expectation over the negatives, item side fixed:

        min over x of  Σ_{i in h} Σ_{j not in h} w_j ln(1 + e^(s_j - s_i)) + n λ/2 |x|²,    Σ w = 1,   n = |h|

    weights (items,): w before it is scaled for a row; None: all alike. λ is at least FLOOR times the mean item's |y|², so that a row that
    separates its items stays finite. A row of no items, or of all of them, is zero: no pair tells anything of it.
    """

    regularization: float
    weights: np.ndarray | None = None

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        table = np.ascontiguousarray(model.item_factors, np.float32)
        wide = table.astype(np.float64)
        offset = np.zeros(len(wide)) if model.item_bias is None else model.item_bias.astype(np.float64)
        length = float(np.einsum("nr,nr->n", wide, wide).mean()) if len(wide) else 0.0
        pull = max(self.regularization, FLOOR * length, 1e-12)
        solved = np.zeros((histories.n_rows, wide.shape[1]), np.float32)
        everything = np.ones(len(wide)) if self.weights is None else self.weights

        def rows(start: int, stop: int) -> None:
            for row in range(start, stop):
                met = histories.row(row)[0]
                weights = everything.copy()
                weights[met] = 0.0
                total = weights.sum()
                if len(met) and total > 0:
                    ridge = np.full(wide.shape[1], len(met) * pull)
                    solved[row] = best_row(table, wide, offset, met, weights / total, ridge)

        in_parallel(rows, [(a, min(a + 16, histories.n_rows)) for a in range(0, histories.n_rows, 16)])
        return FactorRows(factors=solved, bias=None)


@final
@dataclass(frozen=True, kw_only=True)
class RankLossFold(FoldIn):
    """Where WARP's steps would have brought a row on average, item side fixed: linalg/rank_loss_row.py. The settings are the recipe's.

    A row of no items, or of all of them, is zero.
    """

    epochs: int
    learning_rate: float
    final_learning_rate: float
    regularization: float
    max_norm: float
    max_sampled: int

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        count = len(model.item_factors)
        bias = np.zeros(count, np.float32) if model.item_bias is None else model.item_bias
        items, losses = Items.of(model.item_factors, bias), rank_losses(count)
        solved = np.zeros((histories.n_rows, model.item_factors.shape[1]), np.float32)
        told = np.flatnonzero((histories.counts > 0) & (histories.counts < count))

        def rows(start: int, stop: int) -> None:
            mine = told[start:stop]
            some = histories.rows(mine)
            solved[mine] = mean_rows(
                items,
                some.indptr,
                some.indices,
                losses,
                most=self.max_sampled,
                epochs=self.epochs,
                rate=self.learning_rate,
                final=self.final_learning_rate,
                pull=self.regularization,
                longest=self.max_norm,
            )

        in_parallel(rows, [(a, min(a + USERS, len(told))) for a in range(0, len(told), USERS)])
        return FactorRows(factors=solved, bias=None)
