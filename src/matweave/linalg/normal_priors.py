"""Normal priors on the rows of a factorization: rows solved under them, and their means and precisions in closed form.

Rows        x_u = argmin Σ_k (r_uk - x·y_k)² + (x - m - w_u)ᵀ diag(ridge) (x - m - w_u): a ridge system (linalg/rows.py) whose shared part
            is diag(ridge) and whose linear part is pulled by ridge (m + w_u). Exact, by Cholesky.
Precisions  Given n rows of which column f deviates by S_f = Σ_u (x_uf - w_uf - m_f)² from its mean, ½ (λ S_f - n ln λ) + ½ ν (λ / λ_0 - ln λ)
            is least at λ_f = (n + ν) / (S_f + ν / λ_0); its mean m_f is that of the column.
Histories   w_u = Σ_{i∈N(u)} W_i / |N(u)|. Given the rows, W minimises Σ_uf λ_f (x_uf - m_f - w_uf)² + λ_W |W|²: one ridge regression of each
            column on the histories, all solved at once by conjugate gradients (Hestenes & Stiefel 1952), each column with its own steps;
            a step never raises its column's objective.
Checked by  tests/linalg/test_normal_priors.py: dense solutions, minima by numerical gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from matweave.linalg.rows import RowSystems
from matweave.linalg.rows_cholesky import Cholesky
from matweave.linalg.vectors import Vectors
from matweave.linalg.weighted_sums import products

Doubles = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Priors:
    """mean (rank,) and ridge (rank,), float64: prior precisions over the precision of a value."""

    mean: Doubles
    ridge: Doubles

    def solve(self, systems: RowSystems, other: Vectors, own: Vectors, means: NDArray | None = None) -> float:
        """Every row exactly, into `own`; means (rows, rank): w_u, None for zero. Answers Σ_u Σ_k (r - x·y)² without Σ r².

        >>> s = RowSystems(np.array([0, 1]), np.array([0], np.int32), 1, weights=1.0, targets=2.0)
        >>> x = Vectors(1, 1)
        >>> prior = Priors(mean=np.array([1.0]), ridge=np.array([1.0]))
        >>> round(prior.solve(s, Vectors.of(np.ones((1, 1))), x), 2), round(float(x.array[0, 0]), 3)
        (-3.75, 1.5)
        """
        pull = Vectors(own.n, own.rank)
        pull.array[:] = self.ridge * self._centres(means)
        fall = Cholesky().step(
            systems, other, own, ridge=np.zeros(own.n), shared=np.diag(self.ridge), pull=pull
        )
        x = own.array
        squares = np.einsum("nd,nd->d", x, x, dtype=np.float64) @ self.ridge
        along = float(np.einsum("nd,nd->", x, pull.array, dtype=np.float64))
        return fall - float(squares) + 2.0 * along

    def deviations(self, own: NDArray, means: NDArray | None = None) -> Doubles:
        """S of every column, (rank,) float64."""
        away = own - self._centres(means)
        return np.einsum("nd,nd->d", away, away, dtype=np.float64)

    def _centres(self, means: NDArray | None) -> Doubles:
        return self.mean[None] if means is None else self.mean + means


def precisions(deviations: Doubles, n: float, *, expected: float, strength: float) -> Doubles:
    """λ of every column from S (rank,) of n rows; `strength` rows (ν) say `expected` (λ_0).

    >>> precisions(np.array([4.0]), 8, expected=1.0, strength=0.0)
    array([2.])
    """
    floor = np.finfo(np.float64).tiny
    return (n + strength) / np.maximum(deviations + strength / expected, floor)


@final
class Histories:
    """Who has which items, as a table of shares 1 / |N(u)|, by user and by item; both CSR parts."""

    def __init__(self, by_user: tuple[NDArray, NDArray], by_item: tuple[NDArray, NDArray]) -> None:
        counts = np.diff(by_user[0])
        shares = (1.0 / np.maximum(counts, 1)).astype(np.float32)
        self.by_user = (*by_user, np.repeat(shares, counts))
        self.by_item = (*by_item, shares[by_item[1]])

    def means(self, table: NDArray) -> NDArray[np.float32]:
        """w (users, rank) of W (items, rank)."""
        return products(*self.by_user, np.ascontiguousarray(table, np.float32))

    def fit(
        self, table: NDArray, target: NDArray, weights: Doubles, ridge: float, steps: int
    ) -> NDArray[np.float32]:
        """A better W (items, rank) for min Σ_uf weights_f (target_uf - w_uf)² + ridge |W|², from `table`; `steps` steps."""
        weighted = weights.astype(np.float32)
        w = np.array(table, np.float32)
        left = products(*self.by_item, weighted * (target - self.means(w))) - np.float32(ridge) * w
        toward = left.copy()
        size = np.einsum("nd,nd->d", left, left, dtype=np.float64)
        floor = 1e-14 * np.maximum(size, np.finfo(np.float64).tiny)
        for _ in range(steps):
            seen = self.means(toward)
            bent = products(*self.by_item, weighted * seen) + np.float32(ridge) * toward
            curve = np.einsum("nd,nd->d", toward, bent, dtype=np.float64)
            open_ = (curve > 0) & (size > floor)
            step = np.where(open_, size / np.where(open_, curve, 1.0), 0.0).astype(np.float32)
            w += step * toward
            left -= step * bent
            now = np.einsum("nd,nd->d", left, left, dtype=np.float64)
            toward = left + np.where(open_, now / np.where(open_, size, 1.0), 0.0).astype(np.float32) * toward
            size = now
        return w
