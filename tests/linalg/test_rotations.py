"""The pieces of a ComplEx batch against complex arithmetic and differences."""

from __future__ import annotations

import numpy as np
from by_hand.compl_ex import gradient, loss

from matweave.linalg.rotations import adagrad, ask, hand_back, soften


def test_a_batch_has_the_loss_and_the_gradient_of_the_paper():
    rng = np.random.default_rng(0)
    n, d, kinds, strength = 5, 3, 2, 0.05
    e = rng.standard_normal((n, d)) + 1j * rng.standard_normal((n, d))
    r = rng.standard_normal((kinds, d)) + 1j * rng.standard_normal((kinds, d))
    heads, ks = np.array([0, 1, 4, 2], np.int32), np.array([0, 1, 1, 0], np.int32)
    truth, backward = np.array([1, 1, 0, 3], np.int32), np.array([False, True, False, True])
    weights = np.array([1, 0.5, 2, 1], np.float32)
    table = np.concatenate([e.real, e.imag], 1).astype(np.float32)
    p, q = r.real.astype(np.float32), r.imag.astype(np.float32)
    asked = np.empty((4, 2 * d), np.float32)
    for low, high in ((0, 3), (3, 4)):
        ask(table, p, q, heads, ks, backward, asked, low, high)
    turned = e[heads] * np.where(backward[:, None], r[ks].conj(), r[ks])
    np.testing.assert_allclose(asked, np.concatenate([turned.real, turned.imag], 1), rtol=1e-5, atol=1e-6)
    scores = asked @ table.T
    w = weights / np.float32(4)
    lost = soften(scores, truth, w, 0, 2) + soften(scores, truth, w, 2, 4)
    pull, to = scores @ table, scores.T @ asked
    to_p, to_q = np.zeros_like(p), np.zeros_like(q)
    for low, high in ((0, 2), (2, d)):
        lost += hand_back(
            table, p, q, heads, ks, backward, truth, w, pull, strength, to, to_p, to_q, low, high
        )
    examples = list(zip(heads, ks, backward, truth, weights, strict=True))
    np.testing.assert_allclose(lost, loss(e, r, examples, strength), rtol=1e-5)
    slow_e, slow_r = gradient(e, r, examples, strength)
    np.testing.assert_allclose(to, np.concatenate([slow_e.real, slow_e.imag], 1), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(to_p, slow_r.real, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(to_q, slow_r.imag, rtol=1e-3, atol=1e-5)


def test_adagrad_divides_by_the_root_of_all_squares_and_clears():
    table, squares = np.ones((2, 2), np.float32), np.full((2, 2), 3, np.float32)
    g = np.array([[1, 0], [-1, 5]], np.float32)
    adagrad(table, squares, g, np.float32(0.5), 0, 1)
    np.testing.assert_allclose(table, [[0.75, 1], [1.25, 1]], rtol=1e-6)
    assert squares.tolist() == [[4, 3], [4, 3]]
    assert g.tolist() == [[0, 0], [0, 5]]
