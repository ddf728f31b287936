"""DEDICOM against its slow twin, and on planted roles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from by_hand.dedicom import best_core, objective, step_factors

from matweave.data.relations import Relations
from matweave.factor.dedicom import DEDICOM
from matweave.factor.rescal import RESCAL


def all_cells(x):
    k, h, t = np.indices(x.shape).reshape(3, -1)
    return Relations.from_codes(h, k, t, x.ravel().astype(np.float32), n_entities=x.shape[1])


def planted(kinds, n=20, rank=3, seed=0):
    """Roles of positive weight, and relations that count them differently."""
    rng = np.random.default_rng(seed)
    w, core = rng.uniform(0, 1, (n, rank)), rng.standard_normal((rank, rank))
    d = rng.uniform(0.5, 2, (kinds, rank)) if kinds > 1 else np.ones((1, rank))
    m = d[:, :, None] * core * d[:, None, :]
    return w @ m @ w.T, w, core, d


@pytest.mark.parametrize("kinds", [1, 3])
def test_epochs_are_those_of_the_paper(kinds):
    x = np.random.default_rng(1).standard_normal((kinds, 8, 8))
    recipe = DEDICOM(rank=3, regularization=0.5, epochs=5, tolerance=0.0, init="random")
    states = []
    fitted = recipe.fit(
        all_cells(x), watch=lambda s, _: states.append({n: a.copy() for n, a in s.arrays.items()})
    )
    for (before, after), value in zip(pairwise(states), fitted.history.objective[1:], strict=True):
        wide = {name: array.astype(float) for name, array in before.items()}
        core, scales = wide["core"], wide["scales"]
        w = step_factors(x, wide["entity_factors"], core, scales, 0.5)
        h = best_core(x, w, scales, 0.5)
        found = after["entity_factors"]
        if np.allclose(found, w, rtol=1e-2, atol=1e-3):  # the step was not halved
            np.testing.assert_allclose(after["core"], h, rtol=1e-2, atol=1e-3)
        mine = objective(x, found.astype(float), after["core"], after["scales"], 0.5)
        assert value == pytest.approx(mine, rel=1e-4)
        assert value <= objective(x, w, h, scales, 0.5) * (1 + 1e-4) or not np.allclose(found, w, atol=1e-3)


@pytest.mark.parametrize("kinds", [1, 4])
def test_planted_roles_are_found(kinds):
    x, _, _, d = planted(kinds)
    model = DEDICOM(rank=3, regularization=1e-5, epochs=250, tolerance=1e-6).fit(all_cells(x))
    found = np.stack([model.scores(k) for k in range(kinds)])
    assert np.sqrt(np.mean((found - x) ** 2)) < 0.03 * x.std()
    if kinds == 1:
        assert d.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("kinds", [1, 3])
@pytest.mark.parametrize("rank", [8, 36])
@pytest.mark.parametrize(
    "make", [DEDICOM, lambda **how: RESCAL(core_regularization=0.0, **how)], ids=["DEDICOM", "RESCAL"]
)
def test_a_rank_above_that_of_the_relations_needs_no_penalty(kinds, rank, make):
    x = planted(kinds, n=40)[0]
    model = make(rank=rank, regularization=0.0, epochs=30, tolerance=0.0).fit(all_cells(x))
    found = np.stack([model.scores(k) for k in range(kinds)]).astype(float)
    left = float(np.square(found - x).sum())
    assert left < 1e-3 * np.square(x).sum()
    assert model.history.objective[-1] == pytest.approx(left, abs=1e-4 * np.square(x).sum())


def test_three_way_components_are_the_planted_ones():
    """With several relations W is unique up to scale and order, which two-way DEDICOM is not."""
    x, w, _, _ = planted(6, seed=3)
    model = DEDICOM(rank=3, regularization=1e-6, epochs=800, tolerance=1e-10).fit(all_cells(x))
    cosine = np.abs(w.T @ model.entity_factors) / np.outer(
        np.linalg.norm(w, axis=0), np.linalg.norm(model.entity_factors, axis=0)
    )
    assert sorted(cosine.argmax(axis=1).tolist()) == [0, 1, 2]
    assert cosine.max(axis=1).min() > 0.99


def test_one_relation_keeps_its_scales_at_one():
    model = DEDICOM(rank=2, epochs=3).fit(all_cells(np.random.default_rng(0).random((1, 6, 6))))
    assert model.cores.shape == (1, 2, 2)


@pytest.mark.parametrize("make", [DEDICOM, lambda **how: RESCAL(core_regularization=1e-6, **how)])
def test_planted_net_flows_of_many_are_found(make):
    """Skew-symmetric: X + Xᵀ is zero, and the start is that of X Xᵀ."""
    n, some = 1200, 50
    a, b = np.random.default_rng(0).standard_normal((2, some, 2))
    x = a @ b.T - b @ a.T
    h, t = np.nonzero(x)
    log = Relations.from_codes(h, None, t, x[h, t].astype(np.float32), n_entities=n)
    model = make(rank=4, regularization=1e-6, epochs=20).fit(log)
    found = model.scores(0)
    np.testing.assert_allclose(found[:some, :some], x, atol=1e-2 * x.std())
    assert np.abs(found[some:]).max() < 1e-2 * x.std()
    np.testing.assert_allclose(model.cores[0], -model.cores[0].T, atol=1e-2 * np.abs(model.cores).max())
