"""SymmetricNMF against its slow twin, and on planted communities."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.symmetric_nmf import objective, sweep

from matweave.data.relations import Relations
from matweave.factor.relation_answers import memberships
from matweave.factor.storage import load_relations
from matweave.factor.symmetric_nmf import SymmetricNMF


def planted(size=20, groups=3, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    tied = np.triu(rng.random((len(group),) * 2) < np.where(group[:, None] == group, 0.6, 0.05), 1)
    h, t = np.nonzero(tied | tied.T)
    return group, Relations.from_codes(h, None, t, n_entities=len(group))


@pytest.mark.parametrize("loops", [True, False])
def test_a_directed_weighted_log_is_fitted_as_it_stands(loops):
    """The objective is that of the given cells, both directions and their own weights, not of a symmetric copy."""
    rng = np.random.default_rng(0)
    n, rest, ridge = 6, 0.4, 0.1
    held = rng.random((n, n)) < 0.5
    h, t = np.nonzero(held)
    x, w = np.zeros((n, n)), np.full((n, n), rest)
    x[h, t], weights = rng.uniform(0.5, 3, len(h)), rng.uniform(0.1, 2, len(h))
    w[h, t] = weights
    if not loops:
        w[np.diag_indices(n)] = 0
    log = Relations.from_codes(h, None, t, x[h, t].astype(np.float32), n_entities=n)
    recipe = SymmetricNMF(
        rank=2, epochs=3, regularization=ridge, unobserved_weight=rest, self_loops=loops, tolerance=0.0
    )
    states = []
    model = recipe.fit(
        log, weights=weights, watch=lambda s, _: states.append(s.arrays["entity_factors"].copy())
    )
    for found, value in zip(states, model.history.objective, strict=True):
        assert value == pytest.approx(objective(x, w, found, ridge), rel=1e-5)
    both = (w + w.T) / 2
    mean = (w * x + w.T * x.T) / np.where(both > 0, 2 * both, 1)
    np.testing.assert_allclose(states[1], sweep(mean, both, states[0], ridge), atol=1e-4)


@pytest.mark.parametrize(
    "settings", [{}, {"self_loops": False}, {"unobserved_weight": 0.3, "regularization": 0.1}]
)
def test_planted_communities_are_found(settings):
    group, log = planted()
    found = memberships(SymmetricNMF(rank=3, **settings).fit(log).entity_factors)[0]
    assert sum(np.bincount(found[group == g]).max() for g in range(3)) >= 58


def test_it_ends_where_no_entry_can_be_bettered():
    _, log = planted(size=6)
    model = SymmetricNMF(rank=3, epochs=3000, tolerance=1e-13).fit(log)
    w, x = model.entity_factors.astype(float), log.slices()[0].toarray()
    gradient = 4 * (w @ w.T - x) @ w
    assert np.abs(np.where(w > 1e-6, gradient, np.minimum(gradient, 0))).max() < 1e-2


@pytest.mark.parametrize("loops", [True, False])
def test_a_pair_known_one_way_is_known_both_ways(loops, tmp_path):
    """a and b are friends, said once: neither is a suggestion for the other, asked as head or as tail."""
    friends = Relations.of(heads=["a", "c", "b"], tails=["b", "a", "d"])
    model = SymmetricNMF(rank=2, epochs=20, self_loops=loops).fit(friends)
    model.save(tmp_path)
    for found in (model, load_relations(tmp_path)):
        for entity, unknown in (("a", "ad"), ("b", "bc"), ("c", "bcd"), ("d", "acd")):
            for asked in ({"head": entity}, {"tail": entity}):
                wanted = set(unknown) - (set() if loops else {entity})
                assert set(found.complete(**asked)["entity"].to_pylist()) == wanted
                every = set("abcd") - (set() if loops else {entity})
                assert set(found.complete(**asked, known=True)["entity"].to_pylist()) == every
