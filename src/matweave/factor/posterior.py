"""PosteriorModel: a factor model known by draws from its posterior, with the mean and the variance of every score.

Score       expected score(u, j) = mean + (1/S) Σ_s x_su·y_sj over S draws: one factor model of rank S·rank, with the draws
            side by side, so that ranking and evaluation need nothing new. Biases are columns beside constant ones.
Variance    of the expected score: that of x_su·y_sj over the draws; of a value: that and the mean noise.
Fold-in     of a stranger: for each draw of the items and hyperparameters the row's own posterior, which is normal:
            its mean for scores (Rao-Blackwell), a draw from it for the spread and for Thompson sampling.
Cost        S times a factor model's, in memory and time; the spread of a block costs two passes of S thin products.
Source      Salakhutdinov & Mnih 2008 (predictions as averages over draws).
Checked by  tests/factor/test_posterior.py: scores, variances and fold-in against plain NumPy over the draws.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.factor.blocks import most_alike, parts
from matweave.factor.forms import Factored, nobody, placed
from matweave.factor.loop import History
from matweave.factor.rows import FactorRows, Rows
from matweave.factor.spread import WITH_VARIANCE, Spread, keys_of, keys_of_ids
from matweave.linalg.row_draws import row_choices
from matweave.randomness import child_seed
from matweave.threads import in_parallel


class DrawFold(ABC):
    """How the rows of strangers are found for each draw of a `PosteriorModel`."""

    @abstractmethod
    def users(
        self,
        histories: Csr,
        model: PosteriorModel,
        attributes: np.ndarray | None,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        """(S, n, rank) float32 for histories (n users x items). attributes (n, D), NaN where missing, or None.

        keys (n,): None for each draw's conditional mean, else a draw from the conditional distribution, by `keys_of`.
        """

    @abstractmethod
    def items(
        self, histories: Csr, model: PosteriorModel, attributes: np.ndarray | None, keys: np.ndarray | None
    ) -> np.ndarray:
        """(S, n, rank) float32 for the rows of n new items over users: as `users`."""

    @property
    @abstractmethod
    def knows_items(self) -> bool:
        """Whether attributes of items took part in the fit."""

    @abstractmethod
    def code(self) -> FeatureCode | None:
        """How attributes of users are coded, where the model has any."""

    @abstractmethod
    def attributes(self, user_codes: np.ndarray) -> np.ndarray | None:
        """What is known of training users beside their histories (n, D), NaN for the code -1; None where nothing is."""

    @abstractmethod
    def over(self, users: int) -> DrawFold:
        """The same for a model that has more users now."""


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PosteriorModel(Factored):
    """user_draws (S, users, rank), item_draws (S, items, rank) float32; noise (S,): variance of a value, per draw.

    biases: whether the last two columns are a user's bias and 1, and 1 and an item's bias. mean: of the values.
    folded: codes of users whose rows are conditional means, since they came after training; None: nobody.
    """

    user_draws: np.ndarray
    item_draws: np.ndarray
    noise: np.ndarray
    fold: DrawFold
    mean: float = 0.0
    biases: bool = True
    folded: np.ndarray | None = None

    def known(self, user_codes: np.ndarray) -> FactorRows:
        return _laid(self.user_draws[:, user_codes])

    def fold_in(self, histories: Csr) -> FactorRows:
        return _laid(self.fold.users(self._told(histories), self, None))

    def grown(self, histories: Csr, user_codes: np.ndarray) -> FactorRows:
        attributes = self.fold.attributes(user_codes)
        return _laid(self.fold.users(self._told(histories), self, attributes))

    def feature_code(self) -> FeatureCode:
        return self.fold.code() or super().feature_code()

    def new_rows(self, content: ItemContent, histories: Csr | None = None) -> FactorRows:
        """By attributes: the mean of each draw's conditional distribution, given the history too where there is one."""
        attributes = self.feature_code().values(content)
        if histories is None:
            histories = nobody(len(self.items)).rows(np.zeros(len(content), np.int64))
        return _laid(self.fold.users(self._told(histories), self, attributes))

    @cached_property
    def _side(self) -> np.ndarray:
        return _laid(self.item_draws).factors / np.float32(len(self.item_draws))

    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return self._side, None, self.mean

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        found = [
            super(PosteriorModel, self).pair_scores(rows, at[p], item_codes[p]) for p in parts(len(at), 4096)
        ]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """By the cosine of the draws side by side, biases left out."""
        plain = self.item_draws[..., :-2] if self.biases else self.item_draws
        return most_alike(_laid(plain).factors, item_code, k)

    def half_scores(self, rows: FactorRows) -> tuple[np.ndarray, np.ndarray, float]:
        """The side that is lacking is the mean of its prior, draw by draw."""
        count = len(self.item_draws)
        user = self.fold.users(nobody(len(self.items)), self, None)[:, 0]
        item = self.fold.items(nobody(len(self.users)), self, None, None)[:, 0]
        found = rows.factors @ (item / np.float32(count)).ravel(), self._side @ user.ravel()
        both = self.mean + float(np.einsum("sr,sr->", user, item)) / count
        return found[0] + np.float32(self.mean), found[1] + np.float32(self.mean), both

    def spread(self, histories: Csr, user_codes: np.ndarray | None) -> Spread:
        """Training users with the history that they had there are known by their draws; others are folded in by a draw each.

        Raises ConfigError for a model of one draw, which is a point.
        """
        if len(self.user_draws) < 2:
            raise ConfigError(
                f"this {self.method} is a point, not draws, and does not know how sure it is of a score",
                where=self.method,
                mend=f'fit it by draws, solver="gibbs" (--set solver=gibbs), or fit {WITH_VARIANCE}',
            )
        codes = np.full(histories.n_rows, -1) if user_codes is None else user_codes
        there = np.flatnonzero(codes >= 0)
        same = there[_same(histories.rows(there), self.seen.rows(codes[there]))]
        if self.folded is not None:
            same = same[~np.isin(codes[same], self.folded)]
        draws = np.empty((len(self.user_draws), len(codes), self.user_draws.shape[2]), np.float32)
        draws[:, same] = self.user_draws[:, codes[same]]
        others = np.setdiff1d(np.arange(len(codes)), same)
        if len(others):
            told = self._told(histories.rows(others))
            attributes = self.fold.attributes(codes[others])
            draws[:, others] = self.fold.users(told, self, attributes, keys_of(told, None))
        noise = 0.0 if self.limits is None else float(self.noise.mean())
        keys = keys_of(histories, user_codes)
        return PosteriorSpread(draws=draws, items=self.item_draws, keys=keys, noise=noise)

    def _told(self, histories: Csr) -> Csr:
        if histories.values is None and histories.nnz and self.seen.values is not None:
            raise DataError(
                f"{self.method} predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        return histories

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> PosteriorModel:
        old = np.where(changed < len(self.users), changed, -1)
        rows = self.fold.users(seen.rows(changed), self, self.fold.attributes(old))
        draws = _grown(self.user_draws, len(users), changed, rows)
        folded = changed if self.folded is None else np.union1d(self.folded, changed)
        return replace(
            self, users=users, seen=seen, user_draws=draws, folded=folded, fold=self.fold.over(len(users))
        )

    def _over_items(self, items: Vocabulary, seen: Csr, fresh: Csr) -> PosteriorModel:
        return self.with_rows(items, seen, fresh, None)

    def with_rows(
        self, items: Vocabulary, seen: Csr, fresh: Csr, attributes: np.ndarray | None
    ) -> PosteriorModel:
        """Over more items, whose rows fresh (new items x users) and attributes (new items, D) are given."""
        at = np.arange(len(self.items), len(items))
        rows = self.fold.items(fresh, self, attributes, keys_of_ids(items.decode(at).to_pylist()))
        return replace(self, items=items, seen=seen, item_draws=_grown(self.item_draws, len(items), at, rows))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PosteriorSpread(Spread):
    """draws (S, n, rank) of n users' rows beside the items' (S, items, rank). keys (n,): `keys_of`."""

    draws: np.ndarray
    items: np.ndarray
    keys: np.ndarray
    noise: float

    def __len__(self) -> int:
        return self.draws.shape[1]

    def __getitem__(self, part: slice) -> PosteriorSpread:
        return replace(self, draws=self.draws[:, part], keys=self.keys[part])

    def deviations(self) -> np.ndarray:
        count, wide = len(self.draws), self.items.shape[1]
        out = np.zeros((len(self), wide), np.float32)

        def work(rows: slice, columns: slice) -> None:
            total, squares = (
                np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32) for _ in "12"
            )
            origin = None
            for x, y in zip(self.draws[:, rows], self.items[:, columns], strict=True):
                scores = x @ y.T
                if origin is None:
                    origin = scores  # sums of differences lose no digits
                _gather(scores, origin, total, squares)
            out[rows, columns] = _deviation(total, squares, count)

        in_parallel(work, [(r, c) for r in parts(len(self), 64) for c in parts(wide, 1024)])
        return out

    def pair_deviations(self, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        out = np.empty(len(at), np.float32)

        def work(part: slice) -> None:
            users, items = at[part], item_codes[part]
            scores = np.stack(
                [
                    np.einsum("pr,pr->p", x[users], y[items])
                    for x, y in zip(self.draws, self.items, strict=True)
                ]
            )
            scores -= scores[0]
            total, squares = scores.sum(axis=0), np.einsum("sp,sp->p", scores, scores)
            out[part] = _deviation(total, squares, len(scores))

        in_parallel(work, [(part,) for part in parts(len(at), 4096)])
        return out

    def draw(self, seed: int) -> FactorRows:
        """One of the draws for each user, which the model scores beside the same draw of the items."""
        count, n, rank = self.draws.shape
        which = row_choices(child_seed(seed, "posterior", "draw"), self.keys, count)
        factors = np.zeros((n, count, rank), np.float32)
        factors[np.arange(n), which] = np.float32(count) * self.draws[which, np.arange(n)]
        return FactorRows(factors=factors.reshape(n, count * rank), bias=None)


@njit(nogil=True, cache=True)
def _gather(scores, origin, total, squares):  # pragma: no cover
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            away = scores[i, j] - origin[i, j]
            total[i, j] += away
            squares[i, j] += away * away


def _deviation(total: np.ndarray, squares: np.ndarray, count: int) -> np.ndarray:
    return np.sqrt(np.maximum(squares - total**2 / count, 0) / max(1, count - 1))


def slot_of(number: int, *, burn_in: int, samples: int, thinning: int) -> int:
    """The slot of the draw of sweep `number` (from 0, a multiple of thinning) among `samples`: the draws of the end stand in order.

    >>> [slot_of(sweep, burn_in=4, samples=3, thinning=2) for sweep in (4, 6, 8)]
    [0, 1, 2]
    """
    return (number // thinning - -(-burn_in // thinning)) % samples


def kept_slots(sweeps: int, *, burn_in: int, samples: int, thinning: int) -> np.ndarray:
    """Slots of the draws that make the model after so many sweeps, oldest first: the later half of all, or all since burn-in
    where they are more.

    >>> [kept_slots(sweeps, burn_in=4, samples=3, thinning=2).tolist() for sweeps in (4, 7, 10)]
    [[2], [0, 1], [0, 1, 2]]
    """
    drawn = -(-sweeps // thinning)
    count = min(samples, max(-(-drawn // 2), drawn - -(-burn_in // thinning)))
    numbers = range(thinning * (drawn - count), thinning * drawn, thinning)
    slots = [slot_of(n, burn_in=burn_in, samples=samples, thinning=thinning) for n in numbers]
    return np.array(slots, np.int64)


def kept_of(array: np.ndarray, kept: np.ndarray, history: History) -> np.ndarray:
    """The slots of a fit's array that make the model: a copy while it goes on, the array itself where it holds them in order in the end.

    >>> draws = np.arange(3.0)
    >>> kept_of(draws, np.arange(3), History(stopped="epochs")) is draws, kept_of(draws, np.array([2]), History()).tolist()
    (True, [2.0])
    """
    whole = history.stopped != "running" and np.array_equal(kept, np.arange(len(array)))
    return array if whole else array[kept]


def _laid(draws: np.ndarray) -> FactorRows:
    """(S, n, rank) as n rows with their draws side by side."""
    count, n, rank = draws.shape
    factors = np.ascontiguousarray(draws.transpose(1, 0, 2), np.float32).reshape(n, count * rank)
    return FactorRows(factors=factors, bias=None)


def _grown(draws: np.ndarray, count: int, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([placed(old, count, at, new) for old, new in zip(draws, rows, strict=True)])


def _same(one: Csr, two: Csr) -> np.ndarray:
    """(n,) bool: rows with the same entries in both."""
    equal = one.counts == two.counts
    values = one.values is not None and two.values is not None
    for row in np.flatnonzero(equal).tolist():
        (a, v), (b, w) = one.row(row), two.row(row)
        equal[row] = np.array_equal(a, b) and (not values or np.array_equal(v, w))  # type: ignore[arg-type]
    return equal
