"""Rows of strangers for every draw of a factorization machine: the weights of an id that training never saw.

For draw s, with A the sum of the stranger's known features' vectors (attributes, and the set of rated items where implicit), L that of
their linear weights and P = ½ Σ_f (A_f² - Σ z² v_f²) the pairs among them, a row with item j is

    ŷ = w0 + L + P + A·b_j + r_j + (w + v·(A + b_j)),      r_j: the item's linear part and pairs,   (w, v): the new id's weights

linear in (w, v), whose prior is that of the ids of training (Gibbs), or the penalty λ of the objective (als, sgd). Mean and covariance are those
of a normal linear model. The row is then a = A + v with the bias w0 + L + P + w + v·A. Without a history (w, v) is the prior's mean.

Cost        S small systems for each stranger: S (n d² + d³).
Checked by  tests/factor/test_machine_fold.py: dense ridge on the whole design; draws against the covariance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.factor.posterior import DrawFold
from matweave.factor.posterior_fold import sets
from matweave.linalg.row_draws import row_normals
from matweave.randomness import child_seed
from matweave.threads import in_parallel

if TYPE_CHECKING:
    from matweave.factor.posterior import PosteriorModel


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class IdPrior:
    """Where the weights of one side's ids come from, per draw, and the weights of its shared features; in standardised units.

    mean, strength (S, d + 1): of (v, w), the linear weight last. by_row: whether the strength is times the rows of the id.
    features (S, D, d + 1): of attributes, or None; set_features (S, columns, d + 1): of the set of columns, or None.
    """

    mean: np.ndarray
    strength: np.ndarray
    by_row: bool
    features: np.ndarray | None = None
    set_features: np.ndarray | None = None


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class MachineFold(DrawFold):
    """Both sides' priors; w0 (S,), noise_precision (S,) in standardised units, deviation: of the values.

    coding: how attributes of users become columns, known (users, D): those of training, NaN where missing; None without.
    """

    user_prior: IdPrior
    item_prior: IdPrior
    w0: np.ndarray
    noise_precision: np.ndarray
    deviation: float
    coding: FeatureCode | None = None
    known: np.ndarray | None = None

    def users(
        self,
        histories: Csr,
        model: PosteriorModel,
        attributes: np.ndarray | None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        found = self._rows(histories, self.user_prior, attributes, model, (-1, -2), keys)
        found[..., -2] += (self.w0 * self.deviation)[:, None].astype(np.float32)
        return found

    def items(
        self, histories: Csr, model: PosteriorModel, attributes: np.ndarray | None, keys: np.ndarray | None
    ) -> np.ndarray:
        """attributes of new items say nothing here: the fold keeps no code of theirs."""
        by = None if self.item_prior.by_row else keys
        return self._rows(histories, self.item_prior, None, model, (-2, -1), by)

    @property
    def knows_items(self) -> bool:
        return self.item_prior.features is not None

    def code(self) -> FeatureCode | None:
        return self.coding

    def attributes(self, user_codes: np.ndarray) -> np.ndarray | None:
        if self.known is None:
            return None
        return np.where(user_codes[:, None] >= 0, self.known[np.maximum(user_codes, 0)], np.float32(np.nan))

    def over(self, users: int) -> MachineFold:
        if self.known is None or len(self.known) == users:
            return self
        more = np.full((users - len(self.known), self.known.shape[1]), np.nan, np.float32)
        return replace(self, known=np.concatenate([self.known, more]))

    def _rows(
        self,
        histories: Csr,
        prior: IdPrior,
        attributes: np.ndarray | None,
        model: PosteriorModel,
        columns: tuple[int, int],
        keys: np.ndarray | None,
    ) -> np.ndarray:
        """(S, n, d + 2): vectors, the bias and the constant 1; columns: where the other side's bias stands, and its constant."""
        bias, constant = columns
        other_draws = model.item_draws if bias == -1 else model.user_draws
        count, _, wide = other_draws.shape
        d = wide - 2
        out = np.ones((count, histories.n_rows, wide), np.float32)
        values = (histories.weights().astype(np.float64) - model.mean) / self.deviation
        share = sets(histories).weights()
        root = np.sqrt(self.deviation)
        base = self.w0 if bias == -1 else np.zeros(count)  # the users' biases hold w0 already
        normals = None
        if keys is not None:
            drawn = row_normals(child_seed(0, "machine", "fold", bias), keys, count * (d + 1))
            normals = drawn.astype(np.float64).reshape(-1, count, d + 1)

        def work(low: int, high: int) -> None:
            for row in range(low, high):
                cut = slice(histories.indptr[row], histories.indptr[row + 1])
                at = histories.indices[cut]
                known = None if attributes is None else np.nan_to_num(attributes[row], nan=0.0)
                total, line = _told(prior, known, at, share[cut], count, d)
                b = other_draws[:, at, :d].astype(np.float64) / root
                right = other_draws[:, at, bias].astype(np.float64) / self.deviation
                guess = base[:, None] + line[:, None] + right + np.einsum("snd,sd->sn", b, total)
                own = self._solved(
                    prior,
                    b + total[:, None, :],
                    values[cut] - guess,
                    None if normals is None else normals[row],
                )
                out[:, row, :d] = (total + own[:, :d]) * root
                side = line + own[:, d] + np.einsum("sd,sd->s", own[:, :d], total)
                out[:, row, constant] = side * self.deviation

        in_parallel(work, [(a, min(a + 16, histories.n_rows)) for a in range(0, histories.n_rows, 16)])
        return out

    def _solved(
        self, prior: IdPrior, slopes: np.ndarray, targets: np.ndarray, normals: np.ndarray | None
    ) -> np.ndarray:
        """(S, d + 1): mean or draw of (v, w), given slopes (S, n, d) and targets (S, n)."""
        count, n, d = slopes.shape
        if not n and prior.by_row:
            return np.zeros((count, d + 1))
        design = np.concatenate([slopes, np.ones((count, n, 1))], axis=2)
        alpha = self.noise_precision[:, None]
        strength = prior.strength * (n if prior.by_row else 1)
        system = np.einsum("snd,sne->sde", design, design) * alpha[..., None]
        system[:, np.arange(d + 1), np.arange(d + 1)] += np.maximum(strength, 1e-9)
        right = alpha * np.einsum("snd,sn->sd", design, targets) + strength * prior.mean
        found = np.linalg.solve(system, right[..., None])[..., 0]
        if normals is None:
            return found
        roots = np.linalg.cholesky(system)
        return found + np.linalg.solve(np.swapaxes(roots, 1, 2), normals[..., None])[..., 0]


def _told(
    prior: IdPrior, attributes: np.ndarray | None, at: np.ndarray, share: np.ndarray, count: int, d: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the known features of one row: the sum of their vectors (S, d), and their linear part with the pairs among them (S,)."""
    total, line, squares = np.zeros((count, d)), np.zeros(count), np.zeros(count)
    parts = []
    if prior.features is not None and attributes is not None:
        parts.append((prior.features, attributes.astype(np.float64)))
    if prior.set_features is not None and len(at):
        told = at < prior.set_features.shape[1]  # what came after training has no weight in a set
        parts.append((prior.set_features[:, at[told]], share[told].astype(np.float64)))
    for weights, z in parts:
        w = weights.astype(np.float64)
        total += np.einsum("sid,i->sd", w[..., :d], z)
        line += w[..., d] @ z
        squares += np.einsum("sid,i->s", w[..., :d] ** 2, z**2)
    return total, line + 0.5 * (np.einsum("sd,sd->s", total, total) - squares)
