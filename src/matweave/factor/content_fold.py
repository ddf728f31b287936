"""Fold-in of a model whose last items have vectors from content: what its own items say stays what it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from matweave.data.csr import Csr
from matweave.factor.fold import FoldIn
from matweave.factor.laplace import Laplace
from matweave.factor.rows import FactorRows
from matweave.factor.sides import Beside

if TYPE_CHECKING:
    from matweave.factor.forms import FactorModel


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ContentFold(FoldIn):
    """The fold-in of the factor model over its own `warm` items, the first ones; new items count by their content's vectors."""

    inner: FoldIn
    warm: int

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        return self._solve(histories, model, None)

    def turned(self, model: FactorModel) -> FoldIn:
        return self.inner.turned(model)

    def laplace(self, model: FactorModel) -> Laplace | None:
        return self.inner.laplace(model)

    def beside(self, histories: Csr, model: FactorModel, side: Beside) -> FactorRows:
        return self._solve(histories, model, side)

    def _solve(self, histories: Csr, model: FactorModel, side: Beside | None) -> FactorRows:
        few = model.items.take(np.arange(self.warm))
        counted = np.append(0, np.cumsum(histories.indices >= self.warm))
        known = np.diff(counted[histories.indptr]) == 0
        old = replace(
            model,
            items=few,
            seen=replace(model.seen.rows([]), n_columns=self.warm, order=None),
            item_factors=model.item_factors[: self.warm],
            item_bias=None if model.item_bias is None else model.item_bias[: self.warm],
        )
        found = np.zeros((histories.n_rows, model.item_factors.shape[1]), np.float32)
        bias = None if model.user_bias is None else np.zeros(histories.n_rows, np.float32)
        for rows, whose, columns in ((known, old, self.warm), (~known, model, len(model.items))):
            at = np.flatnonzero(rows)
            if not len(at):
                continue
            mine = replace(histories.rows(at), n_columns=columns)
            if side is None:
                solved = self.inner.solve(mine, whose)
            else:
                solved = self.inner.beside(mine, whose, replace(side, pull=side.pull[at]))
            found[at] = solved.factors
            if bias is not None and solved.bias is not None:
                bias[at] = solved.bias
        return FactorRows(factors=found, bias=bias)
