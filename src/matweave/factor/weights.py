"""The item-by-item matrix B of an `ItemModel`, dense, sparse or absent; one class each.

B is items x items: row i says what having item i adds to the score of every item.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.csr import Csr
from matweave.linalg.sparse_product import sparse_product
from matweave.threads import in_parallel


class ItemWeights(ABC):
    """B, and how it is applied to histories."""

    @abstractmethod
    def apply(self, histories: Csr) -> np.ndarray:
        """H·B, (n, items) float32, for histories H (n x items)."""

    @abstractmethod
    def row(self, item_code: int) -> np.ndarray:
        """B[item_code] as (items,) float32."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DenseWeights(ItemWeights):
    """B as a full (items, items) float32 array."""

    matrix: np.ndarray

    def apply(self, histories: Csr) -> np.ndarray:
        return _times(histories, self.matrix)

    def row(self, item_code: int) -> np.ndarray:
        return self.matrix[item_code]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SparseWeights(ItemWeights):
    """B as sparse rows: the neighbours of each item."""

    matrix: Csr

    def apply(self, histories: Csr) -> np.ndarray:
        h, b = histories, self.matrix
        return sparse_product(
            (h.indptr, h.indices, h.weights()), (b.indptr, b.indices, b.weights()), b.n_columns
        )

    def row(self, item_code: int) -> np.ndarray:
        full = np.zeros(self.matrix.n_columns, np.float32)
        columns, values = self.matrix.row(item_code)
        full[columns] = 1.0 if values is None else values
        return full


@final
@dataclass(frozen=True, kw_only=True)
class NoWeights(ItemWeights):
    """B = 0: every user gets the same scores (Popularity)."""

    items: int

    def apply(self, histories: Csr) -> np.ndarray:
        return np.zeros((histories.n_rows, self.items), np.float32)

    def row(self, item_code: int) -> np.ndarray:
        return np.zeros(self.items, np.float32)


def _times(histories: Csr, matrix: np.ndarray, piece: int = 64) -> np.ndarray:
    """H·B in pieces of rows on all threads; SciPy releases the GIL inside."""
    out = np.empty((histories.n_rows, matrix.shape[1]), np.float32)
    sparse = histories.scipy()

    def rows(start: int, stop: int) -> None:
        out[start:stop] = sparse[start:stop] @ matrix

    pieces = [(a, min(a + piece, histories.n_rows)) for a in range(0, histories.n_rows, piece)]
    in_parallel(rows, pieces)
    return out
