"""Blend: several fitted models as one; each says its score in its own scale, and weights learned on validation data mix them.

Model       score(u, j) = Σ_k w_k z_k(u, j),  z_k = (s_k(u, j) - mean_j s_k(u, ·)) / spread_j s_k(u, ·),  w_k >= 0, Σ_k w_k = 1:
            each model's scores of a user are standardised over all items, so that models of any scale can be added.
            A user to whom a model gives one score for everything gets zero from it. (Linear stacking with weights on the simplex,
            Breiman 1996, of standardised scores; the fit is on the measure itself, since ranking has no squared error.)
Objective   the validation measure, as large as it gets: no gradient, no loss.
Step        Each model alone is looked at, then the best is the start. A round takes each model in turn: w = (1 - t) w' + t e_k
            for t = 0, 1/steps, ..., 1, w' the other weights scaled to sum to 1; the best t is kept, looked at again half a step to
            either side. With two models that is a search along the only line there is. Rounds end when one brings nothing. So a blend
            is never worse than its best model on the validation data, and as with any choice made there, a little better than it
            will be elsewhere.
Cost        looks: models + rounds · models · (steps + 2) rankings of the validation users, each of users · items · (what the
            models' scores cost); users' rows are made once. Serving costs all scores of a user, by blocks of 512 users.
Fold-in     each model's own: a stranger's history goes to all of them, with the order in which it was given.
Checked by  tests/factor/test_blend.py: the formula by hand, weights of 1 and 0, never worse than the best, relabelling, bits through a folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, final

import numpy as np

from matweave.config import check, config, integer, settings_of
from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.factor.blocks import Top, pairs_of, top_of
from matweave.factor.loop import History, Validation
from matweave.factor.recommender import Recommender
from matweave.factor.rows import BlendRows, Rows
from matweave.linalg.topk import top_k_scores


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlendModel(Recommender):
    """parts: the models. weights (parts,) float64, at least 0, sum 1. tried (looks, parts): the weights of each look in history."""

    parts: tuple[Recommender, ...]
    weights: np.ndarray
    tried: np.ndarray
    _kept: dict[tuple[int, bytes], Rows] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.weights.shape != (len(self.parts),) or not _on_the_simplex(self.weights):
            raise ConfigError(
                f"the weights {self.weights.tolist()} are not {len(self.parts)} numbers >= 0 of sum 1",
                where="BlendModel",
                mend="give one weight for each model, for example 0.5 and 0.5",
            )

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> BlendModel:
        parts = tuple(part._over_users(users, seen, changed) for part in self.parts)
        return replace(self, parts=parts, users=users, seen=seen)

    def known(self, user_codes: np.ndarray) -> BlendRows:
        key = np.asarray(user_codes, np.int64).tobytes()
        return self._rows(key, lambda model: model.known(user_codes))

    def fold_in(self, histories: Csr) -> BlendRows:
        """Each model's own fold-in, with its own error."""
        return self._rows(_key(histories, None), lambda model: model.fold_in(histories))

    def grown(self, histories: Csr, user_codes: np.ndarray) -> BlendRows:
        return self._rows(_key(histories, user_codes), lambda model: model.grown(histories, user_codes))

    def scores(self, rows: Rows) -> np.ndarray:
        if not isinstance(rows, BlendRows):
            raise TypeError(f"rows of another form: {type(rows).__name__}, not BlendRows")
        found = np.zeros((len(rows), len(self.items)), np.float32)
        for (_, model, weight), mine in zip(self._live(), rows.parts, strict=True):
            found += np.float32(weight) * standardised(model.scores(mine))
        return found

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return pairs_of(self.scores, rows, at, item_codes)

    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        return top_of(self.scores, rows, k, leave_out)

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """By the same weights over standardised similarities; an item that a model does not give counts as its lowest."""
        n = len(self.items)
        total, told = np.zeros(n, np.float32), np.zeros(n, bool)
        for _, model, weight in self._live():
            codes, likeness = model.similar_codes(item_code, n)
            if len(codes):
                mine = np.full(n, likeness.min(), np.float32)
                mine[codes] = likeness
                mine[item_code] = likeness.mean()
                total += np.float32(weight) * standardised(mine[None])[0]
                told[codes] = True
        out = np.flatnonzero(~told | (np.arange(n) == item_code)).astype(np.int32)
        found = top_k_scores(total[None], k=min(k, n), leave_out=(np.array([0, len(out)], np.int64), out))
        return found[0][0, : found[2][0]], found[1][0, : found[2][0]]

    def _live(self) -> list[tuple[int, Recommender, float]]:
        """The models that have a weight, with their places."""
        both = zip(self.parts, self.weights.tolist(), strict=True)
        return [(place, model, weight) for place, (model, weight) in enumerate(both) if weight > 0]

    def _rows(self, key: bytes, make: Callable[[Recommender], Rows]) -> BlendRows:
        """Rows of each model that has a weight; while weights are searched, made once and kept."""
        if self._kept is None:
            return BlendRows(parts=tuple(make(model) for _, model, _ in self._live()))
        for place, model, _ in self._live():
            if (place, key) not in self._kept:
                self._kept[place, key] = make(model)
        return BlendRows(parts=tuple(self._kept[place, key] for place, _, _ in self._live()))


