"""Factors with a sum over each user's history (SVD++), by stochastic gradient descent, wave by wave.

Model       r̂_uj = b_u + c_j + y_j·(x_u + s_u),   s_u = |N(u)|^-1/2 Σ_{i∈N(u)} z_i             (Koren 2008)
Objective   J = Σ_(u,j) (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²) + λ_z |z_j|²
Step        with e = r - r̂ and rate γ, for each rating of a wave's users, on the wave's grid:
            x_u += γ (e y_j - λ x_u)   y_j += γ (e (x_u + s_u) - λ y_j)   b_u += γ_b (e - λ_b b_u)   c_j += γ_b (e - λ_b c_j)
            g_u += e y_j
            and once, after the wave, for each item that its users U rated, m_i = |{u∈U : i∈N(u)}|:
            z_i = (z_i + γ_z Σ_{u∈U: i∈N(u)} |N(u)|^-1/2 g_u) / (1 + γ_z λ_z m_i)
            The paper steps z_i at every rating: O(|N(u)|) work for each of |N(u)| ratings. Gathered it is O(1) a rating. s_u is then as
            old as its wave, and the two differ by O(γ²) over a wave. The shrinkage is implicit (a proximal step), stable for any m_i.
Waves       linalg/waves.py. In a wave, s_u is summed in parallel over its users, the steps run on the diagonals of its grid, and
            the z_i are stepped in parallel over its items: no locks, and the same bits for any number of threads.
Cost        A rating takes 12 rank operations for its step and 4 rank for its share of s_u and z_i; memory: x, y, z, and s and g of one wave.
Checked by  tests/by_hand/svdpp.py (float64, one rating at a time, both forms of the z step), equal bits for 1, 2 and 3 threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.waves import Wave, Waves
from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]

PARTS = ("user_bias", "item_bias", "user_factors", "item_factors", "implicit_factors")
"""The arrays of `Parameters`: users by place in the waves, items by code."""


@final
@dataclass(frozen=True, kw_only=True)
class Parameters:
    """float32, updated in place; rows of factors are padded with zeros to `linalg.sgd.width(rank)` columns."""

    user_bias: Floats
    item_bias: Floats
    user_factors: Floats
    item_factors: Floats
    implicit_factors: Floats

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in PARTS}


@final
@dataclass(frozen=True, kw_only=True)
class Rates:
    """Learning rates of the factors (γ), biases (γ_b) and implicit factors (γ_z)."""

    factors: float
    bias: float
    implicit: float


@final
@dataclass(frozen=True, kw_only=True)
class Penalties:
    """λ, λ_b and λ_z, per rating."""

    factors: float
    bias: float
    implicit: float


def history_sums(indptr: NDArray, indices: NDArray, table: Floats) -> Floats:
    """s_u = |N(u)|^-1/2 Σ_{i∈N(u)} table_i for every row of a CSR; zero for a row without entries.

    table (items, a multiple of 16) float32.

    >>> history_sums(np.array([0, 2]), np.array([0, 1], np.int32), np.full((2, 16), 3.0, np.float32))[0, :2]
    array([4.2426, 4.2426], dtype=float32)
    """
    indptr, indices = np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(indices, np.int32)
    out = np.zeros((len(indptr) - 1, table.shape[1]), np.float32)

    def work(low: int, high: int) -> None:
        _sums(indptr, indices.view(np.uint32), table, low, high, out[low:high])

    in_parallel(work, [(low, min(low + 256, len(out))) for low in range(0, len(out), 256)])
    return out


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _sums(indptr, indices, table, low, high, out):
    columns = table.shape[1]
    row = np.empty(columns, np.float32)
    for u in range(low, high):
        row[:] = 0
        for t in range(indptr[u], indptr[u + 1]):
            i = indices[t]
            for f in range(columns):
                row[f] += table[i, f]
        scale = np.float32(1) / np.sqrt(np.float32(max(1, indptr[u + 1] - indptr[u])))
        for f in range(columns):
            out[u - low, f] = scale * row[f]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _step(users, items, values, low, high, forward, base, x, y, b, c, s, g, rate, bias_rate, pull, bias_pull):
    columns = x.shape[1]
    keep = np.float32(1) - rate * pull
    for t in range(low, high) if forward else range(high - 1, low - 1, -1):
        u, j = users[t], items[t]
        k = u - base
        dot = np.float32(0)
        for f in range(columns):
            dot += (x[u, f] + s[k, f]) * y[j, f]
        e = values[t] - (b[u] + c[j] + dot)
        b[u] += bias_rate * (e - bias_pull * b[u])
        c[j] += bias_rate * (e - bias_pull * c[j])
        push = rate * e
        for f in range(columns):
            xf, yf, sf = x[u, f], y[j, f], s[k, f]
            x[u, f] = keep * xf + push * yf
            y[j, f] = keep * yf + push * (xf + sf)
            g[k, f] += e * yf


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _implicit(items, starts, who, low, high, base, g, z, rate, pull):
    columns = z.shape[1]
    row = np.empty(columns, np.float32)
    for k in range(low, high):
        row[:] = 0
        for t in range(starts[k], starts[k + 1]):
            u = who[t] - base
            for f in range(columns):
                row[f] += g[u, f]
        shrink = np.float32(1) / (np.float32(1) + rate * pull * np.float32(starts[k + 1] - starts[k]))
        i = items[k]
        for f in range(columns):
            z[i, f] = shrink * (z[i, f] + rate * row[f])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _loss(indptr, items, values, low, high, x, y, b, c, s):
    columns = x.shape[1]
    total = 0.0
    for u in range(low, high):
        for t in range(indptr[u], indptr[u + 1]):
            j, k = items[t], u - low
            dot = np.float32(0)
            for f in range(columns):
                dot += (x[u, f] + s[k, f]) * y[j, f]
            e = values[t] - (b[u] + c[j] + dot)
            total += np.float64(e) * np.float64(e)
    return total


def epoch(log: Waves, at: Parameters, weight: Penalties, rates: Rates, *, seed: int, number: int) -> None:
    """One pass over every rating, updating `at` in place; the order of the waves and diagonals depends on (seed, number)."""
    random = child(seed, "implicit_sums", "epoch", number)
    longest = max((wave.last - wave.first for wave in log.waves), default=0)
    s, g = (np.zeros((longest, at.user_factors.shape[1]), np.float32) for _ in range(2))
    for w in random.permutation(len(log.waves)):
        shifts = [] if log.waves[w].first == log.waves[w].last else random.permutation(log.side)
        _wave(log, int(w), at, weight, rates, s, g, shifts, number % 2 == 0)


def _wave(
    log: Waves,
    w: int,
    at: Parameters,
    weight: Penalties,
    rates: Rates,
    s: Floats,
    g: Floats,
    shifts: Any,
    forward: bool,
) -> None:
    side, wave = log.side, log.waves[w]
    z, first = at.implicit_factors, np.int64(wave.first)
    groups = range(w * side, (w + 1) * side)
    roots = np.sqrt(np.maximum(log.counts[wave.first : wave.last], 1)).astype(np.float32)[:, None]

    def read(k: int) -> None:
        low, high = log.groups[k], log.groups[k + 1]
        _sums(log.indptr, log.indices.view(np.uint32), z, low, high, s[low - first : high - first])
        g[low - first : high - first] = 0

    # unsigned codes spare the kernel the check for negative indices
    ratings = log.users.view(np.uint32), log.items.view(np.uint32), log.values
    arrays = at.user_factors, at.item_factors, at.user_bias, at.item_bias, s, g
    numbers = [np.float32(v) for v in (rates.factors, rates.bias, weight.factors, weight.bias)]

    def walk(k: int, b: int) -> None:
        block = k * side + b
        _step(*ratings, log.starts[block], log.starts[block + 1], forward, first, *arrays, *numbers)

    in_parallel(read, [(k,) for k in groups])
    for shift in shifts:
        in_parallel(walk, [(k, int((k + shift) % side)) for k in groups])
    g[: len(roots)] /= roots
    last = [np.float32(rates.implicit), np.float32(weight.implicit)]

    def learn(low: int, high: int) -> None:
        _implicit(wave.items.view(np.uint32), wave.starts, wave.who, low, high, first, g, z, *last)

    in_parallel(learn, _equal(wave))


def _equal(wave: Wave) -> list[tuple[int, int]]:
    """The items of a wave in four runs of about equal work."""
    marks = wave.starts[-1] * np.arange(1, 4) // 4
    return list(pairwise([0, *np.searchsorted(wave.starts, marks).tolist(), len(wave.items)]))


def objective(log: Waves, at: Parameters, weight: Penalties) -> float:
    """J of the head of this file, exact at `at`; summed in a fixed order."""
    columns = at.user_factors.shape[1]
    arrays = at.user_factors, at.item_factors, at.user_bias, at.item_bias
    items = log.indices.view(np.uint32)

    def work(low: int, high: int) -> float:
        s = np.empty((high - low, columns), np.float32)
        _sums(log.indptr, items, at.implicit_factors, low, high, s)
        return _loss(log.indptr, items, log.ratings, low, high, *arrays, s)

    total = float(sum(in_parallel(work, pairwise(log.groups.tolist()))))
    popular = np.bincount(log.indices, minlength=log.n_items)
    for counts, rows, bias in (
        (log.counts, at.user_factors, at.user_bias),
        (popular, at.item_factors, at.item_bias),
    ):
        squares = np.einsum("uf,uf->u", rows, rows).astype(np.float64)
        total += float(
            (counts * (weight.factors * squares + weight.bias * bias.astype(np.float64) ** 2)).sum()
        )
    z = at.implicit_factors
    return total + weight.implicit * float((popular * np.einsum("uf,uf->u", z, z).astype(np.float64)).sum())
