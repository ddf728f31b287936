"""The loss, its majorizer and its products without dense arrays, against dense arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand.rescal import weighted_loss

from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.factor.relation_squares import Bilinear, Squares, curvature

N, K, R = 7, 3, 2
RNG = np.random.default_rng(0)


def log(**more):
    held = np.random.default_rng(1).random((K, N, N)) < 0.3
    held[1] = False
    k, h, t = np.nonzero(held)
    values = np.random.default_rng(2).uniform(0.5, 3, len(k)).astype(np.float32)
    made = Relations.from_codes(h, k, t, values, n_entities=N, n_kinds=K)
    return replace(made, **more)


def model(seed, biased):
    rng = np.random.default_rng(seed)
    more = {}
    if biased:
        more = {
            "means": rng.standard_normal(K),
            "heads": rng.standard_normal((K, N)),
            "tails": rng.standard_normal((1, N)),
        }
    w = rng.standard_normal((N, R)).astype(np.float32)
    return Bilinear(factors=w, cores=rng.standard_normal((K, R, R)).astype(np.float32), **more)


def dense(train, weights, rest):
    """x and the weight of every cell, written out."""
    x, w = np.zeros(train.shape), np.full(train.shape, rest)
    if train.observed is not None:
        w[:] = 0
        w.ravel()[train.observed] = rest
    if train.missing is not None:
        w.ravel()[train.missing] = 0
    at = (train.relations, train.heads, train.tails)
    x[at], w[at] = train.strengths(), 1.0 if weights is None else weights
    return x, w


def scores(m):
    found = m.factors @ m.cores @ m.factors.T
    for k in range(K):
        mean, b, c = m.additive(k)
        found[k] += mean + b[:, None] + c
    return found.astype(float)


CASES = {
    "plain": ({}, False, 1.0),
    "weights": ({}, True, 0.5),
    "only triples": ({"only": True}, True, 1.0),
    "some unknown": ({"missing": True}, False, 1.0),
    "some known": ({"observed": True}, False, 0.4),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def task(request):
    how, weighted, rest = request.param
    train = log()
    if "only" in how:
        train = train.only_triples()
    free = np.setdiff1d(np.arange(K * N * N), train.cells)
    if "missing" in how:
        train = replace(train, missing=free[::3])
    if "observed" in how:
        train = replace(train, observed=np.sort(np.concatenate([train.cells, free[::2]])))
    weights = np.random.default_rng(4).uniform(0, 2, len(train)) if weighted else None
    return Squares(train, weights, rest, "RESCAL"), *dense(train, weights, rest)


@pytest.mark.parametrize("biased", [False, True])
def test_loss_is_that_of_every_cell(task, biased):
    cells, x, w = task
    m = model(3, biased)
    cells.refresh(m)
    for at in (m, model(4, biased)):
        gram = at.factors.T.astype(float) @ at.factors
        heads, tails = np.zeros((K, N)), np.zeros((K, N))
        if biased:
            heads, tails = at.heads, np.repeat(at.tails, K, axis=0)
        means = np.zeros(K) if at.means is None else at.means
        wanted = weighted_loss(x, w, at.factors.astype(float), at.cores, means, heads, tails)
        assert cells.loss(at, cells.seen(at), gram) * cells.scale == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("biased", [False, True])
def test_products_are_those_of_the_majorizer(task, biased):
    cells, x, w = task
    old, m = model(3, biased), model(4, biased)
    cells.refresh(old)
    share = w / cells.scale
    target = scores(old) + share * (x - scores(old))
    additive = scores(m) - m.factors.astype(float) @ m.cores @ m.factors.T
    left, f = target - additive, m.factors.astype(float)
    wanted = sum(left[k] @ f @ m.cores[k].T + left[k].T @ f @ m.cores[k] for k in range(K))
    np.testing.assert_allclose(cells.pull(m), wanted, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(cells.seen(m), f.T @ left @ f, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["global", "shared", "own"])
def test_biases_are_the_best_in_turn(task, kind):
    cells, x, w = task
    old = model(3, False)
    if kind != "global":
        old = replace(old, heads=RNG.standard_normal((1 if kind == "shared" else K, N)), tails=None)
    old = replace(old, means=np.zeros(K))
    cells.refresh(old)
    target = scores(old) + w / cells.scale * (x - scores(old))
    left = target - old.factors.astype(float) @ old.cores @ old.factors.T
    found = cells.biased(old, 0.5, kind)

    def cost(m):
        a = np.stack([mean + b[:, None] + c for mean, b, c in map(m.additive, range(K))])
        size = sum(np.square(s).sum() for s in (m.heads, m.tails) if s is not None)
        return ((left - a) ** 2).sum() + 0.5 * size

    assert cost(found) <= cost(old)
    last = "means" if kind == "global" else "tails"  # what was set last, given the rest
    for at in np.ndindex(getattr(found, last).shape):
        for step in (1e-3, -1e-3):
            moved = getattr(found, last).copy()
            moved[at] += step
            assert cost(replace(found, **{last: moved})) > cost(found)


def test_curvature_of_a_diagonal_is_that_of_the_matrix():
    cores = RNG.standard_normal((9, 4, 4)).astype(np.float32)
    diagonal = np.array([3.0, 1.0, 0.5, 0.0])
    np.testing.assert_allclose(
        curvature(cores, diagonal), curvature(cores, np.diag(diagonal)), rtol=1e-4, atol=1e-4
    )


def test_fitted_values_are_kept_for_the_same_model_alone():
    cells = Squares(log(), None, 0.5, "RESCAL")
    m = model(3, False)
    first = cells.fitted(m)
    assert cells.fitted(m) is first
    other = replace(m, cores=2 * m.cores)
    np.testing.assert_allclose(cells.fitted(other), 2 * first, rtol=1e-5)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="not 3 numbers"):
        Squares(log().take([0, 1, 2]), np.ones(2), 1.0, "RESCAL")
