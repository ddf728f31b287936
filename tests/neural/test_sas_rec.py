"""SASRec by hand in float64, no leak from the future, packed against alone, planted order, init, low rank, every loss."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import transformer as by_hand
from by_hand.sequences import (
    drawn_rows,
    histories,
    learned,
    packed_rows,
    tensors,
    walks,
    weights_of,
    widened,
    without_gradient,
)

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.deep import torch
from matweave.errors import ConfigError
from matweave.neural.histories import NextItems
from matweave.neural.sas_rec import LOSSES, SASRec, SASRecStructure

N, LENGTH = 20, 6
ROWS = drawn_rows([3, 6, 1, 5], N)
SMALL = {"rank": 16, "length": 8, "dropout": 0.1, "learning_rate": 0.01, "batch_size": 32, "device": "cpu"}


def net(**more):
    shape = dict(items=N, rank=8, blocks=2, heads=2, length=LENGTH, dropout=0.2, output_layer=True, inner=2)
    made = SASRecStructure(**shape | {"embedding_rank": None} | more)
    return made, widened(made.build())


@pytest.mark.parametrize(("heads", "output"), [(1, False), (2, True)])
def test_steps_and_encoding_are_the_papers(heads, output):
    structure, module = net(heads=heads, output_layer=output)
    how = {"length": LENGTH, "blocks": 2, "heads": heads, "output": output}
    wanted = [by_hand.sas_rec(row, weights_of(module), **how) for row in ROWS]
    found = module.steps(*packed_rows(ROWS, LENGTH)).detach().numpy()
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-8, atol=1e-9)
    encoded = module.encode(*tensors(structure.inputs(histories(*ROWS, n_items=N), None)))
    np.testing.assert_allclose(encoded.detach().numpy(), [w[-1] for w in wanted], rtol=1e-8, atol=1e-9)


def test_only_the_last_items_are_read():
    structure, module = net()
    long = [*range(N)]
    a, b = (
        module.encode(*tensors(structure.inputs(histories(row, n_items=N), None)))
        for row in (long, long[-LENGTH:])
    )
    torch.testing.assert_close(a, b)


def test_the_future_does_not_leak():
    _, module = net()
    before = module.steps(*packed_rows([[1, 2, 3, 4, 5]], LENGTH))
    after = module.steps(*packed_rows([[1, 2, 3, 9, 5]], LENGTH))
    assert bool((before[:3] == after[:3]).all())
    assert bool((before[3:] != after[3:]).any(1).all())


def test_low_rank_vectors_are_the_product():
    structure, module = net(embedding_rank=3)
    weights = weights_of(module)
    weights["items.weight"] = weights["items.left"] @ weights["items.right"]
    wanted = by_hand.sas_rec(ROWS[1], weights, length=LENGTH, blocks=2, heads=2, output=True)
    encoded = module.encode(*tensors(structure.inputs(histories(ROWS[1], n_items=N), None)))
    np.testing.assert_allclose(encoded[0].detach().numpy(), wanted[-1], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rank", [None, 3])
def test_the_gradient_reaches_every_weight(loss, rank):
    recipe = SASRec(loss=loss, rank=8, length=LENGTH, embedding_rank=rank, dropout=0.0)
    draw = {"sampled": "batch", "gbce": "any"}.get(loss, "step")
    made = NextItems(
        histories(*ROWS, n_items=N), length=LENGTH, batch_size=4, negatives=recipe.drawn, draw=draw
    )
    inputs, targets, slots, positions, lengths, *negatives = made.batch(0, 0)
    _, module = net(embedding_rank=rank, output_layer=False)
    h = module.steps(inputs, slots, positions, lengths)
    assert without_gradient(module, recipe.loss_of(h, module.items.whole(), targets, negatives)) == []


@pytest.mark.parametrize(
    "loss",
    [
        {"loss": "bce", "negatives": 4},
        {"loss": "gbce", "negatives": 8},
        {"loss": "softmax"},
        {"loss": "sampled"},
    ],
    ids=str,
)
def test_a_planted_order_is_learned(loss):
    assert learned(mw.Popularity()) < 0.2
    epochs = 50 if loss["loss"] == "gbce" else 25
    assert learned(SASRec(**SMALL, **loss, epochs=epochs)) > 0.9


def test_init_starts_the_item_table():
    log = mw.simulate_log(users=60, items=40, interactions=700, seed=0).log
    base = mw.ImplicitALS(rank=8, epochs=4, seed=0).fit(log)
    recipe = SASRec(rank=8, length=10, epochs=1, learning_rate=1e-9, device="cpu")
    model = recipe.fit(log, init=base)
    cosine = np.corrcoef((model.item_factors @ model.item_factors.T).ravel(), _balanced(base).ravel())[0, 1]
    assert cosine > 0.999
    assert (
        abs(
            np.corrcoef(
                (recipe.fit(log).item_factors @ model.item_factors.T).ravel(), _balanced(base).ravel()
            )[0, 1]
        )
        < 0.3
    )


def _balanced(base):
    """Item products of the balanced factors that scores are made of."""
    _, s, vt = np.linalg.svd(base.user_factors @ base.item_factors.T, full_matrices=False)
    y = vt[:8].T * np.sqrt(s[:8])
    return y @ y.T


def test_a_log_of_single_items_trains_nothing():
    log = Interactions.from_codes([0, 1, 2], [0, 1, 1], times=[3, 2, 1])
    model = SASRec(rank=4, length=3, epochs=2, device="cpu").fit(log)
    assert (model.history.epoch, model.history.objective) == (0, ())
    assert model.recommend(k=1).num_rows == 3


def test_a_stranger_gets_what_a_training_user_of_the_same_history_gets():
    log = walks(users=20)
    model = SASRec(**SMALL, epochs=1).fit(log)
    first = log.users.to_list()[0]
    mine = log.items.decode(log.histories.in_order()[: log.histories.counts[0]]).to_pylist()
    assert (
        model.recommend_for(mine, k=3)["item"].to_pylist()
        == model.recommend([first], k=3)["item"].to_pylist()
    )


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(ConfigError, match="cannot be shared by 3 heads"):
        SASRec(rank=8, heads=3)
    with pytest.raises(ConfigError, match="softmax loss draws none"):
        SASRec(loss="softmax", negatives=3)


def test_only_gbce_has_a_calibration():
    with pytest.raises(ConfigError, match=r"calibration is 0\.5"):
        SASRec(loss="softmax", calibration=0.5)
    assert SASRec(loss="gbce", calibration=0.5).calibration == 0.5
