"""Coverage, width and CRPS: numerical integrals, values drawn from the law, and what is proper about it."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.metrics import normal_crps
from scipy.stats import norm

from matweave.errors import DataError
from matweave.metrics.uncertainty import (
    LEVELS,
    crps,
    crps_of_each,
    inside,
    interval_coverage,
    interval_width,
    quantile_of,
)


def test_the_crps_is_the_integral_that_defines_it():
    mean, deviation, target = np.array([0.0, 1.0, 3.0]), np.array([1.0, 0.3, 2.0]), np.array([0.2, 2.0, -1.0])
    wanted = [normal_crps(*three) for three in zip(mean, deviation, target, strict=True)]
    np.testing.assert_allclose(crps_of_each(mean, deviation, target), wanted, rtol=1e-3)


def test_without_a_deviation_it_is_the_absolute_error():
    mean, target = np.array([0.0, 1.0]), np.array([2.0, 1.0])
    assert crps(mean, np.zeros(2), target) == 1.0
    assert crps(mean, np.full(2, 1e-9), target) == pytest.approx(1.0)


def test_the_true_law_has_the_lowest_crps():
    rng = np.random.default_rng(0)
    target = 3 + 0.7 * rng.normal(size=20_000)
    full = np.full(20_000, 3.0)
    found = {s: crps(full, np.full(20_000, s), target) for s in (0.4, 0.7, 1.2)}
    assert min(found, key=lambda s: found[s]) == 0.7
    assert crps(full + 0.3, np.full(20_000, 0.7), target) > found[0.7]


@pytest.mark.parametrize("level", LEVELS)
def test_intervals_of_the_true_law_hold_their_share(level):
    rng = np.random.default_rng(1)
    deviation = rng.uniform(0.5, 2, 40_000)
    target = 1 + deviation * rng.normal(size=40_000)
    assert interval_coverage(np.ones(40_000), deviation, target, level) == pytest.approx(level, abs=0.01)
    assert quantile_of(level) == pytest.approx(norm.ppf(0.5 + level / 2))
    assert interval_width(deviation, level) == pytest.approx(2 * quantile_of(level) * deviation.mean())


def test_ends_are_inside():
    assert inside(np.array([1.0, 2.0, 2.1]), np.ones(3), np.full(3, 2.0)).tolist() == [True, True, False]


def test_no_values_have_no_number():
    none = np.zeros(0)
    assert all(
        np.isnan(v)
        for v in (crps(none, none, none), interval_coverage(none, none, none), interval_width(none))
    )


@pytest.mark.parametrize(
    ("three", "said"),
    [
        (([1.0], [1.0, 2.0], [1.0]), "differ in shape"),
        (([1.0], [-1.0], [1.0]), "negative"),
        (([np.nan], [1.0], [1.0]), "not finite"),
    ],
)
def test_bad_numbers_are_refused(three, said):
    for formula in (crps, interval_coverage):
        with pytest.raises(DataError, match=said):
            formula(*(np.array(a) for a in three))
