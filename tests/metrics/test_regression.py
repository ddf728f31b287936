"""Errors of predicted numbers: against plain Python and scikit-learn, under shifts and scales, at the ends of float64."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from by_hand import regression as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics.regression import mae, r2, rmse

FORMULAS = [rmse, mae, r2]
TWINS = [
    (rmse, by_hand.rmse, reference.root_mean_squared_error),
    (mae, by_hand.mae, reference.mean_absolute_error),
    (r2, by_hand.r2, reference.r2_score),
]


def case(seed: int, n: int = 50, outputs: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(5, [2.0, 30.0, 0.1][:outputs], (n, outputs))
    return values + rng.normal(0, [1.0, 20.0, 0.05][:outputs], (n, outputs)), values


@pytest.mark.parametrize(("formula", "slow", "library"), TWINS)
@given(seed=st.integers(0, 300), n=st.integers(2, 30), outputs=st.integers(1, 3))
def test_every_formula_agrees_with_its_twins(formula, slow, library, seed, n, outputs):
    p, t = case(seed, n, outputs)
    found = formula(p, t)
    assert isinstance(found, float)
    assert found == pytest.approx(slow(p.tolist(), t.tolist()), rel=1e-9)
    assert found == pytest.approx(library(t, p), rel=1e-9)
    if outputs == 1:
        assert formula(p[:, 0], t[:, 0]) == formula(p, t[:, 0]) == found


def test_known_numbers():
    t = np.array([1.0, 2.0, 3.0, 6.0])
    assert [f(t, t) for f in FORMULAS] == [0, 0, 1]
    assert r2(np.full(4, 3.0), t) == pytest.approx(0, abs=1e-12)
    assert r2(np.full(4, 9.0), t) < 0
    assert rmse(t + 2, t) == pytest.approx(2)
    assert mae(t - 2, t) == pytest.approx(2)


def test_constant_truth_has_no_share_of_variance():
    assert np.isnan(r2(np.array([1.0, 2.0]), np.array([0.1, 0.1])))
    assert np.isnan(r2(np.ones(7), np.full(7, 0.1)))  # whose mean is a rounding beside 0.1
    assert np.isnan(r2(np.ones(1), np.ones(1)))
    assert np.isnan(r2(np.ones((3, 2)), np.stack([np.arange(3.0), np.ones(3)], axis=1)))


def test_shifts_change_nothing_and_scales_what_they_should():
    p, t = case(4)
    for formula, factor in ((rmse, 3.0), (mae, 3.0), (r2, 1.0)):
        assert formula(p + 7, t + 7) == pytest.approx(formula(p, t), rel=1e-9)
        assert formula(-3 * p, -3 * t) == pytest.approx(factor * formula(p, t), rel=1e-9)


def test_the_ends_of_float64_are_reached_without_overflow():
    p, t = case(5)
    wanted = [rmse(p, t), mae(p, t), r2(p, t)]
    for scale in (1e300, 1e-300):
        found = [
            rmse(p * scale, t * scale) / scale,
            mae(p * scale, t * scale) / scale,
            r2(p * scale, t * scale),
        ]
        assert found == pytest.approx(wanted, rel=1e-9)
    assert r2(np.array([1e200, 0.0]), np.array([0.0, 1e-200])) == -np.inf
    assert r2(np.array([-1.7e308, 1.7e308]), np.array([-1.7e308, 1.7e308])) == 1


@pytest.mark.parametrize("formula", FORMULAS)
def test_bad_numbers_are_refused(formula):
    with pytest.raises(DataError, match="NaN"):
        formula(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(DataError, match="shape"):
        formula(np.ones((3, 1, 1)), np.ones(3))
