"""The log: who had to do with what, how much, and when, in its original order.

Ids are kept once, in two vocabularies; a row is two codes, and a value and a time where the log has them.
A (user, item) stands in at most one row: `Interactions.of` merges the others as told (see `duplicates`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.csr import Csr
from matweave.data.duplicates import check_policy, merge
from matweave.data.frames import as_frame
from matweave.data.vocabulary import Vocabulary, arrow
from matweave.errors import DataError, listed
from matweave.threads import in_parallel


@final
@dataclass(frozen=True, kw_only=True)
class Recoded:
    """A log laid over other vocabularies: its matrix there, and what is not in them."""

    matrix: Csr
    unknown_users: int
    unknown_items: int
    lost_rows: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Interactions:
    """A log of n rows, at most one for each (user, item), in its original order.

    user_codes, item_codes (n,) int32 into the vocabularies; values (n,) float32, None for clicks; times (n,)
    int64 microseconds since 1970 UTC, None where unknown; frame: the caller's kind of data frame; report:
    what was chosen, dropped and merged on the way, as plain lines. Raises DataError for arrays that do not
    fit together.

    >>> log = Interactions.of(users=["u", "v", "u"], items=["a", "a", "a"], values=[1, 2, 3])
    >>> len(log), log.n_users, log.n_items, log.values.tolist(), log.report
    (2, 2, 1, [2.0, 3.0], ('1 row merged: 1 (user, item) pair repeated; the last of each was kept',))
    """

    users: Vocabulary
    items: Vocabulary
    user_codes: np.ndarray
    item_codes: np.ndarray
    values: np.ndarray | None = None
    times: np.ndarray | None = None
    frame: str = "arrow"
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.user_codes)
        problems = []
        for name, array, dtype in (
            ("user_codes", self.user_codes, np.int32),
            ("item_codes", self.item_codes, np.int32),
            ("values", self.values, np.float32),
            ("times", self.times, np.int64),
        ):
            if array is not None and (array.dtype != dtype or array.shape != (n,)):
                problems.append(
                    f"{name} is {array.dtype} {array.shape}, but must be {np.dtype(dtype)} ({n},)"
                )
        for name, codes, bound in (
            ("user_codes", self.user_codes, len(self.users)),
            ("item_codes", self.item_codes, len(self.items)),
        ):
            if len(codes) and (codes.min() < 0 or codes.max() >= bound):
                problems.append(f"{name} are not all in 0..{bound - 1}")
        if problems:
            raise DataError(
                "\n".join(problems),
                where="Interactions",
                mend="build logs with Interactions.of or from_codes",
            )

    @staticmethod
    def of(
        *,
        users: Any,
        items: Any,
        values: Any = None,
        times: Any = None,
        duplicates: str = "last",
        frame: str = "arrow",
        report: Sequence[str] = (),
    ) -> Interactions:
        """A log from columns of ids, numbers, and microseconds since 1970, all of one length."""
        user_ids, user_codes = Vocabulary.of(users)
        item_ids, item_codes = Vocabulary.of(items)
        return Interactions._merged(
            user_ids,
            item_ids,
            user_codes,
            item_codes,
            values=None if values is None else np.ascontiguousarray(values, np.float32),
            times=None if times is None else np.ascontiguousarray(times, np.int64),
            duplicates=duplicates,
            frame=frame,
            report=report,
        )

    @staticmethod
    def from_codes(
        user_codes: Any,
        item_codes: Any,
        values: Any = None,
        times: Any = None,
        n_users: int | None = None,
        n_items: int | None = None,
        user_ids: Any = None,
        item_ids: Any = None,
        *,
        duplicates: str = "last",
        frame: str = "arrow",
        report: Sequence[str] = (),
    ) -> Interactions:
        """A log from codes; the ids are the codes themselves where none are given.

        Raises DataError for codes out of range, values that are not finite, or, if asked to, duplicates.

        >>> log = Interactions.from_codes([0, 1, 1], [0, 0, 2], user_ids=["ann", "bob"])
        >>> log.to_frame().to_pydict()
        {'user': ['ann', 'bob', 'bob'], 'item': [0, 0, 2]}
        """

        def vocabulary(codes: np.ndarray, n: int | None, ids: Any) -> Vocabulary:
            if ids is None:
                ids = np.arange(int(codes.max(initial=-1)) + 1 if n is None else n)
            return Vocabulary(ids=ids if isinstance(ids, (pa.Array, pa.ChunkedArray)) else pa.array(ids))

        u, j = _int32(user_codes, "user_codes"), _int32(item_codes, "item_codes")
        v = None if values is None else np.ascontiguousarray(values, np.float32)
        if v is not None and not np.isfinite(v).all():
            raise DataError(
                f"{np.count_nonzero(~np.isfinite(v))} values are not finite",
                where="Interactions.from_codes",
                mend="leave those rows out",
            )
        t = None if times is None else np.ascontiguousarray(times, np.int64)
        users, items = vocabulary(u, n_users, user_ids), vocabulary(j, n_items, item_ids)
        return Interactions._merged(
            users, items, u, j, values=v, times=t, duplicates=duplicates, frame=frame, report=report
        )

    @staticmethod
    def _merged(
        users: Vocabulary,
        items: Vocabulary,
        user_codes: np.ndarray,
        item_codes: np.ndarray,
        *,
        values: np.ndarray | None,
        times: np.ndarray | None,
        duplicates: str,
        frame: str,
        report: Sequence[str],
    ) -> Interactions:
        check_policy(duplicates, "Interactions")
        log = Interactions(
            users=users,
            items=items,
            user_codes=user_codes,
            item_codes=item_codes,
            values=values,
            times=times,
            frame=frame,
            report=tuple(report),
        )
        return log.merge_duplicates(duplicates)

    def merge_duplicates(
        self, policy: str, *, select: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.ndarray.__getitem__
    ) -> Interactions:
        """The log with one row for each (user, item); how many were merged is told in the report.

        select: how the kept rows of a column are taken (a reader that owns its columns saves memory here).
        Raises DataError for a repeated pair where the policy is "error".
        """
        found = merge(
            self.user_codes, self.item_codes, self.values, self.times, policy, self.n_users, self.n_items
        )
        values = self.values if found.sums is None else found.sums
        if found.kept is None:
            return self if values is self.values else replace(self, values=values)
        if policy == "error":
            raise DataError(
                f"{found.pairs:,} (user, item) pairs stand in more than one row: {self._repeated()}",
                where="duplicates='error'",
                mend="merge them: duplicates='last', 'first' or 'sum'",
            )
        was = {"sum": "their values were summed", "first": "the first of each was kept"}.get(
            policy, "the last of each was kept"
        )
        if policy == "sum" and self.values is None:
            was = "values count the rows of each"
        told = (
            f"{_count(found.lost, 'row')} merged: {_count(found.pairs, '(user, item) pair')} repeated; {was}"
        )
        kept, columns = found.kept, (self.user_codes, self.item_codes, values, self.times)
        u, j, v, t = in_parallel(lambda c: None if c is None else select(c, kept), [(c,) for c in columns])
        return replace(self, user_codes=u, item_codes=j, values=v, times=t, report=(*self.report, told))

    def _repeated(self) -> str:
        """Some pairs that repeat, as ids."""
        pair = self.user_codes.astype(np.int64) * max(self.n_items, 1) + self.item_codes
        _, first, counts = np.unique(pair, return_index=True, return_counts=True)
        at = np.sort(first[counts > 1])[:3]
        users, items = self.users.decode(self.user_codes[at]), self.items.decode(self.item_codes[at])
        return listed(list(zip(users.to_pylist(), items.to_pylist(), strict=True)))

    def __repr__(self) -> str:
        columns = [name for name in ("values", "times") if getattr(self, name) is not None]
        return (
            f"Interactions({len(self):,} rows, {len(self.users):,} users, {len(self.items):,} items"
            f"{', with ' + ' and '.join(columns) if columns else ''})"
        )

    def __len__(self) -> int:
        return len(self.user_codes)

    @property
    def n_users(self) -> int:
        """Users of the vocabulary."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items of the vocabulary."""
        return len(self.items)

    @cached_property
    def by_user(self) -> Csr:
        """The matrix users x items; made once and kept."""
        return Csr.from_pairs(self.user_codes, self.item_codes, self.values, (self.n_users, self.n_items))

    @cached_property
    def histories(self) -> Csr:
        """The matrix users x items with the order of each user's rows: by time, and by row where times are equal.

        Made once and kept. Raises DataError for a log without times.
        """
        if self.times is None:
            raise DataError(
                "this log has no times, and histories have an order",
                where="histories",
                mend="name the time column when reading the log",
            )
        return _with_order(self.by_user, self.user_codes, self.item_codes, self.times)

    @cached_property
    def by_item(self) -> Csr:
        """The matrix items x users; made once and kept."""
        return self.by_user.transpose()

    def take(self, rows: Any) -> Interactions:
        """The rows at positions (int) or under a mask (bool), in the order given, each at most once.

        The vocabularies hold what is present in them, in the order that they had.
        """
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64, copy=False)
        user_codes, users = _compact(self.user_codes[rows], self.users)
        item_codes, items = _compact(self.item_codes[rows], self.items)
        return Interactions(
            users=users,
            items=items,
            user_codes=user_codes,
            item_codes=item_codes,
            values=None if self.values is None else self.values[rows],
            times=None if self.times is None else self.times[rows],
            frame=self.frame,
            report=self.report,
        )

    def recode(self, users: Vocabulary, items: Vocabulary, *, ordered: bool = False) -> Recoded:
        """The rows whose user and item are both in the given vocabularies, as a matrix over their codes.

        ordered: with the order of each row, where the log has times. Counted beside it: distinct users and items of this log
        that are not in them, and the rows lost.
        """
        u, users_known = users.encode(self.users.ids)
        j, items_known = items.encode(self.items.ids)
        kept = users_known[self.user_codes] & items_known[self.item_codes]
        values = None if self.values is None else self.values[kept]
        rows, columns = u[self.user_codes[kept]], j[self.item_codes[kept]]
        matrix = Csr.from_pairs(rows, columns, values, (len(users), len(items)))
        if ordered and self.times is not None:
            matrix = _with_order(matrix, rows, columns, self.times[kept])
        return Recoded(
            matrix=matrix,
            unknown_users=int(np.count_nonzero(~users_known)),
            unknown_items=int(np.count_nonzero(~items_known)),
            lost_rows=len(self) - int(np.count_nonzero(kept)),
        )

    def to_frame(self, kind: str | None = None) -> Any:
        """The log as a frame of its own kind (or arrow, pandas, polars): user, item, value, time (UTC)."""
        columns = {"user": self.users.decode(self.user_codes), "item": self.items.decode(self.item_codes)}
        if self.values is not None:
            columns["value"] = arrow(self.values)
        if self.times is not None:
            columns["time"] = arrow(self.times).cast(pa.timestamp("us", tz="UTC"))
        return as_frame(pa.table(columns), kind or self.frame)


