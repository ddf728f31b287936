"""The log: who met what, how much, and when; at most one row for each user and item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.csr import Csr, group
from matweave.data.frames import as_frame
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError, nearest

DUPLICATES = ("last", "first", "sum", "error")


@final
@dataclass(frozen=True, kw_only=True)
class Recoded:
    """Rows of a log laid over other vocabularies, and what found no place there."""

    matrix: Csr
    unknown_users: int
    unknown_items: int
    lost_rows: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Interactions:
    """A log in its original row order.

    user_codes, item_codes int32 (n,); values float32 (n,) or None (every row counts 1); times int64 (n,)
    microseconds since 1970 UTC, or None. frame: the kind of frame it came from. report: what the reader
    chose, dropped and merged, in plain lines.

    >>> log = Interactions.from_codes([0, 0, 1], [1, 0, 1], values=[4, 2, 5])
    >>> len(log), log.n_users, log.n_items, log.by_user.row(0)
    (3, 2, 2, (array([0, 1], dtype=int32), array([2., 4.], dtype=float32)))
    """

    users: Vocabulary
    items: Vocabulary
    user_codes: np.ndarray
    item_codes: np.ndarray
    values: np.ndarray | None = None
    times: np.ndarray | None = None
    frame: str = "arrow"
    report: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.user_codes)

    @property
    def n_users(self) -> int:
        return len(self.users)

    @property
    def n_items(self) -> int:
        return len(self.items)

    @cached_property
    def by_user(self) -> Csr:
        """users x items."""
        return Csr.from_pairs(
            self.user_codes, self.item_codes, self.values, shape=(self.n_users, self.n_items)
        )

    @cached_property
    def by_item(self) -> Csr:
        """items x users."""
        return Csr.from_pairs(
            self.item_codes, self.user_codes, self.values, shape=(self.n_items, self.n_users)
        )

    def take(self, rows: Any) -> Interactions:
        """Some rows, with vocabularies of what is in them; the order of codes is kept."""
        rows = np.asarray(rows)
        users, user_codes = _compact(self.users, self.user_codes[rows])
        items, item_codes = _compact(self.items, self.item_codes[rows])
        return Interactions(
            users=users,
            items=items,
            user_codes=user_codes,
            item_codes=item_codes,
            values=None if self.values is None else self.values[rows],
            times=None if self.times is None else self.times[rows],
            frame=self.frame,
        )

    def recode(self, users: Vocabulary, items: Vocabulary) -> Recoded:
        """The rows whose user and item are both in the given vocabularies, as users x items."""
        user_map, user_known = users.encode(self.users.ids)
        item_map, item_known = items.encode(self.items.ids)
        keep = user_known[self.user_codes] & item_known[self.item_codes]
        matrix = Csr.from_pairs(
            user_map[self.user_codes[keep]],
            item_map[self.item_codes[keep]],
            None if self.values is None else self.values[keep],
            shape=(len(users), len(items)),
        )
        return Recoded(
            matrix=matrix,
            unknown_users=int((~user_known).sum()),
            unknown_items=int((~item_known).sum()),
            lost_rows=int((~keep).sum()),
        )

    def to_frame(self, kind: str | None = None) -> Any:
        """The rows as a frame: user, item, and value and time where the log has them."""
        columns: dict[str, Any] = {
            "user": self.users.decode(self.user_codes),
            "item": self.items.decode(self.item_codes),
        }
        if self.values is not None:
            columns["value"] = self.values
        if self.times is not None:
            columns["time"] = pa.array(self.times, pa.timestamp("us", tz="UTC"))
        return as_frame(pa.table(columns), kind or self.frame)

    @staticmethod
    def from_codes(
        user_codes: Any,
        item_codes: Any,
        values: Any = None,
        times: Any = None,
        *,
        n_users: int | None = None,
        n_items: int | None = None,
        user_ids: Sequence[Any] | None = None,
        item_ids: Sequence[Any] | None = None,
        duplicates: str = "error",
        frame: str = "arrow",
        report: tuple[str, ...] = (),
    ) -> Interactions:
        """A log from codes; ids default to the codes themselves. Repeated pairs are merged as `duplicates` says.

        Raises DataError for lengths that differ, codes without an id, and repeats under "error".
        """
        user_codes, item_codes = np.asarray(user_codes, np.int32), np.asarray(item_codes, np.int32)
        users = _ids(user_ids, user_codes, n_users)
        items = _ids(item_ids, item_codes, n_items)
        values = None if values is None else np.asarray(values, np.float32)
        times = None if times is None else np.asarray(times, np.int64)
        lengths = {len(a) for a in (user_codes, item_codes, values, times) if a is not None}
        if len(lengths) > 1:
            raise DataError(
                f"columns of different lengths: {sorted(lengths)}", where="log", mend="give one row each"
            )
        keep, values, lines = merge(user_codes, item_codes, values, times, len(users), len(items), duplicates)
        if keep is not None:
            user_codes, item_codes = user_codes[keep], item_codes[keep]
            times = None if times is None else times[keep]
        return Interactions(
            users=users,
            items=items,
            user_codes=user_codes,
            item_codes=item_codes,
            values=values,
            times=times,
            frame=frame,
            report=(*report, *lines),
        )


def merge(
    user_codes: np.ndarray,
    item_codes: np.ndarray,
    values: np.ndarray | None,
    times: np.ndarray | None,
    n_users: int,
    n_items: int,
    duplicates: str,
) -> tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]]:
    """Rows to keep (None: all), their values, and what to report, under a policy for repeated pairs.

    last and first go by time where there are times, by place in the log at ties and without. sum adds the
    values (1 each where there are none) on the last row.
    """
    if duplicates not in DUPLICATES:
        raise ConfigError(
            f"unknown policy for duplicates {duplicates!r}{nearest(duplicates, DUPLICATES)}",
            where="duplicates",
            mend=f"use one of {', '.join(DUPLICATES)}",
        )
    _, by_item = group(item_codes, n_items)
    _, by_user = group(user_codes[by_item], n_users)
    order = by_item[by_user]  # by user, then item, then place in the log
    same = (np.diff(user_codes[order]) == 0) & (np.diff(item_codes[order]) == 0)
    repeats = int(same.sum())
    if not repeats:
        return None, values, ()
    if duplicates == "error":
        at = int(np.argmax(same))
        rows = sorted((int(order[at]) + 1, int(order[at + 1]) + 1))
        raise DataError(
            f"{repeats:,} rows repeat a user and item, first rows {rows[0]} and {rows[1]}",
            where="log",
            mend='choose duplicates="last", "first" or "sum"',
        )
    starts = np.flatnonzero(np.r_[True, ~same])
    if duplicates == "sum":
        weights = np.ones(len(order), np.float64) if values is None else values.astype(np.float64)
        summed = np.add.reduceat(weights[order], starts).astype(np.float32)
    if times is not None:
        which = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(order)]))
        order = order[np.lexsort((order, times[order], which))]
    ends = np.r_[starts[1:], len(order)] - 1
    chosen = order[starts if duplicates == "first" else ends]
    rank = np.argsort(chosen)
    keep = chosen[rank]
    if duplicates == "sum":
        values = summed[rank]
        line = f"{repeats:,} repeated (user, item) rows added up"
    else:
        values = None if values is None else values[keep]
        line = f"{repeats:,} repeated (user, item) rows merged, the {duplicates} kept"
    return keep, values, (line,)


def _ids(ids: Sequence[Any] | None, codes: np.ndarray, count: int | None) -> Vocabulary:
    highest = int(codes.max()) + 1 if len(codes) else 0
    vocabulary = Vocabulary(ids=pa.array(np.arange(count if count is not None else highest)))
    if ids is not None:
        vocabulary, at = Vocabulary.of(ids)
        if len(vocabulary) < len(at):
            raise DataError("ids are given more than once", where="log", mend="give each id once")
    if len(codes) and (highest > len(vocabulary) or codes.min() < 0):
        raise DataError(
            f"codes run from {codes.min()} to {codes.max()}, for {len(vocabulary)} ids",
            where="log",
            mend="check the codes",
        )
    return vocabulary


def _compact(vocabulary: Vocabulary, codes: np.ndarray) -> tuple[Vocabulary, np.ndarray]:
    present = np.zeros(len(vocabulary), bool)
    present[codes] = True
    if present.all():
        return vocabulary, codes
    new = np.cumsum(present, dtype=np.int32) - 1
    return vocabulary.take(np.flatnonzero(present)), new[codes].astype(np.int32)
