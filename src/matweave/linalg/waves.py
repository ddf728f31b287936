"""A ratings log cut into waves of users, each wave a small grid, for models that read a sum over a user's whole history.

Users stand in a random order and are cut into waves of about WAVE ratings; wave by wave is how a model may keep what it sums
over histories (SVD++: linalg/implicit_sums.py) fixed while it steps through the wave's ratings. Inside a wave users and
items are dealt into `side` groups, and blocks of one diagonal share no user and no item, as in linalg/grid.py. Nothing
depends on the number of threads.

Cost        Three streams through the log and a shuffle of each block in the cache; 20 bytes a rating.
Checked by  every rating once, waves and diagonals without a common row, the lists by item against NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.grid import shuffle
from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

WAVE = 32_000
"""Ratings of a wave: what is fixed within it is as old as that, so it does not grow with the log."""

BLOCK = 2_000
"""Ratings of a block at least: a handful of microseconds to hand out, some 20 to work on."""


@final
@dataclass(frozen=True, kw_only=True)
class Wave:
    """Places first to last of the users; for each item of the wave, `who` of starts[k] to starts[k + 1] rated items[k]."""

    first: int
    last: int
    items: Ints
    starts: Longs
    who: Ints


@final
@dataclass(frozen=True, kw_only=True)
class Waves:
    """The cut log. order[p]: the user at place p; groups: the places where groups of users begin, side groups a wave.

    indptr, indices, ratings: the log by user, in this order. users (places), items, values: the same by block; block
    (group a, item group b) is entries starts[a side + b] to the next start.
    """

    order: Ints
    groups: Longs
    indptr: Longs
    indices: Ints
    ratings: Floats
    users: Ints
    items: Ints
    values: Floats
    starts: Longs
    side: int
    waves: tuple[Wave, ...]
    n_items: int

    @property
    def counts(self) -> Longs:
        """Ratings of the user at each place, (users,)."""
        return np.diff(self.indptr)


def cut_waves(
    indptr: NDArray,
    indices: NDArray,
    values: NDArray,
    *,
    n_items: int,
    seed: int,
    wave: int = WAVE,
    side: int = 0,
) -> Waves:
    """Cut a log by user (a CSR of item codes and values) into waves.

    `side` 0 picks it by the size of the log: blocks of about 2,000 ratings, at most 4 groups in a wave.

    >>> cut = cut_waves(np.array([0, 1, 3]), np.array([0, 0, 1]), np.ones(3), n_items=2, seed=0, wave=1)
    >>> len(cut.waves), cut.side, sorted(cut.order.tolist()), int(cut.starts[-1])
    (3, 1, [0, 1], 3)
    """
    counts = np.diff(np.asarray(indptr, np.int64))
    total = int(counts.sum())
    n_waves = max(1, total // wave)
    side = side or max(1, min(4, isqrt(total // n_waves // BLOCK)))
    order = child(seed, "waves", "users").permutation(len(counts)).astype(np.int32)
    ordered = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts[order], out=ordered[1:])
    groups = _cuts(ordered, n_waves * side)
    by_user, ratings = np.empty(total, np.int32), np.empty(total, np.float32)
    mine = np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(indices, np.int32)
    given = np.ascontiguousarray(values, np.float32)
    dealt = child(seed, "waves", "items").permutation(n_items)
    popular = np.zeros(n_items + 1, np.int64)
    np.cumsum(np.bincount(mine[1], minlength=n_items)[dealt], out=popular[1:])
    item_group = np.empty(n_items, np.int32)
    item_group[dealt] = np.searchsorted(_cuts(popular, side)[1:-1], np.arange(n_items), side="right")
    users, items, blocked = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.float32)
    starts = np.full(n_waves * side * side + 1, total, np.int64)
    seeds = child(seed, "waves", "rows").integers(2**63, size=len(starts), dtype=np.uint64)

    def group(k: int) -> None:
        low, high = groups[k], groups[k + 1]
        _gather(order, ordered, *mine, given, low, high, by_user, ratings)
        _block(
            ordered, by_user, ratings, low, high, item_group, side, starts, k * side, users, items, blocked
        )
        for b in range(k * side, (k + 1) * side):
            end = starts[b + 1] if b + 1 < (k + 1) * side else ordered[high]
            shuffle(users, items, blocked, starts[b], end, seeds[b])

    in_parallel(group, [(k,) for k in range(n_waves * side)])

    def lists(w: int) -> Wave:
        first, last = groups[w * side], groups[(w + 1) * side]
        items, starts, who = _by_item(ordered, by_user, first, last, n_items)
        return Wave(first=int(first), last=int(last), items=items, starts=starts, who=who)

    return Waves(
        order=order,
        groups=groups,
        indptr=ordered,
        indices=by_user,
        ratings=ratings,
        users=users,
        items=items,
        values=blocked,
        starts=starts,
        side=side,
        waves=tuple(in_parallel(lists, [(w,) for w in range(n_waves)])),
        n_items=n_items,
    )


def _cuts(cumulated: Longs, parts: int) -> Longs:
    """Where to cut rows with these running counts into parts of about equal counts: parts + 1 rising places."""
    marks = cumulated[-1] * np.arange(1, parts) // parts
    inner = np.searchsorted(cumulated, marks, side="left")
    return np.concatenate([[0], inner, [len(cumulated) - 1]]).astype(np.int64)


@njit(nogil=True, cache=True)
def _gather(order, ordered, indptr, indices, values, low, high, by_user, ratings):
    for p in range(low, high):
        at = ordered[p]
        for t in range(indptr[order[p]], indptr[order[p] + 1]):
            by_user[at], ratings[at] = indices[t], values[t]
            at += 1


@njit(nogil=True, cache=True)
def _block(ordered, by_user, ratings, low, high, item_group, side, starts, base, users, items, values):
    """The ratings of one group of users by group of items: a counting sort."""
    at = np.zeros(side + 1, np.int64)
    for t in range(ordered[low], ordered[high]):
        at[item_group[by_user[t]] + 1] += 1
    at[0] = ordered[low]
    for b in range(side):
        at[b + 1] += at[b]
        starts[base + b] = at[b]
    for p in range(low, high):
        for t in range(ordered[p], ordered[p + 1]):
            b = item_group[by_user[t]]
            users[at[b]], items[at[b]], values[at[b]] = p, by_user[t], ratings[t]
            at[b] += 1


@njit(nogil=True, cache=True)
def _by_item(ordered, by_user, first, last, n_items):
    """The items of a wave, and the users of each in order."""
    count = np.zeros(n_items, np.int32)
    low, high = ordered[first], ordered[last]
    for t in range(low, high):
        count[by_user[t]] += 1
    found = 0
    for j in range(n_items):
        found += count[j] > 0
    items, starts = np.empty(found, np.int32), np.zeros(found + 1, np.int64)
    place, k = np.empty(n_items, np.int64), 0
    for j in range(n_items):
        if count[j]:
            items[k], place[j] = j, starts[k]
            starts[k + 1] = starts[k] + count[j]
            k += 1
    who = np.empty(high - low, np.int32)
    for p in range(first, last):
        for t in range(ordered[p], ordered[p + 1]):
            j = by_user[t]
            who[place[j]] = p
            place[j] += 1
    return items, starts, who
