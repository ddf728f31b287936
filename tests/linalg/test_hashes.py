"""Hashes for compiled loops: known values, and bits without a pattern."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from matweave.linalg.hashes import GOLDEN, hashed, mixed

N = 1 << 16


@njit
def both(n, seed):
    long, short = np.empty(n, np.uint64), np.empty(n, np.uint32)
    state = np.uint64(seed)
    for i in range(n):
        state = np.uint64(state + GOLDEN)
        long[i] = mixed(state)
        short[i] = hashed(i, np.uint32(seed))
    return long, short


def test_the_first_draws_of_splitmix64_are_those_of_its_authors():
    found, _ = both(3, 1234567)
    assert found.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("which", [0, 1])
def test_every_bit_is_even_and_knows_nothing_of_its_neighbour(which):
    bits = np.unpackbits(both(N, 5)[which].view(np.uint8).reshape(N, -1), axis=1).astype(float) - 0.5
    limit = 5 * 0.25 / N**0.5
    assert np.abs(bits.mean(0)).max() < 5 * 0.5 / N**0.5
    assert np.abs((bits[1:] * bits[:-1]).mean(0)).max() < limit
    assert np.abs(((bits.T @ bits) / N)[np.triu_indices(bits.shape[1], 1)]).max() < limit
