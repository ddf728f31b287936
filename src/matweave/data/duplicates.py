"""A (user, item) seen more than once becomes one row: which one stays, and what it holds.

    last    the latest row by time where times are given, of equal times (or without times) the later in the log
    first   the earliest, of equal times the earlier in the log
    sum     as `last`, holding the sum of the values; without values, how many rows there were
    error   none: DataError

The row that stays keeps its place in the log. The log is grouped by user in one stable pass; within a user,
a table by item remembers the row that leads so far. Time n, memory 8 bytes a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matweave.data.counting import group_rows, row_pieces
from matweave.errors import ConfigError, DataError, nearest
from matweave.threads import in_parallel

POLICIES = ("last", "first", "sum", "error")


class Merged(NamedTuple):
    """Which rows stay (None: all), the summed values of all rows (None unless summed), rows merged away."""

    kept: np.ndarray | None
    sums: np.ndarray | None
    lost: int
    pairs: int


def check_policy(policy: str, where: str) -> None:
    """Raises ConfigError unless `policy` is one of POLICIES."""
    if policy not in POLICIES:
        raise ConfigError(
            f"duplicates is {policy!r}{nearest(str(policy), POLICIES)}",
            where=where,
            mend=f"use one of {', '.join(POLICIES)}",
        )


def merge(
    users: np.ndarray,
    items: np.ndarray,
    values: np.ndarray | None,
    times: np.ndarray | None,
    policy: str,
    n_users: int,
    n_items: int,
) -> Merged:
    """Find the rows to keep under a policy ("error" is found out as "last"; the caller raises).

    Raises DataError for a sum beyond float32.
    """
    n = len(users)
    indptr, packed = group_rows(users, items, n_users)
    kept = np.ones(n, np.bool_)
    adds = policy == "sum"
    sums = np.empty(0)
    if adds:
        sums = np.ones(n) if values is None else values.astype(np.float64)
    when = np.empty(0, np.int64) if times is None else times

    def part(low: int, high: int) -> tuple[int, int]:
        lead = np.full(n_items, -1, np.int64)
        again = np.full(n_items if low < high else 0, -1, np.int64)
        return lead_rows(indptr, packed, low, high, lead, again, when, policy == "first", kept, sums)

    found = in_parallel(part, row_pieces(indptr))
    lost, pairs = sum(f[0] for f in found), sum(f[1] for f in found)
    largest = float(np.abs(sums).max(initial=0.0))
    if largest > float(np.finfo(np.float32).max):
        raise DataError(
            f"the values of a repeated (user, item) pair add up to {largest:.3g}, beyond float32",
            where="duplicates='sum'",
            mend="scale the values down, or keep one of each: duplicates='last'",
        )
    if adds:  # clicks become counts even where no pair repeats: the kind of log does not hang on its rows
        return Merged(kept if lost else None, sums.astype(np.float32), lost, pairs)
    return Merged(kept if lost else None, None, lost, pairs)


def squeeze(column: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """column[kept] without new memory: the array itself is overwritten and cut. It must own its memory."""
    column.resize(move_kept(column, kept), refcheck=False)
    return column


@njit(nogil=True, cache=True)
def move_kept(column, kept):
    """Move the kept elements to the front; how many they are."""
    n = 0
    for i in range(len(column)):
        column[n] = column[i]
        n += kept[i]
    return n


@njit(nogil=True, cache=True)
def lead_rows(indptr, packed, low, high, lead, again, times, first, kept, sums):
    """For users low..high, strike the rows that another row of the same pair leads; (rows struck, pairs)."""
    lost = pairs = 0
    mask = np.uint64(0xFFFFFFFF)
    timed, adds = len(times) > 0, len(sums) > 0
    for user in range(low, high):
        start = indptr[user]
        for k in range(start, indptr[user + 1]):
            item = np.int64(packed[k] >> np.uint64(32))
            before = lead[item]
            if before < start:  # left by another user: this pair is new
                lead[item] = k
                continue
            if again[item] != user:
                again[item] = user
                pairs += 1
            here, there = np.int64(packed[k] & mask), np.int64(packed[before] & mask)
            if first:
                here_leads = timed and times[here] < times[there]
            else:
                here_leads = not timed or times[here] >= times[there]
            winner, loser = (here, there) if here_leads else (there, here)
            kept[loser] = False
            if adds:
                sums[winner] += sums[loser]
            if here_leads:
                lead[item] = k
            lost += 1
    return lost, pairs
