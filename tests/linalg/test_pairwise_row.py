import numpy as np
import pytest
from scipy.optimize import minimize

from matweave.linalg import pairwise_row
from matweave.linalg.pairwise_row import best_row, slope_and_curve


def problem(seed=0, items=90, rank=6, met=12):
    random = np.random.default_rng(seed)
    wide, offset = random.normal(size=(items, rank)), random.normal(size=items)
    own = np.sort(random.choice(items, met, replace=False))
    weights = random.random(items)
    weights[own] = 0
    return wide, offset, own, weights / weights.sum(), np.linspace(0.1, 0.6, rank)


def value(x, wide, offset, met, weights, ridge):
    s = wide @ x + offset
    return (weights * np.logaddexp(0, s[None] - s[met][:, None])).sum() + 0.5 * (ridge * x * x).sum()


def numerical(function, x, h=1e-5):
    return np.array([(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def test_slope_and_curve_are_the_numerical_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairwise_row, "BLOCK", 32)
    wide, *rest = problem()
    table, x = wide.astype(np.float32), np.linspace(-1, 1, 6)
    slope, curve = slope_and_curve(x, table, wide, *rest)
    np.testing.assert_allclose(slope, numerical(lambda at: value(at, wide, *rest), x), atol=1e-5)
    wanted = numerical(lambda at: slope_and_curve(at, table, wide, *rest)[0], x, 1e-3)
    np.testing.assert_allclose(curve, wanted, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_row_is_the_minimum(seed):
    wide, *rest = problem(seed)
    x = best_row(wide.astype(np.float32), wide, *rest)
    found = minimize(value, np.zeros(6), (wide, *rest), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(x, found.x, atol=1e-3)


def test_a_row_that_separates_its_items_stays_finite_and_long_vectors_do_not_overflow():
    wide = np.array([[300.0, 0.0], [-300.0, 1.0], [-200.0, 0.0]])
    x = best_row(
        wide.astype(np.float32), wide, np.zeros(3), np.array([0]), np.array([0, 0.5, 0.5]), np.full(2, 1e-3)
    )
    assert np.isfinite(x).all()
    assert x[0] > 0


def test_nothing_met_or_nothing_left_is_zero():
    wide = np.ones((3, 2))
    for met, weights in (([], [1, 1, 1]), ([0, 1, 2], [0, 0, 0])):
        x = best_row(
            wide.astype(np.float32),
            wide,
            np.zeros(3),
            np.array(met, int),
            np.array(weights, float),
            np.ones(2),
        )
        assert not x.any()
