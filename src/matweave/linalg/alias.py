"""Draws by weight in constant time: alias tables.

A table of m weights is m equal slots; slot s keeps itself with chance keep[s] and gives other[s] else, so that a draw is one
random number, one look and one comparison. Source: Walker 1977; built in one pass over two stacks, Vose 1991.
Checked by  tests/linalg/test_alias.py: the shares that a table gives are the weights', to float32.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def fill(weights, keep, other):
    """Make the table of weights (m,) >= 0 with a positive sum: keep (m,) float32, other (m,) int32.

    >>> keep, other = np.empty(2, np.float32), np.empty(2, np.int32)
    >>> fill(np.array([3.0, 1.0]), keep, other); keep.tolist(), other.tolist()
    ([1.0, 0.5], [0, 0])
    """
    m = len(weights)
    total = 0.0
    for w in weights:
        total += w
    share = weights * (m / total)
    stack = np.empty(m, np.int64)
    small, large = 0, m  # two stacks, from both ends
    for s in range(m):
        keep[s], other[s] = 1.0, s
        if share[s] < 1.0:
            stack[small] = s
            small += 1
        else:
            large -= 1
            stack[large] = s
    while small and large < m:
        small -= 1
        s, t = stack[small], stack[large]
        keep[s], other[s] = share[s], t
        share[t] -= 1.0 - share[s]
        if share[t] < 1.0:
            large += 1
            stack[small] = t
            small += 1


@njit(nogil=True, inline="always")
def drawn(bits, keep, other, first, m):
    """A slot of the table at first..first + m by 64 random bits, counted from 0: the high half picks it, the low decides."""
    s = np.int64(((bits >> np.uint64(32)) * np.uint64(m)) >> np.uint64(32))
    low = np.float32(bits & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)
    return s if low < keep[first + s] else np.int64(other[first + s])
