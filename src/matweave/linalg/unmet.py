"""Negatives: items that a user has not met, drawn evenly or by weight.

A draw of something met is drawn again; after TRIES of them the unmet are summed and walked through, which gives the same
distribution whatever share of the weight is met. In a cell (linalg/cells.py) what is met is marked; over a whole log it is
looked up in the user's row.

Checked by  tests/linalg/test_unmet.py: even shares, shares by weight, also where nearly everything is met.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg import alias
from matweave.linalg.cells import Log
from matweave.linalg.hashes import GOLDEN, mixed

TRIES = 32
"""Draws of met items before the unmet ones are walked through."""


@final
@dataclass(frozen=True, kw_only=True)
class Draws:
    """How negatives are drawn: weights (items,) float64, None for all alike; unmet (users,): the weight of what each has not met."""

    weights: NDArray[np.float64] | None
    unmet: NDArray[np.float64]


def draws(log: Log, weights: NDArray[np.float64] | None = None) -> Draws:
    """The draws of a log, with what each user has not met summed once.

    >>> from matweave.linalg.cells import cut
    >>> draws(cut(np.array([0, 1]), np.array([1], np.int32), 3), np.array([1.0, 2.0, 4.0])).unmet.tolist()
    [5.0]
    """
    if weights is None:
        return Draws(weights=None, unmet=np.zeros(0))
    counts = np.diff(log.indptr)
    met = np.add.reduceat(np.append(weights[log.indices], 0.0), log.indptr[:-1]) * (counts > 0)
    left = weights.sum() - met
    left[left < 1e-9 * weights.sum()] = 0.0  # what rounding leaves of nothing
    return Draws(weights=weights, unmet=left)


def tables(weights: NDArray[np.float64], edges: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray]:
    """Alias tables of the parts between edges, side by side, and the weight of each part; a part of no weight gets none.

    >>> keep, other, totals = tables(np.array([3.0, 1.0, 0.0]), np.array([0, 2, 3]))
    >>> keep[:2].tolist(), other[:2].tolist(), totals.tolist()
    ([1.0, 0.5], [0, 0], [4.0, 0.0])
    """
    keep, other = np.ones(len(weights), np.float32), np.zeros(len(weights), np.int32)
    totals = np.zeros(len(edges) - 1)
    for h, (low, high) in enumerate(pairwise(edges.tolist())):
        totals[h] = weights[low:high].sum()
        if totals[h] > 0:
            alias.fill(weights[low:high], keep[low:high], other[low:high])
    return keep, other, totals


@njit(nogil=True, inline="always")
def unmet(state, mark, first, m, weighted, weights, keep, other):
    """A place of the group first..first + m that is not marked, by weight or evenly; the state moves on.

    At least one must be unmarked, and of positive weight.
    """
    for _ in range(TRIES):
        state += GOLDEN
        bits = mixed(state)
        if weighted:
            place = first + alias.drawn(bits, keep, other, first, m)
        else:
            place = first + np.int64(((bits >> np.uint64(32)) * np.uint64(m)) >> np.uint64(32))
        if not mark[place]:
            return state, place
    total = 0.0
    for k in range(first, first + m):
        if not mark[k]:
            total += weights[k] if weighted else 1.0
    state += GOLDEN
    left = np.float64(mixed(state) >> np.uint64(11)) * 2.0**-53 * total
    place = first
    for k in range(first, first + m):
        if not mark[k]:
            w = weights[k] if weighted else 1.0
            if w > 0.0:
                place = k
                left -= w
                if left < 0.0:
                    break
    return state, place


@njit(nogil=True, inline="always")
def has(indices, low, high, item):
    """Whether a rising run indices[low:high] holds the item; without a branch to guess."""
    n = high - low
    while n > 1:
        half = n >> 1
        low = low + half if indices[low + half] <= item else low
        n -= half
    return n == 1 and indices[low] == item


@njit(nogil=True, inline="always")
def unmet_of_all(state, indices, low, high, n, weighted, weights, keep, other):
    """As `unmet`, over all n items and a history indices[low:high]."""
    for _ in range(TRIES):
        state += GOLDEN
        bits = mixed(state)
        if weighted:
            item = alias.drawn(bits, keep, other, 0, n)
        else:
            item = np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
        if not has(indices, low, high, item):
            return state, item
    total, at = 0.0, low
    for k in range(n):
        if at < high and indices[at] == k:
            at += 1
        else:
            total += weights[k] if weighted else 1.0
    state += GOLDEN
    left, at, item = np.float64(mixed(state) >> np.uint64(11)) * 2.0**-53 * total, low, 0
    for k in range(n):
        if at < high and indices[at] == k:
            at += 1
            continue
        w = weights[k] if weighted else 1.0
        if w > 0.0:
            item = k
            left -= w
            if left < 0.0:
                break
    return state, item
