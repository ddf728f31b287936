"""The shared epoch: the step for W against the slow one, the halving, and the first vectors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence

from matweave.data.relations import Relations
from matweave.factor.relation_als import bilinear, nvecs, single
from matweave.factor.relation_squares import Squares
from matweave.factor.rescal import RESCAL, _Task


def log(n=30, kinds=2, seed=0):
    held = np.random.default_rng(seed).random((kinds, n, n)) < 0.2
    k, h, t = np.nonzero(held)
    return Relations.from_codes(h, k, t, n_entities=n)


def test_first_vectors_are_eigenvectors_by_both_ways(monkeypatch):
    cells = Squares(log(), None, 1.0, "RESCAL")
    whole = nvecs(cells, 4, np.random.default_rng(0))
    both = sum((x + x.T).toarray() for x in log().slices())
    values = np.sort(np.abs(np.linalg.eigvalsh(both)))[::-1]
    np.testing.assert_allclose(np.linalg.norm(both @ whole, axis=0), values[:4], rtol=1e-4)
    monkeypatch.setattr("matweave.factor.relation_als._DENSE", 5)
    few = nvecs(cells, 4, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs((few * whole).sum(axis=0)), 1, rtol=1e-4)
    assert np.linalg.matrix_rank(nvecs(cells, 33, np.random.default_rng(0))) == 30


def flows(n=30, kinds=2, rank=2, seed=0):
    """Net flows of each relation, over all cells: what a gives b, b takes from a."""
    a, b = np.random.default_rng(seed).standard_normal((2, kinds, n, rank))
    x = a @ b.transpose(0, 2, 1) - b @ a.transpose(0, 2, 1)
    k, h, t = np.nonzero(x)
    return x.astype(np.float32), Relations.from_codes(h, k, t, x[k, h, t].astype(np.float32), n_entities=n)


def test_where_the_sum_is_zero_they_are_those_of_the_squares_by_both_ways(monkeypatch):
    x, log = flows()
    cells = Squares(log, None, 1.0, "RESCAL")
    whole = nvecs(cells, 8, np.random.default_rng(0)).astype(float)
    values, vectors = np.linalg.eigh(2 * sum(one.astype(float) @ one.T for one in x))
    np.testing.assert_allclose(whole @ whole.T, vectors[:, -8:] @ vectors[:, -8:].T, atol=1e-4)
    assert values[-8] > 1e-3 * values[-1]  # all 2 x 4 of the planted directions
    assert values[-9] < 1e-6 * values[-1]
    monkeypatch.setattr("matweave.factor.relation_als._DENSE", 5)
    few = nvecs(cells, 8, np.random.default_rng(0)).astype(float)
    np.testing.assert_allclose(few @ few.T, whole @ whole.T, atol=1e-4)


@pytest.mark.parametrize("most", [5, 1000])
def test_values_of_nothing_but_zero_start_from_small_random_numbers(most, monkeypatch):
    monkeypatch.setattr("matweave.factor.relation_als._DENSE", most)
    log = Relations.from_codes([0, 1], None, [1, 2], [0.0, 0.0], n_entities=30)
    found = nvecs(Squares(log, None, 1.0, "RESCAL"), 4, np.random.default_rng(0))
    assert 0.005 < found.std() < 0.02
    assert np.linalg.matrix_rank(found) == 4


def test_what_arpack_did_not_find_is_not_waited_for(monkeypatch):
    cells = Squares(log(), None, 1.0, "RESCAL")
    whole = nvecs(cells, 4, np.random.default_rng(0))
    monkeypatch.setattr("matweave.factor.relation_als._DENSE", 5)
    asked = []

    def stops(matrix, k, which, v0):
        asked.append(matrix.shape)
        if len(asked) < 2:
            raise ArpackError(-9)
        raise ArpackNoConvergence("only %s", np.array([2.0]), whole[:, :1].astype(float))

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", stops)
    found = nvecs(cells, 4, np.random.default_rng(0))
    assert asked == [(30, 30), (30, 30)]
    np.testing.assert_array_equal(found[:, 0], whole[:, 0])
    assert 0.005 < found[:, 1:].std() < 0.02


def test_a_step_that_would_raise_the_objective_is_halved(monkeypatch):
    recipe = RESCAL(rank=3, regularization=0.1, core_regularization=0.1, init="random")
    task = _Task(recipe, log(), None)
    arrays, first = task.epoch(0, task.start())
    toward, tried = task._toward, []

    def too_far(model):
        return model.factors + 50 * (toward(model) - model.factors)

    cores = task.cores
    monkeypatch.setattr(task, "_toward", too_far)
    monkeypatch.setattr(task, "cores", lambda *a: tried.append(1) or cores(*a))
    _, then = task.epoch(1, arrays)
    assert len(tried) > 2
    assert then < first


def test_where_no_step_helps_all_stays_as_it_was(monkeypatch):
    task = _Task(RESCAL(rank=3, init="random"), log(), None)
    arrays, _ = task.epoch(0, task.start())
    arrays["value"][:] = -1.0  # nothing is as low
    kept, value = task.epoch(1, arrays)
    assert kept is arrays
    assert value == -1.0


def test_arrays_and_models_are_the_same_thing():
    arrays = {"entity_factors": np.ones((3, 2)), "cores": np.ones((1, 2, 2)), "means": np.ones(1)}
    assert bilinear(arrays).means is arrays["means"]
    made = single(arrays, "means")
    assert made is not None
    assert made.dtype == np.float32
    assert made is not arrays["means"]
    assert bilinear(arrays).additive(0)[0] == pytest.approx(1.0)
