"""Several sparse square matrices over the same rows and columns, stacked: X_0, ..., X_{K-1}, each n x n.

Kept by (matrix, row) with entries; rows without entries take no room, so K n may be far larger than the entries are.
`times` multiplies them all with one table: of every kept row the sum of value times the table's row, 2 nnz r flops,
summed in the order of the columns, whatever the threads.
Checked by  tests/linalg/test_slices.py against dense products.
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.threads import in_parallel

_PIECES = 8


@njit(nogil=True, cache=True, fastmath={"contract"})
def _times(indptr, indices, values, table, out, low, high):  # pragma: no cover
    for row in range(low, high):
        mine = out[row]
        mine[:] = 0
        for e in range(indptr[row], indptr[row + 1]):
            value, other = values[e], table[indices[e]]
            for j in range(len(mine)):
                mine[j] += value * other[j]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _pairs(indptr, indices, first, second, out, low, high):  # pragma: no cover
    for row in range(low, high):
        mine = first[row]
        for e in range(indptr[row], indptr[row + 1]):
            other, total = second[indices[e]], np.float32(0)
            for j in range(len(mine)):
                total += mine[j] * other[j]
            out[e] = total


@final
class Slices:
    """Entries (matrices[e], rows[e], columns[e]), each place at most once, in order of matrix, row and column.

    order: where each kept entry stood among the given ones; rows (R,): the row that each kept row is;
    ends (K + 1,): the kept rows of matrix k are ends[k]:ends[k + 1]; indptr (R + 1,), indices (nnz,): their entries.

    >>> stack = Slices(np.array([1, 0]), np.array([2, 0]), np.array([0, 2]), 2)
    >>> stack.rows.tolist(), stack.ends.tolist(), stack.times(np.array([3.0, 5.0]), np.eye(3)).tolist()
    ([0, 2], [0, 1, 2], [[0.0, 0.0, 3.0], [5.0, 0.0, 0.0]])
    """

    def __init__(self, matrices: NDArray, rows: NDArray, columns: NDArray, count: int) -> None:
        self.order = np.lexsort((columns, rows, matrices))
        k, r = matrices[self.order], rows[self.order]
        starts = np.ones(len(k), bool)
        starts[1:] = (k[1:] != k[:-1]) | (r[1:] != r[:-1])
        at = np.flatnonzero(starts)
        self.indptr = np.append(at, len(k)).astype(np.int64)
        self.indices = columns[self.order].astype(np.int32)
        self.rows = r[at].astype(np.int64)
        self.ends = np.searchsorted(k[at], np.arange(count + 1))
        marks = np.searchsorted(self.indptr, len(k) * np.arange(1, _PIECES) / _PIECES)
        self._pieces = list(pairwise(np.unique([0, *marks, len(self.rows)]).tolist()))

    def times(self, values: NDArray, table: NDArray) -> NDArray:
        """Σ_c X_k[row, c] table[c] of every kept row, (R, r), in the type of the table. values (nnz,): in this order."""
        out = np.empty((len(self.rows), table.shape[1]), table.dtype)
        values, table = np.ascontiguousarray(values, table.dtype), np.ascontiguousarray(table)
        in_parallel(
            lambda low, high: _times(self.indptr, self.indices, values, table, out, low, high), self._pieces
        )
        return out

    def pairs(self, first: NDArray, second: NDArray) -> NDArray:
        """first[its kept row]·second[its column] of every entry, (nnz,). first (R, r), second (n, r): float32.

        >>> Slices(np.array([0]), np.array([1]), np.array([0]), 1).pairs(np.ones((1, 2), "f"), np.ones((2, 2), "f"))
        array([2.], dtype=float32)
        """
        out = np.empty(len(self.indices), np.float32)
        first, second = np.ascontiguousarray(first, np.float32), np.ascontiguousarray(second, np.float32)
        in_parallel(
            lambda low, high: _pairs(self.indptr, self.indices, first, second, out, low, high), self._pieces
        )
        return out
