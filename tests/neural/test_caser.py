"""Caser by hand in float64: convolutions, loss, padding, users and strangers; planted order, init, gradients."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import caser as by_hand
from by_hand.sequences import (
    drawn_rows,
    histories,
    learned,
    tensors,
    walks,
    weights_of,
    widened,
    without_gradient,
)

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.factor.blend import blended
from matweave.neural.caser import Caser, CaserStructure
from matweave.neural.windows import Windows

N, LENGTH = 15, 4
ROWS = drawn_rows([3, 9, 1, 6, 4], N)


def net(**more):
    shape = dict(items=N, users=len(ROWS), rank=5, length=LENGTH, horizontal=3, vertical=2, dropout=0.5)
    made = CaserStructure(**shape | {"embedding_rank": None} | more)
    return made, widened(made.build())


def padded(row):
    return [None] * max(0, LENGTH - len(row)) + row[-LENGTH:]


def test_images_and_users_are_the_papers():
    structure, module = net()
    w = weights_of(module)
    seen = histories(*ROWS, n_items=N)
    known = module.encode(*tensors(structure.inputs(seen, np.arange(len(ROWS))))).detach().numpy()
    strange = module.encode(*tensors(structure.inputs(seen, None))).detach().numpy()
    for user, row in enumerate(ROWS):
        z = by_hand.image(padded(row), w, horizontal=3, vertical=2)
        np.testing.assert_allclose(known[user], [*z, *w["users.weight"][user]], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(strange[user], [*z, *w["users.weight"].mean(0)], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("targets", [1, 3])
def test_the_loss_is_the_papers(targets):
    _, module = net()
    w = weights_of(module)
    made = Windows(
        histories(*ROWS, n_items=N), length=LENGTH, targets=targets, negatives=2, batch_size=99, seed=0
    )
    batch = made.batch(0, 0)
    items, users, after, wrong = (t.tolist() for t in batch)
    assert any(-1 in mine for mine in after) == (targets > 2)
    rows = [
        np.concatenate(
            [
                by_hand.image([None if j == N else j for j in image], w, horizontal=3, vertical=2),
                w["users.weight"][user],
            ]
        )
        for image, user in zip(items, users, strict=True)
    ]
    assert module.loss(batch).item() == pytest.approx(by_hand.loss(rows, w, after, wrong))


@pytest.mark.parametrize("rank", [None, 2])
def test_the_gradient_reaches_every_weight(rank):
    _, module = net(embedding_rank=rank)
    made = Windows(histories(*ROWS, n_items=N), length=LENGTH, targets=2, negatives=2, batch_size=99, seed=0)
    assert without_gradient(module, module.loss(made.batch(0, 0))) == []


def test_a_planted_order_is_learned():
    recipe = Caser(
        rank=16, length=4, targets=1, dropout=0.1, epochs=10, learning_rate=0.01, batch_size=64, device="cpu"
    )
    assert learned(recipe) > 0.9


def test_grown_histories_keep_the_users_own_vectors():
    log = walks(users=20)
    model = Caser(rank=6, horizontal=2, epochs=1, device="cpu").fit(log)
    codes = np.array([3, 11])
    own = model.known(codes).factors
    assert model.grown(log.histories.rows(codes), codes).factors.tobytes() == own.tobytes()
    strangers = model.fold_in(log.histories.rows(codes)).factors
    np.testing.assert_allclose(strangers[:, :6], own[:, :6], rtol=1e-5, atol=1e-6)
    assert (strangers[0, 6:] == strangers[1, 6:]).all()


def test_training_users_keep_their_vectors_when_judged_with_known_histories():
    """The same history told again changes no number, whole, among some items, and in a blend."""
    log = walks(users=20)
    split = mw.split_leave_last_out(log, valid=0)
    model = Caser(rank=6, horizontal=2, epochs=2, device="cpu").fit(split.train)
    blend = blended([model, mw.Popularity().fit(split.train)], [0.7, 0.3])
    half = split.train.items.to_list()[::2]
    for asked, among in ((model, None), (model, half), (blend, None)):
        plain, told = (
            mw.evaluate(asked, split.test, metrics=["ndcg@5", "mrr@5"], known=known, among=among).metrics
            for known in (None, split.train)
        )
        assert {n: m.mean for n, m in told.items()} == {n: m.mean for n, m in plain.items()}
    drawn = mw.draw_candidates(split.train, split.test, 3, seed=0)
    plain, told = (
        mw.evaluate(model, split.test, metrics=["ndcg@2"], candidates=drawn, known=known).metrics
        for known in (None, split.train)
    )
    assert told["ndcg@2"].mean == plain["ndcg@2"].mean


def test_init_gives_the_scores_before_the_first_step():
    log = mw.simulate_log(users=60, items=40, interactions=700, seed=0).log
    base = mw.ImplicitALS(rank=8, epochs=4, seed=0).fit(log)
    everyone = np.arange(log.n_users)
    recipe = Caser(rank=8, horizontal=2, epochs=1, learning_rate=1e-9, device="cpu")
    started = recipe.fit(log, init=base)
    found, wanted = (m.scores(m.known(everyone)) for m in (started, base))
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99
    cold = recipe.fit(log)
    assert abs(np.corrcoef(cold.scores(cold.known(everyone)).ravel(), wanted.ravel())[0, 1]) < 0.3


def test_a_log_of_single_items_trains_nothing():
    log = Interactions.from_codes([0, 1, 2], [0, 1, 1], times=[3, 2, 1])
    model = Caser(rank=4, horizontal=2, epochs=2, device="cpu").fit(log)
    assert (model.history.epoch, model.history.objective) == (0, ())
    assert model.recommend(k=1).num_rows == 3
