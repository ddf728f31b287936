"""Pairs of columns counted against a dense product, whatever the reach, the room and the threads."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.linalg import co_occurrence as module
from matweave.linalg.co_occurrence import co_occurrences
from matweave.threads import set_threads


def table(rows: int = 30, columns: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A table by row whose columns stand in no order."""
    rng = np.random.default_rng(seed)
    held = [rng.permutation(columns)[: rng.integers(0, 12)] for _ in range(rows)]
    indptr = np.concatenate([[0], np.cumsum([len(h) for h in held])]).astype(np.int64)
    return indptr, np.concatenate(held).astype(np.int32)


def slowly(
    indptr: np.ndarray, indices: np.ndarray, first: np.ndarray, last: np.ndarray, n: int
) -> np.ndarray:
    counts = np.zeros((n, n), int)
    for p, i in enumerate(indices):
        for q in range(first[p], last[p]):
            if indices[q] != i:
                counts[i, indices[q]] += 1
    return counts


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_counts_are_those_of_pairs_counted_one_by_one(least: int, whole: bool) -> None:
    indptr, indices = table()
    lengths = np.diff(indptr)
    first, last = np.repeat(indptr[:-1], lengths), np.repeat(indptr[1:], lengths)
    if not whole:  # the next three of the row
        here = np.arange(len(indices))
        first, last = here + 1, np.minimum(here + 4, last)
    i, j, c, rare = co_occurrences(indptr, indices, 40, (first, last), least=least)
    counts = slowly(indptr, indices, first, last, 40)
    want = np.nonzero(counts >= least)
    assert [i.tolist(), j.tolist()] == [w.tolist() for w in want]
    assert c.tolist() == counts[want].tolist()
    assert rare == np.count_nonzero((counts > 0) & (counts < least))


def test_room_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    indptr, indices = table(rows=80, columns=200, seed=1)
    lengths = np.diff(indptr)
    reach = np.repeat(indptr[:-1], lengths), np.repeat(indptr[1:], lengths)
    one = co_occurrences(indptr, indices, 200, reach)
    monkeypatch.setattr(module, "_START", 1)
    try:
        set_threads(3)
        other = co_occurrences(indptr, indices, 200, reach)
    finally:
        set_threads(None)
    for a, b in zip(one[:3], other[:3], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_table_without_pairs_has_none() -> None:
    indptr, indices = np.array([0, 1, 2]), np.array([0, 1], np.int32)
    i, j, c, rare = co_occurrences(indptr, indices, 2, (np.array([0, 1]), np.array([1, 2])))
    assert (len(i), len(j), len(c), rare) == (0, 0, 0, 0)
    none = np.empty(0, np.int32)
    assert len(co_occurrences(np.zeros(1, np.int64), none, 0, (none, none))[0]) == 0
