"""What a model knows of some users while it scores them: factors, histories, or what its parts know.

`model.known(codes)` and `model.fold_in(histories)` give rows; `model.scores(rows)` and
`model.top(rows, k)` take them, so that trained users and strangers are served by the same code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.csr import Csr


class Rows(ABC):
    """Some users, in order; a slice of rows is rows."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, part: slice) -> Rows: ...

    @abstractmethod
    def take(self, at: np.ndarray) -> Rows:
        """The rows at these positions, in this order."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FactorRows(Rows):
    """factors (n, rank) float32; bias (n,) float32 or None."""

    factors: np.ndarray
    bias: np.ndarray | None

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, part: slice) -> FactorRows:
        return FactorRows(factors=self.factors[part], bias=None if self.bias is None else self.bias[part])

    def take(self, at: np.ndarray) -> FactorRows:
        return FactorRows(factors=self.factors[at], bias=None if self.bias is None else self.bias[at])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryRows(Rows):
    """histories: n users x items."""

    histories: Csr

    def __len__(self) -> int:
        return self.histories.n_rows

    def __getitem__(self, part: slice) -> HistoryRows:
        return self.take(np.arange(*part.indices(len(self))))

    def take(self, at: np.ndarray) -> HistoryRows:
        return HistoryRows(histories=self.histories.rows(at))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class BlendRows(Rows):
    """parts: rows of the same n users for each of several models, at least one."""

    parts: tuple[Rows, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, part: slice) -> BlendRows:
        return BlendRows(parts=tuple(rows[part] for rows in self.parts))

    def take(self, at: np.ndarray) -> BlendRows:
        return BlendRows(parts=tuple(rows.take(at) for rows in self.parts))
