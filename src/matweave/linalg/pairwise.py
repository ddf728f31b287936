"""Bayesian personalized ranking by stochastic gradient steps: the kernels, in cells or over a shuffled log.

Model       s_uj = x_u·y_j + c_j
Objective   Σ over samples (u, i, j) of  -ln σ(s_ui - s_uj) + λ/2 (|x_u|² + |y_i|² + |y_j|²) + λ_b/2 (c_i² + c_j²)
            with one sample a row (u, i) and epoch, j drawn from the items that u has not met. (Rendle, Freudenthaler, Gantner &
            Schmidt-Thieme 2009: BPR-Opt and LearnBPR.)
Step        with g = σ(s_uj - s_ui) and rate γ, all from the old values:
            x_u += γ (g (y_i - y_j) - λ x_u)     y_i += γ (g x_u - λ y_i)     y_j -= γ (g x_u + λ y_j)
            c_i += γ (g - λ_b c_i)               c_j -= γ (g + λ_b c_j)
In cells    `epoch`: linalg/cells.py; the same bits for any number of threads. A weighted step is scaled as said there.
Over a log  `race`: rows in random order, cut into pieces that run at once and write without locks (Hogwild: Recht, Ré, Wright &
            Niu 2011). One thread takes them one after the other, and is plain sequential LearnBPR.
Cost        12 rank operations a sample and three rows read and written, in the second cache where a cell fits in it.
Checked by  tests/linalg/test_pairwise.py: by_hand/bpr.py (float64, one sample at a time, the same samples), numerical
            gradients, draws that are even, equal bits for 1, 2 and 3 threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg import cells
from matweave.linalg.cells import Deal, Log
from matweave.linalg.pairs import logistic, pair_margin, pair_update, prefetch
from matweave.linalg.unmet import Draws, tables, unmet, unmet_of_all
from matweave.randomness import child

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

AHEAD = 32
"""Samples whose negatives are drawn, and whose rows are asked for, before the first of them is stepped."""


@final
@dataclass(frozen=True, kw_only=True)
class Rates:
    """γ, the share of it that biases get, λ and λ_b."""

    step: float
    bias: float
    pull: float
    bias_pull: float

    def numbers(self) -> tuple[np.float32, ...]:
        """γ, γ of the biases, λ, λ_b as the kernels take them."""
        given = (self.step, self.step * self.bias, self.pull, self.bias_pull)
        return tuple(np.float32(v) for v in given)


@cache
def cell_kernel(columns: int, weighted: bool) -> Callable[..., Any]:
    """The steps of one cell, compiled for rows of `columns` floats (a multiple of 16); answers Σ -ln σ and the samples taken.

    kept (rows of the cell, 3), or empty: takes user, place of the positive and place of the negative of each sample.
    """
    one = np.float32(1)

    @njit(nogil=True, cache=True, error_model="numpy")
    def bpr_cell(
        x, y, bias, users, low, high, indptr, places, starts, h, first, last, mark,
        weights, keep, other, group_weight, unmet_weight, rate, bias_rate, pull, bias_pull, state, kept,
    ):  # fmt: skip
        own, negatives = np.empty(columns, np.float32), np.empty(AHEAD, np.int64)
        m, n = last - first, len(mark)
        lost, product, count = 0.0, 1.0, 0
        for a in range(low, high):
            u = users[a]
            begin, end = indptr[u] + starts[u, h], indptr[u] + starts[u, h + 1]
            if begin == end or end - begin == m:
                continue
            scale = one
            if weighted:
                free = group_weight
                for t in range(begin, end):
                    free -= weights[places[t]]
                if free <= 1e-9 * group_weight or unmet_weight[u] <= 0.0:
                    continue
                scale = np.float32((n - 1) / (m - 1) * free / unmet_weight[u])
            for t in range(begin, end):
                mark[places[t]] = 1
            base = np.int64(u) * columns
            for f in range(columns):
                own[f] = x[base + f]
            step, bias_step = scale * rate, scale * bias_rate
            hold, bias_hold = one - step * pull, one - bias_step * bias_pull
            for chunk in range(begin, end, AHEAD):
                size = min(AHEAD, end - chunk)
                for t in range(size):
                    state, j = unmet(state, mark, first, m, weighted, weights, keep, other)
                    negatives[t] = j
                    prefetch(columns, y, j * columns)
                    prefetch(columns, y, np.int64(places[chunk + t]) * columns)
                for t in range(size):
                    i, j = np.int64(places[chunk + t]), negatives[t]
                    if len(kept):
                        kept[count, 0], kept[count, 1], kept[count, 2] = u, i, j
                    d = pair_margin(columns, own, 0, y, i * columns, j * columns) + bias[i] - bias[j]
                    p = logistic(d)
                    push, lean = step * (one - p), bias_step * (one - p)
                    pair_update(
                        columns, own, 0, y, i * columns, j * columns, (push, push, push), (hold, hold, hold)
                    )
                    bias[i] = bias_hold * bias[i] + lean
                    bias[j] = bias_hold * bias[j] - lean
                    product *= np.float64(p)
                    count += 1
                    if count & 7 == 0:  # eight floats of at least 1e-38 do not leave the range of a double
                        lost -= np.log(product)
                        product = 1.0
            for f in range(columns):
                x[base + f] = own[f]
            for t in range(begin, end):
                mark[places[t]] = 0
        return lost - np.log(product), count

    return bpr_cell


@cache
def race_kernel(columns: int, weighted: bool) -> Callable[..., Any]:
    """The steps of a part of a shuffled log; answers as `cell_kernel`'s."""
    one = np.float32(1)

    @njit(nogil=True, cache=True, error_model="numpy")
    def bpr_race(
        x, y, bias, users, order, low, high, indptr, indices, weights, keep, other, unmet_weight,
        rate, bias_rate, pull, bias_pull, state,
    ):  # fmt: skip
        n = len(bias)
        hold, bias_hold = one - rate * pull, one - bias_rate * bias_pull
        lost, product, count = 0.0, 1.0, 0
        for t in range(low, high):
            u, i = users[order[t]], np.int64(indices[order[t]])
            begin, end = indptr[u], indptr[u + 1]
            if end - begin == n or (weighted and unmet_weight[u] <= 0.0):
                continue
            state, j = unmet_of_all(state, indices, begin, end, n, weighted, weights, keep, other)
            at = np.int64(u) * columns
            d = pair_margin(columns, x, at, y, i * columns, j * columns) + bias[i] - bias[j]
            p = logistic(d)
            push, lean = rate * (one - p), bias_rate * (one - p)
            pair_update(columns, x, at, y, i * columns, j * columns, (push, push, push), (hold, hold, hold))
            bias[i] = bias_hold * bias[i] + lean
            bias[j] = bias_hold * bias[j] - lean
            product *= np.float64(p)
            count += 1
            if count & 7 == 0:
                lost -= np.log(product)
                product = 1.0
        return lost - np.log(product), count

    return bpr_race


