"""Draws of a Gaussian's mean and precision given its rows: the Normal-Wishart posterior.

    x_n ~ N(μ, Λ⁻¹),   μ ~ N(0, (strength Λ)⁻¹),   Λ ~ Wishart(I / scale, freedom),   n = 1..N

    Λ | rows ~ Wishart(W, freedom + N),   W⁻¹ = scale I + Σ (x_n - x̄)(x_n - x̄)ᵀ + (strength N / (strength + N)) x̄ x̄ᵀ
    μ | Λ, rows ~ N(N x̄ / (strength + N), ((strength + N) Λ)⁻¹)                     (Salakhutdinov & Mnih 2008)

A Wishart matrix is drawn by Bartlett's factorization: L A Aᵀ Lᵀ with L Lᵀ = W, A lower triangular, A_ii² ~ χ²(ν - i), normals below.
Cost N d² + d³. Checked by tests/linalg/test_wishart.py: means, variances and moments against the formulas above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from matweave.threads import blas_threads, in_parallel

_STRIPE = 4096

Doubles = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of N rows: count, mean (d,) and scatter Σ (x - x̄)(x - x̄)ᵀ (d, d), float64."""

    count: int
    mean: Doubles
    scatter: Doubles


def moments(rows: NDArray) -> Moments:
    """Summed by stripes that do not depend on the number of threads.

    >>> m = moments(np.array([[1.0, 0.0], [3.0, 0.0]]))
    >>> m.count, m.mean.tolist(), m.scatter.tolist()
    (2, [2.0, 0.0], [[2.0, 0.0], [0.0, 0.0]])
    """
    n, d = rows.shape

    def part(low: int, high: int) -> tuple[Doubles, Doubles]:
        some = rows[low:high].astype(np.float64)
        return some.sum(axis=0), some.T @ some

    total, squares = np.zeros(d), np.zeros((d, d))
    for one, two in in_parallel(part, [(a, min(a + _STRIPE, n)) for a in range(0, n, _STRIPE)]):
        total += one
        squares += two
    mean = total / max(n, 1)
    return Moments(count=n, mean=mean, scatter=squares - n * np.outer(mean, mean))


def wishart(random: np.random.Generator, inverse_scale: Doubles, freedom: float) -> Doubles:
    """R (d, d) with R Rᵀ ~ Wishart(inverse_scale⁻¹, freedom); freedom > d - 1.

    >>> r = wishart(np.random.default_rng(0), np.eye(2) / 3, 1e6)
    >>> (r @ r.T / 1e6).round(2).tolist()
    [[3.0, 0.0], [0.0, 3.0]]
    """
    d = len(inverse_scale)
    bartlett = np.tril(random.standard_normal((d, d)), -1)
    bartlett[np.diag_indices(d)] = np.sqrt(random.chisquare(freedom - np.arange(d)))
    with blas_threads(1):
        root = np.linalg.cholesky(inverse_scale)  # C Cᵀ = W⁻¹, so that C⁻ᵀ is a root of W
        return solve_triangular(root, bartlett, trans=1, lower=True)


@final
@dataclass(frozen=True, kw_only=True)
class NormalWishart:
    """The prior of a side's rows; see the head of the file. freedom: beyond the d that the matrix needs."""

    strength: float = 2.0
    scale: float = 1.0
    freedom: float = 0.0

    def draw(
        self,
        random: np.random.Generator,
        of: Moments,
        *,
        more_scatter: Doubles | None = None,
        more_freedom: float = 0.0,
    ) -> tuple[Doubles, Doubles]:
        """μ (d,), and R (d, d) with Λ = R Rᵀ. more_scatter, more_freedom: of other normals with the precision Λ and mean 0.

        >>> rows = np.random.default_rng(1).normal(3.0, 0.5, (100_000, 1))
        >>> mu, r = NormalWishart().draw(np.random.default_rng(0), moments(rows))
        >>> round(float(mu[0]), 1), round(float(r[0, 0]), 1)
        (3.0, 2.0)
        """
        d, n = len(of.mean), of.count
        inverse = self.scale * np.eye(d) + of.scatter
        inverse += self.strength * n / (self.strength + n) * np.outer(of.mean, of.mean)
        if more_scatter is not None:
            inverse += more_scatter
        root = wishart(random, inverse, d + self.freedom + n + more_freedom)
        with blas_threads(1):
            step = np.linalg.solve(root.T, random.standard_normal(d))
        return n / (self.strength + n) * of.mean + step / np.sqrt(self.strength + n), root
