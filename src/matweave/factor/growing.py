"""Users and items that come later, and users who go: a fitted model over another log, without training anew.

with_users      The rows of the item side stay; each user of the log who is new, or whose history grew, gets the row that
                `fold_in` gives for the whole history. Its error is that of the method's fold-in, told in its file.
with_items      The user side stays; each new item gets the row that the same ridge system gives with the sides changed
                (a `FoldIn` that can is asked by `turned`). Users who took part in the new rows keep their vectors: with_users gives them new ones.
without_users   What the recipe makes of the log without their rows, from the same seed: exact deletion, since nothing that they
                touched is looked at again. (Going on from the present factors until they stand still was tried on ml-1m: it took
                longer than the fit, and ended elsewhere than a fit that had never seen them, 2 % of the scores' spread away for
                ImplicitALS, 9 % for ExplicitALS.) ALS folds know their recipe; for other methods `matweave forget` does the same.

Cost        with_users and with_items: one row system for each row that changed. without_users: one fit.
Errors      apart from a refit, ml-1m 90/10, by benchmarks/quality/growth.py: see docs/reproductions.md.
Checked by  tests/factor/test_growing.py: against refits, against fold-in, each verb on every form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.item_content import united
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, UnknownId, listed

if TYPE_CHECKING:
    from matweave.factor.recommender import Recommender


def joined(old: Csr, new: Csr) -> Csr:
    """The entries of two matrices of one shape; where both have one, that of `new` stands.

    Values are `old`'s kind: none where it has none. The order is known where it is in both: what is new happened later.

    >>> old = Csr.from_pairs([0, 0], [0, 1], [1.0, 2.0], shape=(1, 3))
    >>> both = joined(old, Csr.from_pairs([0, 0], [1, 2], [5.0, 6.0], shape=(1, 3)))
    >>> both.indices.tolist(), both.values.tolist()
    ([0, 1, 2], [1.0, 5.0, 6.0])
    """
    rows = [np.repeat(np.arange(m.n_rows), m.counts) for m in (old, new)]
    cells = [r * np.int64(m.n_columns) + m.indices for r, m in zip(rows, (old, new), strict=True)]
    stays = ~np.isin(cells[0], cells[1])
    row = np.concatenate([rows[0][stays], rows[1]])
    column = np.concatenate([old.indices[stays], new.indices])
    values = None
    if old.values is not None:
        values = np.concatenate([old.values[stays], new.weights()])
    made = Csr.from_pairs(row, column, values, old.shape)
    if old.order is None or new.order is None:
        return made
    return replace(made, order=_order(made, row, column, [places(old)[stays], places(new)]))


def places(matrix: Csr) -> np.ndarray:
    """When each entry of a matrix with an order happened within its row, from 0: (nnz,) int64.

    >>> first = Interactions.from_codes([0, 0], [0, 1], None, [9, 3], n_users=1, n_items=2)
    >>> places(first.histories).tolist()
    [1, 0]
    """
    assert matrix.order is not None
    starts = np.repeat(matrix.indptr[:-1], matrix.counts)
    place = np.empty(matrix.nnz, np.int64)
    place[matrix.order + starts] = np.arange(matrix.nnz) - starts
    return place


def _order(made: Csr, row: np.ndarray, column: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    late = np.repeat([0, 1], [len(p) for p in places])
    happened = np.lexsort((np.concatenate(places), late, row))
    at = np.empty(len(row), np.int64)  # of each entry in the matrix
    at[np.lexsort((column, row))] = np.arange(len(row))
    return (at[happened] - np.repeat(made.indptr[:-1], made.counts)).astype(np.int32)


def more_users(model: Recommender, log: Interactions) -> tuple[Vocabulary, Csr, np.ndarray]:
    """The users of a model and of a log over its items, the histories of all, and the codes of those who stand in the log.

    Raises UnknownId for items that the model lacks, DataError for a log that does not fit.
    """
    _refuse(model, log)
    log = _typed(log, model)
    _all_known(model.items, log.items, "items", "add them first: model.with_items(log)")
    users = united(model.users, log.users)
    new = log.recode(users, model.items, ordered=model.seen.order is not None).matrix
    wide = _widened(model.seen, rows=len(users), columns=len(model.items))
    fresh = np.arange(
        len(model.users), len(users)
    )  # those without rows too: they get what an empty history gives
    return users, joined(wide, new), np.union1d(np.flatnonzero(new.counts > 0), fresh)


def more_items(model: Recommender, log: Interactions) -> tuple[Vocabulary, Csr, Csr]:
    """The items of a model and of a log of its users, the histories over all of them, and the new items' rows (new items x users).

    Rows of items that the model has are refused: they change users, not items. Raises UnknownId for users that the model lacks,
    DataError for a log that does not fit.
    """
    _refuse(model, log)
    log = _typed(log, model)
    _all_known(model.users, log.users, "users", "add them first: model.with_users(log)")
    _, there = model.items.encode(log.items.ids)
    if there.any():
        old = log.items.decode(np.flatnonzero(there)).to_pylist()
        raise DataError(
            f"{len(old):,} items of the log are not new: {listed(old)}",
            where=f"{model.method}.with_items",
            mend="give rows of new items only; rows of known items go to with_users",
        )
    items = united(model.items, log.items)
    new = log.recode(model.users, items, ordered=model.seen.order is not None).matrix
    wide = _widened(model.seen, rows=len(model.users), columns=len(items))
    return items, joined(wide, new), new.transpose().rows(np.arange(len(model.items), len(items)))


def fewer_users(model: Recommender, codes: np.ndarray) -> Interactions:
    """The training log of a model without the users at `codes`; its items stay, and times are not kept by a model.

    Raises DataError where nobody would be left.
    """
    keep = np.setdiff1d(np.arange(len(model.users)), codes)
    seen = model.seen.rows(keep)
    if not seen.nnz:
        raise DataError(
            "without these users the training log has no rows",
            where=f"{model.method}.without_users",
            mend="leave some users in",
        )
    rows = np.repeat(np.arange(len(keep)), seen.counts)
    return Interactions.from_codes(
        rows,
        seen.indices,
        seen.values,
        user_ids=model.users.decode(keep),
        item_ids=model.items.ids,
        frame=model.frame,
    )


def _widened(seen: Csr, *, rows: int, columns: int) -> Csr:
    """The same entries in a larger matrix; rows and columns that are new are empty."""
    indptr = np.append(seen.indptr, np.full(rows - seen.n_rows, seen.indptr[-1]))
    return replace(seen, indptr=indptr, n_columns=columns)


def _typed(log: Interactions, model: Recommender) -> Interactions:
    """The log with its ids in the model's types."""
    return replace(log, users=cast_ids(log.users, model.users), items=cast_ids(log.items, model.items))


