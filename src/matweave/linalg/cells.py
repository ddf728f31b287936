"""A log dealt into cells anew for every epoch, so that steps with drawn negatives run in parallel and stay deterministic.

Users are cut once into S groups of nearly equal numbers of rows. For every epoch the items are put into random order and
cut into S groups of equal size. Cell (w, h) holds the rows of user group w whose item is in group h, and a row's negatives
are drawn from h as well. In stage s the cells (w, (w + s) mod S), w = 0..S-1, share no user and no item, be it positive or
negative: they are worked on at once, without locks, in any order and by any number of threads, to the same bits.

What is drawn is what one would draw from all items. Given a positive i of user u, every item that u has not met is in i's
group with the same chance, (m - 1) / (n - 1) for a group of m among n items, since the groups are a random partition; so a
uniform draw from the unmet items of the group is, over the epochs, a uniform draw from all unmet items. For draws by weight the
group's weight would matter; a step's size is multiplied by

    (n - 1) / (m - 1) · (weight of the group's unmet items) / (weight of all unmet items),

whose mean is 1 and which makes every pair's expected share exactly w_j / (weight of all unmet). What is lost: a row whose user
has met every item of the group, and no other, has no negative in this epoch and is passed over.

Inside a cell users come in random order, and a user's rows together, in random order: the user's vector stays in the
first cache, and what the user has met of the group is just these rows, so that a draw is checked by one look at a mark.

Cost        A deal is two looks and one draw for each row, about 10 ns; 4 (S + 1) bytes a user, 4 a row.
Source      Blocks without a common row: Gemulla, Nijkamp, Haas & Sismanis 2011. The partition of the negatives is ours.
Checked by  tests/linalg/test_cells.py: every row once, no common row in a stage, even draws over the epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.hashes import GOLDEN, mixed
from matweave.linalg.vectors import aligned
from matweave.randomness import child
from matweave.threads import in_parallel

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

SIDE = 8
"""Groups of users and of items, where the catalogue is large enough: by the data, never by the threads."""

LEAST = 16
"""Items of a group at least."""


@final
@dataclass(frozen=True, kw_only=True)
class Log:
    """Rows by user (indptr, indices, items rising), the groups' bounds in user codes (side + 1,), and the number of items."""

    indptr: Longs
    indices: Ints
    n_items: int
    bounds: Longs

    @property
    def side(self) -> int:
        """Groups of users, and of items."""
        return len(self.bounds) - 1

    @property
    def n_users(self) -> int:
        """Users, with rows or without."""
        return len(self.indptr) - 1


