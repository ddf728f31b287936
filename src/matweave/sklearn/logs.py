"""Logs where scikit-learn wants samples: a row for each interaction, and folds of rows that leave every user something.

A matrix users × items has no rows that could be held out: its rows are users, and its cells cannot be taken by index. So
`interactions` lays it out as records (user, item, value), which any splitter and search of scikit-learn divides:

    search = GridSearchCV(ImplicitALS(), {"rank": [8, 32]}, cv=InteractionKFold(5))
    search.fit(interactions(X))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.config import integer
from matweave.data.interactions import Interactions
from matweave.data.read import read_interactions
from matweave.errors import ConfigError, DataError
from matweave.randomness import child


def is_matrix(X: Any) -> bool:
    """Whether X is a SciPy sparse matrix or array.

    >>> is_matrix(np.eye(2))
    False
    """
    return type(X).__module__.startswith("scipy.sparse")


def is_plain(X: Any) -> bool:
    """Whether X is a list or an array without names of its fields, so that it does not say what is a user and an item.

    >>> is_plain([(0, 1)]), is_plain(np.zeros(1, [("user", int), ("item", int)]))
    (True, False)
    """
    return isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and not X.dtype.names)


def log_of(X: Any, y: Any = None) -> Interactions:
    """A log from what estimators are given, in the order of its rows.

    X: `Interactions`; records of `interactions`; an Arrow table, a pandas or polars frame with columns of users and items,
    and of values and times if there are any; or a SciPy sparse matrix users × items, whose stored entries are the
    interactions. y: the values, one for each row, where X has none.
    Raises DataError for anything else, for pairs that repeat, and for values that are not those of X.

    >>> log_of(pa.table({"user": ["u", "v"], "item": ["a", "a"]}), [5, 3]).values.tolist()
    [5.0, 3.0]
    """
    if isinstance(X, Interactions):
        log = X
    elif is_plain(X):
        raise DataError(
            f"a {type(X).__name__} is no log: it does not say which cells are interactions",
            where="matweave.sklearn",
            mend="give scipy.sparse.csr_array(X) for a matrix users × items, a frame of users and items, or Interactions",
        )
    else:
        records = isinstance(X, np.ndarray)
        table = pa.table({n: pa.array(np.ascontiguousarray(X[n])) for n in X.dtype.names}) if records else X
        log = read_interactions(table, duplicates="error")
    return log if y is None else _valued(log, y)


def _valued(log: Interactions, y: Any) -> Interactions:
    values = np.asarray(y, np.float32)
    if values.shape != (len(log),) or not np.isfinite(values).all():
        raise DataError(
            f"y of shape {values.shape} is not {len(log):,} finite values, one for each interaction",
            where="matweave.sklearn",
            mend="give the value of each row of X, or no y",
        )
    if log.values is not None and not np.array_equal(log.values, values):
        raise DataError(
            "X has values of its own, and y others",
            where="matweave.sklearn",
            mend="leave one of them out",
        )
    return replace(log, values=values)


def interactions(X: Any) -> np.ndarray:
    """The rows of a sparse matrix users × items, or of a log, as records: fields user, item, value and time where there are any.

    Raises DataError as `log_of` does.

    >>> import scipy.sparse as sp
    >>> interactions(sp.csr_array([[0, 5], [3, 0]])).tolist()
    [(0, 1, 5.0), (1, 0, 3.0)]
    """
    log = log_of(X)
    columns: dict[str, np.ndarray] = {
        "user": log.users.decode(log.user_codes).to_numpy(zero_copy_only=False),
        "item": log.items.decode(log.item_codes).to_numpy(zero_copy_only=False),
    }
    if log.values is not None:
        columns["value"] = log.values
    if log.times is not None:
        columns["time"] = log.times.view("datetime64[us]")
    records = np.empty(len(log), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records


@final
class InteractionKFold:
    """Folds of interactions in which every user of a test part has rows in its training part.

    Each user's rows are shuffled and dealt out in turn, so a user of m rows has m / n_splits of them, rounded up or down,
    in each test part; the one row of a user with no other is always for training.

    >>> rows = pa.table({"user": ["u", "u", "v", "v", "w"], "item": [1, 2, 1, 2, 1]})
    >>> [len(test) for train, test in InteractionKFold(2).split(rows)]
    [2, 2]
    """

    def __init__(self, n_splits: int = 5, *, seed: int = 0) -> None:
        if integer(2)(n_splits):
            raise ConfigError(
                f"n_splits is {n_splits!r}, but must be {integer(2)(n_splits)}",
                where="InteractionKFold",
                mend="give n_splits=5",
            )
        self.n_splits, self.seed = n_splits, seed

    def __repr__(self) -> str:
        return f"InteractionKFold(n_splits={self.n_splits}, seed={self.seed})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds there are."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(train, test) for each fold: places of rows, int64, rising. X: rows of interactions; y, groups: not looked at.

        Raises DataError for a matrix, whose rows are users, and where too few rows could be held out.
        """
        if is_matrix(X):
            raise DataError(
                "the rows of a matrix are users, so its interactions cannot be taken by row",
                where="InteractionKFold",
                mend="search over interactions(X)",
            )
        users = log_of(X).user_codes
        shuffled = child(self.seed, "interaction_k_fold").permutation(len(users))
        order = shuffled[np.argsort(users[shuffled], kind="stable")]
        several = np.bincount(users, minlength=1)[users[order]] > 1
        count = np.count_nonzero(several)
        if count < self.n_splits:
            raise DataError(
                f"{count:,} interactions are of users who have several, which is too few for {self.n_splits} folds",
                where="InteractionKFold",
                mend="give fewer folds, or a log in which users have several interactions",
            )
        fold = np.full(len(users), -1)
        fold[order[several]] = np.arange(count) % self.n_splits
        for k in range(self.n_splits):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
