"""Words and masks against plain NumPy."""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.data.bytes_simd import PADDING, lowest, matches, prefetch, word


@njit
def words(text, places):
    found = np.empty(len(places), np.uint64)
    for i in range(len(places)):
        prefetch(text, places[i])
        found[i] = word(text, places[i])
    return found


@njit
def masks(text, at, one, other):
    return matches(text, at, one, other)


@njit
def lows(bits):
    return lowest(bits)


def text():
    return np.random.default_rng(0).integers(0, 5, 300 + PADDING).astype(np.uint8)


def test_a_word_is_eight_bytes_from_any_place():
    letters = text()
    places = np.arange(60)
    wanted = [int.from_bytes(letters[k : k + 8].tobytes(), "little") for k in places]
    assert words(letters, places).tolist() == wanted


def test_a_mask_has_a_bit_for_each_byte_that_matches():
    letters = text()
    for at in range(70):
        block = letters[at : at + 64]
        wanted = sum(1 << k for k in range(64) if block[k] in (2, 4))
        assert masks(letters, at, np.uint8(2), np.uint8(4)) == wanted
        assert masks(letters, at, np.uint8(7), np.uint8(9)) == 0


def test_the_lowest_bit():
    assert [lows(np.uint64(b)) for b in (1, 12, 1 << 63, 0)] == [0, 2, 63, 64]
