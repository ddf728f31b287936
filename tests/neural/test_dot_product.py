"""DotProduct against BiasedMF's objective by hand, and the minimum that BiasedMF's own descent reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import biased_mf as by_hand

from matweave.data.simulate import simulate_log
from matweave.deep import torch
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.forms import FactorModel
from matweave.factor.implicit_als import ImplicitALS
from matweave.neural.dot_product import DotProduct, DotProductNet


def a_log(seed: int = 5):
    return simulate_log(users=40, items=30, rank=3, interactions=390, newcomers=0, seed=seed).log


def a_net(users: int = 6, items: int = 5, rank: int = 3) -> DotProductNet:
    torch.manual_seed(0)
    net = DotProductNet(users, items, rank, 1.0, None).double()
    with torch.no_grad():
        net.user_bias.normal_()
        net.item_bias.normal_()
    return net


def parts(net: DotProductNet):
    with torch.no_grad():
        return (
            net.user_bias.numpy(),
            net.item_bias.numpy(),
            net.users.whole().numpy(),
            net.items.whole().numpy(),
        )


def test_the_loss_of_a_batch_is_the_objective_over_its_rows() -> None:
    net, rng = a_net(), np.random.default_rng(1)
    users, items, values = rng.integers(0, 6, 8), rng.integers(0, 5, 8), rng.standard_normal(8)
    found = net(*map(torch.from_numpy, (users, items, values)), 0.3, 0.2).item()
    wanted = by_hand.objective(users, items, values, 0.0, *parts(net), 0.3, 0.2) / 8
    assert found == pytest.approx(wanted, rel=1e-12)


def test_its_gradient_is_that_of_the_objective_by_row() -> None:
    net, rng = a_net(), np.random.default_rng(1)
    users, items = np.divmod(rng.permutation(30)[:14], 5)
    values = rng.standard_normal(14)
    net(*map(torch.from_numpy, (users, items, values)), 0.3, 0.2).backward()
    nu, nj = np.bincount(users, minlength=6), np.bincount(items, minlength=5)
    with np.errstate(invalid="ignore"):
        gb, gc, gx, gy = by_hand.gradient(users, items, values, 0.0, *parts(net), 0.3, 0.2)
    scale = -2 / 14  # by hand: -1/2 of the sum's, over the row's count
    for found, wanted, count in (
        (net.user_bias.grad, gb, nu),
        (net.item_bias.grad, gc, nj),
        (net.users.weight.grad, gx, nu[:, None]),
        (net.items.weight.grad, gy, nj[:, None]),
    ):
        assert found is not None
        np.testing.assert_allclose(found.numpy(), scale * wanted * count, atol=1e-12)


def objective(model: FactorModel, log, deviation: float, regularization: float) -> float:
    stretch = np.sqrt(deviation)
    users, items = log.user_codes, log.item_codes
    values = (log.values.astype(np.float64) - model.mean) / deviation
    assert model.user_bias is not None
    assert model.item_bias is not None
    return by_hand.objective(
        users, items, values, 0.0, model.user_bias / deviation, model.item_bias / deviation,
        model.user_factors / stretch, model.item_factors / stretch, regularization, 0.01,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [5, 6])
def test_full_batch_training_reaches_the_objective_that_gradient_descent_does(seed: int) -> None:
    log = a_log(seed)
    assert log.values is not None
    deviation = float(log.values.std(dtype=np.float64))
    other = BiasedMF(rank=3, optimizer="gd", regularization=0.2, epochs=3000, tolerance=1e-9).fit(log)
    here = DotProduct(
        rank=3, regularization=0.2, batch_size=10**6, epochs=1500, learning_rate=0.02, init_scale=0.1, device="cpu"
    ).fit(log)  # fmt: skip
    found, wanted = objective(here, log, deviation, 0.2), objective(other, log, deviation, 0.2)
    assert found == pytest.approx(wanted, rel=0.01)
    assert here.history.objective[-1] * len(log) == pytest.approx(found, rel=1e-3)
    there = here.scores(here.known(np.arange(log.n_users)))
    np.testing.assert_allclose(there, other.scores(other.known(np.arange(log.n_users))), atol=0.15)


def test_a_row_of_one_hot_vectors_times_the_weights_is_what_is_looked_up() -> None:
    net = a_net()
    users, items = torch.tensor([4, 0]), torch.tensor([2, 2])
    one_hot = torch.nn.functional.one_hot(users, 6).double() @ net.users.weight
    other = torch.nn.functional.one_hot(items, 5).double() @ net.items.weight
    score = (one_hot * other).sum(1) + net.user_bias[users] + net.item_bias[items]
    zero = net(users, items, score.detach(), 0.0, 0.0)
    assert zero.item() == pytest.approx(0.0, abs=1e-20)


def test_scaled_ratings_give_scaled_predictions() -> None:
    log = a_log()
    assert log.values is not None
    recipe = DotProduct(rank=3, epochs=10, batch_size=64, learning_rate=0.01, device="cpu")
    plain = recipe.fit(log)
    wider = recipe.fit(replace(log, values=log.values * np.float32(20)))
    users = np.arange(log.n_users)
    np.testing.assert_allclose(
        wider.scores(wider.known(users)), 20 * plain.scores(plain.known(users)), rtol=1e-3, atol=1e-2
    )


def test_init_starts_from_the_predictions_of_a_rating_model_and_the_directions_of_another() -> None:
    log = a_log()
    given = BiasedMF(rank=3, epochs=10).fit(log)
    still = DotProduct(rank=3, epochs=1, batch_size=64, learning_rate=1e-9, device="cpu")
    users = np.arange(log.n_users)
    started = still.fit(log, init=given)
    np.testing.assert_allclose(
        started.scores(started.known(users)), given.scores(given.known(users)), atol=2e-3
    )
    directions = still.fit(log, init=ImplicitALS(rank=3, epochs=4).fit(log))
    assert np.isfinite(directions.history.objective[0])
    assert directions.user_factors.std() == pytest.approx(0.01, rel=0.5)


def test_strangers_get_the_ridge_row_and_values_are_held_to_the_range() -> None:
    log = a_log()
    model = DotProduct(rank=3, epochs=20, batch_size=64, learning_rate=0.02, device="cpu").fit(log)
    assert model.limits == (float(log.values.min()), float(log.values.max()))
    scores = model.predict(log.users.to_list()[:20], log.items.to_list()[:20])["score"].to_pylist()
    assert min(scores) >= model.limits[0]
    assert max(scores) <= model.limits[1]
    assert model.recommend_for(log.items.to_list()[:2], values=[5, 1], k=3).num_rows == 3
