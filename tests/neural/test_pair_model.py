"""The form of pairs: blocks against single pairs, lists, strangers alone and together, the loss they are learned by."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.gmf import softplus

from matweave.data.simulate import simulate_log
from matweave.deep import torch
from matweave.factor.rows import HistoryRows
from matweave.neural import pair_model
from matweave.neural.neu_mf import NeuMF
from matweave.neural.pair_model import PairModel, StrangersLoss


@pytest.fixture(scope="module")
def model() -> PairModel:
    log = simulate_log(users=60, items=40, rank=4, interactions=700, newcomers=0, seed=3).log
    return NeuMF(
        rank=4, mlp_rank=4, width=8, epochs=30, batch_size=256, learning_rate=0.02, regularization=0.01, device="cpu"
    ).fit(log)  # fmt: skip


def test_blocks_lists_and_single_pairs_agree(model: PairModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = model.known(np.arange(60))
    whole = model.scores(rows)
    at, items = np.divmod(np.random.default_rng(0).permutation(2400)[:500], 40)
    np.testing.assert_allclose(model.pair_scores(rows, at, items), whole[at, items], rtol=1e-4, atol=1e-5)
    top = model.top(rows, 5, model.seen)
    monkeypatch.setattr(pair_model, "BLOCK", 7)
    monkeypatch.setattr(pair_model, "PAIRS", 11)
    np.testing.assert_allclose(model.scores(rows), whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.pair_scores(rows, at, items), whole[at, items], rtol=1e-4, atol=1e-5)
    again = model.top(rows, 5, model.seen)
    np.testing.assert_array_equal(top[0], again[0])
    assert model.top(rows[:0], 5)[0].shape == (0, 5)


def test_rows_of_another_form_are_refused(model: PairModel) -> None:
    with pytest.raises(TypeError, match="HistoryRows"):
        model.scores(HistoryRows(histories=model.seen))


def test_similar_items_are_near_by_the_cosine_of_all_parts(model: PairModel) -> None:
    codes, cosines = model.similar_codes(3, 5)
    unit = model.item_vectors / np.linalg.norm(model.item_vectors, axis=1, keepdims=True)
    wanted = unit @ unit[3]
    wanted[3] = -np.inf
    np.testing.assert_array_equal(codes, np.argsort(-wanted)[:5])
    np.testing.assert_allclose(cosines, np.sort(wanted)[::-1][:5], rtol=1e-5)


def test_the_strangers_loss_is_the_expected_loss_by_hand(model: PairModel) -> None:
    histories = model.seen.rows(np.array([2, 9]))
    items = torch.from_numpy(model.item_vectors)
    pull = np.linspace(0.01, 0.1, 8).astype(np.float32)
    loss = StrangersLoss(model.module(), items, histories, np.arange(40), 4, pull, 0.5)
    x = np.random.default_rng(1).standard_normal((2, 8)).astype(np.float32)
    scores = model.scores(pair_model.FactorRows(factors=x, bias=None)).astype(np.float64)
    wanted = 0.0
    for row in range(2):
        mine = set(histories.row(row)[0].tolist())
        n, total = len(mine), 0.0
        for j in range(40):
            weight = 4 * n / (40 - n)
            total += softplus(-scores[row, j]) if j in mine else weight * softplus(scores[row, j])
        total += 0.5 * (pull * n * 5 + 0.5) @ x[row].astype(np.float64) ** 2
        wanted += total / (5 * n)
    assert loss(torch.from_numpy(x)).item() == pytest.approx(wanted, rel=1e-5)


def test_a_history_of_all_items_is_weighed_against_all(model: PairModel) -> None:
    everything = model.recommend_for(model.items.to_list(), k=3, seen=True)
    assert everything.num_rows == 3
    assert np.isfinite(everything["score"].to_numpy()).all()


def test_folding_lowers_the_loss_and_comes_near_the_trained_rows(model: PairModel) -> None:
    histories = model.seen
    loss = StrangersLoss(
        model.module(), torch.from_numpy(model.item_vectors), histories, np.arange(40), model.negatives,
        model.regularization, model.ridge,
    )  # fmt: skip
    folded = model.fold_in(histories)
    start = np.tile(model._middle(), (60, 1))
    values = [loss(torch.from_numpy(x)).item() for x in (start, model.user_vectors, folded.factors)]
    assert values[2] < values[1] < values[0]
    begun = loss(torch.from_numpy(model._starts(histories))).item()
    assert values[2] < begun < values[0]
    trained = model.scores(model.known(np.arange(60)))
    away = np.sqrt(np.mean((model.scores(folded) - trained) ** 2)) / trained.std()
    assert away < 0.35


def test_strangers_do_not_see_each_other_and_one_of_nothing_is_the_middle(
    model: PairModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = model.fold_in(model.seen).factors
    monkeypatch.setattr(pair_model, "LEARNED", 90)
    apart = model.fold_in(model.seen).factors
    np.testing.assert_allclose(apart, together, rtol=1e-3, atol=1e-4)
    empty = model.fold_in(model.seen.rows(np.array([], int)))
    assert len(empty) == 0
    nothing = model.recommend_for([], k=3)
    assert nothing.num_rows == 3


def test_beyond_a_number_of_items_a_fixed_sample_stands_for_all(
    model: PairModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.scores(model.fold_in(model.seen))
    monkeypatch.setattr(pair_model, "MOST", 30)
    some = model.scores(model.fold_in(model.seen))
    assert some.tobytes() == model.scores(model.fold_in(model.seen)).tobytes()
    assert np.corrcoef(some.ravel(), whole.ravel())[0, 1] > 0.9