def _with_order(matrix: Csr, rows: np.ndarray, columns: np.ndarray, times: np.ndarray) -> Csr:
    """The matrix of these entries, told in which order they happened."""
    place = np.empty(len(rows), np.int64)  # of each entry in the matrix
    place[np.lexsort((columns, rows))] = np.arange(len(rows))
    by_time = np.argsort(times, kind="stable")
    happened = by_time[np.argsort(rows[by_time], kind="stable")]
    order = place[happened] - np.repeat(matrix.indptr[:-1], matrix.counts)
    return replace(matrix, order=order.astype(np.int32))


def _compact(codes: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, Vocabulary]:
    """Codes over the part of the vocabulary that they use, in its order."""
    present = np.zeros(len(vocabulary), bool)
    present[codes] = True
    if present.all():
        return codes, vocabulary
    renamed = np.cumsum(present, dtype=np.int32) - 1
    return renamed[codes].astype(np.int32, copy=False), vocabulary.take(np.flatnonzero(present))


def _int32(codes: Any, name: str) -> np.ndarray:
    codes = np.asarray(codes)
    if len(codes) and (
        codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() > np.iinfo(np.int32).max
    ):
        raise DataError(
            f"{name} are not whole numbers in 0..2147483647",
            where="Interactions.from_codes",
            mend="give codes",
        )
    return np.ascontiguousarray(codes, np.int32)


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
