"""Fold-in: a stranger's history becomes a row of the model without retraining.

Each `FoldIn` keeps what its method needs and solves for the new rows only, with the item side fixed.
The result differs from a refit in that the item side does not move; a method's file states and tests
how large that difference is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from matweave.data.csr import Csr
from matweave.errors import DataError
from matweave.factor.rows import FactorRows
from matweave.threads import in_parallel

if TYPE_CHECKING:
    from matweave.factor.forms import FactorModel


class FoldIn(ABC):
    """How a `FactorModel` solves for rows it was not trained on."""

    @abstractmethod
    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        """Rows for `histories` (n users x the model's items, with values where the log had them)."""


@final
@dataclass(frozen=True, kw_only=True)
class ProjectionFold(FoldIn):
    """x = h·Y: the least-squares row where the columns of Y are orthonormal (PureSVD); exact."""

    use_values: bool = False

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        h = histories if self.use_values else replace(histories, values=None)
        factors = h.scipy() @ model.item_factors
        return FactorRows(factors=np.ascontiguousarray(factors, dtype=np.float32), bias=None)


@final
@dataclass(frozen=True, kw_only=True)
class RidgeFold(FoldIn):
    """The exact ridge solution for a row of a rating model, item side fixed:

        min over b, x of  Σ_j (v_j - μ - c_j - b - x·y_j)² + s·(bias_regularization·b² + regularization·|x|²)

    with s = number of ratings of the row where `scale_by_count`, else 1; without b where the model has none.
    """

    regularization: float
    bias_regularization: float
    scale_by_count: bool

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        values = histories.values
        if values is None:
            raise DataError(
                f"{model.method} predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        rank = model.item_factors.shape[1]
        biased = model.user_bias is not None
        design = model.item_factors.astype(np.float64)
        penalty = np.full(rank + biased, self.regularization)
        if biased:
            design = np.concatenate([np.ones((len(design), 1)), design], axis=1)
            penalty[0] = self.bias_regularization
        offset = model.mean + (0.0 if model.item_bias is None else model.item_bias.astype(np.float64))
        offset = np.broadcast_to(offset, len(model.items))
        solved = np.zeros((histories.n_rows, rank + biased))

        def rows(start: int, stop: int) -> None:
            for row in range(start, stop):
                cut = slice(histories.indptr[row], histories.indptr[row + 1])
                items = histories.indices[cut]
                if not len(items):
                    continue  # nothing is known of this row: zero, the prior's mean
                a = design[items]
                scale = len(items) if self.scale_by_count else 1
                gram = a.T @ a
                # a floor, tiny beside the system itself, keeps one of few ratings without a penalty solvable
                floor = 1e-9 * np.trace(gram) / len(gram) + 1e-30
                gram[np.diag_indices_from(gram)] += np.maximum(scale * penalty, floor)
                solved[row] = np.linalg.solve(gram, a.T @ (values[cut] - offset[items]))

        in_parallel(rows, [(a, min(a + 64, histories.n_rows)) for a in range(0, histories.n_rows, 64)])
        solved = solved.astype(np.float32)
        if not biased:
            return FactorRows(factors=solved, bias=None)
        return FactorRows(factors=np.ascontiguousarray(solved[:, 1:]), bias=solved[:, 0].copy())
