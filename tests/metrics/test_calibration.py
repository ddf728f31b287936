"""Calibration: against plain Python, on planted models that are honest, too sure and too shy."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import classification as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics.calibration import bin_of, chance_error, expected_calibration_error, reliability


def planted(n: int, power: float, seed: int = 0, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Classes drawn from p; the model says p to a power, made to sum to 1: 1 is honest, more is too sure."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(k, 0.6), n)
    codes = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    said = (p + 1e-9) ** power
    return said / said.sum(axis=1, keepdims=True), codes


@given(
    seed=st.integers(0, 500), n=st.integers(1, 60), k=st.integers(1, 5), bins=st.sampled_from([1, 2, 5, 15])
)
def test_the_table_agrees_with_its_slow_twin(seed, n, k, bins):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 5, (n, k)).astype(float)  # shares such as 1/5: on the edges of bins
    p, codes = weights / weights.sum(axis=1, keepdims=True), rng.integers(0, k, n)
    found = reliability(p, codes, bins)
    wanted = by_hand.bins(p.tolist(), codes.tolist(), bins)
    assert found.count.tolist() == [n for n, _, _ in wanted]
    np.testing.assert_allclose(found.confidence, [c for _, c, _ in wanted], rtol=1e-12)
    np.testing.assert_allclose(found.accuracy, [a for _, _, a in wanted], rtol=1e-12)
    error = by_hand.calibration_error(p.tolist(), codes.tolist(), bins)
    assert expected_calibration_error(p, codes, bins) == pytest.approx(error, rel=1e-12, abs=1e-15)


def test_bins_are_of_equal_width_and_hold_their_upper_edge():
    assert bin_of(np.arange(16) / 15).tolist() == [0, *range(15)]
    assert bin_of(np.nextafter(np.arange(15) / 15, 1)).tolist() == list(range(15))
    np.testing.assert_allclose(reliability(np.array([[1.0]]), np.array([0])).edges, np.arange(16) / 15)


def test_honest_sure_and_shy_models_are_told_apart():
    honest, sure, shy = (planted(40_000, power) for power in (1.0, 2.5, 0.4))
    errors = [expected_calibration_error(*one) for one in (honest, sure, shy)]
    assert errors[0] < 0.01
    assert min(errors[1:]) > 0.08
    for (p, codes), sign in ((sure, -1), (shy, 1)):
        table = reliability(p, codes)
        full = table.count > 200
        assert (np.sign(table.accuracy - table.confidence)[full] == sign).mean() > 0.8


def test_one_bin_knows_only_the_mean_gap():
    p, codes = planted(500, 2.0)
    gap = abs(p.max(axis=1).mean() - (p.argmax(axis=1) == codes).mean())
    assert expected_calibration_error(p, codes, bins=1) == pytest.approx(gap)
    assert expected_calibration_error(p, codes) >= gap - 1e-12


def test_honest_models_stay_below_the_chance_error_as_often_as_it_says():
    n = 400
    below = []
    for seed in range(300):
        p, codes = planted(n, 1.0, seed)
        below.append(expected_calibration_error(p, codes) <= chance_error(p, seed=1))
    # 300 trials at 0.95 have a standard error of 0.0126
    assert 0.91 <= np.mean(below) <= 0.985
    p, codes = planted(n, 2.5)
    assert expected_calibration_error(p, codes) > 2 * chance_error(p)


def test_chance_falls_with_the_root_of_the_examples_and_repeats_with_its_seed():
    p, _ = planted(20_000, 1.0)
    assert chance_error(p[:200]) / chance_error(p) == pytest.approx(10, rel=0.15)
    assert chance_error(p, seed=3) == chance_error(p, seed=3) != chance_error(p, seed=4)
    assert chance_error(np.array([[1.0004, 0.0]])) == 0


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="bins=0"):
        reliability(np.array([[1.0]]), np.array([0]), bins=0)
    with pytest.raises(DataError, match="sum to 1"):
        expected_calibration_error(np.array([[0.4, 0.4]]), np.array([0]))
