"""Counting sorts against NumPy's stable sorts, in one piece and in several, for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data import counting
from matweave.threads import set_threads


@pytest.fixture(params=[1, 3])
def threads(request):
    set_threads(request.param)
    yield
    set_threads(None)


@pytest.fixture(params=[2_000_000, 7])
def piece(request, monkeypatch):
    monkeypatch.setattr(counting, "_PIECE", request.param)


@pytest.mark.usefixtures("threads", "piece")
def test_grouping_is_a_stable_sort():
    rng = np.random.default_rng(0)
    keys, others = rng.integers(0, 9, 500).astype(np.int32), rng.integers(0, 99, 500).astype(np.int32)
    values = rng.random(500, np.float32)
    indptr, out, weights = counting.group(keys, others, values, 10)
    order = np.argsort(keys, kind="stable")
    np.testing.assert_array_equal(out, others[order])
    np.testing.assert_array_equal(weights, values[order])
    np.testing.assert_array_equal(np.diff(indptr), np.bincount(keys, minlength=10))
    _, packed = counting.group_rows(keys, others, 10)
    np.testing.assert_array_equal(packed, (others[order].astype(np.uint64) << 32) | order.astype(np.uint64))


@pytest.mark.usefixtures("threads", "piece")
def test_transposing_twice_sorts_each_row():
    rng = np.random.default_rng(1)
    keys, others = rng.integers(0, 40, 300).astype(np.int32), rng.integers(0, 50, 300).astype(np.int32)
    once = counting.transpose(*counting.group(keys, others, None, 40), 50)
    indptr, indices, _ = counting.transpose(*once, 40)
    order = np.lexsort((others, keys))
    np.testing.assert_array_equal(indices, others[order])
    np.testing.assert_array_equal(np.repeat(np.arange(40), np.diff(indptr)), keys[order])


def test_pieces_cover_everything_once(monkeypatch):
    monkeypatch.setattr(counting, "_PIECE", 3)
    for n in (0, 1, 5, 100):
        cuts = counting.pieces(n)
        assert [i for a, b in cuts for i in range(a, b)] == list(range(n))
    indptr = np.array([0, 0, 10, 10, 11, 40])
    assert [r for a, b in counting.row_pieces(indptr) for r in range(a, b)] == list(range(5))
    assert counting.row_pieces(np.array([0])) == [(0, 0)]
