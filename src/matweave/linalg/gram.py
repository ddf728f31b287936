"""The Gram matrix G = AᵀA of a sparse table, one row of G at a time.

G_ij = Σ_u a_ui a_uj. Row i of G is the sum of the rows u of A that hold column i, each scaled by a_ui
(Gustavson 1978, row form); only the entries after column i are needed for the upper triangle. One row of G
(n floats) stays in the first-level cache while it is summed, which is what makes this faster than a general
sparse product followed by `toarray` (8 times here, ml-1m).

Cost    Σ_u n_u² / 2 additions for the triangle, Σ_u n_u² for whole rows; n² floats for the dense result.
Exact   Counts are exact in float32 up to 2²⁴ common users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.errors import TooBig
from matweave.threads import in_parallel

SMALL = 4096  # columns up to which a dense result is not worth a thought
LARGEST = 46_340  # columns of a dense result: its entries are counted in 31 bits by LAPACK builds in use


@final
@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where each column's entries lie in a row-wise table: `rows` and `places` from starts[i] to starts[i + 1]."""

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    places: NDArray[np.int64]


def columns_of(indptr: NDArray[np.int64], indices: NDArray[np.int32], n_columns: int) -> Columns:
    """The columns of a CSR table by counting sort; rows ascend within a column.

    >>> columns_of(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), 2).rows.tolist()
    [0, 0, 1]
    """
    starts, rows, places = _columns(np.ascontiguousarray(indptr, np.int64), indices, n_columns)
    return Columns(starts=starts, rows=rows, places=places)


@njit(nogil=True, cache=True)
def _columns(indptr, indices, n_columns):
    starts = np.zeros(n_columns + 1, np.int64)
    for j in indices:
        starts[j + 1] += 1
    for j in range(n_columns):
        starts[j + 1] += starts[j]
    at = starts[:-1].copy()
    rows = np.empty(len(indices), np.int32)
    places = np.empty(len(indices), np.int64)
    for u in range(len(indptr) - 1):
        for t in range(indptr[u], indptr[u + 1]):
            k = at[indices[t]]
            rows[k], places[k] = u, t
            at[indices[t]] = k + 1
    return starts, rows, places


def gram_upper(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float32] | None,
    n_columns: int,
) -> NDArray[np.float32]:
    """The upper triangle of AᵀA as a dense (n, n) float32 array with zeros below the diagonal.

    A is given by its rows; `indices` ascend within each; `values` None stands for ones.
    Raises TooBig past 46,340 columns (8.6 GB).

    >>> gram_upper(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), None, 2).tolist()
    [[1.0, 1.0], [0.0, 2.0]]
    """
    if n_columns > LARGEST:
        raise TooBig(
            f"a dense {n_columns} x {n_columns} matrix of items would take {n_columns**2 * 4 / 1e9:.0f} GB",
            where="Gram matrix",
            mend=f"keep at most {LARGEST} items (drop rare ones), or use ItemKNN, whose weights stay sparse",
        )
    columns = columns_of(indptr, indices, n_columns)
    out = np.zeros((n_columns, n_columns), np.float32)
    # unsigned codes spare the kernel the check for negative indices
    table = (np.ascontiguousarray(indptr, np.int64), indices.view(np.uint32))
    order = (columns.starts, columns.rows, columns.places)

    def work(low: int, high: int) -> None:
        if values is None:
            _count_rows(low, high, *order, *table, out)
        else:
            _sum_rows(low, high, *order, *table, values, out)

    in_parallel(work, pieces(n_columns))
    return out


