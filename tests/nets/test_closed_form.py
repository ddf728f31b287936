"""Least squares and logistic regression to the end: planted truth, zero gradients, a peer, and what has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, Ridge

from matweave.errors import ConfigError, DataError, Diverged, TooBig
from matweave.nets.closed_form import least_squares, logistic


def normal(seed, n=80, d=4):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(n, d)) * rng.uniform(0.1, 10, d) + rng.normal(size=d)


def drawn(rng, X, W, b):
    """Classes drawn with the probabilities of softmax(X W + b)."""
    scores = X @ W + b + rng.gumbel(size=(len(X), W.shape[1]))
    return scores.argmax(1)


def test_planted_coefficients_come_back():
    rng, X = normal(0)
    W, b = rng.normal(size=(4, 3)), rng.normal(size=3)
    fit = least_squares(X, X @ W + b)
    np.testing.assert_allclose(fit.coefficients, W, atol=1e-12)
    np.testing.assert_allclose(fit.intercept, b, atol=1e-11)
    np.testing.assert_allclose(fit.scores(X), X @ W + b, atol=1e-11)


@given(seed=st.integers(0, 200), ridge=st.sampled_from([0.0, 0.3, 100.0]))
def test_the_gradient_is_zero_at_the_answer(seed, ridge):
    rng, X = normal(seed, n=30)
    y = rng.normal(size=30)
    fit = least_squares(X, y, ridge)
    assert fit.coefficients.shape == (4,)
    assert fit.intercept.shape == ()
    error = X @ fit.coefficients + fit.intercept - y
    assert abs(error.sum()) < 1e-8
    np.testing.assert_allclose(X.T @ error + ridge * fit.coefficients, 0, atol=1e-7)


def test_ridge_agrees_with_scikit_learn():
    rng, X = normal(3)
    Y = rng.normal(size=(80, 2))
    peer = Ridge(alpha=7.0).fit(X, Y)
    fit = least_squares(X, Y, 7.0)
    np.testing.assert_allclose(fit.coefficients, peer.coef_.T, atol=1e-10)
    np.testing.assert_allclose(fit.intercept, peer.intercept_, atol=1e-10)


@pytest.mark.parametrize("n", [3, 80])
def test_without_full_rank_the_smallest_answer_is_given(n):
    rng, X = normal(4, n=n)
    X = np.column_stack([X, X[:, 0], np.ones(n)])  # a column twice, and one without any variance
    y = rng.normal(size=n)
    fit = least_squares(X, y)
    middle = X - X.mean(0)
    np.testing.assert_allclose(fit.coefficients, np.linalg.pinv(middle) @ (y - y.mean()), atol=1e-8)
    assert fit.coefficients[0] == pytest.approx(fit.coefficients[4])
    assert fit.coefficients[5] == 0


def test_ridge_goes_to_the_smallest_answer():
    rng, X = normal(5, n=3)
    y = rng.normal(size=3)
    np.testing.assert_allclose(
        least_squares(X, y, 1e-9).coefficients, least_squares(X, y).coefficients, atol=1e-6
    )


def test_shifting_and_scaling_do_what_they_must():
    rng, X = normal(6)
    y = rng.normal(size=80)
    fit, moved = least_squares(X, y), least_squares(X * 100 + 7, y * 3 - 5)
    np.testing.assert_allclose(moved.coefficients, fit.coefficients * 0.03, rtol=1e-8)
    np.testing.assert_allclose(moved.scores(X * 100 + 7), fit.scores(X) * 3 - 5, rtol=1e-8)


@given(seed=st.integers(0, 100), classes=st.integers(2, 4), ridge=st.sampled_from([0.0, 0.5]))
def test_logistic_has_a_zero_gradient_and_coefficients_that_sum_to_zero(seed, classes, ridge):
    rng, X = normal(seed, n=120, d=3)
    codes = drawn(rng, X, rng.normal(size=(3, classes)) * 0.1, np.zeros(classes))
    codes[:classes] = np.arange(classes)
    fit = logistic(X, codes, ridge)
    scores = fit.scores(X)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    error = p - np.eye(classes)[codes]
    np.testing.assert_allclose(X.T @ error + 2 * ridge * fit.coefficients, 0, atol=1e-6)
    np.testing.assert_allclose(error.sum(0), 0, atol=1e-8)
    np.testing.assert_allclose(fit.coefficients.sum(1), 0, atol=1e-9)
    assert abs(fit.intercept.sum()) < 1e-8


@pytest.mark.parametrize("classes", [3, 5])
def test_logistic_agrees_with_scikit_learn(classes):
    rng, X = normal(7, n=300)
    X = X / X.std(0)
    codes = drawn(rng, X, rng.normal(size=(4, classes)), rng.normal(size=classes))
    peer = LogisticRegression(C=0.25, tol=1e-10, max_iter=10_000).fit(X, codes)
    fit = logistic(X, codes, ridge=2.0)
    np.testing.assert_allclose(fit.coefficients, peer.coef_.T, atol=1e-5)
    np.testing.assert_allclose(
        fit.intercept - fit.intercept.mean(), peer.intercept_ - peer.intercept_.mean(), atol=1e-5
    )


def test_planted_logistic_coefficients_are_found_in_much_data():
    rng, X = normal(8, n=20_000, d=2)
    X = X / X.std(0)
    W = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    fit = logistic(X, drawn(rng, X, W, np.array([0.3, 0.0, -0.3])))
    np.testing.assert_allclose(fit.coefficients, W, atol=0.06)
    assert fit.steps < 12


def test_without_full_rank_logistic_gives_the_same_scores_and_smaller_coefficients():
    rng, X = normal(9, n=100, d=2)
    codes = drawn(rng, X, np.zeros((2, 2)), np.zeros(2))
    one, two = logistic(X, codes), logistic(np.column_stack([X, X[:, 0]]), codes)
    np.testing.assert_allclose(two.scores(np.column_stack([X, X[:, 0]])), one.scores(X), atol=1e-7)
    np.testing.assert_allclose(two.coefficients[0], one.coefficients[0] / 2, atol=1e-8)


def test_relabelled_classes_give_relabelled_coefficients():
    rng, X = normal(10)
    codes = drawn(rng, X, np.zeros((4, 3)), np.zeros(3))
    other = np.array([2, 0, 1])
    np.testing.assert_allclose(
        logistic(X, other[codes]).coefficients[:, other], logistic(X, codes).coefficients, atol=1e-8
    )


LINE = np.linspace(-2, 2, 40)[:, None]
SEPARABLE = {
    "completely": (LINE, (LINE[:, 0] > 0).astype(int)),
    "but for a tie": (np.array([[-1.0], [0.0], [0.0], [1.0]]), np.array([0, 0, 1, 1])),
    "one class of three": (LINE, np.where(LINE[:, 0] > 1, 2, np.arange(40) % 2)),
    "by one row": (np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([0, 1, 1, 1])),
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_data_need_a_ridge(name):
    X, codes = SEPARABLE[name]
    with pytest.raises(Diverged, match="planes part") as caught:
        logistic(X, codes)
    assert caught.value.mend == "give ridge > 0"
    assert np.abs(logistic(X, codes, ridge=1e-6).coefficients).max() > 2


@pytest.mark.parametrize("rare", [1, 50])
def test_rare_exceptions_are_not_taken_for_separation(rare):
    """One binary feature: the scores are the log odds of each side, however large."""
    x = np.repeat([0.0, 1.0], 20_000)
    codes = x.astype(int)
    codes[:rare], codes[-rare:] = 1, 0
    fit = logistic(x[:, None], codes)
    odds = fit.scores(np.array([[0.0], [1.0]])) @ [-1, 1]
    np.testing.assert_allclose(odds, np.log((20_000 - rare) / rare) * np.array([-1, 1]), rtol=1e-8)


BAD = {
    "not finite": ([[1.0], [np.nan], [np.inf]], [0, 1, 1], "2 rows of X are not finite: 1, 2"),
    "no matrix": ([1.0, 2.0], [0, 1], "X has the shape"),
    "no rows": (np.zeros((0, 2)), np.zeros(0, int), "X has the shape"),
    "codes too few": ([[1.0], [2.0]], [0], "not 2 class codes"),
    "codes not whole": ([[1.0], [2.0]], [0.0, 1.0], "not 2 class codes"),
    "codes below zero": ([[1.0], [2.0]], [-1, 1], "not 2 class codes"),
    "a class left out": ([[1.0], [2.0]], [0, 3], "classes without examples: 1, 2"),
    "one class": ([[1.0], [2.0]], [0, 0], "all examples are of one class"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_of_logistic_are_refused(name):
    X, codes, message = BAD[name]
    with pytest.raises(DataError, match=message):
        logistic(X, codes)


@pytest.mark.parametrize("Y", [[1.0], [1.0, np.nan], np.zeros((2, 1, 1))])
def test_bad_values_of_least_squares_are_refused(Y):
    with pytest.raises(DataError, match="is not 2 finite values"):
        least_squares([[1.0], [2.0]], Y)


def test_settings_out_of_range_are_all_listed():
    with pytest.raises(ConfigError, match=r"(?s)ridge is -1.*tolerance is 0"):
        logistic([[1.0], [2.0]], [0, 1], ridge=-1, tolerance=0)
    with pytest.raises(ConfigError, match="ridge is nan"):
        least_squares([[1.0], [2.0]], [0, 1], ridge=float("nan"))


def test_a_hessian_too_large_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(TooBig, match="200 classes of 31 coefficients"):
        logistic(rng.normal(size=(400, 30)), np.arange(400) % 200)
