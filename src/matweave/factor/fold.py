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
from matweave.factor.rows import FactorRows

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