def cut(indptr: Longs, indices: Ints, n_items: int, side: int = 0) -> Log:
    """A log whose users are cut into `side` runs of nearly equal numbers of rows; 0: chosen by the number of items.

    >>> cut(np.array([0, 2, 3, 4]), np.array([0, 1, 0, 2], np.int32), 3, side=2).bounds.tolist()
    [0, 1, 3]
    """
    side = side or max(1, min(SIDE, n_items // LEAST))
    marks = indptr[-1] * np.arange(1, side) // side
    bounds = np.concatenate([[0], np.searchsorted(indptr, marks), [len(indptr) - 1]]).astype(np.int64)
    return Log(indptr=indptr, indices=indices, n_items=n_items, bounds=bounds)


@final
@dataclass(frozen=True, kw_only=True)
class Deal:
    """One epoch's cells. A place is an item's position in the epoch's order.

    order (items,): the item at each place; edges (side + 1,): where the groups begin; users (users,): the order of users,
    each group within its own bounds; places (rows,): the log's items as places, each user's rows sorted by group;
    starts (users, side + 1): where a user's rows of each group begin, from the user's first.
    """

    number: int
    order: Ints
    edges: Longs
    users: Ints
    places: Ints
    starts: Ints


@njit(nogil=True, cache=True)
def _deal(indptr, indices, users, low, high, place, group, side, starts, places, state):
    """Sort the rows of users[low:high] by the group of their item, in random order within a group."""
    at = np.empty(side, np.int64)
    for a in range(low, high):
        u = users[a]
        first, last = indptr[u], indptr[u + 1]
        row = starts[u]
        row[:] = 0
        for k in range(first, last):
            row[group[indices[k]] + 1] += 1
        for g in range(side):
            row[g + 1] += row[g]
            at[g] = 0
        for k in range(first, last):
            item = indices[k]
            g = group[item]
            begin, met = first + row[g], at[g]
            state += GOLDEN
            # Fisher and Yates' shuffle, inside out: the newcomer takes a random place of those so far
            r = np.int64(((mixed(state) >> np.uint64(32)) * np.uint64(met + 1)) >> np.uint64(32))
            places[begin + met] = places[begin + r]
            places[begin + r] = place[item]
            at[g] = met + 1


def deal(log: Log, *, seed: int, number: int) -> Deal:
    """The cells of epoch `number`; a function of the log, the seed and the number."""
    random, side = child(seed, "cells", number), log.side
    order = random.permutation(log.n_items).astype(np.int32)
    edges = -(-np.arange(side + 1, dtype=np.int64) * log.n_items // side)
    place = np.empty(log.n_items, np.int32)
    place[order] = np.arange(log.n_items, dtype=np.int32)
    group = np.empty(log.n_items, np.uint8)
    group[order] = np.repeat(np.arange(side), np.diff(edges))
    users = np.arange(log.n_users, dtype=np.int32)
    for low, high in zip(log.bounds, log.bounds[1:], strict=False):
        random.shuffle(users[low:high])
    seeds = random.integers(2**63, size=side, dtype=np.uint64)
    places = np.empty_like(log.indices)
    starts = np.empty((log.n_users, side + 1), np.int32)

    def work(w: int) -> None:
        low, high = log.bounds[w], log.bounds[w + 1]
        _deal(log.indptr, log.indices, users, low, high, place, group, side, starts, places, seeds[w])

    in_parallel(work, [(w,) for w in range(side)])
    return Deal(number=number, order=order, edges=edges, users=users, places=places, starts=starts)


def by_place(dealt: Deal, *arrays: NDArray) -> tuple[NDArray, ...]:
    """Copies of arrays over the items, (items, ...), in the order of the deal: a group's rows lie together, on cache lines."""
    found = []
    for array in arrays:
        copy = aligned(*array.shape) if array.dtype == np.float32 else np.empty_like(array)
        found.append(np.take(array, dealt.order, axis=0, out=copy))
    return tuple(found)


def put_back(dealt: Deal, arrays: tuple[NDArray, ...], copies: tuple[NDArray, ...]) -> None:
    """What `by_place` copied, after the steps, into the arrays."""
    for array, copy in zip(arrays, copies, strict=True):
        array[dealt.order] = copy


def stages(side: int) -> list[list[tuple[int, int]]]:
    """The cells (user group, item group) of each stage.

    >>> stages(2)
    [[(0, 0), (1, 1)], [(0, 1), (1, 0)]]
    """
    return [[(w, (w + s) % side) for w in range(side)] for s in range(side)]


def each_cell(side: int, work: Callable[[int, int], Any]) -> list[Any]:
    """work(w, h) for every cell, those of a stage in parallel; results stage by stage, in the order of w."""
    return [result for stage in stages(side) for result in in_parallel(work, stage)]


PIECES = 64
"""Parts of a shuffled log that `race` hands out."""


def race(log: Log, work: Callable[..., Any], *, seed: int, number: int) -> list[Any]:
    """work(users, order, low, high, state) for parts of all rows in random order, at once: users of the rows, the order, a seed."""
    random = child(seed, "race", number)
    order = random.permutation(len(log.indices))
    users = np.repeat(np.arange(log.n_users, dtype=np.int32), np.diff(log.indptr))
    edges = np.linspace(0, len(order), PIECES + 1).astype(np.int64)
    seeds = random.integers(2**63, size=PIECES, dtype=np.uint64)
    return in_parallel(
        lambda k: work(users, order, edges[k], edges[k + 1], seeds[k]), [(k,) for k in range(PIECES)]
    )