def epoch(
    log: Log, x: Floats, y: Floats, bias: Floats, draw: Draws, rates: Rates, *, seed: int, number: int
) -> tuple[float, int]:
    """One pass over every row, in cells; x (users, width), y (items, width), bias (items,) are changed in place.

    Answers Σ -ln σ of the samples, each as its step found it, and how many there were.
    """
    dealt = cells.deal(log, seed=seed, number=number)
    found = steps(log, dealt, x, y, bias, draw, rates, seed=seed)
    return sum(lost for lost, _, _ in found), sum(count for _, count, _ in found)


def steps(
    log: Log,
    dealt: Deal,
    x: Floats,
    y: Floats,
    bias: Floats,
    draw: Draws,
    rates: Rates,
    *,
    seed: int,
    samples: bool = False,
) -> list[tuple[float, int, Ints]]:
    """The steps of a deal's cells, in place; of each cell, stage by stage: loss, count, and where asked for the samples (count, 3)."""
    columns, weighted, side = y.shape[1], draw.weights is not None, log.side
    kernel = cell_kernel(columns, weighted)
    laid = items, biases = cells.by_place(dealt, y, bias)
    weights = np.zeros(0) if draw.weights is None else draw.weights[dealt.order]
    keep, other, totals = tables(weights, dealt.edges if weighted else np.zeros(side + 1, np.int64))
    mark, numbers = np.zeros(log.n_items, np.uint8), rates.numbers()
    seeds = child(seed, "pairwise", dealt.number).integers(2**63, size=(side, side), dtype=np.uint64)

    def work(w: int, h: int) -> tuple[float, int, Ints]:
        low, high = log.bounds[w], log.bounds[w + 1]
        rows = dealt.users[low:high]
        size = int((dealt.starts[rows, h + 1] - dealt.starts[rows, h]).sum()) if samples else 0
        kept = np.empty((size, 3), np.int32)
        lost, count = kernel(
            x.reshape(-1), items.reshape(-1), biases, dealt.users, low, high,
            log.indptr, dealt.places, dealt.starts, h, dealt.edges[h], dealt.edges[h + 1], mark,
            weights, keep, other, totals[h], draw.unmet, *numbers, seeds[w, h], kept,
        )  # fmt: skip
        kept = kept[:count]
        kept[:, 1:] = dealt.order[kept[:, 1:]]
        return lost, count, kept

    found = cells.each_cell(side, work)
    cells.put_back(dealt, (y, bias), laid)
    return found


def race(
    log: Log, x: Floats, y: Floats, bias: Floats, draw: Draws, rates: Rates, *, seed: int, number: int
) -> tuple[float, int]:
    """One pass over every row in random order, negatives from all items, parts at once without locks.

    More than one thread gives other bits each time; one thread the same ones. Answers as `epoch` does.
    """
    weighted = draw.weights is not None
    kernel, numbers = race_kernel(y.shape[1], weighted), rates.numbers()
    weights = np.zeros(0) if draw.weights is None else draw.weights
    keep, other, _ = tables(weights, np.array([0, len(weights)]))

    def work(users: Ints, order: NDArray, low: int, high: int, state: np.uint64) -> tuple[float, int]:
        return kernel(
            x.reshape(-1), y.reshape(-1), bias, users, order, low, high, log.indptr, log.indices,
            weights, keep, other, draw.unmet, *numbers, state,
        )  # fmt: skip

    found = cells.race(log, work, seed=seed, number=number)
    return sum(lost for lost, _ in found), sum(count for _, count in found)
