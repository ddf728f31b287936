"""What every fitted model is and answers, whatever its form: ids in, ids out.

A form (factor/forms.py, factor/blend.py, neural/forms.py, ...) adds only how it scores.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.artifact import save
from matweave.config import settings_of
from matweave.data.csr import Csr
from matweave.data.features import FeatureCode, one_row
from matweave.data.frames import as_frame
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, UnknownId
from matweave.factor.answers import (
    exclusions,
    history_of,
    pair_table,
    similar_table,
    top_table,
    user_codes_of,
)
from matweave.factor.blocks import Top
from matweave.factor.growing import fewer_users, more_items, more_users
from matweave.factor.loop import History
from matweave.factor.rows import Rows
from matweave.factor.spread import WITH_VARIANCE, Spread
from matweave.factor.uncertain import check_way, interval_columns, top_under


def origin(recipe: Any, log: Interactions, history: History, seen: Csr | None = None) -> dict[str, Any]:
    """The fields of a model that say what it was made of: method, settings, ids, rows (seen, or the log's), history and frame.

    >>> log = Interactions.from_codes([0], [0], user_ids=["a"], item_ids=["x"])
    >>> list(origin(History(), log, History()))
    ['method', 'settings', 'users', 'items', 'seen', 'history', 'frame']
    """
    return {
        "method": type(recipe).__name__,
        "settings": settings_of(recipe),
        "users": log.users,
        "items": log.items,
        "seen": log.by_user if seen is None else seen,
        "history": history,
        "frame": log.frame,
    }


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Recommender(ABC):
    """A fitted model: ids in, ids out.

    users, items: the ids of the training rows. seen: those rows, users x items, with values.
    method, settings: the recipe that made it. frame: the caller's kind of data frame.
    limits: lowest and highest training value of a rating model; None for a ranking model.
    """

    method: str
    settings: dict[str, Any]
    users: Vocabulary
    items: Vocabulary
    seen: Csr
    history: History
    frame: str = "arrow"
    limits: tuple[float, float] | None = None

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return (
            f"{type(self).__name__} of {self.method}({settings}): {len(self.users):,} users, "
            f"{len(self.items):,} items, ended by {self.history.stopped} after epoch {self.history.epoch}"
        )

    @abstractmethod
    def known(self, user_codes: np.ndarray) -> Rows:
        """Rows of training users, by code."""

    @abstractmethod
    def fold_in(self, histories: Csr) -> Rows:
        """Rows for histories of strangers over this model's item codes, without retraining."""

    def grown(self, histories: Csr, user_codes: np.ndarray) -> Rows:
        """As `fold_in`, for users who may be of training, with their codes (n,), -1 for strangers: a model that keeps
        something of each training user by name, and can use it beside another history, does.
        """
        return self.fold_in(histories)

    def feature_code(self) -> FeatureCode:
        """How this model takes the attributes of users. Raises ConfigError for one that was fitted without any."""
        raise ConfigError(
            f"this {self.method} knows no attributes of users",
            where=self.method,
            mend="fit a method that reads them, ImplicitALS(...).fit(log, user_features=...), or fold a history in: recommend_for",
        )

    def new_rows(self, content: ItemContent, histories: Csr | None = None) -> Rows:
        """Rows of the n strangers of `content` by their attributes, and by their histories (n x items) too where given.

        Raises ConfigError as `feature_code` does, DataError for attributes that training did not have.
        """
        raise ConfigError(
            f"{self.method} has no rows of attributes", where=self.method, mend="use recommend_for"
        )

    @abstractmethod
    def scores(self, rows: Rows) -> np.ndarray:
        """Scores (n, items) float32. Meant for blocks: a full matrix is the caller's decision."""

    @abstractmethod
    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        """Scores float32 of the pairs (rows[at[p]], item_codes[p])."""

    @abstractmethod
    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        """The k best items of each row, best first, ties to the smaller item code.

        leave_out (n x items): items never to be given. A row with fewer than k items left has a smaller count.
        """

    @abstractmethod
    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k items most like one item, itself left out: codes and similarities, best first."""

    def spread(self, histories: Csr, user_codes: np.ndarray | None) -> Spread:
        """How sure the model is of the scores of n users with these histories (n x items).

        user_codes (n,): who of training they are, None for strangers. Raises ConfigError where the method has no variance.
        """
        raise ConfigError(
            f"{self.method} does not know how sure it is of a score",
            where=self.method,
            mend=f"fit {WITH_VARIANCE}",
        )

    def recommend(
        self,
        users: Sequence[Any] | None = None,
        k: int = 10,
        *,
        exclude: Sequence[Any] = (),
        seen: bool = False,
        uncertainty: str | None = None,
        width: float = 1.0,
        seed: int = 0,
    ) -> Any:
        """The k best items for each user, as a data frame: user, item, score, rank (from 1).

        users: ids, or None for all. exclude: item ids never to give. seen: whether items of the user's own
        history may be given. uncertainty: rank by the score (None), by "ucb", score + width deviations, by "lower",
        score - width deviations, or by "thompson", one draw with this seed (factor/uncertain.py); the score given is that.
        Raises UnknownId, which lists every id that training did not have, ConfigError for a method without a variance.
        """
        check_way(uncertainty, width, seed)
        codes = self._known_codes(users)
        out = exclusions(None if seen else self.seen.rows(codes), len(codes), self.items, exclude)
        rows, k = self.known(codes), self._width(k)
        sure = partial(self.spread, self.seen.rows(codes), codes)
        top = top_under(self, rows, sure, k, out, uncertainty=uncertainty, width=width, seed=seed)
        return top_table(self.users.decode(codes), self.items, top, self.frame)

    def recommend_for(
        self,
        history: Sequence[Any],
        k: int = 10,
        *,
        values: Sequence[float] | None = None,
        attributes: Mapping[str, Any] | None = None,
        exclude: Sequence[Any] = (),
        seen: bool = False,
        uncertainty: str | None = None,
        width: float = 1.0,
        seed: int = 0,
    ) -> Any:
        """The k best items for a stranger with this history of item ids: item, score, rank (from 1).

        values: one per item, which rating models need. attributes: what else is known, as in `recommend_new`.
        Raises UnknownId, which lists every item that training did not have, and DataError for an item named
        twice, a value that is not finite, or attributes that training did not have. uncertainty, width, seed: as
        in `recommend`; not beside attributes.
        """
        check_way(uncertainty, width, seed)
        one = history_of(self.items, history, values)
        rows = self.fold_in(one) if attributes is None else self.new_rows(self._stranger(attributes), one)
        out, k = exclusions(None if seen else one, 1, self.items, exclude), self._width(k)
        if attributes is not None and uncertainty is not None:
            raise ConfigError(
                "a row by attributes has no variance",
                where="recommend_for",
                mend="leave attributes or uncertainty out",
            )
        sure = partial(self.spread, one, None)
        top = top_under(self, rows, sure, k, out, uncertainty=uncertainty, width=width, seed=seed)
        return top_table(None, self.items, top, self.frame)

    def recommend_new(
        self, attributes: Mapping[str, Any] | ItemContent, k: int = 10, *, exclude: Sequence[Any] = ()
    ) -> Any:
        """The k best items for a stranger without any history: item, score, rank (from 1).

        attributes: {"gender": "F", "age": 25, "genres": ["Comedy", "Drama"]}, or the content of several strangers by id,
        which adds the column user. Raises ConfigError for a model that was fitted without attributes of users,
        DataError for attributes that training did not have, with those that it had.
        """
        several = isinstance(attributes, ItemContent)
        content = attributes if several else self._stranger(attributes)
        top = self.top(
            self.new_rows(content), self._width(k), exclusions(None, len(content), self.items, exclude)
        )
        return top_table(content.items.ids if several else None, self.items, top, self.frame)

    def _stranger(self, attributes: Mapping[str, Any]) -> ItemContent:
        return one_row(attributes, self.feature_code())

    def similar(self, item: Any, k: int = 10) -> Any:
        """The k items most like `item`: item, similarity, rank (from 1)."""
        codes, scores = self.similar_codes(self.items.code(item), self._width(k))
        return similar_table(self.items, codes, scores, self.frame)

    def predict(self, users: Sequence[Any], items: Sequence[Any], *, interval: float | None = None) -> Any:
        """The scores of pairs: user, item, score; a rating model's are clipped to the training range.

        users, items: ids, as many of the one as of the other. interval: 0.9 adds the deviation of the expected score,
        and lower and upper: between them one value lies with this probability (the expected score, where the method predicts
        no values). Raises UnknownId, which lists every id that training did not have, DataError for lists of different lengths,
        ConfigError for an interval of a method without a variance.
        """
        codes, item_codes = self._known_codes(users), user_codes_of(self.items, items)
        if len(codes) != len(item_codes):
            raise DataError(
                f"{len(codes)} users for {len(item_codes)} items",
                where="predict",
                mend="give one user for every item: the pairs are (users[p], items[p])",
            )
        distinct, at = np.unique(codes, return_inverse=True)
        scores = self.clip(self.pair_scores(self.known(distinct), at, item_codes))
        more = {}
        if interval is not None:
            spread = self.spread(self.seen.rows(distinct), distinct)
            found = interval_columns(scores, spread.pair_deviations(at, item_codes), spread.noise, interval)
            more = found | {name: self.clip(found[name]) for name in ("lower", "upper")}
        return pair_table(self.users, codes, self.items, item_codes, scores, self.frame, more)

    def with_users(self, log: Interactions) -> Recommender:
        """The model with the users of a log over its items: new ones, and those of training whose histories the log adds to.

        Nothing is trained: each of them gets the row that fold-in gives for the whole history. Raises UnknownId for items
        that training did not have, DataError for a log that does not fit, ConfigError where the form cannot.
        """
        return self._over_users(*more_users(self, log))

    def with_items(self, log: Interactions) -> Recommender:
        """The model with the new items of a log of its users, each with the vector that its rows give, users as they are.

        Raises UnknownId for users that training did not have, DataError for items that are not new or a log that
        does not fit, ConfigError where the method has no such step.
        """
        return self._over_items(*more_items(self, log))

    def without_users(self, users: Sequence[Any]) -> Recommender:
        """What the same recipe, with the same seed, makes of the training log without these users: exact deletion.

        Raises UnknownId for users that training did not have, ConfigError where the method has no such step.
        """
        return self._over_rest(fewer_users(self, user_codes_of(self.users, users)))

    def _over_users(self, users: Vocabulary, seen: Csr, changed: np.ndarray) -> Recommender:
        """Over more users with these histories; changed: codes of those whose history is new or another."""
        raise self._cannot("take more users in", "serve them by recommend_for(history)")

    def _over_items(self, items: Vocabulary, seen: Csr, fresh: Csr) -> Recommender:
        """Over more items; fresh (new items x users): their rows."""
        raise self._cannot("take more items in", "fit again with them")

    def _over_rest(self, log: Interactions) -> Recommender:
        """Over the rows that are left, `log`."""
        raise self._cannot("forget users", "fit again on the log without them")

    def _cannot(self, what: str, mend: str) -> ConfigError:
        return ConfigError(
            f"{self.method} cannot {what} without being fitted again", where=self.method, mend=mend
        )

    def clip(self, scores: np.ndarray) -> np.ndarray:
        """Scores held to the range of the training values, where the model predicts values."""
        return scores if self.limits is None else np.clip(scores, *self.limits)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model to a folder: safetensors and JSON, checksummed, replaced atomically."""
        save(self, folder)

    def with_frame(self, frame: str) -> Recommender:
        """The same model answering in another kind of frame: arrow, pandas or polars.

        Raises ConfigError for another kind, MissingExtra where its library is not installed.
        """
        as_frame(pa.table({}), frame)
        return replace(self, frame=frame)

    def _known_codes(self, users: Sequence[Any] | None) -> np.ndarray:
        """Codes of training users; whoever else is asked for is told of the other doors."""
        try:
            return user_codes_of(self.users, users)
        except UnknownId as error:
            try:
                self.feature_code()
                door = "recommend_new(attributes), or recommend_for(history)"
            except ConfigError:
                door = "recommend_for(history)"
            raise UnknownId(
                error.what, where="the users of the training log", mend=f"for a stranger ask {door}"
            ) from None

    def _width(self, k: int) -> int:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ConfigError(
                f"k is {k!r}, but must be an integer >= 1", where=self.method, mend="give k >= 1"
            )
        return max(1, min(int(k), len(self.items)))
