"""BERT4Rec by hand in float64, together against alone, serving against training's steps, planted order, init."""

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
    weights_of,
    widened,
    without_gradient,
)

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.deep import functional, torch
from matweave.errors import ConfigError
from matweave.neural.bert4_rec import BERT4Rec, BERT4RecStructure
from matweave.neural.cloze import Cloze

N, LENGTH = 20, 7
ROWS = drawn_rows([3, 6, 1, 5, 12], N)
HOW = {"length": LENGTH, "blocks": 2, "heads": 2}


def net(**more):
    shape = dict(items=N, rank=8, blocks=2, heads=2, length=LENGTH, inner=2, dropout=0.2, embedding_rank=None)
    made = BERT4RecStructure(**shape | more)
    return made, widened(made.build())


def guessed(x, w):
    return by_hand.gelu(by_hand.dense(x, w, "dense"))


def test_hidden_steps_and_serving_are_the_papers():
    structure, module = net()
    w = weights_of(module)
    hidden = [[*row[-LENGTH:]] for row in ROWS]
    places = [(b, t) for b, row in enumerate(hidden) for t in range(len(row)) if (b + t) % 3 == 0]
    for b, t in places:
        hidden[b][t] = -1
    made = [by_hand.bert4_rec(row, w, **HOW) for row in hidden]
    inputs, slots, positions, lengths = packed_rows(
        [[N if j < 0 else j for j in row] for row in hidden], LENGTH
    )
    starts = np.cumsum([0, *map(len, hidden)])
    asked = torch.tensor([int(starts[b]) + t for b, t in places])
    found = module.steps(inputs, slots, positions, lengths, asked)
    np.testing.assert_allclose(found.detach().numpy(), [made[b][t] for b, t in places], rtol=1e-8, atol=1e-9)

    encoded = module.encode(*tensors(structure.inputs(histories(*ROWS, n_items=N), None)))
    wanted = [guessed(by_hand.bert4_rec([*row[1 - LENGTH :], -1], w, **HOW)[-1:], w)[0] for row in ROWS]
    np.testing.assert_allclose(encoded.detach().numpy(), wanted, rtol=1e-8, atol=1e-9)


def test_the_loss_is_cross_entropy_at_the_hidden_steps():
    _, module = net()
    w = weights_of(module)
    made = Cloze(histories(*ROWS, n_items=N), length=LENGTH, share=0.4, last_share=0.0, batch_size=9, seed=0)
    batch = made.batch(0, 0)
    targets, hidden, inputs, _, _, lengths = batch
    rows = np.split(np.where(inputs.numpy() == N, -1, inputs.numpy()), np.cumsum(lengths.numpy())[:-1])
    x = np.concatenate([by_hand.bert4_rec(row.tolist(), w, **HOW) for row in rows])[hidden.numpy()]
    scores = guessed(x, w) @ w["items.weight"].T + w["item_bias"]
    wanted = functional.cross_entropy(torch.from_numpy(scores), targets)
    assert module.loss(batch).item() == pytest.approx(wanted.item())
    assert without_gradient(module, module.loss(batch)) == []


def test_both_sides_are_read():
    _, module = net()
    asked = torch.tensor([2])
    before = module.steps(*packed_rows([[1, 2, N, 4, 5]], LENGTH), asked)
    for changed in ([9, 2, N, 4, 5], [1, 2, N, 4, 9]):
        assert bool((module.steps(*packed_rows([changed], LENGTH), asked) != before).any())


def test_a_user_without_history_is_guessed_from_the_mask_alone():
    structure, module = net()
    codes, lengths = structure.inputs(histories([], [3], n_items=N), None)
    assert codes.tolist() == [[N, 0], [3, N]]
    assert lengths.tolist() == [1, 2]
    w = weights_of(module)
    wanted = guessed(by_hand.bert4_rec([-1], w, **HOW), w)[0]
    np.testing.assert_allclose(
        module.encode(*tensors([codes, lengths]))[0].detach().numpy(), wanted, rtol=1e-8
    )


def test_a_planted_order_is_learned():
    recipe = BERT4Rec(
        rank=16,
        length=9,
        dropout=0.1,
        mask_share=0.3,
        last_share=0.2,
        epochs=60,
        learning_rate=0.01,
        batch_size=32,
        device="cpu",
    )
    assert learned(recipe) > 0.9


def test_init_starts_the_item_table():
    log = mw.simulate_log(users=60, items=40, interactions=700, seed=0).log
    base = mw.ImplicitALS(rank=8, epochs=4, seed=0).fit(log)
    recipe = BERT4Rec(rank=8, length=10, epochs=1, learning_rate=1e-9, device="cpu")
    model = recipe.fit(log, init=base)
    products = (model.item_factors @ model.item_factors.T).ravel()
    assert np.corrcoef(products, (base.item_factors @ base.item_factors.T).ravel())[0, 1] > 0.5
    other = recipe.fit(log).item_factors
    assert abs(np.corrcoef((other @ other.T).ravel(), products)[0, 1]) < 0.5


def test_a_log_of_single_items_trains_nothing():
    log = Interactions.from_codes([0, 1, 2], [0, 1, 1], times=[3, 2, 1])
    model = BERT4Rec(rank=4, length=3, epochs=2, device="cpu").fit(log)
    assert (model.history.epoch, model.history.objective) == (0, ())
    assert model.recommend(k=1).num_rows == 3


def test_heads_that_do_not_divide_the_rank_are_refused():
    with pytest.raises(ConfigError, match="cannot be shared by 3 heads"):
        BERT4Rec(rank=8, heads=3)
