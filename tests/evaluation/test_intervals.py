"""Bootstrap intervals: they hold the truth as often as they say, and depend on nothing that they should not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from by_hand import evaluation as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.evaluation import intervals
from matweave.evaluation.intervals import Interval, of_groups, of_means, of_ratios, resample_weights, root
from matweave.threads import set_threads


def held(found: list[Interval], truth: float) -> float:
    """How often the interval of a sample holds the truth."""
    return sum(one.low <= truth <= one.high for one in found) / len(found)


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng, shape: rng.normal(3, 2, shape), 3.0),
        (lambda rng, shape: rng.random(shape) < 0.4, 0.4),
        (lambda rng, shape: rng.beta(0.5, 1.5, shape), 0.25),  # as nDCG is: a heap at 0 and a tail
    ],
)
def test_ninety_five_of_a_hundred_intervals_hold_the_mean(draw, truth):
    samples = draw(np.random.default_rng(5), (150, 800)).astype(np.float64)
    # 800 samples at 0.95 have a standard error of 0.008; the percentile bootstrap of 150 is a little short
    assert 0.92 <= held(of_means(samples, seed=0), truth) <= 0.975


def test_intervals_of_ratios_resample_users_as_a_whole():
    """Users of few and of many rows: the ratio of sums is what is covered, not the mean of ratios."""
    rng = np.random.default_rng(5)
    rows = rng.integers(1, 40, (150, 800)).astype(np.float64)
    squares = rng.chisquare(rows) * np.where(rows > 20, 2.0, 0.5)  # who rates much is harder to predict
    truth = (np.arange(1, 40) * np.where(np.arange(1, 40) > 20, 2.0, 0.5)).sum() / np.arange(1, 40).sum()
    found = of_ratios(squares, rows, seed=0)
    assert 0.92 <= held(found, truth) <= 0.975
    assert held(found, 1.25) < 0.5  # what a mean of ratios would be near


def test_an_interval_is_the_quantiles_of_means_of_draws():
    rng = np.random.default_rng(2)
    top, bottom = rng.random(9), rng.integers(0, 3, 9).astype(float)
    found = of_ratios(top[:, None], bottom[:, None], seed=4, resamples=40)[0]
    drawn = by_hand.mean_of_draws(top, bottom, resample_weights(9, 40, seed=4, piece=0))
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), rel=1e-5)
    assert found.mean == pytest.approx(top.sum() / bottom.sum())


def test_resamples_are_draws_with_replacement():
    weights = resample_weights(30, 2000, seed=0, piece=3)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.1)
    assert weights.max() >= 4
    assert weights.var() == pytest.approx(1 - 1 / 30, abs=0.03)  # of a multinomial count


def test_pieces_are_drawn_anew():
    assert not np.array_equal(resample_weights(20, 5, 0, piece=0), resample_weights(20, 5, 0, piece=1))


@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_intervals_follow_scale_and_shift(seed, scale, shift):
    values = np.random.default_rng(seed).random((40, 1))
    here, there = (of_means(v, seed=1, resamples=100)[0] for v in (values, values * scale + shift))
    wanted = [scale * v + shift for v in (here.mean, here.low, here.high)]
    assert [there.mean, there.low, there.high] == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_threads_and_company_change_nothing():
    values = np.random.default_rng(0).random((500, 3))
    found = []
    for threads in (1, 3):
        set_threads(threads)
        found.append(of_means(values, seed=0, resamples=230))
    set_threads(None)
    assert found[0] == found[1]
    # a column alone has the very same resamples, up to the rounding of another product
    alone = of_means(values[:, 1:2], seed=0, resamples=230)[0]
    assert [alone.low, alone.high] == pytest.approx([found[0][1].low, found[0][1].high], rel=1e-6)


def test_other_seeds_other_draws_and_pieces_of_any_size_hold_every_resample(monkeypatch):
    values = np.random.default_rng(0).random((300, 1))
    first, second = (of_means(values, seed=s)[0] for s in (0, 1))
    assert first.mean == second.mean
    assert first.low != second.low
    monkeypatch.setattr(intervals, "_CELLS", 900)  # three resamples at a time, as for many users
    small = of_means(values, seed=0)[0]
    assert small.low == pytest.approx(first.low, abs=0.01)
    assert small.low != first.low


def test_users_who_are_not_judged_do_not_count():
    values = np.array([[1.0, 1.0], [np.nan, 5.0], [3.0, 3.0], [np.nan, 7.0]])
    found = of_means(values, seed=0)
    assert found[0].mean == 2.0
    assert found[1].mean == 4.0
    assert 1.0 <= found[0].low < 2.0 < found[0].high <= 3.0


@pytest.mark.parametrize("column", [[np.nan, np.nan], [np.nan, 0.5]])
def test_fewer_than_two_users_have_no_interval(column):
    found = of_means(np.array(column)[:, None], seed=0)[0]
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.as_dict()["low"] is None


def test_no_users_at_all():
    found = of_means(np.empty((0, 2)), seed=0)
    assert [math.isnan(one.mean) for one in found] == [True, True]


def test_equal_users_have_an_interval_of_no_width():
    found = of_means(np.full((50, 1), 1 / 3), seed=0)[0]
    assert found.low <= found.mean <= found.high
    assert found.high - found.low < 1e-6


def test_root_goes_through():
    assert root(Interval(mean=4.0, low=1.0, high=9.0)) == Interval(mean=2.0, low=1.0, high=3.0)


def test_groups_left_out_give_the_jackknife():
    without = np.array([0.4, 0.5, 0.55, 0.45])
    error = by_hand.jackknife_error(without.tolist())
    found = of_groups(0.5, without)
    assert [found.low, found.high] == pytest.approx([0.5 - 1.96 * error, 0.5 + 1.96 * error])
    wide = of_groups(0.9, np.array([0.1, 0.9]))
    assert (wide.low, wide.high) == pytest.approx((max(0, 0.9 - 1.96 * 0.4), 1.0))
    assert math.isnan(of_groups(0.5, np.empty(0)).low)


def test_the_jackknife_of_a_mean_has_the_width_of_its_bootstrap():
    values = np.random.default_rng(1).random(4000)
    groups = np.arange(4000) % 20
    jack = of_groups(values.mean(), np.array([values[groups != g].mean() for g in range(20)]))
    boot = of_means(values[:, None], seed=0)[0]
    assert jack.high - jack.low == pytest.approx(boot.high - boot.low, rel=0.4)
