"""Rating errors and AUC against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import metrics as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics.ratings import auc, mae, rmse, user_errors
from matweave.threads import set_threads


def test_errors_of_known_numbers():
    predicted, target = np.array([3.0, 4.0, 1.0]), np.array([4.0, 4.0, 3.0])
    assert rmse(predicted, target) == pytest.approx((5 / 3) ** 0.5)
    assert mae(predicted, target) == pytest.approx(1)
    assert rmse(predicted, predicted) == mae(target, target) == 0


def test_float32_predictions_are_summed_in_float64():
    predicted = np.full(300_001, 0.1, np.float32)
    assert mae(predicted, np.zeros(300_001, np.float32)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_no_rows_have_no_error():
    assert np.isnan(rmse(np.zeros(0), np.zeros(0)))
    assert np.isnan(mae(np.zeros(0), np.zeros(0)))


def test_user_errors_add_up():
    rng = np.random.default_rng(0)
    users, predicted, target = rng.integers(0, 9, 100), rng.normal(size=100), rng.normal(size=100)
    squares, absolutes, rows = user_errors(users, predicted, target, 10)
    assert len(squares) == len(absolutes) == len(rows) == 10
    assert np.sqrt(squares.sum() / rows.sum()) == pytest.approx(rmse(predicted, target))
    assert absolutes.sum() / rows.sum() == pytest.approx(mae(predicted, target))
    assert squares[3] == pytest.approx(((predicted - target)[users == 3] ** 2).sum())


@pytest.mark.parametrize(
    ("predicted", "target", "said"),
    [
        ([1.0], [1.0, 2.0], "differ in shape"),
        ([np.nan], [1.0], "NaN or infinite"),
        ([1.0], [np.inf], "NaN or infinite"),
    ],
)
def test_bad_ratings_are_refused(predicted, target, said):
    for formula in (rmse, mae):
        with pytest.raises(DataError, match=said):
            formula(np.array(predicted), np.array(target))


def test_user_errors_want_one_user_per_rating():
    with pytest.raises(DataError, match="2 users for 1"):
        user_errors(np.array([0, 1]), np.ones(1), np.ones(1), 2)


def rows_of(sets: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    flat = [j for s in sets for j in sorted(s)]
    return np.r_[0, np.cumsum([len(s) for s in sets])].astype(np.int64), np.array(flat, np.int32)


@given(seed=st.integers(0, 300), n=st.integers(1, 5), m=st.integers(1, 12))
def test_auc_agrees_with_counting_pairs(seed, n, m):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (n, m)).astype(np.float32)
    relevant = [set(np.flatnonzero(rng.random(m) < 0.4).tolist()) for _ in range(n)]
    out = [set(np.flatnonzero(rng.random(m) < 0.2).tolist()) for _ in range(n)]
    wanted = [by_hand.auc(s.tolist(), r, o) for s, r, o in zip(scores, relevant, out, strict=True)]
    np.testing.assert_allclose(auc(scores, *rows_of(relevant), rows_of(out)), wanted, rtol=1e-12)
    plain = [by_hand.auc(s.tolist(), r, set()) for s, r in zip(scores, relevant, strict=True)]
    np.testing.assert_allclose(auc(scores, *rows_of(relevant)), plain, rtol=1e-12)


def test_auc_flips_with_the_scores_and_not_with_their_scale():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(200, 40)).astype(np.float32)
    relevant = rows_of([set(rng.permutation(40)[:5].tolist()) for _ in range(200)])
    plain = auc(scores, *relevant)
    np.testing.assert_allclose(auc(-scores, *relevant), 1 - plain)
    np.testing.assert_allclose(auc(4 * scores, *relevant), plain)
    assert 0.45 < plain.mean() < 0.55
    try:
        set_threads(1)
        assert np.array_equal(auc(scores, *relevant), plain)
    finally:
        set_threads(None)


def test_auc_refuses_what_it_cannot_read():
    one = np.ones((1, 3), np.float32)
    with pytest.raises(DataError, match="NaN"):
        auc(np.full((1, 3), np.nan, np.float32), *rows_of([{0}]))
    with pytest.raises(DataError, match="1 rows of scores, 2"):
        auc(one, *rows_of([{0}, {1}]))
    with pytest.raises(DataError, match="outside the 3"):
        auc(one, *rows_of([{3}]))
    with pytest.raises(DataError, match="outside the 3"):
        auc(one, *rows_of([{1}]), rows_of([{5}]))
