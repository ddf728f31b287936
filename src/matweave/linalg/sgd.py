"""Biased matrix factorization by stochastic gradient descent on a fixed grid of blocks.

Model       r̂_uj = μ + b_u + c_j + x_u·y_j                        (Koren, Bell & Volinsky 2009, eq. 4)
Objective   J = Σ_(u,j) (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²)
            over the observed (u,j), so that a row's penalty grows with its number of ratings (λ n_u |x_u|²).
Step        with e = r - r̂ and rate γ (eq. 5 of the paper, simultaneous for both sides):
            x_u += γ (e y_j - λ x_u)      y_j += γ (e x_u - λ y_j)
            b_u += γ_b (e - λ_b b_u)      c_j += γ_b (e - λ_b c_j)
Blocks      linalg/grid.py: blocks of one diagonal run in parallel without locks, and the numbers are the same for any
            number of threads (DSGD: Gemulla et al. 2011; random order inside a block: Chin et al. 2015, section 3).
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
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.grid import Grid
from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]

LANES = 16
"""Factor rows are padded with zeros to a multiple of this, so that the loops over them have no remainder."""


PARTS = ("user_bias", "item_bias", "user_factors", "item_factors")
"""The arrays of `Biased`."""


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
