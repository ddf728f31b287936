"""MultVAE: by hand in float64, the share of β by step, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import mult_vae as by_hand

import matweave as mw
from matweave.neural.mult_vae import Annealed, MultVAE, MultVAEStructure, divergence
from matweave.neural.starting import start_from
from matweave.neural.user_rows import Bags, UserRows

SMALL = {"rank": 6, "hidden": 10, "batch_size": 40, "learning_rate": 0.01, "device": "cpu"}


@pytest.fixture(scope="module")
def log():
    return mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("rank", [None, 2])
def test_the_loss_is_that_of_the_paper(log, layers, rank):
    module = MultVAEStructure(
        items=log.n_items, rank=6, hidden=10, layers=layers, embedding_rank=rank
    ).build()
    counts, codes, *kept = UserRows(log.by_user, batch_size=30, drop=0.4, seed=2).batch(0, 1)
    x, mask = (
        by_hand.dense(counts, codes),
        by_hand.dense(torch.diff(torch.cat([kept[1], torch.tensor([len(kept[0])])])), kept[0]),
    )
    found = by_hand.tanh_layers(
        by_hand.thinned(x, mask, 0.4), by_hand.layers_of(module, "first", "inward"), last_linear=True
    )
    mean, log_variance = found[:, :6], found[:, 6:]
    noise = np.random.default_rng(0).normal(size=mean.shape)
    h = by_hand.tanh_layers(mean + noise * np.exp(log_variance / 2), by_hand.layers_of(module, "outward"))
    ((table, bias),) = by_hand.layers_of(module, "last")

    mine, spread = module.posterior(counts, Bags(*kept), 0.6)
    np.testing.assert_allclose(mine.detach(), mean, atol=1e-5)
    np.testing.assert_allclose(spread.detach(), log_variance, atol=1e-5)
    z = mine + torch.from_numpy(noise).float() * torch.exp(spread / 2)
    likelihood, gap = module.last.loss(module.decoded(z), counts, codes), divergence(mine, spread)
    assert likelihood.item() == pytest.approx(by_hand.negative_likelihood(x, h @ table.T + bias), rel=1e-5)
    assert gap.item() == pytest.approx(by_hand.divergence(mean, log_variance), rel=1e-4)
    (likelihood + gap).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_served_row_comes_from_the_posteriors_mean(log):
    model = MultVAE(epochs=2, **SMALL).fit(log)
    module = model.module()
    x = (log.by_user.scipy().toarray() != 0).astype(float)
    inner = by_hand.tanh_layers(
        by_hand.thinned(x, np.ones_like(x), 0.0),
        by_hand.layers_of(module, "first", "inward"),
        last_linear=True,
    )
    h = by_hand.tanh_layers(inner[:, :6], by_hand.layers_of(module, "outward"))
    np.testing.assert_allclose(model.known(np.arange(150)).factors, h, atol=1e-5)


def test_the_share_of_beta_rises_by_steps_and_stays(log):
    rows = UserRows(log.by_user, batch_size=40, drop=0.5)
    assert rows.steps_per_epoch == 4
    batches = Annealed(rows, 10)
    shares = [batches.batch(e, at)[-1].item() for e in range(3) for at in range(4)]
    assert shares == pytest.approx([*np.arange(10) / 10, 1.0, 1.0])
    assert Annealed(rows, 0).batch(0, 0)[-1].item() == 1.0


def test_beta_pulls_the_posterior_to_the_standard_normal(log):
    gaps = []
    for beta in (0.0, 5.0):
        model = MultVAE(epochs=30, beta=beta, anneal_steps=0, **SMALL).fit(log)
        module = model.module()
        counts, codes = (torch.from_numpy(a) for a in model.structure.inputs(log.by_user, None))
        starts = (counts.cumsum(0) - counts).to(torch.int32)
        with torch.no_grad():
            gaps.append(divergence(*module.posterior(counts, Bags(codes, starts))).item())
    assert gaps[1] < 0.1 * gaps[0]


def test_it_ranks_better_than_popularity_for_strangers():
    made = mw.simulate_log(users=600, items=80, interactions=9000, rank=3, shape="clicks", seed=1).log
    split = mw.split_by_user(made, 150, 0, seed=0)
    model = MultVAE(epochs=40, dropout=0.3, **SMALL).fit(split.train)
    found, base = (
        mw.evaluate(m, split.test, known=split.test_known, metrics=["ndcg@10"]).metrics["ndcg@10"].mean
        for m in (model, mw.Popularity().fit(split.train))
    )
    assert found > base * 1.1


def test_both_tables_start_from_the_factors_of_another_model(log):
    init = mw.PureSVD(rank=10).fit(log)
    model = MultVAE(epochs=1, **{**SMALL, "learning_rate": 1e-12}).fit(log, init=init)
    assert (
        by_hand.angles(model.item_factors, start_from(init, log.users, log.items, 10, seed=0).items) > 0.999
    )
    assert (
        by_hand.angles(
            model.module().first.table.whole().detach().numpy(),
            start_from(init, log.users, log.items, 10, seed=0).items,
        )
        > 0.999
    )


def test_a_low_rank_model_keeps_thin_items(log):
    assert MultVAE(epochs=1, embedding_rank=3, **SMALL).fit(log).item_factors.shape == (40, 3)
