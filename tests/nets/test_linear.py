"""The linear net: its formula, its start, and where descent from there ends."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.deep import functional, seeded, torch
from matweave.nets.closed_form import least_squares, logistic
from matweave.nets.inputs import Inputs
from matweave.nets.linear import Linear

FEATURES = Inputs(kind="features", size=(3,))


def planted(n=60):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 3)) * [1, 2, 0.5] + [0, 1, -1]
    return X, X @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(n, 2)) + [1, -2], rng.integers(0, 3, n)


def descended(loss, outputs, steps=300):
    """A linear net brought to the minimum of loss(net) by L-BFGS in float64."""
    net = Linear().build(FEATURES, outputs).double()
    optimizer = torch.optim.LBFGS(
        net.parameters(),
        max_iter=steps,
        tolerance_grad=1e-11,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        value = loss(net)
        value.backward()
        return value

    optimizer.step(closure)
    weight, bias = (p.detach().numpy() for p in net.parameters())
    return weight.T, bias


def test_it_starts_at_zero_or_as_torch_does():
    x = torch.ones(2, 3)
    assert not Linear().build(FEATURES, 4)(x).any()
    with seeded(0, "weights"):
        assert Linear(init="uniform").build(FEATURES, 4)(x).abs().min() > 0


def test_images_are_rows_of_pixels():
    net = Linear(init="uniform").build(Inputs(kind="image", size=(2, 3, 4)), 5)
    x = torch.randn(6, 2, 3, 4)
    wanted = x.numpy().reshape(6, -1) @ net[-1].weight.detach().numpy().T + net[-1].bias.detach().numpy()
    np.testing.assert_allclose(net(x).detach(), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), net(x))


def test_descent_ends_where_least_squares_does():
    X, Y, _ = planted()
    x, y = torch.tensor(X), torch.tensor(Y)
    weight, bias = descended(lambda net: functional.mse_loss(net(x), y), 2)
    fit = least_squares(X, Y)
    np.testing.assert_allclose(weight, fit.coefficients, atol=1e-6)
    np.testing.assert_allclose(bias, fit.intercept, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_descent_ends_where_logistic_regression_does(decay):
    X, _, codes = planted()
    x, c = torch.tensor(X), torch.tensor(codes)
    weight, bias = descended(
        lambda net: functional.cross_entropy(net(x), c) + decay / 2 * (net[-1].weight ** 2).sum(), 3
    )
    fit = logistic(X, codes, ridge=len(X) * decay / 2)
    np.testing.assert_allclose(weight, fit.coefficients, atol=1e-6)
    np.testing.assert_allclose(bias, fit.intercept, atol=1e-6)
