"""The networks of RecVAE: encoder, prior and both losses by hand in float64, and whose gradient is where."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import mult_vae, rec_vae

import matweave as mw
from matweave.deep import seeded
from matweave.neural.rec_vae_net import RecVAEPair, RecVAEStructure, log_normal, log_prior
from matweave.neural.user_rows import Bags, UserRows, bags_of


@pytest.fixture(scope="module")
def batch():
    log = mw.simulate_log(users=60, items=40, interactions=800, shape="clicks", seed=0).log
    counts, codes, *kept = UserRows(log.by_user, batch_size=30, drop=0.4, seed=2).batch(0, 1)
    return counts, codes, Bags(*kept)


def pair_of(rank: int | None = None) -> RecVAEPair:
    with seeded(0, "pair"):
        pair = RecVAEPair(RecVAEStructure(items=40, rank=5, hidden=8, embedding_rank=rank))
        for norm in pair.net.encoder.norms:
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
    return pair


def by_hand(encoder: torch.nn.Module, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norms = [tuple(p.detach().double().numpy() for p in (n.weight, n.bias)) for n in encoder.norms]
    layers = mult_vae.layers_of(encoder, "first", "layers")
    return rec_vae.encoder(x, layers, norms, *mult_vae.layers_of(encoder, "mean", "log_variance"))


@pytest.mark.parametrize("rank", [None, 3])
def test_the_encoder_is_that_of_the_paper(batch, rank):
    counts, codes, bags = batch
    encoder = pair_of(rank).net.encoder
    x = mult_vae.dense(counts, codes)
    mask = mult_vae.dense(torch.diff(torch.cat([bags.starts, torch.tensor([len(bags.codes)])])), bags.codes)
    for found, wanted in (
        (encoder(counts, bags, 0.6), by_hand(encoder, mult_vae.thinned(x, mask, 0.4))),
        (
            encoder(counts, bags_of(counts, codes)),
            by_hand(encoder, mult_vae.thinned(x, np.ones_like(x), 0.0)),
        ),
    ):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.detach(), other, atol=2e-5)


def test_the_prior_is_the_mixture_of_three():
    rng = np.random.default_rng(0)
    z, mean, log_variance = rng.normal(size=(3, 6, 4)) * 2
    found = log_prior(*(torch.from_numpy(a) for a in (z, mean, log_variance)))
    np.testing.assert_allclose(found.exp(), rec_vae.prior(z, mean, log_variance), rtol=1e-10)
    one = log_normal(torch.from_numpy(z), torch.from_numpy(mean), 0.5)
    np.testing.assert_allclose(one.exp(), rec_vae.density(z, mean, 0.5), rtol=1e-6)
    grid = torch.linspace(-2000, 2000, 4_000_001, dtype=torch.float64)[:, None]
    mass = log_prior(grid, torch.tensor(0.7), torch.tensor(-1.0)).exp().sum() * 0.001
    assert mass.item() == pytest.approx(1.0, abs=1e-6)


def test_both_losses_are_those_of_the_paper(batch):
    counts, codes, bags = batch
    pair = pair_of()
    with torch.no_grad():
        for p in pair.old.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    n, x = counts.double().numpy(), mult_vae.dense(counts, codes)
    ((table, bias),) = mult_vae.layers_of(pair.net, "last")
    whole = mult_vae.thinned(x, np.ones_like(x), 0.0)
    mask = mult_vae.dense(torch.diff(torch.cat([bags.starts, torch.tensor([len(bags.codes)])])), bags.codes)
    for turn in ("encoder", "decoder"):
        mean, log_variance = by_hand(
            pair.net.encoder, mult_vae.thinned(x, mask, 0.4) if turn == "encoder" else whole
        )
        torch.manual_seed(5)
        loss = (
            pair.encoder_loss(counts, codes, bags, 0.6, 0.01)
            if turn == "encoder"
            else pair.decoder_loss(counts, codes)
        )
        torch.manual_seed(5)
        z = mean + torch.randn(mean.shape).numpy() * np.exp(log_variance / 2)
        wanted = mult_vae.negative_likelihood(x, z @ table.T + bias)
        if turn == "encoder":
            old = by_hand(pair.old, whole)
            gap = np.log(rec_vae.density(z, mean, log_variance)) - np.log(rec_vae.prior(z, *old))
            wanted += 0.01 * float((n * gap.sum(1)).mean())
        assert loss.item() == pytest.approx(wanted, rel=2e-5), turn


@pytest.mark.parametrize("rank", [None, 3])
def test_a_turn_moves_its_own_side_alone(batch, rank):
    counts, codes, bags = batch
    for turn in ("encoder", "last"):
        pair = pair_of(rank)
        loss = (
            pair.encoder_loss(counts, codes, bags, 0.6, 0.01)
            if turn == "encoder"
            else pair.decoder_loss(counts, codes)
        )
        loss.backward()
        for name, p in pair.named_parameters():
            if name.startswith(f"net.{turn}."):
                assert p.grad is not None, name
                assert p.grad.abs().sum() > 0, name
            else:
                assert p.grad is None, name


def test_the_old_encoder_is_a_copy_when_told_and_no_part_of_the_served_network():
    pair = pair_of()
    pair.renew()
    with torch.no_grad():
        pair.net.encoder.mean.bias.add_(1.0)
    assert not torch.equal(pair.old.mean.bias, pair.net.encoder.mean.bias)
    pair.renew()
    assert torch.equal(pair.old.mean.bias, pair.net.encoder.mean.bias)
    assert not any(p.requires_grad for p in pair.old.parameters())
    assert not any("old" in name for name, _ in pair.net.named_parameters())
