"""Draws of many rows of a Gaussian factor model, given the vectors of their columns: half a sweep of a Gibbs sampler.

Row u has values r_k for columns k with vectors t_k and biases c_k. With the noise's precision τ and the row's prior

    r_k ~ N(x·t_k + b + c_k, 1/τ),     (x, b) ~ N(m_u, Λ⁻¹)                          Λ is (rank + 1, rank + 1), the bias last

the row given all else is N(P⁻¹ (Σ τ (r_k - c_k) s_k + Λ m_u), P⁻¹), P = τ Σ s_k s_kᵀ + Λ, s_k = (t_k, 1)
(Salakhutdinov & Mnih 2008, with a bias as one more entry beside a constant). Everything is divided by τ. With

    P / τ = UᵀU,   y = U⁻ᵀ (Σ (r_k - c_k) s_k + Λ m_u / τ),   z ~ N(0, I):     (x, b) = U⁻¹ (y + z / √τ)

one forward and one backward substitution give mean and noise together. The vectors' part of P is factored by
rows_cholesky.py in float32; the bias is a border of it. The squared errors of the draw come for nothing,
since |y + z/√τ|² = (x, b)ᵀ (P / τ) (x, b).

The normals are handed in, one row of them for each row, so the numbers do not depend on threads.
Cost of a row of n columns, rank d: n d² + d³/3. Checked by tests/linalg/test_gibbs.py against dense NumPy draws.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.rows import RowSystems, run, tile_rows
from matweave.linalg.rows_cholesky import factor, sum_gram
from matweave.linalg.simd import LANES
from matweave.linalg.tile import gather_residual, tile_product
from matweave.linalg.vectors import Floats, Vectors

_FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(nogil=True, fastmath=_FAST)
def forward(width, flat, x):  # pragma: no cover
    """x <- U⁻ᵀ x, with what `factor` left: U with 1 / U_kk on its diagonal."""
    for k in range(width):
        row = k * width
        value = x[k] * flat[row + k]
        x[k] = value
        for j in range(k + 1, width):
            x[j] -= value * flat[row + j]


@njit(nogil=True, fastmath=_FAST)
def backward(width, flat, x):  # pragma: no cover
    """x <- U⁻¹ x."""
    for k in range(width - 1, -1, -1):
        row, total = k * width, np.float32(0)
        for j in range(k + 1, width):
            total += flat[row + j] * x[j]
        x[k] = (x[k] - total) * flat[row + k]


@cache
def kernel(width: int):
    """The compiled kernel for one width (a multiple of 16)."""
    lane = width + LANES

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def rows_gibbs(
        indptr, indices, a, a_stride, b, b_stride, other, own, own_bias, _ridge,
        mass, prior, border, corner, pull, noise, capacity, rows, buffer, objective,
    ):  # pragma: no cover  # fmt: skip
        tile, matrix = buffer[: capacity * width], buffer[capacity * width : (capacity + width) * width]
        work = buffer[(capacity + width) * width : (capacity + width) * width + 7 * lane].reshape(7, lane)
        x, right, part, middle, origin, told, one = (
            work[0],
            work[1],
            work[2],
            work[3],
            work[4],
            work[5],
            work[6],
        )
        origin[:] = 0
        one[:] = 0
        one[width] = 1
        for u in rows:
            start = indptr[u]
            n = indptr[u + 1] - start
            matrix[:] = prior
            told[:] = 0
            middle[width] = 0
            for j in range(width):
                middle[j] = border[j]
            for low in range(0, n, capacity):
                size, at = min(capacity, n - low), start + low
                gather_residual(
                    width, True, other, tile, indices, a, a_stride, b, b_stride, at, size // 4, origin, part
                )
                for j in range(width + 1):
                    told[j] += part[j]
                # 0·t + 1 for each vector: the sum of the vectors
                tile_product(width, True, tile, a, a_stride, at, size // 4, one, middle)
                sum_gram(width, tile, a, a_stride, at, size, matrix)
            factor(width, matrix)
            for j in range(width):
                right[j] = told[j] + pull[u, j]
            forward(width, matrix, right)
            forward(width, matrix, middle)
            below, above = mass[u] + corner, told[width] + pull[u, width]
            for j in range(width):
                below -= middle[j] * middle[j]
                above -= middle[j] * right[j]
            last = np.float32(0)  # where nothing is known about the bias it stays at zero
            if below > 0:
                inverse = np.float32(1) / np.sqrt(below)
                last = above * inverse + noise[u, width]
                own_bias[u] = last * inverse
            else:
                own_bias[u] = 0
            bias = own_bias[u]
            total = np.float64(last * last)
            for j in range(width):
                x[j] = right[j] + noise[u, j]
            length = np.float32(0)
            for j in range(width):
                length += x[j] * x[j]
                x[j] -= middle[j] * bias
            backward(width, matrix, x)
            inner = np.float32(0)
            for j in range(width):
                own[u, j] = x[j]
                inner += x[j] * (told[j] + border[j] * bias)
            quadratic = np.float32(0)
            for i in range(width):
                half = np.float32(0.5) * prior[i * width + i] * x[i]
                for j in range(i + 1, width):
                    half += prior[i * width + j] * x[j]
                quadratic += half * x[i]
            total += np.float64(length) - 2.0 * np.float64(inner) - 2.0 * np.float64(quadratic)
            objective[u] = total - bias * (2.0 * np.float64(told[width]) + bias * corner)

    return rows_gibbs


def draw_rows(
    systems: RowSystems,
    other: Vectors,
    own: Vectors,
    *,
    precision: NDArray,
    noise_precision: float,
    means: NDArray,
    normals: NDArray | None,
) -> float:
    """Draw every row into `own`; the sum of squared errors of the draw over all entries.

    systems: weights of 1, targets r; other, own: vectors with biases; precision: Λ (rank + 1, rank + 1), the bias last;
    noise_precision: τ; means: m_u (n_rows, rank + 1), or (rank + 1,) for all; normals: z (n_rows, rank + 1), None for
    the conditional means themselves.

    >>> s = RowSystems(np.array([0, 2]), np.array([0, 1], np.int32), 2, weights=1.0, targets=np.array([1.0, 3.0]))
    >>> x = Vectors(1, 1, biased=True)
    >>> y = Vectors.of(np.array([[1.0], [-1.0]]), np.zeros(2))
    >>> errors = draw_rows(s, y, x, precision=1e-6 * np.eye(2), noise_precision=1.0, means=np.zeros(2), normals=None)
    >>> x.array.round(3).tolist(), x.bias[:1].round(3).tolist(), round(errors, 3)
    ([[-1.0]], [2.0], 0.0)
    """
    rank, width, capacity = other.rank, other.width, tile_rows(systems, other.width)
    scaled = precision / noise_precision
    prior = np.eye(width, dtype=np.float32)
    prior[:rank, :rank] = scaled[:rank, :rank]
    border = np.zeros(width, np.float32)
    border[:rank] = scaled[:rank, rank]
    pull = np.empty((systems.n_rows, rank + 1), np.float32)
    pull[:] = means @ scaled
    noise = None if normals is None else normals * np.float32(noise_precision**-0.5)
    return run(
        systems,
        other,
        own,
        np.zeros(0, np.float32),
        (capacity + width) * width + 7 * (width + LANES),
        kernel(width),
        systems.mass,
        prior.ravel(),
        border,
        np.float32(scaled[rank, rank]),
        _laid(pull, rank, width),
        _laid(noise, rank, width) if noise is not None else np.zeros((systems.n_rows, width + 1), np.float32),
        capacity,
    )


def _laid(rows: NDArray, rank: int, width: int) -> Floats:
    """(n, rank + 1) as (n, width + 1), zeros between the vector and the bias."""
    if rank == width:
        return np.ascontiguousarray(rows, np.float32)
    out = np.zeros((len(rows), width + 1), np.float32)
    out[:, :rank], out[:, width] = rows[:, :rank], rows[:, rank]
    return out
