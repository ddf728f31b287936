"""TriFactorization against its slow twin, and on planted communities that relate to each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from by_hand.tri_factorization import objective, step

from matweave.data.relations import Relations
from matweave.factor.relation_answers import memberships
from matweave.factor.tri_factorization import TriFactorization


def small(n=8, kinds=2, seed=0):
    rng = np.random.default_rng(seed)
    k, h, t = np.nonzero(rng.random((kinds, n, n)) < 0.5)
    return Relations.from_codes(h, k, t, rng.uniform(0.5, 2, len(k)).astype(np.float32), n_entities=n)


def dense(log):
    return np.stack([x.toarray() for x in log.slices()]).astype(float)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_epochs_are_those_of_the_twin(orthogonal):
    log, x = small(), dense(small())
    ridges = (0.0, 0.0) if orthogonal else (0.3, 0.2)
    recipe = TriFactorization(
        rank=3,
        epochs=6,
        regularization=ridges[0],
        core_regularization=ridges[1],
        orthogonal=orthogonal,
        tolerance=0.0,
    )
    states = []
    fitted = recipe.fit(log, watch=lambda s, _: states.append({n: a.copy() for n, a in s.arrays.items()}))
    for (before, after), value in zip(pairwise(states), fitted.history.objective[1:], strict=True):
        w, h = before["entity_factors"].astype(float), before["cores"].astype(float)
        tried = [step(x, w, h, p, *ridges, orthogonal) for p in (0.5, 0.25)]
        nearest = min(tried, key=lambda made: np.abs(made[0] - after["entity_factors"]).max())
        np.testing.assert_allclose(after["entity_factors"], nearest[0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(after["cores"], nearest[1], rtol=1e-3, atol=1e-5)
        assert value == pytest.approx(objective(x, *nearest, *ridges), rel=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_a_quarter_never_raises_the_objective(seed):
    rng = np.random.default_rng(seed)
    x, w, h = rng.random((2, 6, 6)) ** 4, rng.random((6, 3)) ** 3, rng.random((2, 3, 3)) ** 3
    before = objective(x, w, h, 0.1, 0.1)
    moved = step(x, w, h, 0.25, 0.1, 0.1)[0]
    assert objective(x, moved, h, 0.1, 0.1) <= before * (1 + 1e-12)


@pytest.mark.parametrize("settings", [{}, {"orthogonal": True}, {"unobserved_weight": 0.5}])
def test_planted_communities_and_who_leads_to_whom_are_found(settings):
    """A cycle: each group points to the next one, in one relation, and to itself in the other."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(3), 20)
    ahead = (group[:, None] + 1) % 3 == group
    chance = np.stack([np.where(ahead, 0.6, 0.03), np.where(group[:, None] == group, 0.6, 0.03)])
    k, h, t = np.nonzero(rng.random(chance.shape) < chance)
    log = Relations.from_codes(h, k, t, n_entities=60)
    model = TriFactorization(rank=3, epochs=500, tolerance=1e-7, **settings).fit(log)
    found = memberships(model.entity_factors)[0]
    assert sum(np.bincount(found[group == g]).max() for g in range(3)) >= 58
    place = [int(np.bincount(found[group == g]).argmax()) for g in range(3)]
    cores = model.cores
    for g in range(3):
        assert cores[0][place[g]].argmax() == place[(g + 1) % 3]
        assert cores[1][place[g]].argmax() == place[g]


def test_orthogonal_components_hardly_overlap():
    log = small(n=12)
    loose, tight = (
        TriFactorization(rank=3, epochs=300, tolerance=0.0, orthogonal=o).fit(log).entity_factors
        for o in (False, True)
    )

    def overlap(w):
        w = w / np.linalg.norm(w, axis=0)
        return np.abs(w.T @ w - np.eye(3)).max()

    assert overlap(tight) < 0.3 < overlap(loose) or overlap(tight) < overlap(loose)
