"""What a fitted factor model knows of attributes: rows of strangers, and what attributes add to a fold-in.

A `SideMap` is made of one side of a model (users, or items) after training with attributes (factor/collective.py):

    new row       the best linear guess from the attributes that are known. With rows z = [x, b] of training and coded
                  attributes a, means z̄ and ā, and covariances over the rows with a history, for the known columns k
                      z = z̄ + Cov(z, a_k) (Cov(a_k, a_k) + (d / n) diag)⁻¹ (a_k - ā_k)
                  (the conditional mean of a joint normal; d / n, columns over rows, holds small samples to the mean row)
    fold-in       beside a history the row's own part of the training objective holds, with w (C_k)ᵀ(C_k) added to its
                  matrix and w (C_k)ᵀ a_k to its right side: the trained row, up to what one more solve of C after the last epoch changes

Missing attributes weigh nothing in either. A history is never taken for empty because it is unknown: without one, no cell is
pulled to zero, which is why the new row is not the second formula with an empty history. Beside x = (w CᵀC + ρ I)⁻¹ w Cᵀ a, the zero-mean
guess of Cortes 2018 (arXiv 1809.00366), it needs no second ridge; benchmarks/quality/side_features.py measures both.

Cost        d³ / 3 for each set of known columns that occurs; memory d (d + rank) doubles.
Checked by  tests/factor/test_sides.py: regression by hand, planted rows, missing columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.features import FeatureCode
from matweave.factor.rows import FactorRows
from matweave.threads import blas_threads


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """What the attributes of n rows with the same known columns add to their ridge systems.

    shared (rank, rank): w C_kᵀC_k. pull (n, rank): w C_kᵀ a_k. mass: w times the known columns, which the ridge grows with.
    """

    shared: np.ndarray
    pull: np.ndarray
    mass: float


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SideMap:
    """Attributes of one side of a model, d of them, as its rows show them.

    code: how attributes become columns. factors (d, rank): C, with attributes ≈ C x. weight: w, of one attribute's square.
    row_mean (width,), mean (d,), cross (width, d), covariance (d, d): moments of rows [x, b] and attributes, float64;
    width is the rank, and one more where rows have a bias.
    """

    code: FeatureCode
    factors: np.ndarray
    weight: float
    row_mean: np.ndarray
    mean: np.ndarray
    cross: np.ndarray
    covariance: np.ndarray

    @staticmethod
    def of(
        code: FeatureCode, factors: np.ndarray, weight: float, rows: np.ndarray, values: np.ndarray
    ) -> SideMap:
        """From rows (n, width) of training that have a history, and their coded attributes (n, d), without NaN."""
        n, d = values.shape
        z, a = rows.astype(np.float64), values.astype(np.float64)
        row_mean, mean = z.mean(axis=0), a.mean(axis=0)
        z, a = z - row_mean, a - mean
        with blas_threads(1):
            cross, covariance = z.T @ a / n, a.T @ a / n
        own = np.einsum("dd->d", covariance)
        # a column that never varies says nothing: any variance will do
        covariance[np.diag_indices(d)] += np.where(own > 0, own * d / n, 1.0)
        return SideMap(
            code=code,
            factors=factors.astype(np.float32),
            weight=weight,
            row_mean=row_mean,
            mean=mean,
            cross=cross,
            covariance=covariance,
        )

    def new_rows(self, values: np.ndarray) -> FactorRows:
        """The best linear guess for rows with these coded attributes (n, d), NaN where missing."""
        found = np.empty((len(values), len(self.row_mean)))
        for known, at in patterns(values):
            off = values[np.ix_(at, known)] - self.mean[known]
            with blas_threads(1):
                gain = np.linalg.solve(self.covariance[np.ix_(known, known)], self.cross[:, known].T)
                found[at] = self.row_mean + off @ gain
        rank, made = self.factors.shape[1], found.astype(np.float32)
        bias = made[:, rank].copy() if made.shape[1] > rank else None
        return FactorRows(factors=np.ascontiguousarray(made[:, :rank]), bias=bias)

    def beside(self, values: np.ndarray) -> Iterator[tuple[np.ndarray, Beside]]:
        """For rows with coded attributes (n, d), NaN where missing: places, and what their systems get, by known columns."""
        for known, at in patterns(values):
            factors = self.factors[known].astype(np.float64)
            yield (
                at,
                Beside(
                    shared=self.weight * factors.T @ factors,
                    pull=self.weight * values[np.ix_(at, known)] @ factors,
                    mass=self.weight * len(known),
                ),
            )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """The attributes that a model was fitted with: of users, of items, or of both."""

    users: SideMap | None = None
    items: SideMap | None = None

    def turned(self) -> Sides:
        """The same with users and items changed.

        >>> Sides().turned().users is None
        True
        """
        return Sides(users=self.items, items=self.users)


def patterns(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each set of columns that is known (not NaN) together: those columns, and the rows with exactly these.

    >>> [(k.tolist(), at.tolist()) for k, at in patterns(np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]]))]
    [([1], [1]), ([0, 1], [0, 2])]
    """
    sets, of = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    for number, known in enumerate(sets):
        yield np.flatnonzero(known), np.flatnonzero(of.ravel() == number)
