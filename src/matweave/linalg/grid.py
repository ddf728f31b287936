"""A ratings log cut into a grid of blocks, so that stochastic steps run in parallel and stay deterministic.

Users and items are dealt at random into `side` groups of nearly equal numbers of ratings. Blocks on one generalised
diagonal share no user and no item: they can be worked on at once, without locks, in any order, to the same bits
(Gemulla, Nijkamp, Haas & Sismanis 2011, section 4.2). Inside a block the ratings lie together in random order.

Cost        One counting sort by block, which streams through the log, and a shuffle of each block in the cache.
Checked by  every rating once, diagonals without a common row, groups of nearly equal weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.hashes import GOLDEN, mixed
from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@final
@dataclass(frozen=True, kw_only=True)
class Grid:
    """A ratings log cut into side x side blocks; block (a, b) is rows starts[a side + b] to the next start."""

    users: Ints
    items: Ints
    values: Floats
    starts: NDArray[np.int64]
    side: int
    n_users: int
    n_items: int

    @property
    def user_counts(self) -> NDArray[np.int64]:
        """Ratings of each user, (n_users,)."""
        return np.bincount(self.users, minlength=self.n_users)

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """Ratings of each item, (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items)


def cut(
    users: NDArray, items: NDArray, values: NDArray, *, n_users: int, n_items: int, seed: int, side: int = 0
) -> Grid:
    """Cut a log of (user code, item code, value) rows into blocks; the order inside a block is random.

    `side` 0 picks it by the size of the log, never by the number of threads: blocks of about 8,000 ratings,
    between 1 and 32 groups.

    >>> grid = cut(np.array([0, 1, 1]), np.array([0, 0, 1]), np.ones(3), n_users=2, n_items=2, seed=0, side=2)
    >>> int(grid.starts[-1]), sorted(zip(grid.users.tolist(), grid.items.tolist()))
    (3, [(0, 0), (1, 0), (1, 1)])
    """
    users, items = (np.ascontiguousarray(codes, dtype=np.int32) for codes in (users, items))
    values = np.ascontiguousarray(values, dtype=np.float32)
    count = len(values)
    side = side or max(1, min(32, isqrt(count // 8000)))
    user_group = _deal(np.bincount(users, minlength=n_users), side, child(seed, "sgd", "users"))
    item_group = _deal(np.bincount(items, minlength=n_items), side, child(seed, "sgd", "items"))
    starts, u, i, r = _gather_blocks(users, items, values, user_group, item_group, side)
    seeds = child(seed, "sgd", "rows").integers(2**63, size=side * side, dtype=np.uint64)
    in_parallel(
        lambda k: shuffle(u, i, r, starts[k], starts[k + 1], seeds[k]), [(k,) for k in range(side * side)]
    )
    return Grid(users=u, items=i, values=r, starts=starts, side=side, n_users=n_users, n_items=n_items)


def _deal(counts: NDArray[np.int64], side: int, random: np.random.Generator) -> Ints:
    """A group for every row: rows in random order, cut where the running count passes each 1/side."""
    order = random.permutation(len(counts))
    before = np.cumsum(counts[order]) - counts[order]
    groups = np.empty(len(counts), np.int32)
    groups[order] = np.minimum(before * side // max(1, int(counts.sum())), side - 1)
    return groups


@njit(nogil=True, cache=True)
def _gather_blocks(users, items, values, user_group, item_group, side):
    starts = np.zeros(side * side + 1, np.int64)
    for t in range(len(users)):
        starts[user_group[users[t]] * side + item_group[items[t]] + 1] += 1
    for k in range(side * side):
        starts[k + 1] += starts[k]
    at = starts[:-1].copy()
    u, i, r = np.empty_like(users), np.empty_like(items), np.empty_like(values)
    for t in range(len(users)):
        k = user_group[users[t]] * side + item_group[items[t]]
        u[at[k]], i[at[k]], r[at[k]] = users[t], items[t], values[t]
        at[k] += 1
    return starts, u, i, r


@njit(nogil=True, cache=True)
def shuffle(users, items, values, low, high, state):
    """Fisher and Yates' shuffle of one block, which fits in the cache, by SplitMix64 (Steele et al. 2014)."""
    for t in range(high - 1, low, -1):
        state += GOLDEN
        # the high half picks the place: its bias is below 2^-32 times the size of the block
        k = low + np.int64(((mixed(state) >> np.uint64(32)) * np.uint64(t - low + 1)) >> np.uint64(32))
        users[t], users[k] = users[k], users[t]
        items[t], items[k] = items[k], items[t]
        values[t], values[k] = values[k], values[t]
