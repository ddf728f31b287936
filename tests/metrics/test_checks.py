"""What metrics refuse: all of it in one error, by index, and nothing good."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.errors import DataError
from matweave.metrics.checks import predictions_and_values, probabilities_and_codes

GOOD = np.array([[0.5, 0.5], [0.2, 0.8], [1.0, 0.0], [0.3, 0.7]])


def test_good_input_comes_back_as_it_is_in_wide_types():
    p, y = probabilities_and_codes(GOOD.astype(np.float32), np.array([0, 1, 0, 1], np.int8))
    assert (p.dtype, y.dtype) == (np.float64, np.int64)
    np.testing.assert_array_equal(p, GOOD.astype(np.float32))
    assert y.tolist() == [0, 1, 0, 1]


def test_what_is_checked_is_not_changed():
    given, codes = GOOD.copy(), np.array([0, 1, 0, 1])
    p, y = probabilities_and_codes(given, codes)
    p[:], y[:] = 0, 0
    assert (given == GOOD).all()
    assert codes.tolist() == [0, 1, 0, 1]


def test_softmax_in_float32_sums_well_enough_and_logits_do_not():
    logits = np.random.default_rng(0).normal(0, 8, (50, 1000)).astype(np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities_and_codes(shifted / shifted.sum(axis=1, keepdims=True), np.zeros(50, int))
    with pytest.raises(DataError, match="50 rows of probabilities go below 0"):
        probabilities_and_codes(logits, np.zeros(50, int))


def test_every_problem_is_listed_at_once():
    bad = GOOD.copy()
    bad[0, 0], bad[1], bad[2, 1] = np.nan, (-0.1, 1.1), 0.5
    with pytest.raises(DataError) as caught:
        probabilities_and_codes(bad, np.array([0, 1, 2, -1]), where="digits")
    assert caught.value.where == "digits"
    for said in (
        "1 row of probabilities holds NaN or infinity: index 0",
        "1 row of probabilities goes below 0: index 1 (-0.1)",
        "1 row of probabilities does not sum to 1: index 2 (1.5)",
        "2 codes are outside the 2 classes: index 2 (2), index 3 (-1)",
    ):
        assert said in caught.value.what


def test_only_the_first_ten_are_named():
    with pytest.raises(DataError) as caught:
        probabilities_and_codes(np.full((1234, 2), 0.6), np.zeros(1234, int))
    assert caught.value.what.startswith("1,234 rows of probabilities do not sum to 1: index 0 (1.2), ")
    assert caught.value.what.endswith("index 9 (1.2) (+1,224 more)")


@pytest.mark.parametrize(
    ("p", "y"),
    [
        (GOOD, np.zeros(3, int)),
        (GOOD[0], np.zeros(2, int)),
        (GOOD, np.zeros((4, 1), int)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.zeros((2, 0)), np.zeros(2, int)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(p, y):
    with pytest.raises(DataError, match="probabilities have shape"):
        probabilities_and_codes(p, y)


@pytest.mark.parametrize(
    ("p", "y"),
    [(GOOD.astype(int), np.zeros(4, int)), (GOOD, np.zeros(4)), (GOOD.astype(str), np.zeros(4, int))],
)
def test_other_types_are_refused(p, y):
    with pytest.raises(DataError, match="probabilities are"):
        probabilities_and_codes(p, y)


def test_one_output_may_stand_in_a_column():
    p, t = predictions_and_values(np.array([[1.0], [2.0]], np.float32), np.array([1, 3]))
    assert (p.shape, t.shape) == ((2, 1), (2, 1))
    assert (p.dtype, t.dtype) == (np.float64, np.float64)


@pytest.mark.parametrize(
    ("p", "t"),
    [
        (np.ones(3), np.ones(2)),
        (np.ones((3, 2)), np.ones(3)),
        (np.ones((3, 2)), np.ones((2, 3))),
        (np.ones((3, 1, 1)), np.ones((3, 1, 1))),
        (np.ones(()), np.ones(())),
        (np.ones(0), np.ones(0)),
    ],
)
def test_numbers_of_other_shapes_are_refused_and_never_broadcast(p, t):
    with pytest.raises(DataError, match="predictions have shape"):
        predictions_and_values(p, t)


def test_numbers_that_are_none_are_named_on_both_sides():
    with pytest.raises(DataError) as caught:
        predictions_and_values(
            np.array([[1.0, np.nan], [1.0, 1.0], [np.inf, 0.0]]),
            np.array([[1.0, 1.0], [np.nan, 1.0], [0.0, 0.0]]),
        )
    assert "2 predictions are NaN or infinite: index 0 (1, nan), index 2 (inf, 0)" in caught.value.what
    assert "1 value is NaN or infinite: index 1 (nan, 1)" in caught.value.what


def test_text_and_differences_beyond_float64_are_refused():
    with pytest.raises(DataError, match="predictions are <U1"):
        predictions_and_values(np.array(["a"]), np.ones(1))
    with pytest.raises(DataError, match="beyond float64"):
        predictions_and_values(np.array([1.7e308]), np.array([-1.7e308]))
