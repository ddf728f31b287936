"""Block descent against iALS++ by hand; its objective never rises and ends at the exact solution."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from by_hand.ials_block import sweep
from by_hand.ridge_rows import exact, random_problem, value

import matweave.linalg.rows as rows_module
from matweave.errors import ConfigError
from matweave.linalg.rows import RowSystems
from matweave.linalg.rows_block import BlockDescent
from matweave.linalg.vectors import Vectors


def systems_of(p):
    return RowSystems(p.indptr, p.indices, len(p.other), weights=p.weights, targets=p.targets)


@pytest.mark.parametrize("long_rows", [False, True])
@pytest.mark.parametrize(("rank", "size"), [(32, 16), (20, 32), (16, 64)])
def test_two_sweeps_against_the_paper_by_hand(monkeypatch, rank, size, long_rows):
    if long_rows:  # a tile of eight vectors
        monkeypatch.setattr(rows_module, "_TILE", 8 * 16)
    p = random_problem(0, rank=rank)
    rows = [
        (p.indices[a:b], p.weights[a:b], p.targets[a:b])
        for a, b in zip(p.indptr[:-1], p.indptr[1:], strict=True)
    ]
    own, x = Vectors.of(p.start), p.start.copy()
    for _ in range(2):
        f = BlockDescent(size=size).step(
            systems_of(p), Vectors.of(p.other), own, ridge=p.ridge, shared=p.gram
        )
        x = sweep(rows, x, p.other, weight=p.weight, ridge=p.ridge, size=min(size, rank))
        np.testing.assert_allclose(own.array, x, atol=2e-3)
        assert f == pytest.approx(value(p, x), rel=1e-4)


def test_blocks_that_overlap_still_descend_to_the_exact_solution():
    p = random_problem(1, rank=36)  # padded to 48: the second block of 32 overlaps the first
    _, _, least = exact(p)
    own, values = Vectors.of(p.start), [value(p, p.start)]
    for _ in range(80):
        values.append(
            BlockDescent(size=32).step(systems_of(p), Vectors.of(p.other), own, ridge=p.ridge, shared=p.gram)
        )
    assert all(b <= a + 1e-4 * abs(a) for a, b in itertools.pairwise(values))
    assert values[-1] == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("size", [0, 8, 20])
def test_sizes_that_do_not_fit_the_lanes_are_refused(size):
    with pytest.raises(ConfigError, match="block size"):
        BlockDescent(size=size)


def test_biases_are_refused():
    p = random_problem(2)
    other, own = Vectors.of(p.other, p.other_bias), Vectors(40, 20, biased=True)
    with pytest.raises(ConfigError, match="biases"):
        BlockDescent(size=16).step(systems_of(p), other, own, ridge=p.ridge)
