"""The fitted forms: what a recipe's `fit` returns, whatever the method.

    FactorModel   score(u, j) = μ + b_u + c_j + x_u·y_j    (Factored: the same score, x_u from anywhere)
    ItemModel     score(u, j) = Σ_i h_ui B_ij + c_j        (h_u: the user's history)

Both are frozen, carry the vocabularies and the training histories, and answer by ids. Everything that
can be said once about a model is said in `Recommender` (factor/recommender.py); a form adds only how it scores.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.factor.blocks import Top, best_but, most_alike, pairs_of, parts, top_of
from matweave.factor.fold import FoldIn
from matweave.factor.laplace import Laplace
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows, HistoryRows, Rows
from matweave.factor.sides import SideMap, Sides
from matweave.factor.spread import Spread, keys_of
from matweave.factor.weights import ItemWeights
from matweave.linalg.topk import top_k_factors


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Factored(Recommender):
    """score(u, j) = mean + b_u + c_j + x_u·y_j, whatever the row x_u of a user comes from: a table, or a network."""

    @abstractmethod
    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        """y (items, rank) and c (items,) or None, float32, and the mean."""

    def scores(self, rows: Rows) -> np.ndarray:
        mine = _are(rows, FactorRows)
        factors, bias, _ = self.item_side()
        scores = mine.factors @ factors.T
        if bias is not None:
            scores += bias
        return self._shifted(scores, mine)

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        mine = _are(rows, FactorRows)
        factors, bias, mean = self.item_side()
        scores = np.empty(len(at), np.float32)
        for part in parts(len(at), 1 << 16):  # the gathered factors stay small
            x, y = mine.factors[at[part]], factors[item_codes[part]]
            scores[part] = np.einsum("nr,nr->n", x, y)
        scores += np.float32(mean)
        if mine.bias is not None:
            scores += mine.bias[at]
        if bias is not None:
            scores += bias[item_codes]
        return scores

    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        mine = _are(rows, FactorRows)
        out = None if leave_out is None else (leave_out.indptr, leave_out.indices)
        factors, bias, _ = self.item_side()
        codes, scores, counts = top_k_factors(mine.factors, factors, k=k, bias=bias, leave_out=out)
        return codes, self._shifted(scores, mine), counts

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        return most_alike(self.item_side()[0], item_code, k)

    def half_scores(self, rows: FactorRows) -> tuple[np.ndarray, np.ndarray, float]:
        """What is expected of each row with an item that training did not have (n,), of each item with such a user (items,),
        and of both: float32, not clipped. The mean and the bias of the side that is known, and what a form knows beyond these.
        """
        factors, bias, mean = self.item_side()
        user, item = (np.full(n, mean, np.float32) for n in (len(rows), len(factors)))
        if rows.bias is not None:
            user += rows.bias
        if bias is not None:
            item += bias
        return user, item, mean

    def _shifted(self, scores: np.ndarray, rows: FactorRows) -> np.ndarray:
        scores += np.float32(self.item_side()[2])
        if rows.bias is not None:
            scores += rows.bias[:, None]
        return scores


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FactorModel(Factored):
    """score(u, j) = mean + user_bias[u] + item_bias[j] + user_factors[u]·item_factors[j].

    user_factors (users, rank), item_factors (items, rank), biases (users,) and (items,) or None; float32.
    fold: how the method solves for a stranger's row. sides: what it knows of attributes, where it was fitted with some.
    """

    user_factors: np.ndarray
    item_factors: np.ndarray
    fold: FoldIn
    mean: float = 0.0
    user_bias: np.ndarray | None = None
    item_bias: np.ndarray | None = None
    sides: Sides | None = None

    def __post_init__(self) -> None:
        _same_shape(self, "user_factors", (len(self.users), self.user_factors.shape[1]))
        _same_shape(self, "item_factors", (len(self.items), self.user_factors.shape[1]))
        _same_shape(self, "user_bias", (len(self.users),))
        _same_shape(self, "item_bias", (len(self.items),))

    def known(self, user_codes: np.ndarray) -> FactorRows:
        bias = None if self.user_bias is None else self.user_bias[user_codes]
        return FactorRows(factors=self.user_factors[user_codes], bias=bias)

    def fold_in(self, histories: Csr) -> FactorRows:
        return self.fold.solve(histories, self)

    def feature_code(self) -> FeatureCode:
        return super().feature_code() if self._user_map is None else self._user_map.code

    def new_rows(self, content: ItemContent, histories: Csr | None = None) -> Rows:
        if self._user_map is None:
            return super().new_rows(content, histories)
        values = self._user_map.code.values(content)
        rows = self._user_map.new_rows(values)
        if histories is not None:
            for at, side in self._user_map.beside(values):
                there = histories.counts[at] > 0  # a history without items says nothing
                mine = replace(side, pull=side.pull[there])
                found = self.fold.beside(histories.rows(at[there]), self, mine)
                rows.factors[at[there]] = found.factors
                if rows.bias is not None and found.bias is not None:
                    rows.bias[at[there]] = found.bias
        return rows

    @property
    def _user_map(self) -> SideMap | None:
        return None if self.sides is None else self.sides.users

    def spread(self, histories: Csr, user_codes: np.ndarray | None) -> Spread:
        if self.sides is not None and (self.sides.users is not None or self.limits is not None):
            raise ConfigError(  # attributes are a part of the rows' systems that their Cholesky factors here lack
                f"this {self.method} was fitted with attributes, and knows no variance then",
                where=self.method,
                mend="fit it without features, or fit bayesian_mf",
            )
        if self._laplace is None:
            return super().spread(histories, user_codes)
        rows = self.fold_in(histories) if user_codes is None else self.known(user_codes)
        return self._laplace.spread(histories, rows, keys_of(histories, user_codes))

    @cached_property
    def _laplace(self) -> Laplace | None:
        return self.fold.laplace(self)

    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return self.item_factors, self.item_bias, self.mean

    def half_scores(self, rows: FactorRows) -> tuple[np.ndarray, np.ndarray, float]:
        """The side that is lacking is what the method makes of no rows at all: zero, or its prior's mean. Where a model has neither
        that nor a mean or biases, the mean training value.
        """
        user = _blank(self)
        try:
            item = _blank(self.turned())
        except ConfigError:  # the method has no step for items
            item = FactorRows(factors=np.zeros((1, self.item_factors.shape[1]), np.float32), bias=None)
        users, items, mean = super().half_scores(rows)
        plain = self.mean == 0.0 and self.user_bias is None and self.item_bias is None
        level = float(self.seen.weights().mean()) if plain and self.seen.nnz else 0.0
        x, y = user.factors[0], item.factors[0]
        b, c = (0.0 if side.bias is None else float(side.bias[0]) for side in (user, item))
        users += rows.factors @ y + np.float32(c if y.any() or not plain else level)
        items += self.item_factors @ x + np.float32(b if x.any() or not plain else level)
        both = mean + b + c + float(x @ y)
        return users, items, both if x.any() or not plain else level

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> FactorModel:
        if self._user_map is not None and (changed < len(self.users)).any():
            raise self._cannot("take more rows of users whose attributes it learned", "fit again with them")
        rows = self.fold.solve(seen.rows(changed), self)
        bias = None
        if self.user_bias is not None:
            mine = np.zeros(len(changed), np.float32) if rows.bias is None else rows.bias
            bias = placed(self.user_bias, len(users), changed, mine)
        factors = placed(self.user_factors, len(users), changed, rows.factors)
        return replace(self, users=users, seen=seen, user_factors=factors, user_bias=bias)

    def _over_items(self, items: Vocabulary, seen: Csr, fresh: Csr) -> FactorModel:
        turned = self.turned()
        rows = turned.fold.solve(fresh, turned)
        at = np.arange(len(self.items), len(items))
        bias = None
        if self.item_bias is not None:
            mine = np.zeros(len(at), np.float32) if rows.bias is None else rows.bias
            bias = placed(self.item_bias, len(items), at, mine)
        factors = placed(self.item_factors, len(items), at, rows.factors)
        fold = self.fold.over(factors)
        return replace(self, items=items, seen=seen, item_factors=factors, item_bias=bias, fold=fold)

    def _over_rest(self, log: Interactions) -> FactorModel:
        if self.sides is not None:
            raise self._cannot(
                "forget users where it learned attributes", "fit again on the log without them"
            )
        return self.fold.refit(self, log)

    def turned(self) -> FactorModel:
        """The same model with its sides changed: items are its users. Raises ConfigError where the method's fold cannot be."""
        return replace(
            self,
            users=self.items,
            items=self.users,
            seen=self.seen.transpose(),
            user_factors=self.item_factors,
            item_factors=self.user_factors,
            user_bias=self.item_bias,
            item_bias=self.user_bias,
            fold=self.fold.turned(self),
            sides=None if self.sides is None else self.sides.turned(),
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ItemModel(Recommender):
    """score(u, j) = Σ_i h_ui B_ij + item_bias[j], h_u the user's history.

    weights: B, items x items, dense, sparse or absent. use_values: whether h_ui is the logged value or 1.
    """

    weights: ItemWeights
    item_bias: np.ndarray | None = None
    use_values: bool = False

    def __post_init__(self) -> None:
        _same_shape(self, "item_bias", (len(self.items),))

    def known(self, user_codes: np.ndarray) -> HistoryRows:
        return self.fold_in(self.seen.rows(user_codes))

    def fold_in(self, histories: Csr) -> HistoryRows:
        """Exact: an item model has no user side to refit."""
        return HistoryRows(histories=histories if self.use_values else replace(histories, values=None))

    def scores(self, rows: Rows) -> np.ndarray:
        scores = self.weights.apply(_are(rows, HistoryRows).histories)
        if self.item_bias is not None:
            scores += self.item_bias
        return scores

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return pairs_of(self.scores, rows, at, item_codes)

    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        return top_of(self.scores, rows, k, leave_out)

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> ItemModel:
        return replace(self, users=users, seen=seen)

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The largest B[item_code]; items without any weight there are not like it, and are not given."""
        row = self.weights.row(item_code)
        return best_but(np.where(row == 0, np.float32(-np.inf), row), item_code, k)


def nobody(columns: int) -> Csr:
    """One row without entries, with values.

    >>> nobody(3).counts.tolist()
    [0]
    """
    empty = np.zeros(0, np.float32)
    return Csr(indptr=np.zeros(2, np.int64), indices=empty.astype(np.int32), values=empty, n_columns=columns)


def _blank(model: FactorModel) -> FactorRows:
    return model.fold_in(nobody(len(model.items)))


def placed(rows: np.ndarray, count: int, at: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The rows in a table of `count`, those at `at` replaced by `new`.

    >>> placed(np.array([1.0, 2.0]), 3, np.array([0, 2]), np.array([5.0, 6.0])).tolist()
    [5.0, 2.0, 6.0]
    """
    out = np.zeros((count, *rows.shape[1:]), rows.dtype)
    out[: len(rows)] = rows
    out[at] = new
    return out


def _are(rows: Rows, kind: type) -> Any:
    if not isinstance(rows, kind):
        raise TypeError(f"rows of another form: {type(rows).__name__}, not {kind.__name__}")
    return rows


def _same_shape(owner: object, name: str, wanted: tuple[int, ...]) -> None:
    array = getattr(owner, name)
    if array is not None and array.shape != wanted:
        raise ConfigError(
            f"{name} has shape {array.shape}, but the vocabularies and rank ask for {wanted}",
            where=type(owner).__name__,
            mend="fit the model again; a saved one was put together from two fits",
        )
