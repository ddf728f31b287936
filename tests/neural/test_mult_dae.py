"""MultDAE: by hand in float64, its start, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import mult_vae as by_hand

import matweave as mw
from matweave.data.csr import Csr
from matweave.errors import ConfigError
from matweave.neural.mult_dae import MultDAE, MultDAEStructure, dense_layers
from matweave.neural.starting import start_from
from matweave.neural.user_rows import Bags, UserRows

SMALL = {"rank": 6, "hidden": 10, "layers": 1, "batch_size": 40, "learning_rate": 0.01, "device": "cpu"}


@pytest.fixture(scope="module")
def log():
    return mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("rank", [None, 2])
def test_the_loss_is_that_of_the_paper(log, layers, rank):
    rows = log.by_user
    module = MultDAEStructure(
        items=log.n_items, rank=6, hidden=10, layers=layers, embedding_rank=rank
    ).build()
    counts, codes, *kept = UserRows(rows, batch_size=30, drop=0.4, seed=2).batch(0, 1)
    x, mask = (
        by_hand.dense(counts, codes),
        by_hand.dense(torch.diff(torch.cat([kept[1], torch.tensor([len(kept[0])])])), kept[0]),
    )
    h = by_hand.tanh_layers(by_hand.thinned(x, mask, 0.4), by_hand.layers_of(module, "first", "between"))
    ((table, bias),) = by_hand.layers_of(module, "last")
    loss = module.last.loss(module.hidden(counts, Bags(*kept), 0.6), counts, codes)
    assert loss.item() == pytest.approx(by_hand.negative_likelihood(x, h @ table.T + bias), rel=1e-5)
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_served_row_is_the_whole_history_without_dropout(log):
    model = MultDAE(epochs=2, **SMALL).fit(log)
    module = model.module()
    x = log.by_user.scipy().toarray() != 0
    h = by_hand.tanh_layers(
        by_hand.thinned(x.astype(float), np.ones_like(x), 0.0), by_hand.layers_of(module, "first", "between")
    )
    np.testing.assert_allclose(model.known(np.arange(150)).factors, h, atol=1e-5)
    np.testing.assert_allclose(
        model.scores(model.fold_in(log.by_user)), h @ model.item_factors.T + model.item_bias, atol=1e-4
    )


def test_softmax_of_the_scores_tells_the_next_item_better_than_popularity():
    made = mw.simulate_log(users=600, items=80, interactions=9000, rank=3, shape="clicks", seed=1).log
    split = mw.split_by_user(made, 150, 0, seed=0)
    model = MultDAE(epochs=40, weight_decay=0.0, dropout=0.3, **SMALL).fit(split.train)
    popular = mw.Popularity().fit(split.train)
    found, base = (
        mw.evaluate(m, split.test, known=split.test_known, metrics=["ndcg@10"]).metrics["ndcg@10"].mean
        for m in (model, popular)
    )
    assert found > base * 1.1
    losses = model.history.objective
    assert losses[-1] < losses[0]


def test_both_tables_start_from_the_factors_of_another_model(log):
    init = mw.PureSVD(rank=10).fit(log)
    recipe = MultDAE(epochs=1, **{**SMALL, "learning_rate": 1e-12})
    model = recipe.fit(log, init=init)
    cosine = by_hand.angles(model.item_factors, start_from(init, log.users, log.items, 10, seed=0).items)
    assert cosine > 0.999
    module = model.module()
    assert (
        by_hand.angles(
            module.first.table.whole().detach().numpy(),
            start_from(init, log.users, log.items, 10, seed=0).items,
        )
        > 0.999
    )
    cold = recipe.fit(log)
    assert by_hand.angles(cold.item_factors, start_from(init, log.users, log.items, 10, seed=0).items) < 0.9
    assert model.item_factors.std() == pytest.approx(cold.item_factors.std(), rel=0.1)


def test_a_start_without_factors_is_refused(log):
    with pytest.raises(ConfigError, match="no factors"):
        MultDAE(epochs=1, **SMALL).fit(log, init=mw.Popularity().fit(log))


def test_weight_decay_shrinks_the_weights_and_not_the_biases(log):
    plain, decayed = (MultDAE(epochs=8, weight_decay=d, **SMALL).fit(log) for d in (0.0, 0.1))
    assert np.linalg.norm(decayed.item_factors) < 0.5 * np.linalg.norm(plain.item_factors)
    assert np.abs(decayed.item_bias).max() > 0.5 * np.abs(plain.item_bias).max()


def test_a_low_rank_model_keeps_thin_items(log):
    model = MultDAE(epochs=1, embedding_rank=3, **SMALL).fit(log)
    assert model.item_factors.shape == (40, 3)
    assert "last.table.left" not in model.weights


def test_users_of_equal_histories_have_equal_scores(log):
    twice = Csr.from_pairs([0, 0, 1, 1], [3, 7, 3, 7], shape=(2, 40))
    model = MultDAE(epochs=1, **SMALL).fit(log)
    one, other = model.scores(model.fold_in(twice))
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_dense_layers_start_with_glorots_spread():
    (layer,) = dense_layers([400, 200])
    assert layer.weight.std().item() == pytest.approx((2 / 600) ** 0.5, rel=0.02)
