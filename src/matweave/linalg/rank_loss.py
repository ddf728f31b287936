"""Ranking by a weighted approximate pairwise loss: the kernels of WARP, in cells or over a shuffled log.

Model       s_uj = x_u·y_j + c_j
Objective   Σ over rows (u, i) of  L(rank of i),  by its approximation  L(⌊Y/N⌋) |1 - s_ui + s_uj|₊,   L(k) = 1 + 1/2 + ... + 1/k
            Y: items that u has not met; N: how many of them were drawn evenly until j with s_uj > s_ui - 1, the first that violates
            the margin. No step where `most` draws find none. (Weston, Bengio & Usunier 2011, WSABIE, with a user's
            vector where the paper has an image's.)
Step        with l = L(⌊Y/N⌋), all from the old values, each row with its own rate γ_r = γ / √(1 + G_r):
            x_u += γ_u (l (y_i - y_j) - λ x_u)   y_i += γ_i (l x_u - λ y_i)   y_j -= γ_j (l x_u + λ y_j)
            c_i += γ_c (l - λ_b c_i)             c_j -= γ_c (l + λ_b c_j)
            G_r: the sum so far of the mean square of a row's gradient without λ (AdaGrad: Duchi, Hazan & Singer 2011, by
            rows); the paper steps at a constant rate. Then rows longer than the greatest length are cut to
            it, the paper's constraint.
In cells    `epoch`: linalg/cells.py. Draws come from the positive's group, so that N counts draws from a random eighth of the
            items; `race` as in linalg/pairwise.py draws from all.
Cost        2 rank operations a draw, 18 rank a step.
Checked by  tests/linalg/test_rank_loss.py: by_hand/warp.py (float64, one row at a time, the same draws), numerical
            gradients, equal bits for 1, 2 and 3 threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numba import njit
from numba.misc.special import literally
from numpy.typing import NDArray

from matweave.linalg import cells
from matweave.linalg.cells import Log
from matweave.linalg.pairs import pair_gap, pair_update, prefetch, row_product
from matweave.linalg.pairwise import Floats, Ints, Rates
from matweave.linalg.unmet import unmet, unmet_of_all
from matweave.randomness import child

PARTS = (
    "user_factors",
    "item_factors",
    "item_bias",
    "user_squares",
    "item_squares",
    "item_bias_squares",
)
"""The arrays of a state: factors (n, width), biases (items,), and G of each row and bias."""


@final
@dataclass(frozen=True, kw_only=True)
class Search:
    """most: draws for a violation at most. longest: the greatest length of a row; 0: any."""

    most: int
    longest: float


def start(users: Floats, items: Floats) -> dict[str, NDArray]:
    """The arrays at the start, from the first factors (n, width).

    >>> sorted(start(np.zeros((2, 16), np.float32), np.zeros((3, 16), np.float32))) == sorted(PARTS)
    True
    """
    n, m = len(users), len(items)
    sizes = {"item_bias": m, "user_squares": n, "item_squares": m, "item_bias_squares": m}
    return {
        "user_factors": users,
        "item_factors": items,
        **{k: np.zeros(v, np.float32) for k, v in sizes.items()},
    }


def rank_losses(n: int) -> Floats:
    """L(0), L(1), ..., L(n).

    >>> rank_losses(3).round(3).tolist()
    [0.0, 1.0, 1.5, 1.833]
    """
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))]).astype(np.float32)


@njit(nogil=True, error_model="numpy")
def _shorten(columns, table, at, longest):  # pragma: no cover
    literally(columns)
    square = row_product(columns, table, at, table, at)
    if square > longest * longest:
        factor = longest / np.sqrt(square)
        for f in range(columns):
            table[at + f] *= factor


@njit(nogil=True, error_model="numpy")
def _step(
    columns, own, at, y, bias, u, i, j, l, gu, gi, gb, rank, rate, bias_rate, pull, bias_pull, longest
):  # pragma: no cover
    """One step, for rows of `columns` floats of which `rank` mean something."""
    literally(columns)
    one, to_i, to_j = np.float32(1), i * columns, j * columns
    to_items = l * l * row_product(columns, own, at, own, at) / rank
    to_user = l * l * pair_gap(columns, y, to_i, to_j) / rank
    a, b, c = rate / np.sqrt(one + gu[u]), rate / np.sqrt(one + gi[i]), rate / np.sqrt(one + gi[j])
    keeps = (one - a * pull, one - b * pull, one - c * pull)
    pair_update(columns, own, at, y, to_i, to_j, (a * l, b * l, c * l), keeps)
    gu[u] += to_user
    gi[i] += to_items
    gi[j] += to_items
    b, c = bias_rate / np.sqrt(one + gb[i]), bias_rate / np.sqrt(one + gb[j])
    bias[i] += b * (l - bias_pull * bias[i])
    bias[j] -= c * (l + bias_pull * bias[j])
    gb[i] += l * l
    gb[j] += l * l
    if longest > 0:
        _shorten(columns, own, at, longest)
        _shorten(columns, y, to_i, longest)
        _shorten(columns, y, to_j, longest)


@cache
def cell_kernel(columns: int) -> Callable[..., Any]:
    """The rows of one cell; answers Σ l |1 - s_ui + s_uj|₊ and the rows taken.

    kept (rows of the cell, 4), or empty: takes user, place of the positive, place of the negative (-1: none) and N.
    """
    one = np.float32(1)

    @njit(nogil=True, cache=True, error_model="numpy")
    def warp_cell(
        x, y, bias, gu, gi, gb, users, low, high, indptr, places, starts, h, first, last, mark, losses,
        most, rank, rate, bias_rate, pull, bias_pull, longest, state, kept,
    ):  # fmt: skip
        own = np.empty(columns, np.float32)
        weights, keep, other = np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.int32)
        m, n = last - first, len(mark)
        lost, count = 0.0, 0
        for a in range(low, high):
            u = users[a]
            begin, end = indptr[u] + starts[u, h], indptr[u] + starts[u, h + 1]
            if begin == end or end - begin == m:
                continue
            for t in range(begin, end):
                mark[places[t]] = 1
                prefetch(columns, y, np.int64(places[t]) * columns)
            base = np.int64(u) * columns
            for f in range(columns):
                own[f] = x[base + f]
            others = n - (indptr[u + 1] - indptr[u])
            for t in range(begin, end):
                i = np.int64(places[t])
                level = row_product(columns, own, 0, y, i * columns) + bias[i] - one
                found, trial = np.int64(-1), 0
                while found < 0 and trial < most:
                    trial += 1
                    state, j = unmet(state, mark, first, m, False, weights, keep, other)
                    over = row_product(columns, own, 0, y, j * columns) + bias[j] - level
                    if not over <= 0:  # a NaN is a violation, so that it is told
                        found = j
                if len(kept):
                    kept[count, 0], kept[count, 1], kept[count, 2], kept[count, 3] = u, i, found, trial
                count += 1
                if found >= 0:
                    l = losses[others // trial]
                    lost += np.float64(l) * np.float64(over)
                    _step(columns, own, 0, y, bias, u, i, found, l, gu, gi, gb, rank, rate, bias_rate, pull, bias_pull, longest)  # fmt: skip
            for f in range(columns):
                x[base + f] = own[f]
            for t in range(begin, end):
                mark[places[t]] = 0
        return lost, count

    return warp_cell


@cache
def race_kernel(columns: int) -> Callable[..., Any]:
    """The rows of a part of a shuffled log; answers as `cell_kernel`'s."""
    one = np.float32(1)

    @njit(nogil=True, cache=True, error_model="numpy")
    def warp_race(
        x, y, bias, gu, gi, gb, users, order, low, high, indptr, indices, losses,
        most, rank, rate, bias_rate, pull, bias_pull, longest, state,
    ):  # fmt: skip
        weights, keep, other = np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.int32)
        n = len(bias)
        lost, count = 0.0, 0
        for t in range(low, high):
            u, i = users[order[t]], np.int64(indices[order[t]])
            begin, end = indptr[u], indptr[u + 1]
            if end - begin == n:
                continue
            at = np.int64(u) * columns
            level = row_product(columns, x, at, y, i * columns) + bias[i] - one
            count += 1
            for trial in range(1, most + 1):
                state, j = unmet_of_all(state, indices, begin, end, n, False, weights, keep, other)
                over = row_product(columns, x, at, y, j * columns) + bias[j] - level
                if not over <= 0:
                    l = losses[(n - (end - begin)) // trial]
                    lost += np.float64(l) * np.float64(over)
                    _step(columns, x, at, y, bias, u, i, j, l, gu, gi, gb, rank, rate, bias_rate, pull, bias_pull, longest)  # fmt: skip
                    break
        return lost, count

    return warp_race


def _numbers(rank: int, rates: Rates, search: Search) -> tuple:
    return search.most, np.float32(rank), *rates.numbers(), np.float32(search.longest)


def epoch(
    log: Log, at: dict[str, NDArray], rank: int, rates: Rates, search: Search, *, seed: int, number: int
) -> tuple[float, int]:
    """One pass over every row, in cells; the arrays PARTS of `at` are changed in place.

    Answers the sum of the losses, each as its step found it, and how many rows were taken.
    """
    found = steps(log, at, rank, rates, search, seed=seed, number=number)
    return sum(lost for lost, _, _ in found), sum(count for _, count, _ in found)


def steps(
    log: Log,
    at: dict[str, NDArray],
    rank: int,
    rates: Rates,
    search: Search,
    *,
    seed: int,
    number: int,
    samples: bool = False,
) -> list[tuple[float, int, Ints]]:
    """The rows of an epoch's cells, in place; of each cell, stage by stage: loss, count, and where asked for user, positive, negative, N."""
    dealt = cells.deal(log, seed=seed, number=number)
    x, y, bias, gu, gi, gb = (at[name] for name in PARTS)
    kernel, side = cell_kernel(y.shape[1]), log.side
    laid = cells.by_place(dealt, y, bias, gi, gb)
    items, biases, squares, bias_squares = laid
    mark, losses = np.zeros(log.n_items, np.uint8), rank_losses(log.n_items)
    seeds = child(seed, "rank_loss", number).integers(2**63, size=(side, side), dtype=np.uint64)

    def work(w: int, h: int) -> tuple[float, int, Ints]:
        low, high = log.bounds[w], log.bounds[w + 1]
        rows = dealt.users[low:high]
        size = int((dealt.starts[rows, h + 1] - dealt.starts[rows, h]).sum()) if samples else 0
        kept = np.empty((size, 4), np.int32)
        lost, count = kernel(
            x.reshape(-1), items.reshape(-1), biases, gu, squares, bias_squares, dealt.users, low, high,
            log.indptr, dealt.places, dealt.starts, h, dealt.edges[h], dealt.edges[h + 1], mark, losses,
            *_numbers(rank, rates, search), seeds[w, h], kept,
        )  # fmt: skip
        kept = kept[:count]
        kept[:, 1] = dealt.order[kept[:, 1]]
        kept[:, 2] = np.where(kept[:, 2] < 0, -1, dealt.order[kept[:, 2]])
        return lost, count, kept

    found = cells.each_cell(side, work)
    cells.put_back(dealt, (y, bias, gi, gb), laid)
    return found


def race(
    log: Log, at: dict[str, NDArray], rank: int, rates: Rates, search: Search, *, seed: int, number: int
) -> tuple[float, int]:
    """One pass over every row in random order, draws from all items, parts at once without locks; answers as `epoch` does."""
    x, y, *others = (at[name] for name in PARTS)
    kernel, losses = race_kernel(y.shape[1]), rank_losses(log.n_items)
    numbers = _numbers(rank, rates, search)

    def work(users: Ints, order: NDArray, low: int, high: int, state: np.uint64) -> tuple[float, int]:
        return kernel(
            x.reshape(-1), y.reshape(-1), *others, users, order, low, high, log.indptr, log.indices, losses, *numbers, state
        )  # fmt: skip

    found = cells.race(log, work, seed=seed, number=number)
    return sum(lost for lost, _ in found), sum(count for _, count in found)
