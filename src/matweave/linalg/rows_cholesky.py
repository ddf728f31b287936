"""Exact solutions of many small ridge systems, and the two kernels that block descent shares.

For each row: A = Σ_k a_k t_k t_kᵀ + ω G + ρ I is summed over its tile (upper half only, in blocks that stay in
registers: n d² flops), factored as Uᵀ U (d³ / 3, four pivots at a time), and solved. f(x) = -x·b at the solution.
With biases the bordered system [[A, m], [mᵀ, Σ a + ρ_b]] [x; c] = [b; β], m = Σ_k a_k t_k, is eliminated:
c = (β - m·A⁻¹b) / (Σ a + ρ_b - m·A⁻¹m), x = A⁻¹b - c A⁻¹m. A pivot that vanishes (no ridge, too few columns)
sets its unknown to zero. Source: Hu, Koren, Volinsky 2008 eq. 4; Golub & Van Loan, alg. 4.2.1.
Checked against numpy.linalg.solve in tests/linalg/test_rows_cholesky.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from numba import njit
from numba.misc.special import literally
from numpy.typing import NDArray

from matweave.linalg.rows import RowSolver, RowSystems, pulled, run, tile_rows
from matweave.linalg.simd import LANES, ROWS, wide
from matweave.linalg.tile import gather_residual
from matweave.linalg.tile_gram import tile_gram, trailing_update
from matweave.linalg.vectors import Floats, Vectors

_FAST = {"contract", "reassoc", "nsz", "arcp"}
_PANEL = 64  # vectors of the tile that are summed while the matrix stays close
_HIGH, _WIDE = (8, 3) if wide() else (4, 1)  # cells held in registers: 24 of 32 vectors, or 8 of 16


@njit(nogil=True, fastmath=_FAST)
def sum_gram(width, tile, a, a_stride, start, n, out):  # pragma: no cover
    """Add Σ a t tᵀ of a tile to the upper half of a flat (width, width) matrix."""
    literally(width)  # the blocks are unrolled for it
    chunks = width // LANES
    for low in range(0, n, _PANEL):
        count, at = min(_PANEL, n - low), start + low
        for i in range(0, width, _HIGH):
            c = i // LANES
            while c + _WIDE <= chunks:
                tile_gram(width, _HIGH, _WIDE, tile, low, a, a_stride, at, count, i, c * LANES, out)
                c += _WIDE
            if c + 2 == chunks:  # never where _WIDE is 1
                tile_gram(width, _HIGH, 2, tile, low, a, a_stride, at, count, i, c * LANES, out)
            elif c + 1 == chunks:
                tile_gram(width, _HIGH, 1, tile, low, a, a_stride, at, count, i, c * LANES, out)


@njit(nogil=True, fastmath=_FAST)
def factor(width, flat):  # pragma: no cover
    """Turn the upper half of A, flat (width * width), into U with A = Uᵀ U, with 1 / U_kk on the diagonal."""
    literally(width)
    largest = np.float32(0)
    for k in range(width):
        largest = max(largest, flat[k * width + k])
    floor = largest * np.float32(1e-7)
    for k in range(0, width, ROWS):
        for r in range(k, k + ROWS):
            row = r * width
            for q in range(k, r):
                above, by = q * width, flat[q * width + r]
                for j in range(r, width):
                    flat[row + j] -= by * flat[above + j]
            pivot, inverse = flat[row + r], np.float32(0)
            if pivot > floor:
                inverse = np.float32(1) / np.sqrt(pivot)
            for j in range(r, width):  # all zero where nothing is known about this direction
                flat[row + j] *= inverse
            flat[row + r] = inverse
        for i in range(k + ROWS, width, ROWS):
            trailing_update(width, flat, k, i)


@njit(nogil=True, fastmath=_FAST)
def solve(width, flat, x):  # pragma: no cover
    """x <- A⁻¹ x from what `factor` left."""
    literally(width)
    for k in range(width):
        row = k * width
        value = x[k] * flat[row + k]
        x[k] = value
        for j in range(k + 1, width):
            x[j] -= value * flat[row + j]
    for k in range(width - 1, -1, -1):
        row, total = k * width, np.float32(0)
        for j in range(k + 1, width):
            total += flat[row + j] * x[j]
        x[k] = (x[k] - total) * flat[row + k]


@cache
def kernel(width: int, biased: bool, sided: bool = False):
    """The compiled kernel for one width (a multiple of 16)."""
    lane = width + LANES

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def rows_cholesky(
        indptr, indices, a, a_stride, b, b_stride, other, own, own_bias, ridge,
        mass, gram, bias_ridge, pull, capacity, rows, buffer, objective,
    ):  # pragma: no cover  # fmt: skip
        tile, matrix = buffer[: capacity * width], buffer[capacity * width : (capacity + width) * width]
        work = buffer[(capacity + width) * width : (capacity + width) * width + 6 * lane].reshape(6, lane)
        x, right, part, middle, origin, nothing = work[0], work[1], work[2], work[3], work[4], work[5]
        origin[:] = 0
        nothing[:] = 0
        for u in rows:
            start = indptr[u]
            n = indptr[u + 1] - start
            matrix[:] = gram
            for j in range(width):
                matrix[j * width + j] += ridge[u]
            right[:] = 0
            if sided:
                for j in range(width):
                    right[j] = pull[u, j]
            middle[:] = 0
            for low in range(0, n, capacity):
                size, at = min(capacity, n - low), start + low
                if biased:
                    gather_residual(
                        width,
                        biased,
                        other,
                        tile,
                        indices,
                        nothing,
                        0,
                        a,
                        a_stride,
                        at,
                        size // 4,
                        origin,
                        part,
                    )
                    for j in range(width):
                        middle[j] += part[j]
                gather_residual(
                    width, biased, other, tile, indices, a, a_stride, b, b_stride, at, size // 4, origin, part
                )
                for j in range(width + biased):
                    right[j] += part[j]
                sum_gram(width, tile, a, a_stride, at, size, matrix)
            factor(width, matrix)
            for j in range(width):
                x[j] = right[j]
            solve(width, matrix, x)
            if biased:
                for j in range(width):
                    part[j] = middle[j]
                solve(width, matrix, part)
                above, below = right[width], mass[u] + bias_ridge[u]
                for j in range(width):
                    above -= middle[j] * x[j]
                    below -= middle[j] * part[j]
                own_bias[u] = above / below if below > 0 else np.float32(0)
                for j in range(width):
                    x[j] -= own_bias[u] * part[j]
            fall = np.float32(0)
            for j in range(width):
                own[u, j] = x[j]
                fall += x[j] * right[j]
            objective[u] = -np.float64(fall)
            if biased:
                objective[u] -= np.float64(own_bias[u]) * right[width]

    return rows_cholesky


def padded(shared: NDArray | None, other: Vectors) -> Floats:
    """ω G as (width, width) float32; ones on the diagonal of the padding, so that it has a factor."""
    out = np.eye(other.width, dtype=np.float32)
    out[: other.rank, : other.rank] = 0.0 if shared is None else shared
    return out


@final
@dataclass(frozen=True, kw_only=True)
class Cholesky(RowSolver):
    """Every row exactly, whatever `own` held.

    >>> s = RowSystems(np.array([0, 2]), np.array([0, 1], np.int32), 2, weights=1.0, targets=1.0)
    >>> x = Vectors(1, 2)
    >>> Cholesky().step(s, Vectors.of(np.eye(2)), x, ridge=np.array([1.0]))
    -1.0
    >>> x.array
    array([[0.5, 0.5]], dtype=float32)
    """

    def step(
        self,
        systems: RowSystems,
        other: Vectors,
        own: Vectors,
        *,
        ridge: NDArray,
        shared: NDArray | None = None,
        bias_ridge: NDArray | None = None,
        pull: Vectors | None = None,
    ) -> float:
        width, capacity = other.width, tile_rows(systems, other.width)
        return run(
            systems,
            other,
            own,
            ridge,
            (capacity + width) * width + 6 * (width + LANES),
            kernel(width, other.bias is not None, pull is not None),
            systems.mass,
            padded(shared, other).ravel(),
            np.ascontiguousarray(ridge if bias_ridge is None else bias_ridge, np.float32),
            pulled(pull),
            capacity,
        )
