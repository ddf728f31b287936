"""How surely the rows of small ridge systems are known: quadratic forms in A_u⁻¹ and draws from N(0, A_u⁻¹).

    A_u = Σ_k a_uk y_k y_kᵀ + S + s_u diag(p)          (rank, rank): half the Hessian of a row's objective in rows.py

A bias is one more column of ones among the y. Each A_u is summed and factored once as Uᵀ U (rows_cholesky.py); then

    variances          y_jᵀ A_u⁻¹ y_j = |w|², Uᵀ w = y_j: for all columns j, in panels of 16 or 64 that stay in the
                       first caches, four unknowns at a time in registers
    pair_variances     the same for named pairs
    inverse_diagonals  of A_u⁻¹: the same for the unit vectors
    draws              U⁻¹ z, whose covariance is A_u⁻¹ where that of z is I

Where nothing is known of a direction (no ridge, too few columns) A_u has no inverse: a floor of a millionth of the row's
mean diagonal, or of a mean column's where the row is empty, makes the variance very large instead of absent.
Cost of a row of n columns against m: n rank² + rank³/3 + m rank² flops; memory (m + 16 rank) rank floats per thread.
Rows are independent and pieces fixed, so the numbers do not depend on threads. Checked against numpy.linalg.inv in
tests/linalg/test_rows_variance.py, and by the slow twin of factor/laplace.py. Source: Golub & Van Loan, ch. 4.2.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import final

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from matweave.linalg.rows import RowSystems, tile_rows
from matweave.linalg.rows_cholesky import factor, sum_gram
from matweave.linalg.simd import FLOAT, LANES, ROWS, Emit, wide
from matweave.linalg.tile import code, pointers
from matweave.linalg.tile_gram import gather_columns
from matweave.linalg.vectors import Floats, Vectors, aligned
from matweave.threads import in_parallel

_FAST = {"contract", "reassoc", "nsz", "arcp"}
_CHUNKS = 4 if wide() else 1
PANEL = LANES * _CHUNKS
"""Columns that are solved for together."""

_PIECE = 16  # rows factored before any of them is used
_FLOOR = 1e-6


@code
def panel_step(_, width, chunks, matrix, panel, work, k, sums):
    """Rows k..k+3 of W in Uᵀ W = panel, the rows before being done; sums += their squares.

    matrix: U as `factor` leaves it, (width, width) flat; panel, work: (width, 16 chunks) flat; sums: (16 chunks,).
    """
    wanted = types.void(width, chunks, matrix, panel, work, types.int64, sums)
    d, wide_ = width.literal_value, chunks.literal_value
    across = LANES * wide_

    def generate(context, builder, signature, args):
        e = Emit(builder)
        matrix_, panel_, work_, sums_ = pointers(context, builder, signature.args, args, (2, 3, 4, 6))
        k = args[5]
        column, own = e.at(matrix_, k), e.times(k, across)
        start = e.at(panel_, own)
        left = [e.load(e.at(start, r * across + LANES * c)) for r in range(ROWS) for c in range(wide_)]

        def minus(address):
            return e.splat(builder.fneg(builder.load(address, typ=FLOAT, align=4)))

        def body(q, carried):
            done, by = e.at(work_, e.times(q, across)), e.at(column, e.times(q, d))
            w = [e.load(e.at(done, LANES * c)) for c in range(wide_)]
            for r in range(ROWS):
                u = minus(e.at(by, r))
                for c in range(wide_):
                    carried[r * wide_ + c] = e.fma(u, w[c], carried[r * wide_ + c])
            return carried

        left = e.loop(k, left, body)
        corner, to = e.at(matrix_, builder.add(e.times(k, d), k)), e.at(work_, own)
        total = [e.load(e.at(sums_, LANES * c)) for c in range(wide_)]
        for r in range(ROWS):
            for q in range(r):
                u = minus(e.at(corner, q * d + r))
                for c in range(wide_):
                    left[r * wide_ + c] = e.fma(u, left[q * wide_ + c], left[r * wide_ + c])
            inverse = e.splat_at(e.at(corner, r * d + r))
            for c in range(wide_):
                w = left[r * wide_ + c] = e.multiply(left[r * wide_ + c], inverse)
                e.store(w, e.at(to, r * across + LANES * c))
                total[c] = e.fma(w, w, total[c])
        for c in range(wide_):
            e.store(total[c], e.at(sums_, LANES * c))
        return context.get_dummy_value()

    return wanted, generate


@cache
def _factoring(width: int):
    """The kernel that leaves U of rows low..high in `out`, for one width (a multiple of 16)."""

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def rows_factored(
        indptr, indices, a, a_stride, other, rank, scale, penalty, shared, floor, capacity, low, high, tile, out
    ):  # pragma: no cover  # fmt: skip
        for u in range(low, high):
            matrix, start = out[u - low], indptr[u]
            n = indptr[u + 1] - start
            matrix[:] = shared
            for first in range(0, n, capacity):
                size, at = min(capacity, n - first), start + first
                gather_columns(width, width, other, tile, indices, at, size, 0)
                sum_gram(width, tile, a, a_stride, at, size, matrix)
            trace = np.float32(0)
            for j in range(rank):
                trace += matrix[j * width + j]
            least = max(np.float32(_FLOOR) * trace / np.float32(rank), floor)
            for j in range(rank):
                matrix[j * width + j] += max(scale[u] * penalty[j], least)
            factor(width, matrix)

    return rows_factored


@cache
def _forms(width: int):
    """The kernel of |w|² for one width: row r solves for panels begin[r]..end[r], and writes from line to[r] on."""

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def quadratic_forms(matrices, panels, begin, end, to, work, out):  # pragma: no cover
        for r in range(len(begin)):
            for t in range(begin[r], end[r]):
                sums = out[to[r] + t - begin[r]]
                sums[:] = 0
                for k in range(0, width, 4):
                    panel_step(width, _CHUNKS, matrices[r], panels[t], work, k, sums)

    return quadratic_forms


@njit(nogil=True, cache=True, fastmath=_FAST)
def _back(width, matrices, x):  # pragma: no cover
    """x[r] <- U⁻¹ x[r] for every row."""
    for r in range(len(x)):
        flat, mine = matrices[r], x[r]
        for k in range(width - 1, -1, -1):
            row, total = k * width, np.float32(0)
            for j in range(k + 1, width):
                total += flat[row + j] * mine[j]
            mine[k] = (mine[k] - total) * flat[row + k]


def panels_of(vectors: Floats) -> Floats:
    """Rows of vectors (n, width) side by side: (⌈n / PANEL⌉, width * PANEL), zeros past the last."""
    n, width = vectors.shape
    count = -(-n // PANEL)
    out = aligned(count, width * PANEL)
    for t in range(count):
        rows = vectors[t * PANEL : (t + 1) * PANEL]
        out[t].reshape(width, PANEL)[:, : len(rows)] = rows.T
    return out


@final
class Columns:
    """The vectors y that many systems share, (m, rank): as a table, and in panels where all are solved for."""

    def __init__(self, vectors: NDArray) -> None:
        self.vectors = Vectors.of(vectors)

    @cached_property
    def panels(self) -> Floats:
        """As `panels_of`."""
        return panels_of(self.vectors.data[:-1])

    @cached_property
    def mean_square(self) -> float:
        """Mean of the squared entries; 0 where there are none."""
        array = self.vectors.array
        return float(np.einsum("nd,nd->", array, array, dtype=np.float64) / array.size) if array.size else 0.0


@final
class Precisions:
    """The matrices A_u of n rows. indptr, indices: their columns, by row. weights: a, one float or one per entry.

    scale: s (n,). penalty: p (rank,). shared: S (rank, rank), None for zero.

    >>> one = Precisions(np.array([0, 1]), np.array([1]), Columns(np.eye(2)), weights=3.0, scale=np.ones(1), penalty=np.ones(2))
    >>> one.variances()
    array([[1.  , 0.25]], dtype=float32)
    """

    def __init__(
        self,
        indptr: NDArray[np.integer],
        indices: NDArray[np.integer],
        columns: Columns,
        *,
        weights: float | NDArray,
        scale: NDArray,
        penalty: NDArray,
        shared: NDArray | None = None,
    ) -> None:
        self.columns, table = columns, columns.vectors
        self.systems = RowSystems(indptr, indices, table.n, weights=weights, targets=0.0)
        self.scale = np.ascontiguousarray(scale, np.float32)
        self.penalty = np.ascontiguousarray(penalty, np.float32)
        given = np.eye(table.width, dtype=np.float32)  # ones past the rank, so that the padding has a factor
        given[: table.rank, : table.rank] = 0.0 if shared is None else shared
        self.shared = given.ravel()
        self.floor = np.float32(max(_FLOOR * columns.mean_square, 1e-30))
        self.capacity = tile_rows(self.systems, table.width)

    def __len__(self) -> int:
        return self.systems.n_rows

    def variances(self) -> Floats:
        """y_jᵀ A_u⁻¹ y_j, (n, m) float32."""
        return self._whole(self.columns.panels, self.columns.vectors.n)

    def inverse_diagonals(self) -> Floats:
        """The diagonals of A_u⁻¹, (n, rank) float32."""
        units = np.eye(self.columns.vectors.width, dtype=np.float32)
        return self._whole(panels_of(units), self.columns.vectors.rank)

    def pair_variances(self, at: NDArray[np.integer], columns: NDArray[np.integer]) -> Floats:
        """y_jᵀ A_u⁻¹ y_j of the pairs (u = at[p], j = columns[p]), (p,) float32."""
        order = np.argsort(at, kind="stable")
        edges = np.searchsorted(at[order], np.arange(len(self) + 1))
        found = np.empty(len(at), np.float32)

        def work(low: int, high: int) -> None:
            mine = order[edges[low] : edges[high]]
            if not len(mine):
                return
            counts = np.diff(edges[low : high + 1])
            ends = np.cumsum(-(-counts // PANEL))
            begin = ends - -(-counts // PANEL)
            place = np.arange(len(mine)) - np.repeat(edges[low:high] - edges[low], counts)
            place += np.repeat(begin * PANEL, counts)
            which = np.full(ends[-1] * PANEL, self.columns.vectors.n)  # the row of zeros
            which[place] = columns[mine]
            panels = panels_of(self.columns.vectors.data[which])
            out = aligned(len(panels), PANEL)
            self._solved(low, high, panels, begin, ends, begin, out)
            found[mine] = out.ravel()[place]

        in_parallel(work, self._pieces())
        return found

    def draws(self, normals: NDArray) -> Floats:
        """U⁻¹ z for every row z of normals (n, rank), (n, rank) float32."""
        out = aligned(len(self), self.columns.vectors.width)
        out[:, : self.columns.vectors.rank] = normals

        def work(low: int, high: int) -> None:
            _back(self.columns.vectors.width, self._factored(low, high), out[low:high])

        in_parallel(work, self._pieces())
        return np.ascontiguousarray(out[:, : self.columns.vectors.rank])

    def _whole(self, panels: Floats, columns: int) -> Floats:
        found, count = np.empty((len(self), columns), np.float32), len(panels)

        def work(low: int, high: int) -> None:
            rows, out = high - low, aligned((high - low) * count, PANEL)
            begin = np.zeros(rows, np.int64)
            self._solved(low, high, panels, begin, begin + count, np.arange(rows) * count, out)
            found[low:high] = out.reshape(rows, -1)[:, :columns]

        in_parallel(work, self._pieces())
        return found

    def _solved(
        self, low: int, high: int, panels: Floats, begin: NDArray, end: NDArray, to: NDArray, out: Floats
    ) -> None:
        width = self.columns.vectors.width
        _forms(width)(self._factored(low, high), panels, begin, end, to, aligned(width * PANEL), out)

    def _factored(self, low: int, high: int) -> Floats:
        table, systems = self.columns.vectors, self.systems
        out = aligned(high - low, table.width * table.width)
        _factoring(table.width)(
            systems.indptr,
            systems.indices,
            systems.a,
            systems.a_stride,
            table.data,
            table.rank,
            self.scale,
            self.penalty,
            self.shared,
            self.floor,
            self.capacity,
            low,
            high,
            aligned(self.capacity * table.width),
            out,
        )
        return out

    def _pieces(self) -> list[tuple[int, int]]:
        return [(low, min(low + _PIECE, len(self))) for low in range(0, len(self), _PIECE)]