def pieces(count: int, size: int = 32) -> list[tuple[int, int]]:
    """Ranges of at most `size` that cover range(count); they depend on nothing but the count.

    >>> pieces(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(low, min(low + size, count)) for low in range(0, count, size)]


@njit(nogil=True, cache=True, fastmath=True)
def _count_rows(low, high, starts, rows, places, indptr, indices, out):
    for i in range(low, high):
        row = out[i]
        for k in range(starts[i], starts[i + 1]):
            for t in range(places[k], indptr[rows[k] + 1]):
                row[indices[t]] += np.float32(1)


@njit(nogil=True, cache=True, fastmath=True)
def _sum_rows(low, high, starts, rows, places, indptr, indices, values, out):
    for i in range(low, high):
        row = out[i]
        for k in range(starts[i], starts[i + 1]):
            v = values[places[k]]
            for t in range(places[k], indptr[rows[k] + 1]):
                row[indices[t]] += v * values[t]


@final
@dataclass(frozen=True, kw_only=True)
class Gram:
    """The whole symmetric G, dense or sparse, whichever suits its size: one of the two is empty.

    full: (n, n) float32, or (0, 0). starts (n + 1,) int64, columns int32 rising within a row, values float32: the rows of
    a sparse G, diagonal included. diagonal: (n,) float32.
    """

    full: NDArray[np.float32]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    diagonal: NDArray[np.float32]

    @staticmethod
    def of(
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.float32] | None,
        n_columns: int,
        *,
        small: int = SMALL,
    ) -> Gram:
        """G = AᵀA for a table A given by its rows, as for `gram_upper`.

        Dense for up to `small` columns and where at least a quarter of the pairs of columns meet in a row, at 4 bytes a pair;
        sparse otherwise, at 8 bytes for each pair that does. Raises TooBig where that passes 8.6 GB.

        >>> Gram.of(np.array([0, 2, 3]), np.array([0, 1, 1], np.int32), None, 2).full.tolist()
        [[1.0, 1.0], [1.0, 2.0]]
        """
        counts = None
        if n_columns > small:
            order = columns_of(indptr, indices, n_columns)
            table = (order.starts, order.rows, np.ascontiguousarray(indptr, np.int64), indices)
            counts = np.zeros(n_columns + 1, np.int64)
            in_parallel(lambda low, high: _count_pairs(low, high, *table, counts), pieces(n_columns))
            _refuse_many(int(counts.sum()), n_columns)
            if n_columns <= LARGEST and 4 * counts.sum() >= n_columns**2:
                counts = None
        if counts is None:
            full = gram_upper(indptr, indices, values, n_columns)
            in_parallel(lambda low, high: _mirror(low, high, full), pieces(n_columns))
            none = np.zeros(0, np.int32), np.zeros(0, np.float32)
            return Gram(full=full, starts=np.zeros(1, np.int64), columns=none[0], values=none[1],
                        diagonal=full.diagonal().copy())  # fmt: skip
        starts = np.cumsum(counts)
        columns, sums = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        diagonal = np.zeros(n_columns, np.float32)
        weights = np.ones(len(indices), np.float32) if values is None else values

        def work(low: int, high: int) -> None:
            _sum_pairs(low, high, order.starts, order.rows, order.places, table[2], indices, weights,
                       starts, columns, sums, diagonal)  # fmt: skip

        in_parallel(work, pieces(n_columns))
        return Gram(
            full=np.zeros((0, 0), np.float32), starts=starts, columns=columns, values=sums, diagonal=diagonal
        )

    def __len__(self) -> int:
        return len(self.diagonal)

    def arrays(self) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
        """The five arrays, as kernels take them."""
        return self.full, self.starts, self.columns, self.values, self.diagonal


def _refuse_many(pairs: int, n_columns: int) -> None:
    if pairs > LARGEST**2 // 2:
        raise TooBig(
            f"{pairs:,} pairs of {n_columns:,} items meet in a row, whose sums would take {pairs * 8 / 1e9:.0f} GB",
            where="Gram matrix",
            mend="drop rare items and very long histories, or use ItemKNN, which keeps no more than its neighbours",
        )


@njit(nogil=True, cache=True)
def _mirror(low, high, full):
    for j in range(low, high):
        for i in range(j):
            full[j, i] = full[i, j]


@njit(nogil=True, cache=True)
def _count_pairs(low, high, starts, rows, indptr, indices, counts):
    met_for = np.full(len(starts) - 1, -1, np.int64)
    for i in range(low, high):
        met = 0
        for k in range(starts[i], starts[i + 1]):
            for t in range(indptr[rows[k]], indptr[rows[k] + 1]):
                if met_for[indices[t]] != i:
                    met_for[indices[t]] = i
                    met += 1
        counts[i + 1] = met


@njit(nogil=True, cache=True)
def _sum_pairs(low, high, starts, rows, places, indptr, indices, values, at, columns, sums, diagonal):
    total = np.zeros(len(starts) - 1, np.float32)
    met_for = np.full(len(starts) - 1, -1, np.int64)
    for i in range(low, high):
        end = at[i]
        for k in range(starts[i], starts[i + 1]):
            v = values[places[k]]
            for t in range(indptr[rows[k]], indptr[rows[k] + 1]):
                j = indices[t]
                if met_for[j] != i:
                    met_for[j], total[j] = i, 0
                    columns[end] = j
                    end += 1
                total[j] += v * values[t]
        columns[at[i] : end] = np.sort(columns[at[i] : end])
        for p in range(at[i], end):
            sums[p] = total[columns[p]]
        diagonal[i] = total[i] if end > at[i] else 0
