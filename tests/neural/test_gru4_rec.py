"""GRU4Rec by hand in float64, no leak from the future, together against alone, planted order, init, every loss."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import gru as by_hand
from by_hand.sequences import (
    drawn_rows,
    histories,
    learned,
    packed_rows,
    tensors,
    weights_of,
    widened,
    without_gradient,
)

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.deep import torch
from matweave.errors import ConfigError
from matweave.neural.gru4_rec import LOSSES, GRU4Rec, GRU4RecStructure
from matweave.neural.histories import NextItems

N, LENGTH = 20, 6
ROWS = drawn_rows([3, 6, 1, 5], N)
SMALL = {
    "rank": 16,
    "hidden": 16,
    "length": 8,
    "dropout": 0.1,
    "learning_rate": 0.01,
    "batch_size": 32,
    "device": "cpu",
}


def net(**more):
    shape = dict(
        items=N, rank=6, hidden=5, layers=2, length=LENGTH, dropout=0.2, hidden_dropout=0.1, tied=True
    )
    made = GRU4RecStructure(**shape | {"embedding_rank": None} | more)
    return made, widened(made.build())


@pytest.mark.parametrize("shape", [{}, {"layers": 1, "hidden": 6}, {"tied": False}], ids=str)
def test_steps_and_encoding_are_the_papers(shape):
    structure, module = net(**shape)
    how = {"layers": structure.layers, "dense": structure.tied and structure.hidden != structure.rank}
    wanted = [by_hand.gru4_rec(row, weights_of(module), **how) for row in ROWS]
    inputs, slots, _, lengths = packed_rows(ROWS, LENGTH)
    found = module.steps(inputs, slots, lengths).detach().numpy()
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-9, atol=1e-10)
    encoded = module.encode(*tensors(structure.inputs(histories(*ROWS, n_items=N), None)))
    np.testing.assert_allclose(encoded.detach().numpy(), [w[-1] for w in wanted], rtol=1e-9, atol=1e-10)


def test_the_future_does_not_leak():
    _, module = net()
    before, after = (
        module.steps(*(part for at, part in enumerate(packed_rows([row], LENGTH)) if at != 2))
        for row in ([1, 2, 3, 4, 5], [1, 2, 3, 9, 5])
    )
    assert bool((before[:3] == after[:3]).all())
    assert bool((before[3:] != after[3:]).any(1).all())


def test_items_are_scored_by_their_vectors_or_by_a_table_of_their_own():
    for tied in (True, False):
        _, module = net(tied=tied)
        table, bias = module.item_table()
        assert (table is module.items.weight) == tied
        assert table.shape == (N, 6 if tied else 5)
        assert bias is not None
    assert dict(net(tied=False, hidden=3)[1].named_parameters()).keys() & {"out.weight", "dense.weight"} == {
        "out.weight"
    }


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("tied", [True, False])
def test_the_gradient_reaches_every_weight(loss, tied):
    recipe = GRU4Rec(loss=loss, rank=6, hidden=5)
    made = NextItems(
        histories(*ROWS, n_items=N), length=LENGTH, batch_size=4, negatives=recipe.drawn, draw="batch"
    )
    inputs, targets, slots, _, lengths, *drawn = made.batch(0, 0)
    _, module = net(tied=tied)
    h = module.steps(inputs, slots, lengths)
    assert (
        without_gradient(module, recipe.loss_of(h, *module.item_side(), targets, drawn, (slots, lengths)))
        == []
    )


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"loss": "sampled", "negatives": 8, "tied": False},
        {"loss": "bpr_max", "negatives": 8},
        {"loss": "top1_max", "negatives": 8},
    ],
    ids=str,
)
def test_a_planted_order_is_learned(more):
    assert learned(mw.Popularity()) < 0.2
    assert learned(GRU4Rec(**SMALL, **more, epochs=30)) > 0.9


def test_init_starts_both_tables():
    log = mw.simulate_log(users=60, items=40, interactions=700, seed=0).log
    base = mw.ImplicitALS(rank=8, epochs=4, seed=0).fit(log)
    products = []
    for tied in (True, False):
        recipe = GRU4Rec(rank=8, hidden=8, length=10, epochs=1, learning_rate=1e-9, tied=tied, device="cpu")
        made = recipe.fit(log, init=base)
        products.append((made.item_factors @ made.item_factors.T).ravel())
    assert np.corrcoef(*products)[0, 1] > 0.9999
    cosine = np.corrcoef(products[0], (base.item_factors @ base.item_factors.T).ravel())[0, 1]
    assert cosine > 0.5
    assert (
        abs(np.corrcoef(products[0], (recipe.fit(log).item_factors @ made.item_factors.T).ravel())[0, 1])
        < 0.3
    )


def test_a_log_of_single_items_trains_nothing():
    log = Interactions.from_codes([0, 1, 2], [0, 1, 1], times=[3, 2, 1])
    model = GRU4Rec(rank=4, hidden=4, length=3, epochs=2, device="cpu").fit(log)
    assert (model.history.epoch, model.history.objective) == (0, ())
    assert model.recommend(k=1).num_rows == 3


def test_negatives_without_a_use_are_refused():
    with pytest.raises(ConfigError, match="softmax loss draws none"):
        GRU4Rec(negatives=3)


def test_a_saved_network_with_its_own_table_stores_it_once(tmp_path):
    model = GRU4Rec(**{**SMALL, "hidden": 4}, tied=False, epochs=1).fit(
        mw.simulate_log(users=30, items=20, interactions=200, seed=0).log
    )
    assert "out.weight" not in model.weights
    model.save(tmp_path / "model")
    back = mw.load(tmp_path / "model")
    assert bool((torch.from_numpy(back.item_factors) == back.module().out.weight).all())


def test_settings_that_the_loss_does_not_read_are_refused_together():
    with pytest.raises(ConfigError) as error:
        GRU4Rec(loss="softmax", negatives=5, sample_alpha=0.5, score_regularization=1.0)
    assert [line.split(" is ")[0] for line in error.value.what.split("\n")] == [
        "negatives",
        "sample_alpha",
        "score_regularization",
    ]
    with pytest.raises(ConfigError, match="score_regularization"):
        GRU4Rec(loss="top1_max", score_regularization=0.5)
    assert GRU4Rec(loss="bpr_max").alpha == 0.5
    assert GRU4Rec(loss="sampled").alpha == 0.0
