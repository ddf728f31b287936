"""Quadratic forms and draws against dense inverses; the same bits for any company and any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.laplace import precision

import matweave.linalg.rows as rows_module
from matweave.linalg.rows_variance import PANEL, Columns, Precisions, panels_of
from matweave.threads import set_threads


def problem(rank: int, *, n: int = 37, m: int = 150, seed: int = 0, **given):
    """Rows of 0 to 40 of m columns, and their dense matrices."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(m, rank)).astype(np.float32)
    counts = rng.integers(0, 40, n)
    counts[3] = 0
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate([np.sort(rng.choice(m, c, replace=False)) for c in counts]).astype(np.int32)
    weights = rng.uniform(0.5, 2, len(indices)).astype(np.float32)
    scale, penalty = rng.uniform(0.5, 3, n), rng.uniform(0.5, 2, rank)
    shared = 0.01 * (y.T @ y).astype(np.float64)
    dense = [
        precision(y[indices[a:b]], weights[a:b], s * penalty, shared)
        for a, b, s in zip(indptr[:-1], indptr[1:], scale, strict=True)
    ]
    made = Precisions(
        indptr, indices, Columns(y), weights=weights, scale=scale, penalty=penalty, shared=shared
    )
    return made, y, np.array(dense)


@pytest.mark.parametrize("rank", [3, 20])
@pytest.mark.parametrize("long_rows", [False, True])
def test_variances_are_those_of_the_dense_inverse(monkeypatch, rank, long_rows):
    if long_rows:  # a tile of eight vectors
        monkeypatch.setattr(rows_module, "_TILE", 256)
    made, y, dense = problem(rank)
    inverse = np.linalg.inv(dense)
    found = made.variances()
    assert (found.shape, found.dtype) == ((37, 150), np.float32)
    np.testing.assert_allclose(found, np.einsum("md,ude,me->um", y, inverse, y), rtol=5e-4)
    diagonals = made.inverse_diagonals()
    np.testing.assert_allclose(diagonals, np.einsum("udd->ud", inverse), rtol=5e-4)


def test_pairs_in_any_order_are_cells_of_the_whole():
    made, _, _ = problem(20)
    rng = np.random.default_rng(1)
    at, columns = rng.integers(0, 37, 500), rng.integers(0, 150, 500)
    assert made.pair_variances(at, columns).tobytes() == made.variances()[at, columns].tobytes()
    many = np.arange(150)  # more than a panel of one row
    assert made.pair_variances(np.full(150, 5), many).tobytes() == made.variances()[5].tobytes()
    assert made.pair_variances(np.zeros(0, int), np.zeros(0, int)).shape == (0,)


def test_draws_have_the_inverse_as_covariance():
    made, _, dense = problem(20)
    z = np.random.default_rng(2).normal(size=(37, 20))
    found = made.draws(z)
    assert (found.shape, found.dtype) == ((37, 20), np.float32)
    for u, a in enumerate(dense):
        np.testing.assert_allclose(
            found[u], np.linalg.solve(np.linalg.cholesky(a).T, z[u]), rtol=2e-3, atol=1e-4
        )


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads):
    made, _, _ = problem(20)
    z = np.random.default_rng(3).normal(size=(37, 20))
    once = [made.variances(), made.draws(z), made.pair_variances(np.arange(37), np.arange(37))]
    set_threads(threads)
    try:
        again = [made.variances(), made.draws(z), made.pair_variances(np.arange(37), np.arange(37))]
    finally:
        set_threads(None)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(once, again, strict=True))


def test_one_weight_for_all_is_that_weight_for_each():
    made, y, _ = problem(20)
    systems = made.systems
    counts = systems.counts
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate([np.arange(c, dtype=np.int32) for c in counts])
    found = [
        Precisions(indptr, indices, Columns(y), weights=w, scale=made.scale, penalty=made.penalty).variances()
        for w in (2.5, np.full(len(indices), 2.5))
    ]
    assert found[0].tobytes() == found[1].tobytes()


def test_where_nothing_is_known_the_variance_is_large_and_finite():
    y = np.eye(3, dtype=np.float32)
    made = Precisions(
        np.array([0, 0, 1]), np.array([1]), Columns(y), weights=1.0, scale=np.ones(2), penalty=np.zeros(3)
    )
    found = made.variances()
    assert np.isfinite(found).all()
    assert (found[0] > 1e5).all()
    np.testing.assert_allclose(found[1, 1], 1.0, rtol=1e-4)
    assert (found[1, [0, 2]] > 1e5).all()


def test_more_data_is_never_less_sure():
    made, y, _ = problem(20)
    more = Precisions(
        np.array([0, 5, 15]), np.array([*range(5), *range(10)], np.int32), Columns(y),
        weights=1.0, scale=np.ones(2), penalty=np.ones(20),
    ).variances()  # fmt: skip
    assert (more[1] <= more[0] * (1 + 1e-5)).all()
    assert len(made) == 37


def test_panels_hold_the_vectors_side_by_side_with_zeros_at_the_end():
    vectors = np.arange((PANEL + 2) * 16, dtype=np.float32).reshape(PANEL + 2, 16)
    panels = panels_of(vectors).reshape(2, 16, PANEL)
    assert np.array_equal(panels[0].T, vectors[:PANEL])
    assert np.array_equal(panels[1, :, :2].T, vectors[PANEL:])
    assert not panels[1, :, 2:].any()
