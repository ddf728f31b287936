"""Rows of strangers for every draw of a Bayesian factor model: their normal conditional posteriors.

For draw s with items y_sj, noise σ_s² and hyperparameters, a row's distribution is that of linalg/gibbs.py, with the mean

    m_s = μ_s + βᵀ f,   f: coded attributes, the mean of training where missing, and where the model is implicit the set of
                        rated items over the square root of its size

Cost        S half-steps over the strangers' rows alone, and the items that they hold.
Checked by  tests/factor/test_posterior_fold.py: against dense solutions of every draw; strangers against training rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.factor.posterior import DrawFold
from matweave.linalg.gibbs import draw_rows
from matweave.linalg.row_draws import row_normals
from matweave.linalg.rows import RowSystems
from matweave.linalg.vectors import Vectors
from matweave.randomness import child_seed

if TYPE_CHECKING:
    from matweave.factor.posterior import PosteriorModel


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SidePrior:
    """What one side's rows come from, per draw: means (S, d), precisions (S, d, d), d = rank + 1, the bias last.

    code, attributes (n, D) of training rows (NaN where missing), weights (S, D, d): of attributes, or None.
    set_weights (S, columns, d): of the set of a row's columns, or None.
    """

    means: np.ndarray
    precisions: np.ndarray
    code: FeatureCode | None = None
    attributes: np.ndarray | None = None
    weights: np.ndarray | None = None
    set_weights: np.ndarray | None = None

    def blocks(self, histories: Csr, attributes: np.ndarray | None) -> list[tuple[Any, np.ndarray]]:
        """The designs of some rows (n, D), each with its weights (S, D, d); m_s is μ_s and what these say for draw s."""
        found: list[tuple[Any, np.ndarray]] = []
        if self.weights is not None and attributes is not None:
            found.append((centred(attributes, self.attributes), self.weights))
        if self.set_weights is not None and histories.nnz:
            known = self.set_weights.shape[1]  # what came after training says nothing by being there
            found.append((sets(histories).scipy()[:, :known], self.set_weights))
        return found


def sets(histories: Csr) -> Csr:
    """Each row's columns with the same value, so that its squares sum to 1.

    >>> sets(Csr.from_pairs([0, 0, 0, 0], [1, 2, 3, 5])).values.tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    share = 1.0 / np.sqrt(np.maximum(histories.counts, 1))
    return replace(histories, values=np.repeat(share, histories.counts).astype(np.float32), order=None)


def centred(attributes: np.ndarray, training: np.ndarray | None) -> np.ndarray:
    """Attributes (n, D) minus the mean of the training rows that have them; 0 where missing.

    >>> centred(np.array([[3.0], [np.nan]], np.float32), np.array([[1.0], [np.nan]], np.float32)).tolist()
    [[2.0], [0.0]]
    """
    told = attributes if training is None else training
    there = np.isfinite(told)
    middle = np.where(there, told, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.nan_to_num(attributes - middle, nan=0.0).astype(np.float32)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorFold(DrawFold):
    """Both sides' priors; see the head of the file."""

    user_prior: SidePrior
    item_prior: SidePrior

    def users(
        self,
        histories: Csr,
        model: PosteriorModel,
        attributes: np.ndarray | None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        return _rows(histories, self.user_prior, attributes, model.item_draws, model, (-1, -2), keys)

    def items(
        self, histories: Csr, model: PosteriorModel, attributes: np.ndarray | None, keys: np.ndarray | None
    ) -> np.ndarray:
        return _rows(histories, self.item_prior, attributes, model.user_draws, model, (-2, -1), keys)

    @property
    def knows_items(self) -> bool:
        return self.item_prior.code is not None

    def code(self) -> FeatureCode | None:
        return self.user_prior.code

    def attributes(self, user_codes: np.ndarray) -> np.ndarray | None:
        known = self.user_prior.attributes
        if known is None:
            return None
        return np.where(user_codes[:, None] >= 0, known[np.maximum(user_codes, 0)], np.float32(np.nan))

    def over(self, users: int) -> PosteriorFold:
        known = self.user_prior.attributes
        if known is None or len(known) == users:
            return self
        more = np.full((users - len(known), known.shape[1]), np.nan, np.float32)
        return replace(self, user_prior=replace(self.user_prior, attributes=np.concatenate([known, more])))


def _rows(
    histories: Csr,
    prior: SidePrior,
    attributes: np.ndarray | None,
    others: np.ndarray,
    model: PosteriorModel,
    columns: tuple[int, int],
    keys: np.ndarray | None,
) -> np.ndarray:
    """(S, n, rank + 2): vectors, and the bias and the constant 1 in their columns.

    others (S, m, rank + 2): the other side's draws; columns: where its bias stands, and where its constant.
    keys (n,) uint64: what each row's chance is drawn by; None: no chance, the mean.
    """
    count, _, wide = others.shape
    bias, constant = columns
    out = np.empty((count, histories.n_rows, wide), np.float32)
    used, at = np.unique(histories.indices, return_inverse=True)
    values = histories.weights().astype(np.float64) - model.mean
    systems = RowSystems(
        histories.indptr, at.astype(np.int32), len(used), weights=1.0, targets=values.astype(np.float32)
    )
    other = Vectors(len(used), wide - 2, biased=True)
    own = Vectors(histories.n_rows, wide - 2, biased=True)
    assert other.bias is not None
    assert own.bias is not None
    blocks = prior.blocks(histories, attributes)
    for draw in range(count if histories.n_rows else 0):
        other.array[:] = others[draw, used, :-2]
        other.bias[:-1] = others[draw, used, bias]
        normals = None
        if keys is not None:
            # in pairs of opposite sign, so that chance adds little to the mean of the draws
            normals = row_normals(child_seed(0, "posterior", "fold", bias, draw // 2), keys, wide - 1)
            normals *= np.float32(1 - 2 * (draw % 2))
        means = np.tile(prior.means[draw], (histories.n_rows, 1))
        for design, weights in blocks:
            means += design @ weights[draw]
        draw_rows(
            systems,
            other,
            own,
            precision=prior.precisions[draw],
            noise_precision=1.0 / float(model.noise[draw]),
            means=means,
            normals=normals,
        )
        out[draw, :, :-2] = own.array
        out[draw, :, constant] = own.bias[:-1]  # a row's bias stands beside the other side's constant
        out[draw, :, bias] = 1.0
    return out
