"""RecVAE: turns by the batch alone, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import mult_vae as by_hand

import matweave as mw
from matweave.factor.loop import FitState
from matweave.neural.rec_vae import RecVAE, Turns
from matweave.neural.starting import start_from

SMALL = {"rank": 6, "hidden": 10, "batch_size": 40, "learning_rate": 0.01, "device": "cpu"}


@pytest.fixture(scope="module")
def log():
    return mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log


def test_an_epoch_is_passes_of_the_encoder_and_then_of_the_decoder(log):
    turns = Turns(log.by_user, batch_size=40, drop=0.5, passes=(3, 2), seed=1)
    kinds = [len(turns.batch(1, at)) for at in range(turns.steps_per_epoch)]
    assert kinds == [6] * 12 + [3] + [2] * 7
    for start in range(0, 20, 4):  # each pass has every user's entries once, in an order of its own
        entries = sum(len(turns.batch(1, at)[1]) for at in range(start, start + 4))
        assert entries == log.by_user.nnz
    assert turns.batch(1, 0)[1].tolist() != turns.batch(1, 4)[1].tolist()
    assert turns.batch(1, 0)[1].tolist() != turns.batch(0, 0)[1].tolist()


def test_the_old_encoder_is_the_encoder_as_the_last_decoder_turn_found_it(log):
    states: list[FitState] = []
    RecVAE(epochs=2, **SMALL).fit(log, watch=lambda state, _: states.append(state) or False)
    for state in states:  # the decoder's turn ends an epoch and leaves the encoder alone
        for name, array in state.arrays.items():
            if name.startswith("module/old."):
                assert np.array_equal(array, state.arrays[name.replace("old.", "net.encoder.")]), name
    first, second = (s.arrays["module/old.mean.weight"] for s in states)
    assert not np.array_equal(first, second)


def test_the_model_keeps_the_network_without_the_old_encoder(log):
    model = RecVAE(epochs=1, **SMALL).fit(log)
    assert not any("old" in name for name in model.weights)
    assert "last.table.weight" not in model.weights
    assert model.item_factors.shape == (40, 6)


def test_it_ranks_better_than_popularity_for_strangers():
    made = mw.simulate_log(users=600, items=80, interactions=9000, rank=3, shape="clicks", seed=1).log
    split = mw.split_by_user(made, 150, 0, seed=0)
    model = RecVAE(epochs=25, dropout=0.3, **SMALL).fit(split.train)
    found, base = (
        mw.evaluate(m, split.test, known=split.test_known, metrics=["ndcg@10"]).metrics["ndcg@10"].mean
        for m in (model, mw.Popularity().fit(split.train))
    )
    assert found > base * 1.1


def test_both_tables_start_from_the_factors_of_another_model(log):
    init = mw.PureSVD(rank=10).fit(log)
    model = RecVAE(epochs=1, **{**SMALL, "learning_rate": 1e-12}).fit(log, init=init)
    assert by_hand.angles(model.item_factors, start_from(init, log.users, log.items, 6, seed=0).items) > 0.999
    first = model.module().encoder.first.table.whole().detach().numpy()
    assert by_hand.angles(first, start_from(init, log.users, log.items, 10, seed=0).items) > 0.999


def test_a_low_rank_model_keeps_thin_items(log):
    assert RecVAE(epochs=1, embedding_rank=3, **SMALL).fit(log).item_factors.shape == (40, 3)


def test_a_larger_gamma_holds_the_posterior_nearer_to_the_prior(log):
    spreads = []
    for gamma in (0.0, 0.5):
        model = RecVAE(epochs=15, gamma=gamma, **SMALL).fit(log)
        counts, codes = (torch.from_numpy(a) for a in model.structure.inputs(log.by_user, None))
        with torch.no_grad():
            spreads.append(model.module().encode(counts, codes).square().mean().item())
    assert spreads[1] < spreads[0]