@final
@config
class Blend:
    """The recipe; `fit` takes models instead of a log, and returns a `BlendModel`. See the head of the file.

    >>> import matweave as mw
    >>> split = mw.split_randomly(mw.simulate_log(users=80, items=40, interactions=900, seed=0).log, seed=0)
    >>> models = [mw.EASE(regularization=20.0).fit(split.train), mw.PureSVD(rank=8).fit(split.train)]
    >>> blend = Blend(steps=4).fit(models, mw.validation(split.valid))
    >>> round(float(blend.weights.sum()), 6), blend.history.validation_name
    (1.0, 'ndcg@10')
    """

    steps: int = 10  # points of a line that is searched, beside its start
    rounds: int = 3  # times that every model's weight is searched, at most

    def __post_init__(self) -> None:
        check(self, steps=integer(1), rounds=integer(1))

    def fit(self, models: Sequence[Recommender], validate: Validation) -> BlendModel:
        """Weights with the largest `validate.measure`; its patience and every mean nothing here.

        Raises ConfigError for fewer than two models or models of different logs, DataError for a measure that is not a number.
        """
        began = time.perf_counter()
        first = blended(models, np.eye(len(models))[0] if len(models) else np.ones(0))
        search = _Search(self, first, validate)
        stopped = search.run()
        looks = tuple((i, value) for i, (_, value) in enumerate(search.looks, 1))
        best = max(looks, key=lambda look: look[1])[0]
        history = History(
            validation=looks,
            validation_name=validate.name,
            stopped=stopped,
            epoch=best,
            seconds=time.perf_counter() - began,
        )
        tried = np.array([weights for weights, _ in search.looks])
        return _of(first, tried[best - 1], settings=settings_of(self), history=history, tried=tried)


def blended(models: Sequence[Recommender], weights: Sequence[float] | np.ndarray) -> BlendModel:
    """Models with given weights (>= 0, of sum 1).

    Raises ConfigError for fewer than two models, for models of different logs, or for other weights.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> blended([mw.Popularity().fit(log), mw.PureSVD(rank=4).fit(log)], [0.25, 0.75]).recommend(k=3).column_names
    ['user', 'item', 'score', 'rank']
    """
    parts = tuple(models)
    _refuse_strangers(parts)
    one = next((m for m in parts if m.seen.order is not None), parts[0])
    return BlendModel(
        method="Blend",
        settings={},
        users=one.users,
        items=one.items,
        seen=one.seen,
        history=History(),
        frame=one.frame,
        parts=parts,
        weights=np.asarray(weights, np.float64),
        tried=np.empty((0, len(parts))),
    )