def cast_ids(ids: Vocabulary, mine: Vocabulary) -> Vocabulary:
    """The same ids in the type of a model's. Raises DataError where they cannot be, or would no longer be distinct.

    >>> cast_ids(Vocabulary(ids=pa.array(["9", "1"])), Vocabulary(ids=pa.array([1, 2]))).to_list()
    [9, 1]
    """
    if ids.ids.type == mine.ids.type:
        return ids
    try:
        cast = ids.ids.cast(mine.ids.type)
        alike = len(cast) - len(cast.unique())
    except pa.ArrowException as error:
        raise DataError(
            f"ids of type {ids.ids.type} are none of the model's, which are {mine.ids.type}",
            where="the log",
            mend="read the log with ids of the model's type",
        ) from error
    if alike:
        raise DataError(
            f"{alike} ids of the log are the same as others once they are {mine.ids.type}, as the model's are",
            where="the log",
            mend="read the log with ids of the model's type",
        )
    return Vocabulary(ids=cast)


def _all_known(mine: Vocabulary, ids: Vocabulary, what: str, mend: str) -> None:
    _, known = mine.encode(ids.ids)
    if not known.all():
        strange = ids.decode(np.flatnonzero(~known)).to_pylist()
        raise UnknownId(
            f"{len(strange):,} {what} of the log were not in training: {listed(strange)}",
            where="the log",
            mend=mend,
        )


def _refuse(model: Recommender, log: Interactions) -> None:
    problems = []
    if not len(log):
        problems.append("the log has no rows")
    elif model.seen.values is not None and log.values is None:
        problems.append("the training log has values, and this one has none")
    elif model.seen.order is not None and log.times is None:
        problems.append("the model needs the order of histories, and this log has no times")
    if problems:
        raise DataError(
            problems[0], where="the log", mend="read it with the columns that the training log had"
        )
