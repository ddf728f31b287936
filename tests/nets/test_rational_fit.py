"""The fit of a rational function: its errors are as claimed, and nothing near it is better."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from matweave.nets.rational_fit import STARTS, fit, fitted, rational

CLAIMED = {"relu": (0.06, 0.14), "leaky_relu": (0.06, 0.14), "gelu": (0.004, 0.01)}


def theta(name):
    return np.concatenate(fitted(name))


@pytest.mark.parametrize("name", STARTS)
def test_the_largest_errors_are_those_of_the_docstring(name):
    near, far = CLAIMED.get(name, (0.0003, 0.003))
    for reach, most in ((3, near), (8, far)):
        x = np.linspace(-reach, reach, 2001)
        error = np.abs(rational(theta(name), x) - STARTS[name](x)).max()
        assert error < most
    if name in CLAIMED:
        assert error > most / 3  # and not better by so much that the docstring misleads


def test_the_starts_are_what_they_are_called():
    x = np.array([-2.0, 0.0, 1.5])
    known = {
        "relu": [0, 0, 1.5],
        "leaky_relu": [-0.02, 0, 1.5],
        "gelu": [-0.0455003, 0, 1.3997892],
        "silu": [-0.2384058, 0, 1.2263617],
        "tanh": [-0.9640276, 0, 0.9051483],
        "sigmoid": [0.1192029, 0.5, 0.8175745],
    }
    assert set(known) == set(STARTS)
    for name, values in known.items():
        np.testing.assert_allclose(STARTS[name](x), values, atol=1e-7)


def test_rational_is_its_formula():
    a, b = np.arange(1, 7.0), np.array([1, -2, 0.5, 0.1])
    for x in (-1.5, 0.0, 2.0):
        top = sum(a[i] * x**i for i in range(6))
        bottom = 1 + abs(sum(b[i] * x ** (i + 1) for i in range(4)))
        assert rational(np.concatenate([a, b]), np.array([x]))[0] == pytest.approx(top / bottom)


@pytest.mark.parametrize("name", ["leaky_relu", "gelu", "tanh"])
def test_scipy_finds_nothing_better_from_there(name):
    x = np.linspace(-8, 8, 801)
    weight = np.where(np.abs(x) <= 3, 1.0, 0.1)
    peer = least_squares(
        lambda t: weight * (rational(t, x) - STARTS[name](x)), theta(name), xtol=1e-14, ftol=1e-14
    )
    ours = weight * (rational(theta(name), x) - STARTS[name](x))
    assert ours @ ours <= 2 * peer.cost * (1 + 1e-6)


def test_a_rational_function_is_fitted_exactly():
    x = np.linspace(-2, 2, 101)
    y = (1 + x - 0.5 * x**3 + 0.2 * x**5) / (1 + 0.8 * x**2 + 0.3 * x**4)
    np.testing.assert_allclose(rational(fit(x, y), x), y, atol=1e-8)


def test_weights_say_where_the_fit_must_be_close():
    x = np.linspace(-4, 4, 201)
    y = np.maximum(x, 0)
    right = np.where(x > 0, 1.0, 0.01)
    even, aside = rational(fit(x, y), x), rational(fit(x, y, right), x)
    assert np.abs(aside - y)[x > 0].max() < np.abs(even - y)[x > 0].max() / 3


def test_the_same_every_time():
    fitted.cache_clear()
    one = fitted("gelu")
    fitted.cache_clear()
    assert fitted("gelu") == one