def standardised(scores: np.ndarray) -> np.ndarray:
    """Rows (n, items) with mean 0 and spread 1, float32; a row of equal numbers is zero.

    >>> standardised(np.array([[1.0, 3.0], [2.0, 2.0]], np.float32)).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    mean = scores.mean(axis=1, keepdims=True, dtype=np.float64)
    found = np.asarray(scores - mean.astype(np.float32), np.float32)
    spread = np.sqrt(np.einsum("nj,nj->n", found, found, dtype=np.float64) / max(1, scores.shape[1]))
    # rounding of equal numbers is no taste
    size = np.maximum(np.abs(scores).max(axis=1, initial=0), np.finfo(np.float32).tiny)
    scale = np.where(spread > 1e-6 * size, 1 / np.maximum(spread, 1e-300), 0)
    found *= scale.astype(np.float32)[:, None]
    return found


@final
class _Search:
    """Weights looked at so far, and where to look next."""

    def __init__(self, recipe: Blend, model: BlendModel, validate: Validation) -> None:
        self.recipe, self.validate = recipe, validate
        self.model = model
        self.looks: list[tuple[tuple[float, ...], float]] = []
        self.values: dict[tuple[float, ...], float] = {}
        self.kept: dict[tuple[int, bytes], Rows] = {}

    def run(self) -> str:
        """Search to the end; why it ended."""
        n = len(self.model.parts)
        corners = [self.look(row) for row in np.eye(n)]
        best = np.eye(n)[int(np.argmax(corners))]
        for _ in range(self.recipe.rounds):
            before = self.look(best)
            for k in range(n):
                best = self.along(best, k)
            if self.look(best) <= before:
                return "tolerance"
        return "epochs"

    def along(self, weights: np.ndarray, k: int) -> np.ndarray:
        """The best weights on the line from the others to model k."""
        others = np.where(np.arange(len(weights)) == k, 0.0, weights)
        if not others.any():  # all of it is k's: the others share alike
            others[np.arange(len(weights)) != k] = 1.0
        others /= others.sum()
        corner = np.eye(len(weights))[k]

        def at(t: float) -> np.ndarray:
            return (1 - t) * others + t * corner

        steps = self.recipe.steps
        found = max((self.look(at(i / steps)), -i) for i in range(steps + 1))
        t = -found[1] / steps
        near = [max(0.0, t - 0.5 / steps), min(1.0, t + 0.5 / steps), t]
        value, t = max((self.look(at(t)), t) for t in near)
        return at(t) if value > self.look(weights) else weights

    def look(self, weights: np.ndarray) -> float:
        """The measure at these weights, asked for once."""
        rounded = np.maximum(np.round(weights, 6), 0)
        rounded /= rounded.sum()
        key = tuple(rounded.tolist())
        if key not in self.values:
            so_far = History(stopped="running", epoch=len(self.looks) + 1)
            model = _of(self.model, rounded, history=so_far)
            object.__setattr__(model, "_kept", self.kept)
            value = float(self.validate.measure(model))
            if np.isnan(value):
                raise DataError(
                    f"{self.validate.name} is not a number for the weights {list(key)}",
                    where="validation",
                    mend="validate on rows of users and items that the models have",
                )
            self.values[key] = value
            self.looks.append((key, value))
        return self.values[key]


def _key(histories: Csr, user_codes: np.ndarray | None) -> bytes:
    """Of rows made of these histories; codes: of their users, where they are told."""
    arrays = (histories.indptr, histories.indices, histories.values, histories.order, user_codes)
    return b"fold" + b"|".join(b"none" if a is None else a.tobytes() for a in arrays)


def _of(model: BlendModel, weights: Sequence[float] | np.ndarray, **more: Any) -> BlendModel:
    return replace(model, weights=np.asarray(weights, np.float64), **more)


def _refuse_strangers(parts: tuple[Recommender, ...]) -> None:
    if len(parts) < 2:
        raise ConfigError(
            f"a blend is made of two models or more, not of {len(parts)}",
            where="Blend",
            mend="give another model",
        )
    problems = []
    for number, (one, two) in enumerate(pairwise(parts), 2):
        names = f"model {number} ({two.method}) and model {number - 1} ({one.method})"
        if one.users != two.users or one.items != two.items:
            problems.append(f"{names} have other users or items, or the same in another order")
        elif not np.array_equal(one.seen.indptr, two.seen.indptr) or not np.array_equal(
            one.seen.indices, two.seen.indices
        ):
            problems.append(f"{names} were fitted on other rows")
    if problems:
        raise ConfigError("\n".join(problems), where="Blend", mend="fit all models on the same log")


def _on_the_simplex(weights: np.ndarray) -> bool:
    return bool(np.isfinite(weights).all() and (weights >= 0).all() and abs(weights.sum() - 1) <= 1e-6)
