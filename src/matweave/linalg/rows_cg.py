"""Conjugate gradients on many small ridge systems, in the basis where their shared part is diagonal.

All rows share ω G. With G = Q Λ Qᵀ, both tables are rotated by Q once per half-step (products between them, and
norms, do not change), after which a row's matrix is

    A_u = Σ_k a_k t_k t_kᵀ + D_u,    D_u = ω Λ + ρ_u I    (diagonal)

so a product with A_u costs no d² term, and D_u is the preconditioner of its own row: one division per number.
Without a shared part (ω = 0) Q comes from the columns' own mean M = Σ_j c_j y_j y_jᵀ / Σ_j c_j, c_j the rows that
hold column j, and the preconditioner is m_u Λ + ρ_u, m_u = Σ_k a_k. With biases and a pull (whose side of the model is all of
the shared part) it is ω Λ + m_u diag(QᵀMQ) + ρ_u. With biases, the bias is one more
unknown with preconditioner m_u + its ridge.

Each row starts from what `own` held and takes `steps` steps (Hestenes & Stiefel 1952; for ALS: Takács, Pilászy,
Tikk 2011). The objective falls by α_k (r·z) in every step, so f_u(x_u) is followed without another pass:
f_u(x_0) = -Σ_k b_k s_k - x_0·r_0. It never rises, whatever `steps` is (in exact arithmetic).

Quality, measured on ml-1m, rank 64 and 128, two losses: two steps reach a lower objective in every epoch than
three steps without the basis, and the nDCG of the exact solver (benchmarks/speed/implicit_als.py prints both).
Cost: 4 (steps + 1) n d flops per row, each vector read steps + 1 times; per half-step d³ for the basis (0.3 ms at
d = 64, 5 ms at 256) and 2 (n_rows + n_columns) d² for the rotations. Checked in tests/linalg/test_rows_cg.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.errors import ConfigError
from matweave.linalg.rows import RowSolver, RowSystems, pulled, run, tile_rows
from matweave.linalg.simd import LANES
from matweave.linalg.tile import gather_residual, tile_product
from matweave.linalg.vectors import Floats, Vectors
from matweave.threads import blas_threads

_FAST = {"contract", "reassoc", "nsz", "arcp"}  # NaN and infinity keep their meaning
_LARGEST = np.float32(np.finfo(np.float32).max)
_DONE = np.float32(1e-12)  # of the first r·z: below it float32 has nothing left to improve


@cache
def kernel(width: int, biased: bool, sided: bool = False):
    """The compiled kernel for one width (a multiple of 16)."""
    lane = width + LANES if biased else width  # floats of one work vector: the bias has a chunk of its own
    size = width + 1 if biased else width
    none = np.zeros(4, np.float32)

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def rows_cg(
        indptr, indices, a, a_stride, b, b_stride, other, own, own_bias, ridge,
        mass, diagonal, shape, bias_ridge, pull, steps, capacity, rows, buffer, objective,
    ):  # pragma: no cover  # fmt: skip
        tile = buffer[: capacity * width]
        work = buffer[capacity * width : capacity * width + 7 * lane].reshape(7, lane)
        x, r, p, q, z, m, d = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
        for u in rows:
            start = indptr[u]
            n = indptr[u + 1] - start
            for j in range(width):
                x[j] = own[u, j]
                d[j] = diagonal[j] + ridge[u]
                m[j] = np.float32(1) / max(d[j] + mass[u] * shape[j], np.float32(1e-30))
            if biased:
                x[width] = own_bias[u]
                d[width] = bias_ridge[u]
                m[width] = np.float32(1) / max(d[width] + mass[u], np.float32(1e-30))
            scored = np.float64(0)
            if n <= capacity:
                scored += gather_residual(
                    width, biased, other, tile, indices, a, a_stride, b, b_stride, start, n // 4, x, r
                )
            else:
                r[:size] = 0
                for low in range(0, n, capacity):
                    part = min(capacity, n - low) // 4
                    scored += gather_residual(
                        width, biased, other, tile, indices, a, a_stride, b, b_stride, start + low, part, x, q
                    )
                    for j in range(size):
                        r[j] += q[j]
            if sided:
                for j in range(width):
                    r[j] += pull[u, j]
                    scored += x[j] * pull[u, j]
            f, rz = -scored, np.float32(0)
            fall = np.float32(0)
            for j in range(size):
                r[j] -= d[j] * x[j]
                fall += x[j] * r[j]
                p[j] = m[j] * r[j]
                rz += r[j] * p[j]
            f -= fall
            if not rz <= _LARGEST:  # float32 has overflowed: say so instead of standing still
                f = np.float64(np.nan)
            enough = _DONE * rz
            for _ in range(steps):
                if not rz > enough:
                    break
                if n <= capacity:
                    for j in range(size):
                        q[j] = d[j] * p[j]
                    tile_product(width, biased, tile, a, a_stride, start, n // 4, p, q)
                else:  # Σ a s t = -(Σ (0 - a s) t), gathered again part by part
                    for j in range(size):
                        q[j] = d[j] * p[j]
                    for low in range(0, n, capacity):
                        part = min(capacity, n - low) // 4
                        gather_residual(
                            width, biased, other, tile, indices, a, a_stride, none, 0, start + low, part, p, z
                        )
                        for j in range(size):
                            q[j] -= z[j]
                curve = np.float32(0)
                for j in range(size):
                    curve += p[j] * q[j]
                if not curve > 0 or curve > _LARGEST:
                    f = f if curve <= 0 else np.float64(np.nan)
                    break
                step = rz / curve
                f -= step * rz
                after = np.float32(0)
                for j in range(size):
                    x[j] += step * p[j]
                    r[j] -= step * q[j]
                    z[j] = m[j] * r[j]
                    after += r[j] * z[j]
                turn = after / rz
                for j in range(size):
                    p[j] = z[j] + turn * p[j]
                rz = after
            for j in range(width):
                own[u, j] = x[j]
            if biased:
                own_bias[u] = x[width]
            objective[u] = f

    return rows_cg


def turned_to_basis(
    systems: RowSystems, other: Vectors, own: Vectors, shared: NDArray | None, pull: Vectors | None
) -> tuple[Floats, Floats] | None:
    """Turn the tables to the basis where the shared part is diagonal; ω Λ, and what m_u multiplies, (width,) each.

    None where the columns' vectors are not finite, and nothing was turned.

    >>> y, x = Vectors.of(np.array([[2.0, 0.0], [0.0, 1.0]])), Vectors(1, 2)
    >>> s = RowSystems(np.array([0, 1]), np.array([0], np.int32), 2, weights=1.0, targets=1.0)
    >>> turned_to_basis(s, y, x, y.gram(), None)[0][:2].tolist()
    [1.0, 4.0]
    """
    biased, mean = other.bias is not None, np.zeros((other.rank, other.rank))
    if shared is None or (biased and pull is not None):
        mean = other.gram(systems.popular) / max(systems.popular.sum(), 1)
    gram = mean if shared is None else np.asarray(shared, np.float64)
    if not (np.isfinite(gram).all() and np.isfinite(mean).all()):
        return None
    with blas_threads(1):  # the same bits for any number of threads
        spectrum, basis = np.linalg.eigh(gram)
        nothing = spectrum <= 1e-7 * max(spectrum[-1], 0.0)
        if shared is not None and nothing.sum() > 1:
            # where the shared part says nothing any basis is its own, and rounding would choose: the rows' mean does
            basis[:, nothing] = (
                basis[:, nothing] @ np.linalg.eigh(basis[:, nothing].T @ mean @ basis[:, nothing])[1]
            )
    for table in (other, own, pull):
        if table is not None:
            table.rotate(basis)
    diagonal, shape = np.zeros((2, other.width), np.float32)
    if shared is None:
        shape[: other.rank] = np.maximum(spectrum, 0.0)
    else:
        diagonal[: other.rank] = np.maximum(spectrum, 0.0)
        shape[: other.rank] = np.einsum("rq,rs,sq->q", basis, mean, basis)
    return diagonal, shape


@final
@dataclass(frozen=True, kw_only=True)
class ConjugateGradient(RowSolver):
    """A few preconditioned steps from where the row was; `other` and `own` come back in a rotated basis.

    >>> s = RowSystems(np.array([0, 2]), np.array([0, 1], np.int32), 2, weights=1.0, targets=1.0)
    >>> y, x = Vectors.of(np.eye(2)), Vectors(1, 2)
    >>> ConjugateGradient(steps=2).step(s, y, x, ridge=np.array([1.0]))
    -1.0
    >>> x.array @ y.array.T
    array([[0.5, 0.5]], dtype=float32)
    """

    steps: int = 2

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps is {self.steps}", where="ConjugateGradient", mend="give steps >= 1")

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
        found = turned_to_basis(systems, other, own, shared, pull)
        if found is None:
            return float("nan")  # the columns' vectors are lost already; the fit ends as diverged
        diagonal, shape = found
        capacity = tile_rows(systems, other.width)
        return run(
            systems,
            other,
            own,
            ridge,
            capacity * other.width + 7 * (other.width + LANES),
            kernel(other.width, other.bias is not None, pull is not None),
            systems.mass,
            diagonal,
            shape,
            np.ascontiguousarray(ridge if bias_ridge is None else bias_ridge, np.float32),
            pulled(pull),
            self.steps,
            capacity,
        )
