"""What metrics are computed from, in one place, so that many metrics share one pass over the lists."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from matweave.errors import DataError
from matweave.metrics.hits import Hits, find_hits

Rows = tuple[np.ndarray, np.ndarray]


@final
@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What metrics are computed from; fields that no asked metric needs stay None.

    codes, counts: lists of n users, (n, K) and (n,), best first; only counts[i] entries of row i are read.
    relevant: (indptr, indices) of relevant items per user, rising. gains: their gains, for ndcg_graded.
    n_items: size of the catalogue. popularity: training users per item (m,). n_users: training users.
    histories: (indptr, indices) of the n users' training items.
    vectors: item vectors (m, d), or item_users: (indptr, users) of the training users of each item, for diversity.
    auc: per-user AUC (n,), computed by `ratings.auc` from blocks of scores.
    predicted, target: ratings, one pair per test row; clip predictions to the scale first. deviation: of one value about
    its prediction, for each row.
    """

    codes: np.ndarray | None = None
    counts: np.ndarray | None = None
    relevant: Rows | None = None
    gains: np.ndarray | None = None
    n_items: int | None = None
    popularity: np.ndarray | None = None
    n_users: int | None = None
    histories: Rows | None = None
    vectors: np.ndarray | None = None
    item_users: Rows | None = None
    auc: np.ndarray | None = None
    predicted: np.ndarray | None = None
    deviation: np.ndarray | None = None
    target: np.ndarray | None = None

    @cached_property
    def hits(self) -> Hits:
        """The lists looked up once, whatever number of metrics is asked for."""
        if self.relevant is None:
            raise _lacks("relevant")
        codes, counts = self.lists
        return find_hits(codes, counts, *self.relevant, gains=self.gains)

    @property
    def lists(self) -> Rows:
        """codes and counts."""
        if self.codes is None or self.counts is None:
            raise _lacks("codes and counts")
        return self.codes, self.counts


def _lacks(what: str) -> DataError:
    return DataError(f"no {what} given", where="Evidence", mend=f"give Evidence {what}")
