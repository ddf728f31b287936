"""Biased matrix factorization by stochastic gradient descent on a fixed grid of blocks.

Model       r̂_uj = μ + b_u + c_j + x_u·y_j                        (Koren, Bell & Volinsky 2009, eq. 4)
Objective   J = Σ_(u,j) (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²)
            over the observed (u,j), so that a row's penalty grows with its number of ratings (λ n_u |x_u|²).
Step        with e = r - r̂ and rate γ (eq. 5 of the paper, simultaneous for both sides):
            x_u += γ (e y_j - λ x_u)      y_j += γ (e x_u - λ y_j)
            b_u += γ_b (e - λ_b b_u)      c_j += γ_b (e - λ_b c_j)
Blocks      Users and items are dealt at random into `side` groups of nearly equal numbers of ratings. Blocks on
            one generalised diagonal share no user and no item, so they run in parallel without locks and their
            order does not matter: the numbers are the same for any number of threads (DSGD: Gemulla et al.
            2011, section 4.2; the fixed grid and the random order inside a block: Chin et al. 2015, section 3).
Rate        The caller's, per epoch; a line from γ to almost 0 was better here than libmf's per-row reduced
            AdaGrad at equal epochs (RMSE 0.845 against 0.847 on a validation cut of ml-1m).
Cost        An epoch takes 12 rank operations per rating and touches 12 bytes of log plus two rows of factors,
            which stay in the second-level cache where a block's rows fit in it.
Checked by  tests/by_hand/biased_mf.py (NumPy, one rating at a time, the same order), numerical gradients in
            float64, equal bits for 1, 2 and 3 threads, planted low rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import isqrt
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LANES = 16
"""Factor rows are padded with zeros to a multiple of this, so that the loops over them have no remainder."""


PARTS = ("user_bias", "item_bias", "user_factors", "item_factors")
"""The arrays of `Biased`."""


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


@final
@dataclass(frozen=True, kw_only=True)
class Biased:
    """The parameters of the model; float32 arrays, which SGD updates in place (GD also takes
    float64). Factor rows have `width(rank)` columns."""

    mean: float
    user_bias: NDArray[Any]
    item_bias: NDArray[Any]
    user_factors: NDArray[Any]
    item_factors: NDArray[Any]

    def copy(self) -> Biased:
        """The same numbers in arrays of their own."""
        parts = {name: value.copy() for name, value in self.arrays().items()}
        return replace(self, **parts)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The four arrays by name."""
        return {name: getattr(self, name) for name in PARTS}


@final
@dataclass(frozen=True, kw_only=True)
class Penalty:
    """λ and λ_b: what one rating adds to the weight of its rows' and biases' penalty."""

    factors: float
    bias: float


