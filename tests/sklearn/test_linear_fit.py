"""Solved and descended: planted truth, the same minimum by both ways, the units of the data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from matweave.data.targets import Targets
from matweave.errors import ConfigError, Diverged
from matweave.sklearn.linear_fit import EPOCHS, LinearModel, descended, solved


def planted(n: int = 200, d: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d)) * [1, 20, 0.1, 3] + [0, 5, -1, 100]
    w = np.array([1.0, -0.2, 7.0, 0.5])
    return X, X @ w + 3, w


def labels(X: np.ndarray, classes: int) -> Targets:
    rng = np.random.default_rng(4)
    z = (X - X.mean(0)) / X.std(0)
    scores = z @ rng.normal(size=(4, classes)) + rng.gumbel(size=(len(X), classes))
    return Targets(values=scores.argmax(1), classes=tuple(map(str, range(classes))))


def test_the_planted_line_is_found():
    X, y, w = planted()
    exact = solved(X, Targets.of_values(y), 0.0)
    np.testing.assert_allclose(exact.coefficients[:, 0], w, rtol=1e-10)
    np.testing.assert_allclose(exact.intercept, 3, rtol=1e-9)
    np.testing.assert_allclose(exact.scores(X)[:, 0], y, rtol=1e-10)
    assert (exact.solver, exact.history) == ("exact", None)


@pytest.mark.parametrize(("solver", "within"), [("gd", 1e-5), ("sgd", 1e-2)])
@pytest.mark.parametrize("ridge", [0.0, 10.0])
def test_gradient_steps_end_where_least_squares_does(solver, within, ridge):
    X, y, _ = planted()
    y = y + np.random.default_rng(0).normal(size=len(y))
    targets, spread = Targets.of_values(y), X.std(axis=0)
    exact = solved(X, targets, ridge)
    found = descended(X, targets, ridge, solver=solver, epochs={"gd": 400, "sgd": 200}[solver], device="cpu")
    scale = y.std()
    difference = (found.coefficients - exact.coefficients)[:, 0] * spread / scale
    assert np.abs(difference).max() < within
    np.testing.assert_allclose(found.scores(X), exact.scores(X), atol=within * 5 * scale)
    assert len(found.history.epochs) == {"gd": 400, "sgd": 200}[solver]


@pytest.mark.parametrize("classes", [2, 3])
def test_gradient_steps_end_where_newton_does(classes):
    X, _, _ = planted()
    targets = labels(X, classes)
    exact = solved(X, targets, 1.0)
    found = descended(X, targets, 1.0, solver="gd", epochs=1500, device="cpu")
    np.testing.assert_allclose(found.scores(X), exact.scores(X), atol=1e-3)
    near = descended(X, targets, 1.0, solver="sgd", epochs=300, device="cpu")
    np.testing.assert_allclose(near.scores(X), exact.scores(X), atol=0.15)


def test_gd_never_rises_at_its_own_rate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 1)) + 0.01 * rng.normal(size=(50, 4))  # columns that are nearly the same
    for targets in (Targets.of_values(X.sum(axis=1) + 1), labels(X, 3)):
        losses = [e.loss for e in descended(X, targets, 0.0, solver="gd", epochs=50).history.epochs]
        assert all(after <= before + 1e-6 for before, after in pairwise(losses))
        assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_units_do_not_matter(ridge, kind):
    X, y, _ = planted()
    targets = Targets.of_values(y) if kind == "numbers" else labels(X, 3)
    units, shift = np.array([1e-3, 1e5, 2.0, 1.0]), np.array([5.0, -3.0, 0.0, 1e3])
    plain, scaled = solved(X, targets, ridge), solved(X * units + shift, targets, ridge)
    np.testing.assert_allclose(
        scaled.coefficients, plain.coefficients / units[:, None], rtol=1e-6, atol=1e-12
    )
    np.testing.assert_allclose(scaled.scores(X * units + shift), plain.scores(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("solver", ["exact", "gd"])
def test_constant_columns_have_no_part(solver):
    X, y, w = planted()
    wide = np.insert(X, 1, 0.1, axis=1)  # no power of two: its mean is rounded
    targets = Targets.of_values(y)
    made = (
        solved(wide, targets, 0.0)
        if solver == "exact"
        else descended(wide, targets, 0.0, solver="gd", epochs=300)
    )
    assert made.coefficients[1, 0] == 0
    np.testing.assert_allclose(np.delete(made.coefficients[:, 0], 1), w, rtol=1e-3)


def test_dependent_columns_share():
    x = np.arange(10.0)
    made = solved(np.column_stack([x, x, -x]), Targets.of_values(3 * x), 0.0)
    np.testing.assert_allclose(made.coefficients[:, 0], [1, 1, -1], rtol=1e-9)


def test_separable_classes_have_no_solution_without_a_ridge():
    x, y = np.arange(6.0)[:, None], Targets.of_labels("aaabbb")
    with pytest.raises(Diverged, match="larger coefficients are ever better"):
        solved(x, y, 0.0)
    assert np.isfinite(solved(x, y, 1e-3).coefficients).all()


def test_a_rate_may_be_given_and_settings_are_checked():
    X, y, _ = planted()
    targets = Targets.of_values(y)
    slow = descended(X, targets, 0.0, solver="gd", epochs=1, learning_rate=1e-9)
    np.testing.assert_allclose(slow.scores(X), y.mean(), rtol=1e-6)
    assert slow.history.epochs[0].learning_rate == 1e-9
    with pytest.raises(ConfigError, match="epochs is 0"):
        descended(X, targets, 0.0, solver="gd", epochs=0)
    assert set(EPOCHS) == {"gd", "sgd"}


def test_scores_are_the_formula():
    model = LinearModel(
        solver="exact", coefficients=np.array([[1.0, 0.0], [2.0, -1.0]]), intercept=np.array([0.5, 0])
    )
    assert model.scores(np.array([[3.0, 4.0]])).tolist() == [[11.5, -4.0]]
