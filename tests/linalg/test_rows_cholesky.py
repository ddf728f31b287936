"""Exact rows against numpy.linalg.solve; the factorization by itself; systems that are not definite."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.ridge_rows import exact, random_problem
from numba import njit

import matweave.linalg.rows as rows_module
from matweave.linalg.rows import RowSystems
from matweave.linalg.rows_cholesky import Cholesky, factor, padded, solve, sum_gram
from matweave.linalg.vectors import Vectors, aligned


@njit
def solve_in_place(flat, x):
    factor(32, flat)
    solve(32, flat, x)


@njit
def gram_of(tile, a, stride, start, n, out):
    sum_gram(80, tile, a, stride, start, n, out)


def test_factor_and_solve_against_numpy():
    rng = np.random.default_rng(0)
    design = rng.normal(size=(50, 32))
    matrix, right = design.T @ design + np.eye(32), rng.normal(size=32)
    flat, x = aligned(32 * 32), aligned(32)
    flat[:], x[:] = np.triu(matrix).ravel(), right  # only the upper half is read
    solve_in_place(flat, x)
    np.testing.assert_allclose(x, np.linalg.solve(matrix, right), rtol=1e-3, atol=1e-5)


def test_a_direction_that_nothing_is_known_of_is_zero():
    matrix = np.zeros((32, 32), np.float32)
    matrix[:3, :3] = np.diag([4.0, 0.0, 2.0])
    x = aligned(32)
    x[:3] = 8, 0, 2
    solve_in_place(matrix.ravel(), x)
    np.testing.assert_allclose(x[:4], [2, 0, 1, 0], atol=1e-6)


@pytest.mark.parametrize(("n", "stride"), [(4, 1), (64, 0), (132, 1)])
def test_the_upper_half_of_the_gram_matrix(n, stride):
    rng = np.random.default_rng(n)
    tile, out = aligned(n, 80), aligned(80 * 80)
    tile[:] = rng.normal(size=tile.shape)
    a = rng.uniform(0.5, 2, n + 8).astype(np.float32)
    gram_of(tile.ravel(), a, stride, 8, n, out)
    weight = a[8:] if stride else np.full(n, a[0])
    wanted = tile.T.astype(np.float64) @ (weight[:, None] * tile)
    upper = np.triu_indices(80)
    np.testing.assert_allclose(out.reshape(80, 80)[upper], wanted[upper], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("long_rows", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("biased", [False, True])
def test_every_row_is_exact(monkeypatch, biased, weight, long_rows):
    if long_rows:  # a tile of eight vectors
        monkeypatch.setattr(rows_module, "_TILE", 256)
    p = random_problem(0, weight=weight, unit_weights=biased)
    systems = RowSystems(
        p.indptr, p.indices, len(p.other), weights=1.0 if biased else p.weights, targets=p.targets
    )
    other = Vectors.of(p.other, p.other_bias if biased else None)
    own = Vectors(len(p.start), 20, biased=biased)
    f = Cholesky().step(
        systems, other, own, ridge=p.ridge, shared=p.gram, bias_ridge=p.bias_ridge if biased else None
    )
    vectors, biases, least = exact(p, biased=biased)
    np.testing.assert_allclose(own.array, vectors, atol=2e-4)
    assert f == pytest.approx(least, rel=1e-5)
    assert not own.data[:, 20:].any()
    if biased:
        assert own.bias is not None
        np.testing.assert_allclose(own.bias[:-1], biases, atol=2e-4)


def test_what_the_rows_held_does_not_matter():
    p = random_problem(1)
    systems = RowSystems(p.indptr, p.indices, 30, weights=p.weights, targets=p.targets)
    found = []
    for start in (p.start, np.zeros_like(p.start)):
        own = Vectors.of(start)
        Cholesky().step(systems, Vectors.of(p.other), own, ridge=p.ridge, shared=p.gram)
        found.append(own.array.copy())
    np.testing.assert_array_equal(*found)


def test_without_a_ridge_a_short_row_interpolates():
    p = random_problem(2, n=2, longest=3, weight=0.0)
    systems = RowSystems(p.indptr, p.indices, 30, weights=1.0, targets=p.targets)
    own = Vectors(2, 20)
    Cholesky().step(systems, Vectors.of(p.other), own, ridge=np.zeros(2))
    np.testing.assert_allclose(p.other[p.indices] @ own.array[0], p.targets, atol=1e-3)
    assert not own.array[1].any()


def test_the_shared_matrix_is_padded_with_ones_on_the_diagonal():
    made = padded(np.full((3, 3), 5.0), Vectors(1, 3))
    assert (made[:3, :3] == 5).all()
    np.testing.assert_array_equal(made[3:, 3:], np.eye(13))
    assert not made[:3, 3:].any()
