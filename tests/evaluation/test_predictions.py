"""Judging predictions: the metrics with their intervals, the hardest examples, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.targets import Targets
from matweave.errors import DataError
from matweave.evaluation.predictions import MEASURES, judge_classes, judge_values
from matweave.metrics import calibration, classification, regression


def classes(n: int = 300, k: int = 4, seed: int = 0) -> tuple[np.ndarray, Targets]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[codes]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p, Targets(values=codes, classes=tuple(f"class {c}" for c in range(k)))


@pytest.mark.parametrize(("k", "more"), [(2, ["roc_auc"]), (4, []), (12, ["top_5_accuracy"])])
def test_metrics_are_the_formulas_and_lie_in_their_intervals(k, more):
    p, targets = classes(k=k)
    judged = judge_classes(p, targets)
    wanted = {
        "accuracy": classification.accuracy,
        "log_loss": classification.log_loss,
        "brier": classification.brier,
        "ece": calibration.expected_calibration_error,
        "macro_f1": classification.macro_f1,
        "balanced_accuracy": classification.balanced_accuracy,
        "roc_auc": classification.roc_auc,
        "top_5_accuracy": classification.top_k_accuracy,
    }
    assert set(judged.metrics) == {*list(wanted)[:6], *more}
    assert list(judged.metrics) == [name for name in MEASURES if name in judged.metrics]
    for name, found in judged.metrics.items():
        assert found.mean == pytest.approx(wanted[name](p, targets.values))
        assert found.low < found.mean < found.high
        assert found.high - found.low < 0.5
    assert judged.n == 300
    assert judged.classes == targets.classes
    assert (judged.confusion == classification.confusion_matrix(p, targets.values)).all()
    assert judged.per_class.support.tolist() == targets.counts().tolist()
    assert judged.reliability.count.sum() == 300


def test_the_hardest_are_those_with_the_greatest_loss_in_order():
    p, targets = classes()
    judged = judge_classes(p, targets)
    losses = -np.log(p[np.arange(300), targets.values])
    assert judged.hardest.dtype == np.int64
    assert judged.hardest.tolist() == np.argsort(-losses)[:24].tolist()
    few = judge_classes(p[:5], targets.take(range(5)))
    assert sorted(few.hardest.tolist()) == [0, 1, 2, 3, 4]


def test_more_examples_give_narrower_intervals():
    few, many = (judge_classes(*classes(n=n)).metrics["accuracy"] for n in (100, 10_000))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)


def test_the_seed_draws_the_intervals_and_moves_no_metric():
    one, same, other = (judge_classes(*classes(), seed=seed) for seed in (1, 1, 2))
    assert one.metrics == same.metrics
    assert one.chance_error == same.chance_error != other.chance_error
    for name, found in other.metrics.items():
        assert found.mean == one.metrics[name].mean
    assert other.metrics["log_loss"] != one.metrics["log_loss"]


def test_one_example_has_metrics_and_no_intervals():
    judged = judge_classes(np.array([[0.3, 0.7]]), Targets.of_labels(["b"]).with_classes(["a", "b"]))
    assert judged.metrics["accuracy"].mean == 1
    assert np.isnan(judged.metrics["roc_auc"].mean)
    assert all(np.isnan(i.low) for i in judged.metrics.values())
    alone = judge_values(np.array([2.0]), np.array([1.0]))
    assert alone.metrics["rmse"].mean == 1
    assert np.isnan(alone.metrics["r2"].mean)


def test_perfect_predictions_have_intervals_of_no_width():
    judged = judge_classes(np.eye(3)[[0, 1, 2, 2]], Targets.of_labels("abcc"))
    assert [judged.metrics[n].low for n in ("accuracy", "macro_f1")] == [1, 1]
    assert judged.metrics["ece"].high == 0
    exact = judge_values(np.arange(5.0), np.arange(5.0))
    assert [exact.metrics[n].low for n in ("rmse", "mae", "r2")] == [0, 0, 1]


def test_numbers_are_judged_by_output_and_as_a_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(0, [1, 50], (400, 2))
    predicted = values + rng.normal(0, [0.5, 10], (400, 2))
    judged = judge_values(predicted, values)
    assert list(judged.metrics) == ["rmse", "mae", "r2"]
    for name, found in judged.metrics.items():
        formula = getattr(regression, name)
        assert found.mean == pytest.approx(formula(predicted, values))
        assert found.low < found.mean < found.high
        assert judged.per_output[name].tolist() == [
            formula(predicted[:, at], values[:, at]) for at in range(2)
        ]
    alone = judge_values(predicted[:, :1], values[:, 0])
    assert alone.metrics["rmse"].mean == pytest.approx(judged.per_output["rmse"][0])


def test_the_hardest_numbers_do_not_depend_on_the_unit_of_an_output():
    rng = np.random.default_rng(1)
    values, error = rng.normal(size=(100, 2)), rng.normal(size=(100, 2))
    found = judge_values(values + error, values).hardest
    scaled = judge_values((values + error) * [1, 1e6], values * [1, 1e6]).hardest
    assert found.tolist() == scaled.tolist()
    share = (error**2 / (error**2).mean(axis=0)).sum(axis=1)
    assert found.tolist() == np.argsort(-share)[:24].tolist()


def test_what_does_not_fit_is_refused_with_the_mend():
    p, targets = classes()
    with pytest.raises(DataError, match="numbers, not classes") as caught:
        judge_classes(p, Targets.of_values(np.zeros(300)))
    assert "judge_values" in caught.value.mend
    with pytest.raises(DataError, match="probabilities of 3 classes, and targets of 4"):
        judge_classes(p[:, :3], targets)
    with pytest.raises(DataError, match=r"shape \(299, 4\)"):
        judge_classes(p[:-1], targets)
    with pytest.raises(DataError, match=r"shape \(0, 4\)"):
        judge_classes(p[:0], targets.take([]))
    bad = p.copy()
    bad[7, 0], bad[9] = np.nan, 0.5
    with pytest.raises(DataError) as caught:
        judge_classes(bad, targets)
    assert "holds NaN or infinity: index 7" in caught.value.what
    assert "does not sum to 1: index 9 (2)" in caught.value.what
    with pytest.raises(DataError, match="1 prediction is NaN or infinite: index 1"):
        judge_values(np.array([0.0, np.nan]), np.zeros(2))
    with pytest.raises(DataError, match="shape"):
        judge_values(np.zeros((3, 2)), np.zeros(3))
