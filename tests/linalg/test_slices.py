"""Stacked sparse products against dense ones."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.linalg.slices import Slices
from matweave.threads import set_threads


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((4, 7, 7)) < 0.3, rng.standard_normal((4, 7, 7)), 0)
    dense[2] = 0
    places = np.array(np.nonzero(dense))[:, rng.permutation(np.count_nonzero(dense))]
    return dense, Slices(*places, 4), dense[tuple(places)]


def test_products_and_pairs_are_those_of_dense_matrices(stack):
    dense, slices, values = stack
    table = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)
    found = slices.times(values[slices.order], table)
    assert slices.ends[2] == slices.ends[3]
    for k in range(4):
        rows = slices.rows[slices.ends[k] : slices.ends[k + 1]]
        whole = np.zeros((7, 5))
        whole[rows] = found[slices.ends[k] : slices.ends[k + 1]]
        np.testing.assert_allclose(whole, dense[k] @ table, atol=1e-5)
    first = np.random.default_rng(2).standard_normal((len(slices.rows), 5)).astype(np.float32)
    entry_rows = np.repeat(np.arange(len(slices.rows)), np.diff(slices.indptr))
    wanted = (first[entry_rows] * table[slices.indices]).sum(axis=1)
    np.testing.assert_allclose(slices.pairs(first, table), wanted, atol=1e-5)


def test_any_number_of_threads_gives_the_same_bits(stack):
    _, slices, values = stack
    found = []
    for threads in (1, 3):
        set_threads(threads)
        found.append(slices.times(values[slices.order], np.eye(7, dtype=np.float32)).tobytes())
    set_threads(None)
    assert found[0] == found[1]


def test_no_entries_are_no_rows():
    none = np.zeros(0, int)
    empty = Slices(none, none, none, 3)
    assert empty.times(np.zeros(0), np.ones((2, 2))).shape == (0, 2)
    assert empty.ends.tolist() == [0, 0, 0, 0]
