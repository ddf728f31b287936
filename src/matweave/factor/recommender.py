"""What every fitted model is and answers, whatever its form: ids in, ids out.

A form (factor/forms.py, factor/blend.py, neural/forms.py, ...) adds only how it scores.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.artifact import save
from matweave.data.csr import Csr
from matweave.data.frames import as_frame
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.factor.answers import (
    exclusions,
    history_of,
    pair_table,
    similar_table,
    top_table,
    user_codes_of,
)
from matweave.factor.blocks import Top
from matweave.factor.loop import History
from matweave.factor.rows import Rows


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

    def recommend(
        self,
        users: Sequence[Any] | None = None,
        k: int = 10,
        *,
        exclude: Sequence[Any] = (),
        seen: bool = False,
    ) -> Any:
        """The k best items for each user, as a data frame: user, item, score, rank (from 1).

        users: ids, or None for all. exclude: item ids never to give. seen: whether items of the user's own
        history may be given. Raises UnknownId, which lists every id that training did not have.
        """
        codes = user_codes_of(self.users, users)
        out = None if seen else self.seen.rows(codes)
        top = self.top(self.known(codes), self._width(k), exclusions(out, len(codes), self.items, exclude))
        return top_table(self.users.decode(codes), self.items, top, self.frame)

    def recommend_for(
        self,
        history: Sequence[Any],
        k: int = 10,
        *,
        values: Sequence[float] | None = None,
        exclude: Sequence[Any] = (),
        seen: bool = False,
    ) -> Any:
        """The k best items for a stranger with this history of item ids: item, score, rank (from 1).

        values: one per item, which rating models need. Raises UnknownId, which lists every item that training
        did not have, and DataError for an item named twice or a value that is not finite.
        """
        one = history_of(self.items, history, values)
        out = exclusions(None if seen else one, 1, self.items, exclude)
        return top_table(None, self.items, self.top(self.fold_in(one), self._width(k), out), self.frame)

    def similar(self, item: Any, k: int = 10) -> Any:
        """The k items most like `item`: item, similarity, rank (from 1)."""
        codes, scores = self.similar_codes(self.items.code(item), self._width(k))
        return similar_table(self.items, codes, scores, self.frame)

    def predict(self, users: Sequence[Any], items: Sequence[Any]) -> Any:
        """The scores of pairs: user, item, score; a rating model's are clipped to the training range.

        users, items: ids, as many of the one as of the other. Raises UnknownId, which lists every id that
        training did not have, and DataError for lists of different lengths.
        """
        codes, item_codes = user_codes_of(self.users, users), user_codes_of(self.items, items)
        if len(codes) != len(item_codes):
            raise DataError(
                f"{len(codes)} users for {len(item_codes)} items",
                where="predict",
                mend="give one user for every item: the pairs are (users[p], items[p])",
            )
        distinct, at = np.unique(codes, return_inverse=True)
        scores = self.pair_scores(self.known(distinct), at, item_codes)
        return pair_table(self.users, codes, self.items, item_codes, self.clip(scores), self.frame)

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

    def _width(self, k: int) -> int:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ConfigError(
                f"k is {k!r}, but must be an integer >= 1", where=self.method, mend="give k >= 1"
            )
        return max(1, min(int(k), len(self.items)))