def width(rank: int) -> int:
    """Columns of a padded factor row.

    >>> width(1), width(16), width(20)
    (16, 16, 32)
    """
    return -(-rank // LANES) * LANES


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
        lambda k: _shuffle(u, i, r, starts[k], starts[k + 1], seeds[k]), [(k,) for k in range(side * side)]
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
def _shuffle(users, items, values, low, high, state):
    """Fisher and Yates' shuffle of one block, which fits in the cache, by SplitMix64 (Steele et al. 2014)."""
    for t in range(high - 1, low, -1):
        state += np.uint64(0x9E3779B97F4A7C15)
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        # the high half picks the place: its bias is below 2^-32 times the size of the block
        k = low + np.int64(((mixed >> np.uint64(32)) * np.uint64(t - low + 1)) >> np.uint64(32))
        users[t], users[k] = users[k], users[t]
        items[t], items[k] = items[k], items[t]
        values[t], values[k] = values[k], values[t]


def start(n_users: int, n_items: int, *, mean: float, rank: int, scale: float, seed: int) -> Biased:
    """Zero biases and normal factors of standard deviation `scale`.

    Small factors matter: the bias terms settle first, and the factors grow only where the data pull them,
    which is most of the regularization of an early stop.
    """

    def factors(n: int, name: str) -> Floats:
        rows = np.zeros((n, width(rank)), np.float32)
        rows[:, :rank] = child(seed, "sgd", name, "start").standard_normal((n, rank), np.float32) * scale
        return rows

    return Biased(
        mean=mean,
        user_bias=np.zeros(n_users, np.float32),
        item_bias=np.zeros(n_items, np.float32),
        user_factors=factors(n_users, "users"),
        item_factors=factors(n_items, "items"),
    )


@cache
def _step_kernel(columns: int) -> Callable[..., Any]:
    """The step over one block, compiled for factor rows of `columns` floats (a multiple of LANES)."""
    one = np.float32(1)

    @njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
    def step(users, items, values, low, high, forward, x, y, b, c, mean, rate, bias_rate, pull, bias_pull):
        keep = one - rate * pull
        for t in range(low, high) if forward else range(high - 1, low - 1, -1):
            u, j = users[t], items[t]
            dot = np.float32(0)
            for f in range(columns):
                dot += x[u, f] * y[j, f]
            e = values[t] - (mean + b[u] + c[j] + dot)
            b[u] += bias_rate * (e - bias_pull * b[u])
            c[j] += bias_rate * (e - bias_pull * c[j])
            push = rate * e
            for f in range(columns):
                xf, yf = x[u, f], y[j, f]
                x[u, f] = keep * xf + push * yf
                y[j, f] = keep * yf + push * xf

    return step


@cache
def _loss_kernel(columns: int) -> Callable[..., Any]:
    @njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
    def loss(users, items, values, low, high, x, y, b, c, mean):
        total = 0.0
        for t in range(low, high):
            u, j = users[t], items[t]
            dot = np.float32(0)
            for f in range(columns):
                dot += x[u, f] * y[j, f]
            e = values[t] - (mean + b[u] + c[j] + dot)
            total += np.float64(e) * np.float64(e)
        return total

    return loss


def _views(grid: Grid) -> tuple:
    # unsigned codes spare the kernel the check for negative indices
    return grid.users.view(np.uint32), grid.items.view(np.uint32), grid.values


def epoch(
    grid: Grid, at: Biased, weight: Penalty, *, rate: float, bias_rate: float, seed: int, number: int
) -> None:
    """One pass over every rating, updating `at` in place.

    The order of the blocks depends on (seed, number); inside a block odd epochs go backwards, which is as good as
    shuffling it again and costs nothing.
    """
    random, side = child(seed, "sgd", "epoch", number), grid.side
    rows, columns, shifts = random.permutation(side), random.permutation(side), random.permutation(side)
    kernel, log = _step_kernel(at.user_factors.shape[1]), _views(grid)
    x, y, b, c = at.user_factors, at.item_factors, at.user_bias, at.item_bias
    numbers = tuple(np.float32(v) for v in (at.mean, rate, bias_rate, weight.factors, weight.bias))

    def work(block: int) -> None:
        low, high = grid.starts[block], grid.starts[block + 1]
        kernel(*log, low, high, number % 2 == 0, x, y, b, c, *numbers)

    for shift in shifts:
        blocks = rows * side + columns[(np.arange(side) + shift) % side]
        longest = blocks[np.argsort(grid.starts[blocks] - grid.starts[blocks + 1], kind="stable")]
        in_parallel(work, [(int(block),) for block in longest])


def squared_error(grid: Grid, at: Biased) -> float:
    """Σ (r - r̂)² over the log, summed in a fixed order."""
    kernel, log = _loss_kernel(at.user_factors.shape[1]), _views(grid)
    x, y, b, c = at.user_factors, at.item_factors, at.user_bias, at.item_bias

    def work(block: int) -> float:
        low, high = grid.starts[block], grid.starts[block + 1]
        return kernel(*log, low, high, x, y, b, c, np.float32(at.mean))

    return float(sum(in_parallel(work, [(block,) for block in range(grid.side**2)])))


def penalties(at: Biased, weight: Penalty, user_counts: NDArray, item_counts: NDArray) -> float:
    """The penalty terms of J, from the number of ratings of each user and item."""
    sides = (
        (user_counts, at.user_factors, at.user_bias),
        (item_counts, at.item_factors, at.item_bias),
    )
    total = 0.0
    for counts, factors, bias in sides:
        squares = np.einsum("uf,uf->u", factors, factors).astype(np.float64)
        rows = weight.factors * squares + weight.bias * bias.astype(np.float64) ** 2
        total += float((counts * rows).sum())  # not a BLAS dot: its order depends on the number of threads
    return total


def objective(grid: Grid, at: Biased, weight: Penalty) -> float:
    """J of the head of this file, exact at `at`."""
    return squared_error(grid, at) + penalties(at, weight, grid.user_counts, grid.item_counts)
