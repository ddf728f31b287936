"""Draws by key: what they are in law, and that place, neighbours and threads do not matter."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from matweave.linalg.row_draws import history_keys, row_choices, row_normals
from matweave.threads import set_threads

KEYS = np.arange(3000, dtype=np.uint64)


def test_the_numbers_are_standard_normal_and_unrelated() -> None:
    found = row_normals(1, KEYS, 8).astype(np.float64)
    assert scipy.stats.kstest(found.ravel(), "norm").pvalue > 0.01
    np.testing.assert_allclose(np.corrcoef(found.T), np.eye(8), atol=0.08)
    after = np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1]  # keys that differ by one
    assert abs(after) < 0.03
    other = row_normals(2, KEYS, 8).ravel()
    assert abs(np.corrcoef(found.ravel(), other)[0, 1]) < 0.03


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_row_is_the_same_wherever_it_stands(width: int) -> None:
    whole = row_normals(3, KEYS, width)
    at = np.random.default_rng(0).permutation(len(KEYS))[:700]
    assert np.array_equal(row_normals(3, KEYS[at], width), whole[at])
    assert np.array_equal(row_choices(3, KEYS[at], 7), row_choices(3, KEYS, 7)[at])
    # a narrower row is the beginning of a wider one
    assert np.array_equal(row_normals(3, KEYS, width + 2)[:, :width], whole)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    found = []
    for threads in (1, 2):
        set_threads(threads)
        found.append(row_normals(5, KEYS, 6).tobytes())
    set_threads(None)
    assert found[0] == found[1]


def test_choices_are_even() -> None:
    counts = np.bincount(row_choices(1, KEYS, 10), minlength=10)
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    assert row_choices(0, KEYS, 1).max() == 0


def test_keys_tell_histories_apart_by_items_and_values() -> None:
    indptr, indices = np.array([0, 2, 4, 4, 6]), np.array([1, 2, 1, 2, 1, 3])
    keys = history_keys(indptr, indices, None)
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3
    valued = history_keys(indptr, indices, np.array([1, 2, 1, 3, 1, 2], np.float32))
    assert len(set(valued.tolist())) == 4


def test_nobody_gets_nothing() -> None:
    assert row_normals(0, KEYS[:0], 3).shape == (0, 3)
    assert row_choices(0, KEYS[:0], 3).shape == (0,)
    assert history_keys(np.zeros(1, np.int64), np.zeros(0, np.int32), None).shape == (0,)
