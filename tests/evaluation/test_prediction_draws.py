"""Bootstrap draws of metrics: the same as drawing examples and judging them, and intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.evaluation import prediction_draws as draws
from matweave.evaluation.intervals import resample_weights
from matweave.metrics import calibration, classification, regression
from matweave.threads import set_threads

CLASS_METRICS = {
    "accuracy": classification.accuracy,
    "log_loss": classification.log_loss,
    "brier": classification.brier,
    "ece": calibration.expected_calibration_error,
    "macro_f1": classification.macro_f1,
    "balanced_accuracy": classification.balanced_accuracy,
    "roc_auc": classification.roc_auc,
    "top_5_accuracy": classification.top_k_accuracy,
}


def case(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    weights = rng.integers(1, 4, (n, k)) + 3.0 * (np.arange(k) == codes[:, None]) * rng.integers(0, 2, (n, 1))
    return weights / weights.sum(axis=1, keepdims=True), codes


@given(seed=st.integers(0, 300), n=st.integers(1, 40), k=st.sampled_from([1, 2, 3, 12]))
def test_weights_say_what_drawing_the_examples_says(seed, n, k):
    p, codes = case(seed, n, k)
    weights = resample_weights(n, 3, seed, 0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        found = draws.of_classes(p, codes)(weights)
    assert ("roc_auc" in found, "top_5_accuracy" in found) == (k == 2, k >= 10)
    for row in range(3):
        at = np.repeat(np.arange(n), weights[row].astype(int))
        for name, values in found.items():
            wanted = CLASS_METRICS[name](p[at], codes[at])
            assert values[row] == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(seed=st.integers(0, 300), n=st.integers(1, 40), outputs=st.integers(1, 3))
def test_weights_of_numbers_say_what_drawing_the_examples_says(seed, n, outputs):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 4, (n, outputs)) * [1.0, 1e9, 1e-9][:outputs] + 3
    p = t + rng.normal(size=(n, outputs)) * [1.0, 1e9, 1e-9][:outputs]
    weights = resample_weights(n, 3, seed, 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = draws.of_values(p, t)(weights)
    for row in range(3):
        at = np.repeat(np.arange(n), weights[row].astype(int))
        for name in ("rmse", "mae", "r2"):
            wanted = getattr(regression, name)(p[at], t[at])
            assert found[name][row] == pytest.approx(wanted, rel=1e-5, nan_ok=True), name


def test_numbers_at_the_ends_of_float64_have_draws():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(50, 1))
    p = t + rng.normal(size=(50, 1))
    plain = draws.drawn(draws.of_values(p, t), 50, seed=0, resamples=50)
    for scale in (1e300, 1e-300):
        found = draws.drawn(draws.of_values(p * scale, t * scale), 50, seed=0, resamples=50)
        np.testing.assert_allclose(found["rmse"], plain["rmse"] * scale, rtol=1e-9)
        np.testing.assert_allclose(found["r2"], plain["r2"], rtol=1e-9)


def test_draws_depend_on_the_seed_and_on_nothing_else():
    p, codes = case(0, 120, 4)
    statistic = draws.of_classes(p, codes)
    once = draws.drawn(statistic, 120, seed=3, resamples=130)
    assert {len(v) for v in once.values()} == {130}
    set_threads(2)
    try:
        again = draws.drawn(statistic, 120, seed=3, resamples=130)
    finally:
        set_threads(None)
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name])
    assert (draws.drawn(statistic, 120, seed=4, resamples=130)["accuracy"] != once["accuracy"]).any()


def test_intervals_are_quantiles_and_hold_the_number_itself():
    values = np.random.default_rng(0).permutation(np.r_[np.linspace(0.2, 0.6, 101), np.nan, np.inf])
    found = draws.interval(0.4, values, n=9)
    assert [found.mean, found.low, found.high] == pytest.approx([0.4, 0.21, 0.59])
    assert draws.interval(0.7, values, n=9).high == 0.7
    moved = draws.interval(0.1, values, n=9, centred=True)
    assert [moved.low, moved.high] == pytest.approx([0, 0.29])
    for mean, at, n in ((0.4, values, 1), (0.4, np.array([np.nan]), 9), (np.nan, values, 9)):
        assert np.isnan(draws.interval(mean, at, n=n).low)


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of unequal size, a model that is somewhat too sure."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    logits = 3 * (rng.normal(0, 1, (n, 3)) + 1.2 * np.eye(3)[codes])
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True), codes


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    p, codes = planted(400_000, 10_000)
    names = ("accuracy", "log_loss", "brier", "ece", "macro_f1", "balanced_accuracy")
    truth = {name: CLASS_METRICS[name](p, codes) for name in names}
    held = dict.fromkeys(names, 0)
    for seed in range(150):
        p, codes = planted(300, seed)
        values = draws.drawn(draws.of_classes(p, codes), 300, seed=0, resamples=200)
        for name in names:
            mean = CLASS_METRICS[name](p, codes)
            found = draws.interval(mean, values[name], n=300, centred=name in draws.CENTRED)
            held[name] += found.low <= truth[name] <= found.high
    # 150 trials at 0.95 have a standard error of 0.018; the percentile bootstrap of 300 is a little short
    for name in names:
        assert 0.89 <= held[name] / 150 <= 0.99, (name, held[name])


def centred(name: str, p: np.ndarray, codes: np.ndarray) -> tuple[float, np.ndarray]:
    """The metric, and its draws, when the interval is seen to hold the metric well inside."""
    values = draws.drawn(draws.of_classes(p, codes), len(p), seed=0, resamples=300)[name]
    mean = CLASS_METRICS[name](p, codes)
    found = draws.interval(mean, values, n=len(p), centred=True)
    assert found.low < mean < found.high
    assert found.high - mean == pytest.approx(mean - found.low, rel=0.4)
    return mean, values


def test_draws_of_the_calibration_error_lie_above_it_and_are_centred():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.8, 0.8], 500)
    codes = (rng.random(500) < p[:, 1]).astype(int)
    mean, values = centred("ece", p, codes)
    assert values.mean() > 1.15 * mean


def test_draws_of_macro_f1_over_rare_classes_lie_below_it_and_are_centred():
    rng = np.random.default_rng(0)
    codes = np.arange(300) % 100
    p = rng.dirichlet(np.ones(100), 300) * 0.2 + 0.8 * np.eye(100)[np.where(rng.random(300) < 0.8, codes, 7)]
    mean, values = centred("macro_f1", p, codes)
    assert np.quantile(values, 0.9) < mean
