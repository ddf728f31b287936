"""Activations: formulas, gradients, starts, and the curves of learned ones."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest

from matweave.deep import nn, torch
from matweave.errors import ConfigError
from matweave.nets.activations import (
    ACTIVATIONS,
    PiecewiseLinear,
    Rational,
    Swish,
    activation,
    learned_curves,
)
from matweave.nets.rational_fit import STARTS, fitted, rational

X = np.linspace(-4.1, 4.3, 57)
PIECES = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "relu": lambda x: np.where(x > 0, x, 0),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "gelu": lambda x: np.array([v * (1 + erf(v / sqrt(2))) / 2 for v in x]),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "rational": lambda x: rational(np.concatenate(fitted("leaky_relu")), x),
    "piecewise_linear": lambda x: np.where(x > 0, x, 0),
}
LEARNED = [name for name, row in ACTIVATIONS.items() if row.learned]


def at(module, x):
    return module(torch.tensor(x)).detach().numpy()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_starts_as_its_formula(name):
    made = activation(name).double()
    tolerance = 1e-6 if name == "rational" else 1e-12  # its coefficients are held in float32 at first
    np.testing.assert_allclose(at(made, X), PIECES[name](X), atol=tolerance)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_agree_with_differences(name):
    made = activation(name).double()
    x = torch.tensor(X[::4].reshape(3, -1), requires_grad=True)

    def f(x, *parameters):
        return torch.func.functional_call(made, dict(zip(names, parameters, strict=True)), (x,))

    names = [n for n, _ in made.named_parameters()]
    assert bool(names) == ACTIVATIONS[name].learned
    assert torch.autograd.gradcheck(f, (x, *made.parameters()))


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_differences_away_from_the_start(name, seed):
    torch_seed = torch.Generator().manual_seed(seed)
    made = activation(name).double()
    for p in made.parameters():
        p.data += 0.2 * torch.randn(p.shape, generator=torch_seed, dtype=p.dtype)
    x = torch.tensor([-5.3, -1.7, -0.4, 0.6, 2.2, 4.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: made(x), (x, *made.parameters()))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_shape_type_and_memory_format_are_kept(name):
    x = torch.randn(2, 4, 6, 5).to(memory_format=torch.channels_last)
    made = activation(name, features=1)
    y = made(x)
    assert y.shape == x.shape
    if name != "softmax":  # torch's own does not keep it
        assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, made(x.contiguous()))
    if name != "softmax":
        assert made(torch.tensor(0.5)).shape == ()


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "piecewise_linear"])
def test_half_precision_is_close(name):
    x = torch.linspace(-3, 3, 41)
    made = activation(name)
    half = made.to(torch.bfloat16) if name == "prelu" else made
    torch.testing.assert_close(half(x.bfloat16()).float(), made.float()(x), atol=0.03, rtol=0.02)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_input_is_left_alone(name):
    x = torch.randn(5, 3)
    before = x.clone()
    activation(name)(x)
    assert torch.equal(x, before)


def test_softmax_runs_over_the_features_asked_for():
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(activation("softmax")(x).sum(-1), torch.ones(2, 4)[:, :3])
    torch.testing.assert_close(activation("softmax", features=1)(x).sum(1), torch.ones(2, 4))


@pytest.mark.parametrize(("beta", "like"), [(0.0, lambda x: x / 2), (5000.0, lambda x: np.maximum(x, 0))])
def test_swish_goes_from_a_line_to_relu(beta, like):
    np.testing.assert_allclose(at(Swish(beta).double(), X), like(X), atol=1e-8)


@pytest.mark.parametrize("start", STARTS)
def test_rational_starts_as_asked(start):
    x = np.linspace(-3, 3, 301)
    error = np.abs(at(Rational(start).double(), x) - STARTS[start](x)).max()
    assert error < (0.06 if "relu" in start else 0.004)


def test_rational_has_no_pole():
    made = Rational().double()
    made.denominator.data = torch.tensor([-3.0, 1.0, 2.0, -1.0], dtype=torch.float64)
    values = at(made, np.linspace(-50, 50, 4001))
    assert np.isfinite(values).all()
    top = sum(float(a) * np.linspace(-50, 50, 4001) ** i for i, a in enumerate(made.numerator.detach()))
    assert (np.abs(values) <= np.abs(top) + 1e-9).all()


@pytest.mark.parametrize("knots", [2, 5, 8])
def test_piecewise_linear_is_interpolation_with_straight_ends(knots):
    made = PiecewiseLinear(knots, -2.0, 1.0).double()
    made.values.data = torch.randn(knots, dtype=torch.float64, generator=torch.Generator().manual_seed(knots))
    places, values = np.linspace(-2, 1, knots), made.values.detach().numpy()
    x = np.linspace(-2, 1, 50)
    np.testing.assert_allclose(at(made, x), np.interp(x, places, values), atol=1e-12)
    step = 3 / (knots - 1)
    np.testing.assert_allclose(
        at(made, np.array([-4.0, 6.0])),
        [values[0] - (values[1] - values[0]) / step * 2, values[-1] + (values[-1] - values[-2]) / step * 5],
    )


def test_a_nan_stays_one():
    for name in ACTIVATIONS:
        assert torch.isnan(activation(name)(torch.tensor([float("nan"), 1.0]))[0]), name


@pytest.mark.parametrize("name", LEARNED)
def test_it_can_learn_another_function(name):
    """Every learned activation, by descent on its own numbers, comes nearer to a function it did not start as."""
    made = activation(name)
    x = torch.linspace(-2, 2, 81)
    wanted = x.clamp(min=0) if name == "swish" else torch.where(x > 0, x, 0.6 * x)
    optimizer = torch.optim.Adam(made.parameters(), 0.02)
    errors = []
    for _ in range(150):
        optimizer.zero_grad()
        error = (made(x) - wanted).square().mean()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < errors[0] / 2


def test_curves_show_what_was_learned_against_the_start():
    net = nn.Sequential(
        nn.Linear(2, 3), Swish(), nn.PReLU(), nn.ReLU(), Rational("gelu"), PiecewiseLinear(5, -1, 1)
    )
    before = [c.y for c in learned_curves(net)]
    for curve in learned_curves(net):
        np.testing.assert_array_equal(curve.y, curve.start)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.3
    curves = learned_curves(net, points=161)
    names = ["1 (swish)", "2 (prelu)", "4 (rational)", "5 (piecewise_linear)"]
    assert [c.name for c in curves] == names
    for curve, old in zip(curves, before, strict=True):
        np.testing.assert_array_equal(curve.start, old)
        assert np.abs(curve.y - curve.start).max() > 0.1
        assert curve.x.shape == curve.y.shape == curve.start.shape == (161,)


def test_curves_against_a_network_that_was_trained_before():
    old, new = nn.Sequential(Swish(2.0)), nn.Sequential(Swish(3.0))
    (curve,) = learned_curves(new, old)
    np.testing.assert_allclose(curve.start, at(Swish(2.0).double(), curve.x), atol=1e-6)
    with pytest.raises(ConfigError, match="no such activation at: '0'"):
        learned_curves(new, nn.Sequential(nn.ReLU()))


def test_nothing_learned_gives_no_curves():
    assert learned_curves(nn.Sequential(nn.Linear(2, 2), nn.ReLU())) == []


def test_wrong_names_and_settings():
    with pytest.raises(ConfigError, match="did you mean 'relu'"):
        activation("rellu")
    with pytest.raises(ConfigError, match="did you mean 'gelu'"):
        Rational("gelo")
    for bad in ({"knots": 1}, {"low": 1.0, "high": 1.0}):
        with pytest.raises(ConfigError, match="give no line"):
            PiecewiseLinear(**bad)
