"""ComplEx against its slow twin, on planted rotations, and on kinships."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from by_hand.compl_ex import adagrad, gradient, loss

from matweave.data.relations import Relations
from matweave.factor.compl_ex import ComplEx, _Task
from matweave.randomness import child


def ring(n=12):
    """next: a -> a + 1, two: a -> a + 2, on a ring; asymmetric, and a rotation each."""
    a = np.arange(n)
    return Relations.from_codes(
        np.tile(a, 2), np.repeat([0, 1], n), np.concatenate([(a + 1) % n, (a + 2) % n])
    )


@pytest.mark.parametrize("reciprocal", [True, False])
def test_an_epoch_is_that_of_the_paper(reciprocal):
    log, strength, rate, size = ring(6), 0.03, 0.1, 7
    weights = np.linspace(0.5, 2, len(log))
    recipe = ComplEx(
        rank=3,
        epochs=1,
        batch_size=size,
        regularization=strength,
        learning_rate=rate,
        reciprocal=reciprocal,
        init_scale=0.5,
    )
    start = _Task(recipe, log, None).start()
    e = start["entity_factors"][:, :3] + 1j * start["entity_factors"][:, 3:].astype(complex)
    r = start["real"] + 1j * start["imaginary"].astype(complex)
    h, k, t, m = log.heads, log.relations, log.tails, len(log)
    examples = [(h[i], k[i], False, t[i], weights[i]) for i in range(m)]
    examples += [(t[i], k[i] + 2 * reciprocal, not reciprocal, h[i], weights[i]) for i in range(m)]
    order = child(0, "compl_ex", "order", 0).permutation(2 * m)
    squares, told = [np.zeros_like(e), np.zeros_like(r)], 0.0
    for low in range(0, 2 * m, size):
        batch = [examples[i] for i in order[low : low + size]]
        told += loss(e, r, batch, strength) * len(batch)
        moves = gradient(e, r, batch, strength)
        for table, kept, g in zip((e, r), squares, moves, strict=True):
            adagrad(table, kept, g, rate)
    model = recipe.fit(log, weights=weights)
    np.testing.assert_allclose(
        model.entity_factors, np.concatenate([e.real, e.imag], 1), rtol=2e-3, atol=2e-4
    )
    np.testing.assert_allclose(model.core.real, r.real[:2], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(model.core.imaginary, r.imag[:2], rtol=2e-3, atol=2e-4)
    assert model.history.objective[0] == pytest.approx(told / (2 * weights.sum()), rel=1e-4)


@pytest.mark.parametrize("reciprocal", [True, False])
def test_a_ring_is_learned_in_both_directions(reciprocal):
    log = ring()
    model = ComplEx(rank=8, epochs=120, batch_size=16, regularization=1e-3, reciprocal=reciprocal).fit(log)
    assert np.array_equal(model.tail_scores(log.heads, log.relations).argmax(axis=1), log.tails)
    assert np.array_equal(model.head_scores(log.relations, log.tails).argmax(axis=1), log.heads)
    assert (model.reverse is not None) == reciprocal


def test_the_order_of_an_epoch_is_drawn_anew():
    model = [ComplEx(rank=4, epochs=2, seed=s).fit(ring()) for s in (0, 1)]
    assert model[0].history.objective != model[1].history.objective


@pytest.mark.slow
@pytest.mark.data
def test_links_of_kinships_are_found_as_published(real_data):
    rows = []
    for name in ("train", "valid", "test"):
        with gzip.open(real_data / "kinships" / f"{name}.txt.gz", "rt") as file:
            rows.append(np.array([line.split("\t") for line in file.read().strip().split("\n")]))
    every = np.concatenate(rows)
    log = Relations.of(heads=every[:, 0], relations=every[:, 1], tails=every[:, 2])
    known = np.zeros(log.shape, bool)
    known[log.relations, log.heads, log.tails] = True
    test = log.take(np.arange(len(rows[0]) + len(rows[1]), len(log)))
    model = ComplEx(rank=64, epochs=15).fit(log.take(np.arange(len(rows[0]))))
    h, k, t = test.heads, test.relations, test.tails
    found = []
    for scores, truth, others in (
        (model.tail_scores(h, k), t, known[k, h]),
        (model.head_scores(k, t), h, known[k, :, t]),
    ):
        mine = scores[np.arange(len(truth)), truth]
        rivals = np.where(others, -np.inf, scores)
        found.append(1 / (1 + (rivals > mine[:, None]).sum(axis=1)))
    assert np.mean(found) > 0.80
