"""A new entity's row against dense least squares, written out cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.relations import Relations
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.factor.rescal import RESCAL

N, K = 8, 2


def test_cells_that_do_not_hold_are_renumbered_and_added():
    log = Relations.from_codes([0, 1, 2], None, [1, 2, 0], [1.0, 0.0, 2.0], n_entities=N)
    model = RESCAL(rank=2, regularization=0.1, epochs=2).fit(log)
    assert model.denied is not None
    assert model.denied.tolist() == [1 * N + 2]
    more = Relations.from_codes([8, 8], None, [1, 3], [-1.0, 1.0], n_entities=9)
    grown = model.with_entities(more)
    assert grown.denied is not None
    assert grown.denied.tolist() == [1 * 9 + 2, 8 * 9 + 1]


def fitted(**more):
    held = np.random.default_rng(0).random((K, N, N)) < 0.4
    k, h, t = np.nonzero(held)
    log = Relations.from_codes(h, k, t, n_entities=N)
    return RESCAL(rank=3, regularization=0.3, core_regularization=0.1, epochs=6, **more).fit(log)


def more_triples(**how):
    return replace(
        Relations.from_codes([8, 8, 2], [0, 1, 1], [1, 3, 8], [2.0, 1.0, 3.0], n_entities=9, n_kinds=K), **how
    )


@pytest.mark.parametrize(
    ("settings", "only"),
    [({}, False), ({"unobserved_weight": 0.3, "biases": "own"}, False), ({"biases": "shared"}, True)],
    ids=["zeros", "weights and biases", "only triples"],
)
def test_a_row_is_the_least_of_its_cells(settings, only):
    model = fitted(**settings)
    more = more_triples()
    grown = model.with_entities(more.only_triples() if only else more)
    w, h = model.entity_factors.astype(float), model.cores.astype(float)
    rest = 0.0 if only else settings.get("unobserved_weight", 1.0)
    system, right = 0.3 * np.eye(3), np.zeros(3)
    values = {
        (a, k, b): v
        for a, k, b, v in zip(more.heads, more.relations, more.tails, more.strengths(), strict=True)
    }
    for k in range(K):
        for other in range(N):
            for cell, z, side in (
                ((8, k, other), h[k] @ w[other], model.tail_bias),
                ((other, k, 8), h[k].T @ w[other], model.head_bias),
            ):
                x, weight = values.get(cell, 0.0), 1.0 if cell in values else rest
                offset = 0.0 if side is None else float(side[k % len(side), other] + model.means[k])
                system += weight * np.outer(z, z)
                right += weight * (x - offset) * z
    np.testing.assert_allclose(grown.entity_factors[8], np.linalg.solve(system, right), rtol=1e-3, atol=1e-4)
    assert grown.entities.to_list() == list(range(9))
    old = {(int(c) // 81, int(c) // 9 % 9, int(c) % 9) for c in grown.cells}
    assert {(k, a, b) for a, k, b in values} <= old
    assert len(old) == len(model.cells) + 3


def test_a_training_entity_given_again_gets_nearly_its_own_row():
    """Its own row is the last step's; the fold solves it with all others as they are, its loop left out."""
    held = np.random.default_rng(0).random((K, N, N)) < 0.4
    k, h, t = np.nonzero(held)
    model = RESCAL(rank=3, regularization=0.3, core_regularization=0.1, epochs=300, tolerance=0.0).fit(
        Relations.from_codes(h, k, t, n_entities=N)
    )
    mine = ((h == 5) | (t == 5)) & (h != t)
    twin = Relations.from_codes(
        np.where(h[mine] == 5, 9, h[mine]),
        k[mine],
        np.where(t[mine] == 5, 9, t[mine]),
        n_entities=10,
        n_kinds=K,
    )
    grown = model.with_entities(replace(twin, entities=twin.entities.take(np.arange(10))))
    a, b = grown.entity_factors[9], model.entity_factors[5]
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9


def test_what_does_not_serve_is_told_at_once():
    strange = Relations.of(heads=[0, 100], relations=[5, 0], tails=[100, 101])
    with pytest.raises(DataError) as error:
        fitted().with_entities(strange)
    assert "1 triples are of relations" in error.value.what
    assert "1 triples stand between two new" in error.value.what


@pytest.mark.parametrize("kind", [pa.string(), pa.uint64(), pa.int32()])
def test_ids_of_another_type_are_taken_as_the_models(kind):
    """The text "1" is the entity 1, not a new one; grown ids are all of the model's type."""
    more = more_triples()
    wanted = fitted().with_entities(more)
    entities = Vocabulary(ids=more.entities.ids.cast(kind))
    grown = fitted().with_entities(
        replace(more, entities=entities, kinds=Vocabulary(ids=more.kinds.ids.cast(kind)))
    )
    assert grown.entities == wanted.entities
    np.testing.assert_array_equal(grown.entity_factors, wanted.entity_factors)
    np.testing.assert_array_equal(grown.cells, wanted.cells)


def test_ids_that_cannot_be_the_models_are_refused():
    names = Relations.of(heads=["ann"], relations=["0"], tails=["1"])
    with pytest.raises(DataError, match="ids of type string are none of the model's, which are int64"):
        fitted().with_entities(names)
    with pytest.raises(DataError, match="none of the model's"):
        fitted().with_entities(replace(more_triples(), kinds=Vocabulary(ids=pa.array(["likes", "knows"]))))
    large = pa.array([2**63 + 1, 1], pa.uint64())
    with pytest.raises(DataError, match="ids of type uint64"):
        fitted().with_entities(Relations.of(heads=large[:1], relations=[0], tails=large[1:]))
    twice = Relations.of(heads=["9", "9"], relations=["0", "0"], tails=["1", "01"])
    with pytest.raises(DataError, match="the same as others"):
        fitted().with_entities(twice)
