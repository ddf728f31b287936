"""Draws as a function of a seed and a place, for compiled loops: any thread may make any part, or make it again.

    mixed     64 bits: SplitMix64's finalizer of a counter                        (Steele, Lea, Flood 2014)
    hashed    32 bits: two multiplications and three shifts ("lowbias32", Wellons 2018) of place · 0x9E3779B9 + seed

`hashed` is made of 32-bit steps alone, so that a loop over it becomes vector instructions; `mixed` is for draws one at a time.

Checked by  tests/linalg/test_hashes.py: known values, bits that are even and independent of neighbours.
"""

from __future__ import annotations

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""What a counter of `mixed` goes up by from one draw to the next."""


@njit(nogil=True, inline="always")
def mixed(z):
    """64 mixed bits of a counter, uint64.

    >>> mixed(np.uint64(0)), mixed(GOLDEN) == 0xE220A8397B1DCDAF
    (0, True)
    """
    z = np.uint64((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(z ^ (z >> np.uint64(31)))


@njit(nogil=True, inline="always")
def hashed(place, seed):
    """32 bits, uint32, of a place (an integer) and a seed (uint32).

    >>> hashed(3, np.uint32(7)) == hashed(3, np.uint32(7)) != hashed(4, np.uint32(7))
    True
    """
    # numbers of 32 bits all the way, or the loop is not made into vector instructions
    h = np.uint32(np.uint32(place) * np.uint32(0x9E3779B9) + seed)
    h = np.uint32(h ^ np.uint32(h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x21F0AAAD))
    h = np.uint32(h ^ np.uint32(h >> np.uint32(15)))
    h = np.uint32(h * np.uint32(0xD35A2D97))
    return np.uint32(h ^ np.uint32(h >> np.uint32(15)))
