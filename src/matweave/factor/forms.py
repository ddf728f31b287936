"""The fitted forms: what a recipe's `fit` returns, whatever the method.

    FactorModel   score(u, j) = μ + b_u + c_j + x_u·y_j    (Factored: the same score, x_u from anywhere)
    ItemModel     score(u, j) = Σ_i h_ui B_ij + c_j        (h_u: the user's history)

Both are frozen, carry the vocabularies and the training histories, and answer by ids. Everything that
can be said once about a model is said in `Recommender` (factor/recommender.py); a form adds only how it scores.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.errors import ConfigError
from matweave.factor.blocks import Top, best_but, most_alike, pairs_of, parts, top_of
from matweave.factor.fold import FoldIn
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows, HistoryRows, Rows
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
    fold: how the method solves for a stranger's row.
    """

    user_factors: np.ndarray
    item_factors: np.ndarray
    fold: FoldIn
    mean: float = 0.0
    user_bias: np.ndarray | None = None
    item_bias: np.ndarray | None = None

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

    def item_side(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return self.item_factors, self.item_bias, self.mean


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

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The largest B[item_code]; items without any weight there are not like it, and are not given."""
        row = self.weights.row(item_code)
        return best_but(np.where(row == 0, np.float32(-np.inf), row), item_code, k)


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
