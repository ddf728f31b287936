"""A variance for the rows of alternating least squares: the Gaussian around each row, the item side held fixed.

Model       A row of x (and b) minimises f(x) = Σ_k a_k (t_k - x·y_k)² + the ridge, whose Hessian is 2 A_u,
                A_u = Σ_k a_k y_k y_kᵀ + S + ridge.
            Read as a log-density, exp(-f / 2σ²) is exactly the normal law x_u ~ N(x̂_u, σ² A_u⁻¹): here Laplace's
            approximation approximates nothing but what is said next.
Fixed       The items. That they too were learned from few rows is not in A_u; where values are predicted it is in σ²,
            on average over the log, so that intervals cover what they say though those of rare items are too narrow.
σ², values  (RatingLaplace) From what training values miss by when left out of both of their rows:
                r = e / ((1 - h_u)(1 - h_j)),    h_u = y_jᵀ A_u⁻¹ y_j,  h_j = x_uᵀ A_j⁻¹ x_u,
                σ² = mean r² √(1 - h_u),
            e / (1 - h) being exactly the residual of a ridge regression without that value (Allen 1974, PRESS). Once for
            each side it is of first order: other rows would move as well, and r² is too small. It holds the error
            of the row itself, too: E r² = σ² / (1 - h_u) were r exact. The root, half of that correction, is what
            weighs the two against each other on the logs that it was tried on: 90 % intervals of ExplicitALS cover
            88 to 94 % of test values on simulated logs (to 97 where λ is far too small for the rank), 88 % of
            ml-100k u1's and 90 % of ml-1m's (`matweave compare ratings.dat.gz --split random --methods explicit_als
            --metrics interval_coverage`). It needs rows at their minimum: those of BiasedMF stop before, and it has
            no variance. From at most 4,096 values, evenly spaced over the log.
σ², lists   (ImplicitLaplace) Weighted squares left, per degree of freedom left: a cell of weight w counts as w
            observations, so σ² = Σ w (p - s)² / (Σ w - Σ_u tr A_u⁻¹ (A_u - ridge)), p the preference (1 or 0), over at
            most 512 users. It is the variance of one cell of weight 1 about its score, and the deviation that of the
            score itself; no claim is made that intervals of preferences cover anything.
Cost        σ² and the table of items once per model, when first asked for; then per row as in linalg/rows_variance.py.
Checked by  tests/by_hand/laplace.py (dense inverses, float64), numerical Hessians, coverage on simulated logs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from matweave.data.csr import Csr
from matweave.factor.rows import FactorRows
from matweave.factor.spread import Spread
from matweave.linalg.row_draws import row_normals
from matweave.linalg.rows_variance import Columns, Precisions
from matweave.randomness import child_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from matweave.factor.forms import FactorModel

VALUES, USERS = 4096, 512
"""Of the log, at most so many values and users tell σ²."""

_LONGEST = 1024
_LEAST_FREE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Laplace(ABC):
    """How the rows of one model are distributed."""

    model: FactorModel

    @property
    @abstractmethod
    def variance(self) -> float:
        """σ²."""

    @property
    @abstractmethod
    def noise(self) -> float:
        """As `Spread.noise`."""

    @abstractmethod
    def precisions(self, histories: Csr) -> Precisions:
        """A_u of users with these histories."""

    @cached_property
    def columns(self) -> Columns:
        """The items' vectors, with a column of ones where users have a bias."""
        factors = self.model.item_factors
        if self.model.user_bias is None:
            return Columns(factors)
        return Columns(np.concatenate([factors, np.ones((len(factors), 1), factors.dtype)], axis=1))

    def spread(self, histories: Csr, rows: FactorRows, keys: np.ndarray) -> LaplaceSpread:
        """Of users with these histories, whose rows and keys (`keys_of`) are these."""
        return LaplaceSpread(laplace=self, histories=histories, rows=rows, keys=keys, noise=self.noise)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RatingLaplace(Laplace):
    """Rows of a rating model: the objective of `RidgeFold`; regularization may be one for each coordinate (rank,).

    A row without ratings has the ridge of one.
    """

    regularization: float | np.ndarray
    bias_regularization: float
    scale_by_count: bool

    @property
    def noise(self) -> float:
        return self.variance

    @cached_property
    def variance(self) -> float:
        """σ² from residuals left out of both rows."""
        seen, model = self.model.seen, self.model
        at = _spaced(seen.nnz, VALUES)
        users = np.searchsorted(seen.indptr, at, side="right") - 1
        items, values = seen.indices[at], seen.weights()[at].astype(np.float64)
        mine, user_at = np.unique(users, return_inverse=True)
        left = values - model.pair_scores(model.known(mine), user_at, items)
        free, other = 1.0 - self._leverages(users, items), 1.0 - self._turned._leverages(items, users)
        told = (
            np.minimum(free, other) > _LEAST_FREE
        )  # the others say nothing: a row of one value, without a ridge
        if not told.any():
            return float(np.mean(left**2))
        out = left[told] / (free * other)[told]
        return float(np.mean(out**2 * np.sqrt(free[told])))

    def precisions(self, histories: Csr) -> Precisions:
        counts = np.maximum(histories.counts, 1) if self.scale_by_count else np.ones(histories.n_rows)
        weights: float | np.ndarray = 1.0 if histories.values is None else histories.values
        rank = self.model.item_factors.shape[1]
        penalty = np.full(rank + (self.model.user_bias is not None), self.bias_regularization)
        penalty[:rank] = self.regularization
        return Precisions(
            histories.indptr, histories.indices, self.columns, weights=weights, scale=counts, penalty=penalty
        )

    def spread(self, histories: Csr, rows: FactorRows, keys: np.ndarray) -> LaplaceSpread:
        return super().spread(replace(histories, values=None), rows, keys)

    @cached_property
    def _turned(self) -> RatingLaplace:
        turned = self.model.turned()
        found = turned.fold.laplace(turned)
        assert isinstance(found, RatingLaplace)  # the other side of the same objective
        return found

    def _leverages(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """h of the pairs; a very long row is thinned, what is left weighing the more."""
        distinct, at = np.unique(rows, return_inverse=True)
        few = _thinned(self.model.seen.rows(distinct), _LONGEST)
        found = self.precisions(few).pair_variances(at, columns)
        return found.astype(np.float64)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ImplicitLaplace(Laplace):
    """Rows of ImplicitALS. alpha, use_values: a = alpha, or alpha times the logged value. pull: what a seen cell's target has
    more than its weight. background: ω. gram: YᵀY (rank, rank). ridge: ρ of rows of so many entries over so many columns.
    """

    alpha: float
    use_values: bool
    pull: float
    background: float
    gram: np.ndarray
    ridge: Callable[[np.ndarray, int], np.ndarray]

    @property
    def noise(self) -> float:
        return 0.0  # no values are predicted

    @cached_property
    def variance(self) -> float:
        """σ² of a cell of weight 1."""
        model = self.model
        users = _spaced(model.seen.n_rows, USERS)
        histories, factors = model.seen.rows(users), model.user_factors[users].astype(np.float64)
        at = np.repeat(np.arange(len(users)), histories.counts)
        scores = model.pair_scores(model.known(users), at, histories.indices).astype(np.float64)
        weights = self._weights(histories) * np.ones(histories.nnz)
        seen = weights * scores**2 - 2.0 * (weights + self.pull) * scores + weights + self.pull
        left = seen.sum() + self.background * np.einsum("nd,de,ne->", factors, self.gram, factors)
        mass = weights.sum() + self.background * len(users) * len(model.items)
        ridge = self.ridge(histories.counts, len(model.items))
        free = self.precisions(histories).inverse_diagonals().astype(np.float64).sum(axis=1)
        spent = np.clip(factors.shape[1] - ridge * free, 0.0, None).sum()
        return float(max(left, 0.0) / max(mass - spent, 0.1 * mass, 1e-12))

    def precisions(self, histories: Csr) -> Precisions:
        return Precisions(
            histories.indptr,
            histories.indices,
            self.columns,
            weights=self._weights(histories),
            scale=self.ridge(histories.counts, len(self.model.items)),
            penalty=np.ones(self.model.item_factors.shape[1]),
            shared=self.background * self.gram,
        )

    def _weights(self, histories: Csr) -> float | np.ndarray:
        if not self.use_values or histories.values is None:
            return self.alpha
        return np.float32(self.alpha) * histories.values


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LaplaceSpread(Spread):
    """laplace: of the whole model. histories: n x items. rows: the means of the n users' rows. keys (n,): `keys_of`."""

    laplace: Laplace
    histories: Csr
    rows: FactorRows
    keys: np.ndarray
    noise: float

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> LaplaceSpread:
        at = np.arange(*part.indices(len(self)))
        return replace(self, histories=self.histories.rows(at), rows=self.rows[part], keys=self.keys[part])

    def deviations(self) -> np.ndarray:
        return self._scaled(self.laplace.precisions(self.histories).variances())

    def pair_deviations(self, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return self._scaled(self.laplace.precisions(self.histories).pair_variances(at, item_codes))

    def draw(self, seed: int) -> FactorRows:
        width = self.laplace.columns.vectors.rank
        normals = row_normals(child_seed(seed, "laplace", "draw"), self.keys, width)
        moved = self._sigma * self.laplace.precisions(self.histories).draws(normals)
        rank = self.rows.factors.shape[1]
        return FactorRows(
            factors=self.rows.factors + moved[:, :rank],
            bias=None if self.rows.bias is None else self.rows.bias + moved[:, rank],
        )

    @property
    def _sigma(self) -> np.float32:
        return np.float32(np.sqrt(self.laplace.variance))

    def _scaled(self, variances: np.ndarray) -> np.ndarray:
        np.sqrt(variances, out=variances)
        variances *= self._sigma
        return variances


def _spaced(count: int, most: int) -> np.ndarray:
    """At most `most` of 0..count - 1, evenly spaced."""
    return np.arange(count) if count <= most else np.arange(most) * count // most


def _thinned(histories: Csr, most: int) -> Csr:
    """Rows of at most `most` entries, evenly spaced over the row; values: how many entries each of those stands for."""
    counts = histories.counts
    kept = np.minimum(counts, most)
    ends = np.cumsum(kept)
    place = np.arange(kept.sum()) - np.repeat(ends - kept, kept)
    place = place * np.repeat(counts, kept) // np.maximum(np.repeat(kept, kept), 1)
    return Csr(
        indptr=np.concatenate([[0], ends]).astype(np.int64),
        indices=histories.indices[np.repeat(histories.indptr[:-1], kept) + place],
        values=np.repeat(counts / np.maximum(kept, 1), kept).astype(np.float32),
        n_columns=histories.n_columns,
    )
