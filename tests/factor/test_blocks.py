"""Lists, pairs and neighbours by blocks are those of the whole table."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.factor.blocks import best_but, most_alike, pairs_of, parts, top_of
from matweave.factor.rows import FactorRows

TABLE = np.random.default_rng(0).standard_normal((11, 9)).astype(np.float32)
ROWS = FactorRows(factors=TABLE, bias=None)


def scores(rows):
    assert isinstance(rows, FactorRows)
    return rows.factors


@pytest.mark.parametrize("block", [1, 3, 11, 50])
def test_lists_are_those_of_a_full_sort(block):
    out = Csr.from_pairs([0, 0, 4, 10], [1, 2, 8, 0], shape=(11, 9))
    codes, best, counts = top_of(scores, ROWS, 8, out, block=block)
    masked = TABLE.copy()
    masked[[0, 0, 4, 10], [1, 2, 8, 0]] = -np.inf
    order = np.argsort(-masked, axis=1)
    assert counts.tolist() == [min(8, n) for n in np.isfinite(masked).sum(1)]
    for row, count in enumerate(counts):
        assert codes[row, :count].tolist() == order[row, :count].tolist()
        np.testing.assert_array_equal(best[row, :count], masked[row, order[row, :count]])


@pytest.mark.parametrize("block", [1, 4, 50])
def test_pairs_are_cells_in_the_order_asked_for(block):
    at, items = np.array([10, 0, 10, 3, 0]), np.array([8, 0, 1, 4, 0], np.int32)
    np.testing.assert_array_equal(pairs_of(scores, ROWS, at, items, block=block), TABLE[at, items])


def test_no_rows_give_no_lists():
    codes, best, counts = top_of(scores, ROWS[:0], 3, None)
    assert codes.shape == best.shape == (0, 3)
    assert len(counts) == 0
    assert len(pairs_of(scores, ROWS[:0], np.empty(0, int), np.empty(0, np.int32))) == 0


def test_neighbours_are_by_cosine_without_itself():
    length = np.linalg.norm(TABLE, axis=1)
    wanted = TABLE @ TABLE[5] / (length * length[5])
    wanted[5] = -np.inf
    codes, found = most_alike(TABLE, 5, 4)
    assert codes.tolist() == np.argsort(-wanted)[:4].tolist()
    np.testing.assert_allclose(found, np.sort(wanted)[::-1][:4], rtol=1e-5)
    assert best_but(np.array([-np.inf, 2.0, 1.0], np.float32), 1, 5)[0].tolist() == [2]


def test_parts_cover_everything_once():
    assert [n for part in parts(7, 3) for n in range(part.start, part.stop)] == list(range(7))
    assert list(parts(0, 3)) == []
