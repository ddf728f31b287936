"""Fold-in: a stranger's history becomes a row of the model without retraining.

Each `FoldIn` keeps what its method needs and solves for the new rows only, with the item side fixed.
The result differs from a refit in that the item side does not move; a method's file states and tests
how large that difference is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.errors import ConfigError, DataError
from matweave.factor.laplace import Laplace
from matweave.factor.rows import FactorRows
from matweave.threads import in_parallel

if TYPE_CHECKING:
    from matweave.data.interactions import Interactions
    from matweave.factor.forms import FactorModel
    from matweave.factor.loop import FitState, History
    from matweave.factor.sides import Beside


class FoldIn(ABC):
    """How a `FactorModel` solves for rows it was not trained on."""

    @abstractmethod
    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        """Rows for `histories` (n users x the model's items, with values where the log had them)."""

    def beside(self, histories: Csr, model: FactorModel, side: Beside) -> FactorRows:
        """As `solve`, for rows of whom attributes are known too. Raises ConfigError for a method that reads none."""
        raise ConfigError(
            f"{model.method} does not fold a history in with attributes",
            where=model.method,
            mend="leave the attributes out, or use implicit_als or explicit_als",
        )

    def laplace(self, model: FactorModel) -> Laplace | None:
        """How the model's rows are distributed about their solution; None where the method's objective does not say."""
        return None

    def turned(self, model: FactorModel) -> FoldIn:
        """The same step for the other side: rows of items over this model's users. Raises ConfigError where there is none."""
        raise ConfigError(
            f"{model.method} has no step for one new item",
            where=model.method,
            mend="fit again with it, or use implicit_als, explicit_als or biased_mf",
        )

    def over(self, item_factors: np.ndarray) -> FoldIn:
        """The same step over another table of items."""
        return self

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        """What the model's own recipe makes of another log. Raises ConfigError where the fold does not know the recipe."""
        raise ConfigError(
            f"{model.method} cannot forget users without being fitted again",
            where=model.method,
            mend="fit again on the log without them: matweave forget does",
        )


def refitted(kind: type, model: Any, log: Interactions) -> Any:
    """What the recipe of a model, of class `kind`, makes of another log: the same settings and seed.

    A model that validation rows stopped early, or Ctrl-C, is stopped after as many epochs: those rows are not in it. Where the device
    that it was trained on is not to be had, the processor does it. Raises what the recipe's fit does, and KeyboardInterrupt where
    Ctrl-C ends this fit: half of it is not what was asked for.
    """
    settings, before = dict(model.settings), model.history
    short = cut_short(before)

    def stop(state: FitState, _: int) -> bool:
        return short and 0 < before.epoch <= state.epoch

    try:
        found = kind(**settings).fit(log, watch=stop)
    except ConfigError:
        if settings.get("device", "cpu") == "cpu":
            raise
        found = kind(**settings | {"device": "cpu"}).fit(log, watch=stop)
    if found.history.stopped == "interrupted" and not (short and found.history.epoch == before.epoch):
        raise KeyboardInterrupt
    if not short:
        return found
    return replace(found, history=replace(found.history, stopped="early stopping"))


def cut_short(history: History) -> bool:
    """Whether a fit's number of epochs was chosen by validation rows or by Ctrl-C, and not by its recipe.

    >>> from matweave.factor.loop import History
    >>> cut_short(History(stopped="tolerance")), cut_short(History(stopped="early stopping"))
    (False, True)
    """
    return bool(history.validation) or history.stopped in ("early stopping", "interrupted")


@final
@dataclass(frozen=True, kw_only=True)
class ProjectionFold(FoldIn):
    """x = h·Y: the least-squares row where the columns of Y are orthonormal (PureSVD); exact."""

    use_values: bool = False

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        h = histories if self.use_values else replace(histories, values=None)
        factors = h.scipy() @ model.item_factors
        return FactorRows(factors=np.ascontiguousarray(factors, dtype=np.float32), bias=None)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PropagationFold(FoldIn):
    """x = Σ_j item_layers[j] / √(items of the row): a graph's step from items to a user without a vector of its own (LightGCN).

    item_layers (items, rank): what is sent, divided by the root of the item's degree. A row without items is zero.
    """

    item_layers: np.ndarray

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        shares = np.sqrt(1 / np.maximum(histories.counts, 1)).astype(np.float32)
        plain = replace(histories, values=np.repeat(shares, histories.counts))
        factors = plain.scipy() @ self.item_layers
        return FactorRows(factors=np.ascontiguousarray(factors, dtype=np.float32), bias=None)


@final
@dataclass(frozen=True, kw_only=True)
class RidgeFold(FoldIn):
    """The exact ridge solution for a row of a rating model, item side fixed:

        min over b, x of  Σ_j (v_j - μ - c_j - b - x·y_j)² + s·(bias_regularization·b² + regularization·|x|²)

    with s = number of ratings of the row where `scale_by_count`, else 1; without b where the model has none. Attributes
    beside it (factor/sides.py) add their squares to the sum, and their weight to the count that scales |x|².
    """

    regularization: float
    bias_regularization: float
    scale_by_count: bool

    def turned(self, model: FactorModel) -> RidgeFold:
        return self  # the objective is the same seen from items

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        return self._solve(histories, model, None)

    def beside(self, histories: Csr, model: FactorModel, side: Beside) -> FactorRows:
        return self._solve(histories, model, side)

    def _solve(self, histories: Csr, model: FactorModel, side: Beside | None) -> FactorRows:
        values = histories.values
        if values is None:
            raise DataError(
                f"{model.method} predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        rank = model.item_factors.shape[1]
        biased = model.user_bias is not None
        design = model.item_factors.astype(np.float64)
        penalty = np.full(rank + biased, self.regularization)
        if biased:
            design = np.concatenate([np.ones((len(design), 1)), design], axis=1)
            penalty[0] = self.bias_regularization
        offset = model.mean + (0.0 if model.item_bias is None else model.item_bias.astype(np.float64))
        offset = np.broadcast_to(offset, len(model.items))
        solved = np.zeros((histories.n_rows, rank + biased))

        def rows(start: int, stop: int) -> None:
            for row in range(start, stop):
                cut = slice(histories.indptr[row], histories.indptr[row + 1])
                items = histories.indices[cut]
                if not len(items):
                    continue  # nothing is known of this row: zero, the prior's mean
                a = design[items]
                scale = np.full(len(penalty), float(len(items) if self.scale_by_count else 1))
                gram, right = a.T @ a, a.T @ (values[cut] - offset[items])
                if side is not None:
                    gram[biased:, biased:] += side.shared
                    right[biased:] += side.pull[row]
                    scale[biased:] += side.mass * self.scale_by_count
                # a floor, tiny beside the system itself, keeps one of few ratings without a penalty solvable
                floor = 1e-9 * np.trace(gram) / len(gram) + 1e-30
                gram[np.diag_indices_from(gram)] += np.maximum(scale * penalty, floor)
                solved[row] = np.linalg.solve(gram, right)

        in_parallel(rows, [(a, min(a + 64, histories.n_rows)) for a in range(0, histories.n_rows, 64)])
        solved = solved.astype(np.float32)
        if not biased:
            return FactorRows(factors=solved, bias=None)
        return FactorRows(factors=np.ascontiguousarray(solved[:, 1:]), bias=solved[:, 0].copy())


@final
@dataclass(frozen=True, kw_only=True)
class LogisticFold(FoldIn):
    """The minimum of a row's part of a logistic objective with sampled negatives, in expectation, item side fixed:

        min over x of  Σ_{j in h} l(s_j) + (k n / free) Σ_{j not in h} l(-s_j) + Σ_f ρ_f/2 x_f²,   s_j = μ + c_j + x·y_j, l(s) = ln(1 + e^-s)

    n: items of the history h, free: the others, k = negatives: what is drawn uniformly for each positive; where nothing is free, all
    items are drawn from. ρ = regularization (rank,) · n (1 + k) + ridge, and at least FLOOR n times the mean item's |y|², so that a
    row that separates its items stays finite. Convex: Newton's method with the step halved where it overshoots,
    float64 but for the Hessian's products; a row depends on its own history alone. Without a history x = 0.
    """

    negatives: int
    regularization: np.ndarray
    ridge: float = 0.0

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        factors = np.ascontiguousarray(model.item_factors, np.float32)
        design = factors.astype(np.float64)
        offset = np.full(len(model.items), model.mean, np.float64)
        if model.item_bias is not None:
            offset += model.item_bias
        floor = FLOOR * max(
            float(np.einsum("nr,nr->n", design, design).mean()) if len(design) else 0.0, 1e-12
        )
        solved = np.zeros((histories.n_rows, factors.shape[1]), np.float32)

        def rows(start: int, stop: int) -> None:
            for row in range(start, stop):
                items = histories.row(row)[0]
                if len(items):
                    n, free = len(items), len(design) - len(items)
                    drawn = self.negatives * n
                    against = np.full(len(design), drawn / (free or len(design)))
                    if free:
                        against[items] = 0.0
                    ridge = np.maximum(self.regularization * (n + drawn) + self.ridge, floor * n)
                    solved[row] = _logistic_row(design, factors, offset, items, against, ridge)

        in_parallel(rows, [(a, min(a + 16, histories.n_rows)) for a in range(0, histories.n_rows, 16)])
        return FactorRows(factors=solved, bias=None)


FLOOR = 1e-4
"""Of a mean item's squared length, per positive: the least ridge of a logistic row."""


def _logistic_row(
    design: np.ndarray,
    factors: np.ndarray,
    offset: np.ndarray,
    items: np.ndarray,
    against: np.ndarray,
    ridge: np.ndarray,
) -> np.ndarray:
    """Newton's method for one row; design (m, r) float64, factors the same in float32, against (m,): weight of each as a negative."""
    x = np.zeros(design.shape[1])
    scores = offset.copy()

    def value(s: np.ndarray, at: np.ndarray) -> float:
        lost = against @ np.logaddexp(0.0, s) + np.logaddexp(0.0, -s[items]).sum()
        return float(lost + 0.5 * (ridge * at) @ at)

    now = value(scores, x)
    for _ in range(100):
        share = 0.5 * (1.0 + np.tanh(0.5 * scores))  # the logistic function, safe for any score
        pull, curve = against * share, against * share * (1.0 - share)
        pull[items] -= 1.0 - share[items]
        curve[items] += share[items] * (1.0 - share[items])
        gradient = design.T @ pull + ridge * x
        heavy = np.sqrt(curve).astype(np.float32)[:, None] * factors
        hessian = (heavy.T @ heavy).astype(np.float64)
        hessian[np.diag_indices_from(hessian)] += ridge
        step = np.linalg.solve(hessian, gradient)
        fall = gradient @ step
        if not fall > 1e-10 * (abs(now) + 1e-12):
            break
        along, length = design @ step, 1.0
        while length > 1e-6:
            trial = x - length * step
            there = value(scores - length * along, trial)
            if there <= now - 1e-4 * length * fall:
                break
            length /= 2
        else:
            break
        x, scores, now = trial, scores - length * along, there
    return x
