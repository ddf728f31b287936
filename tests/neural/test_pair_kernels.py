"""Each compiled pass against NumPy; the whole step stands in test_pair_step.py."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.neural import pair_kernels as kernels

RNG = np.random.default_rng(0)
USERS, ITEMS = RNG.integers(0, 5, 7), RNG.integers(0, 6, (7, 3))
P, Q, H = (RNG.standard_normal(shape).astype(np.float32) for shape in ((5, 4), (6, 4), (4,)))


def test_scores_of_a_piece_are_products_and_the_rest_is_left_alone() -> None:
    out = np.full((7, 3), 9.0, np.float32)
    kernels.scores(USERS, ITEMS, P, Q, H, np.float32(0.5), out, 2, 5)
    wanted = np.einsum("bf,bcf,f->bc", P[USERS], Q[ITEMS], H) + 0.5
    np.testing.assert_allclose(out[2:5], wanted[2:5], rtol=1e-5)
    assert (out[[0, 1, 5, 6]] == 9.0).all()


def test_extreme_scores_give_finite_errors() -> None:
    scores = np.array([[1e4, -1e4, 1e4], [-1e4, 0.0, 50.0]], np.float32)
    lost = kernels.errors(scores, 0, 2, np.float32(1 / 6))
    assert lost == pytest.approx((1e4 + 1e4 + np.log(2) + 50) / 6, rel=1e-6)
    np.testing.assert_allclose(scores * 6, [[0, 0, 1], [-1, 0.5, 1]], atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_gradients_of_the_tables_are_sums_over_the_rows_of_each(weight: float) -> None:
    errors = RNG.standard_normal((7, 3)).astype(np.float32)
    to_p, to_q = np.full_like(P, 7.0), np.full_like(Q, 7.0)
    users = kernels.back_users(USERS, ITEMS, P, Q, H, errors, np.float32(weight), to_p)
    items = kernels.back_items(USERS, ITEMS, P, Q, H, errors, np.float32(weight), to_q)
    wanted_p, wanted_q, to_h = np.zeros_like(P), np.zeros_like(Q), np.zeros_like(H)
    penalty = 0.0
    for b in range(7):
        for c in range(3):
            p, q, e = P[USERS[b]], Q[ITEMS[b, c]], errors[b, c]
            wanted_p[USERS[b]] += e * H * q + weight * np.abs(H) * p / 21
            wanted_q[ITEMS[b, c]] += e * H * p + weight * np.abs(H) * q / 21
            to_h += e * p * q + weight * np.sign(H) * (p**2 + q**2) / 42
            penalty += weight * np.abs(H) @ (p**2 + q**2) / 42
    np.testing.assert_allclose(to_p, wanted_p, atol=1e-5)
    np.testing.assert_allclose(to_q, wanted_q, atol=1e-5)
    np.testing.assert_allclose(users[1] + items[1], to_h, atol=1e-5)
    assert users[0] + items[0] == pytest.approx(penalty, abs=1e-6)


def test_rows_are_scattered_to_their_codes_with_the_pull_of_each() -> None:
    codes, rows = np.array([2, 0, 2]), RNG.standard_normal((3, 4)).astype(np.float32)
    out = np.full_like(P, 3.0)
    lost = kernels.scatter(codes, rows, P, np.float32(0.6), out)
    wanted = np.zeros_like(P)
    np.add.at(wanted, codes, rows + 0.2 * P[codes])
    np.testing.assert_allclose(out, wanted, atol=1e-6)
    assert lost == pytest.approx(0.1 * (P[codes] ** 2).sum(), rel=1e-5)
