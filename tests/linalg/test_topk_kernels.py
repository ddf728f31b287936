"""The compiled parts of top-k search, each on its own."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.topk import best
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from matweave.linalg.topk_kernels import (
    LANES,
    above,
    dots,
    lane_maxima,
    mask,
    merge,
    push,
    select,
    trailing_zeros,
)


@njit
def bits_above(array, at, threshold):
    return above(array, at, threshold)  # pyright: ignore[reportCallIssue]


@njit
def maxima_of(array):
    out = np.zeros(LANES, np.float32)
    lane_maxima(array, len(array) // LANES, out)  # pyright: ignore[reportCallIssue]
    return out


@njit
def zeros_of(bits):
    return trailing_zeros(bits)  # pyright: ignore[reportCallIssue]


def empty_lists(n: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((n, k), -np.inf, np.float32), np.zeros((n, k), np.int32), np.zeros(n, np.int32)


def test_above_sets_a_bit_for_every_larger_score_and_every_nan():
    rng = np.random.default_rng(0)
    row = rng.normal(size=200).astype(np.float32)
    row[[5, 77]] = np.nan, 0.5
    for at in (0, 3, 136):
        bits = int(bits_above(row, at, np.float32(0.5)))
        assert [bits >> t & 1 for t in range(64)] == [int(not s <= 0.5) for s in row[at : at + 64]]


def test_trailing_zeros():
    assert [zeros_of(np.uint64(1 << t)) for t in (0, 7, 63)] == [0, 7, 63]


def test_lane_maxima_pass_over_nan():
    rows = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    rows[2, 9] = np.nan
    np.testing.assert_array_equal(maxima_of(rows.ravel()), np.nanmax(rows, axis=0))


@given(values=st.lists(st.integers(0, 9), min_size=1, max_size=150), k=st.integers(1, 90))
def test_push_keeps_a_sorted_list(values, k):
    scores, codes = np.full(k, -np.inf, np.float32), np.zeros(k, np.int32)
    count = 0
    for j, v in enumerate(values):
        if v > scores[k - 1]:
            push(scores, codes, count, np.float32(v), j)
            count = min(count + 1, k)
    assert codes[:count].tolist() == best(np.array(values, np.float32), k, set())


@given(width=st.integers(1, 1500), k=st.integers(1, 40), cut=st.floats(0, 1), seed=st.integers(0, 99))
def test_select_in_one_or_two_blocks(width, k, cut, seed):
    row = np.random.default_rng(seed).integers(0, 60, (1, width)).astype(np.float32)
    split = int(cut * width)
    for parts in ([(0, width)], [(0, split), (split, width)]):
        scores, codes, counts = empty_lists(1, k)
        for low, high in parts:
            assert select(row[:, low:high].copy(), low, scores, codes, counts) == -1
        assert codes[0, : counts[0]].tolist() == best(row[0], k, set())


def test_select_names_the_row_of_a_nan():
    block = np.zeros((4, 70), np.float32)
    block[2, 69] = np.nan
    assert select(block, 0, *empty_lists(4, 2)) == 2


def test_mask_touches_its_own_items_only():
    indptr, indices = np.array([0, 3, 3, 5]), np.array([1, 4, 9, 0, 5], np.int32)
    whole = np.zeros((3, 10), np.float32)
    assert mask(whole, 0, 10, indptr, indices, 0) == -1
    assert [np.flatnonzero(r).tolist() for r in whole] == [[1, 4, 9], [], [0, 5]]
    part = np.zeros((2, 3), np.float32)  # items 4 to 6 of rows 1 and 2
    assert mask(part, 4, 10, indptr, indices, 1) == -1
    assert [np.flatnonzero(r).tolist() for r in part] == [[], [1]]


@pytest.mark.parametrize("row", [[3, 2], [2, 2], [-1, 2], [2, 10]])
def test_mask_refuses_bad_rows_even_beyond_its_block(row):
    indptr, indices = np.array([0, 1, 3]), np.array([5, *row], np.int32)
    assert mask(np.zeros((2, 2), np.float32), 0, 10, indptr, indices, 0) == 1


def test_dots():
    rng = np.random.default_rng(2)
    vectors, x = rng.normal(size=(40, 33)).astype(np.float32), rng.normal(size=33).astype(np.float32)
    out = np.empty(40, np.float32)
    dots(vectors, x, out)
    np.testing.assert_allclose(out, vectors.astype(float) @ x, atol=1e-5)
    vectors[3, 0], vectors[4, 0] = np.nan, np.inf
    dots(vectors, np.abs(x), out)
    assert np.isnan(out[3])
    assert out[4] == np.inf


def test_merge_is_the_best_of_all_parts():
    row = np.random.default_rng(3).integers(0, 5, 300).astype(np.float32)
    parts = [empty_lists(1, 8) for _ in range(3)]
    for p, lists in enumerate(parts):
        select(row[None, 100 * p : 100 * p + 100].copy(), 100 * p, *lists)
    scores, codes, counts = empty_lists(1, 8)
    joined = [np.stack(a) for a in zip(*parts, strict=True)]
    merge(joined[0], joined[1], joined[2], scores, codes, counts)
    assert codes[0, : counts[0]].tolist() == best(row, 8, set())
    assert np.array_equal(scores[0], row[codes[0]])
