"""RESCAL against its slow twin, on planted relations, and on kinships."""

from __future__ import annotations

import gzip
from itertools import pairwise

import numpy as np
import pytest
from by_hand.rescal import objective, step_cores, step_factors

from matweave.data.relations import Relations
from matweave.factor.rescal import RESCAL


def small(n=9, kinds=3, seed=0):
    rng = np.random.default_rng(seed)
    k, h, t = np.nonzero(rng.random((kinds, n, n)) < 0.35)
    values = rng.uniform(0.5, 2, len(k)).astype(np.float32)
    return Relations.from_codes(h, k, t, values, n_entities=n)


def dense(log):
    return np.stack([x.toarray() for x in log.slices()]).astype(float)


def planted(n=40, rank=3, kinds=4, seed=0):
    rng = np.random.default_rng(seed)
    w, h = rng.standard_normal((n, rank)), rng.standard_normal((kinds, rank, rank))
    x = w @ h @ w.T
    k, a, b = np.indices(x.shape).reshape(3, -1)
    return x, Relations.from_codes(a, k, b, x.ravel().astype(np.float32), n_entities=n)


def test_epochs_are_those_of_the_paper():
    """The factors turn, the scores do not: start, then each epoch from the state before."""
    log, x = small(), dense(small())
    recipe = RESCAL(rank=4, regularization=0.7, core_regularization=0.4, epochs=4, tolerance=0.0)
    states = []
    recipe.fit(log, watch=lambda state, _: states.append({n: a.copy() for n, a in state.arrays.items()}))
    for (before, after), value in zip(pairwise(states), recipe.fit(log).history.objective[1:], strict=True):
        w = step_factors(x, before["entity_factors"].astype(float), before["cores"].astype(float), 0.7)
        h = step_cores(x, w, 0.4)
        found = after["entity_factors"] @ after["cores"] @ after["entity_factors"].T
        np.testing.assert_allclose(found, w @ h @ w.T, rtol=1e-3, atol=1e-4)
        assert value == pytest.approx(objective(x, w, h, 0.7, 0.4), rel=1e-5)


def test_the_columns_are_orthogonal_and_the_longest_come_first():
    gram = (w := RESCAL(rank=4, epochs=5, regularization=0.1).fit(small()).entity_factors).T @ w
    assert np.all(np.diff(np.diag(gram)) <= 0)
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-4)


def test_a_planted_tensor_is_found():
    x, log = planted()
    model = RESCAL(rank=3, regularization=1e-6, core_regularization=1e-6, epochs=300, tolerance=1e-9).fit(log)
    found = np.stack([model.scores(k) for k in range(4)])
    assert np.abs(found - x).max() < 0.02 * x.std()


def test_unknown_cells_are_found_from_the_known_ones():
    x, log = planted()
    out = np.random.default_rng(1).random(x.size) < 0.2
    known = log.take(~out).only_triples()
    model = RESCAL(
        rank=3, regularization=1e-4, core_regularization=1e-4, epochs=400, tolerance=1e-8, init="random"
    ).fit(known)
    found = np.stack([model.scores(k) for k in range(4)]).ravel()
    assert np.sqrt(np.mean((found - x.ravel())[out] ** 2)) < 0.05 * x.std()


def test_planted_biases_are_found():
    x, _ = planted(seed=2)
    rng = np.random.default_rng(3)
    b, c = 3 * rng.standard_normal((40, 1)), 2 * rng.standard_normal(40)
    x = x + 5 + b + c
    k, h, t = np.indices(x.shape).reshape(3, -1)
    log = Relations.from_codes(h, k, t, x.ravel().astype(np.float32), n_entities=40)
    settings = {"regularization": 1e-3, "core_regularization": 1e-3, "epochs": 300, "tolerance": 1e-8}
    model = RESCAL(rank=3, biases="shared", bias_regularization=1e-3, **settings).fit(log)
    found = np.stack([model.scores(k) for k in range(4)])
    assert np.sqrt(np.mean((found - x) ** 2)) < 0.05 * x.std()
    assert np.corrcoef(model.head_bias[0], b[:, 0])[0, 1] > 0.9


@pytest.mark.slow
@pytest.mark.data
def test_one_fold_of_kinships_is_completed_as_published(real_data):
    from sklearn.metrics import average_precision_score

    with gzip.open(real_data / "kinships" / "alyawarra_tensor.csv.gz") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int)
    log = Relations.from_codes(rows[:, 1], rows[:, 0], rows[:, 2])
    fold = np.random.default_rng(0).permutation(np.prod(log.shape))[:28_121]
    model = RESCAL(rank=100).fit(log.take(~np.isin(log.cells, fold)))
    heads, kinds, tails = log.places(fold)
    scores = model.cell_scores(heads, kinds, tails, scaled=True)
    assert average_precision_score(np.isin(fold, log.cells), scores) > 0.93
