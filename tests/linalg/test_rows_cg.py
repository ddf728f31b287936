"""Conjugate gradients: exact in the end, honest about the objective on the way, long rows in parts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from by_hand.ridge_rows import exact, random_problem, value

import matweave.linalg.rows as rows_module
from matweave.errors import ConfigError
from matweave.linalg.rows import RowSystems
from matweave.linalg.rows_cg import ConjugateGradient
from matweave.linalg.vectors import Vectors


def solve(p, steps, *, biased=False):
    systems = RowSystems(
        p.indptr, p.indices, len(p.other), weights=1.0 if biased else p.weights, targets=p.targets
    )
    bias = (p.other_bias, np.zeros(len(p.start))) if biased else (None, None)
    other, own = Vectors.of(p.other, bias[0]), Vectors.of(p.start, bias[1])
    f = ConjugateGradient(steps=steps).step(
        systems, other, own, ridge=p.ridge, shared=p.gram, bias_ridge=p.bias_ridge if biased else None
    )
    return own, other, f


@pytest.mark.parametrize("long_rows", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("biased", [False, True])
def test_enough_steps_are_exact(monkeypatch, biased, weight, long_rows):
    if long_rows:  # a tile of eight vectors
        monkeypatch.setattr(rows_module, "_TILE", 256)
    p = random_problem(0, weight=weight, unit_weights=biased)
    own, other, f = solve(p, 60, biased=biased)
    vectors, biases, least = exact(p, biased=biased)
    np.testing.assert_allclose(own.array @ other.array.T, vectors @ p.other.T, atol=2e-3)
    assert f == pytest.approx(least, rel=1e-4)
    if biased:
        assert own.bias is not None
        np.testing.assert_allclose(own.bias[:-1], biases, atol=2e-3)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_objective_answered_is_that_of_the_vectors_left(steps, weight):
    p = random_problem(1, weight=weight)
    own, other, f = solve(p, steps)
    p.other = other.array.astype(np.float64)  # rotated, as the vectors are
    assert f == pytest.approx(value(p, own.array.astype(np.float64)), rel=1e-4)


def test_every_step_lowers_the_objective():
    p = random_problem(2)
    values = [value(p, p.start), *(solve(p, steps)[2] for steps in range(1, 8))]
    assert all(b < a for a, b in itertools.pairwise(values))


def test_two_steps_beat_two_plain_steps():
    """The basis is worth its rotation: closer to the optimum than textbook CG without it."""
    p = random_problem(3, rank=20)
    p.other *= np.geomspace(3, 0.03, 20)  # a spectrum as factors have
    _, _, least = exact(p)
    plain = 0.0
    for u in range(len(p.ridge)):
        cut = slice(p.indptr[u], p.indptr[u + 1])
        t, a, b = p.other[p.indices[cut]], p.weights[cut], p.targets[cut]
        matrix = t.T @ (a[:, None] * t) + p.gram + p.ridge[u] * np.eye(20)
        x, right = p.start[u].copy(), t.T @ b
        r = right - matrix @ x
        d = r.copy()
        for _ in range(2):
            step = (r @ r) / (d @ matrix @ d)
            x, new = x + step * d, r - step * matrix @ d
            d, r = new + (new @ new) / (r @ r) * d, new
        plain += x @ matrix @ x - 2 * right @ x
    assert solve(p, 2)[2] - least < 0.5 * (plain - least)


def test_an_empty_row_shrinks_to_zero_and_no_step_is_refused():
    own, _, _ = solve(random_problem(4), 30)
    assert np.abs(own.array[1]).max() < 1e-4  # its optimum; it began elsewhere
    with pytest.raises(ConfigError, match="steps"):
        ConjugateGradient(steps=0)


def test_not_a_number_is_not_hidden():
    p = random_problem(5)
    p.targets[0] = np.nan
    own, _, f = solve(p, 2)
    assert np.isnan(f)
    assert np.isfinite(own.array[2:]).all()


def test_lost_vectors_answer_not_a_number():
    p = random_problem(6)
    p.other[3, 3] = np.inf
    p.weight = 0.0
    assert np.isnan(solve(p, 2)[2])
