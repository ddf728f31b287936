"""Figures of a network's report show the numbers handed in, each in its panel."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matweave.evaluation import net_report_plots as plots
from matweave.metrics.calibration import reliability
from matweave.train.history import Epoch, TrainHistory


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("text")]


def history(n: int = 6, rates: tuple[float, float] = (0.1, 0.1), best: int = 4, **measures) -> TrainHistory:
    epochs = tuple(
        Epoch(
            epoch=e,
            step=10 * e,
            loss=1 / e,
            measures={name: value + e for name, value in measures.items()},
            learning_rate=float(np.geomspace(*rates, n)[e - 1]),
            seconds=float(e),
        )
        for e in range(1, n + 1)
    )
    return TrainHistory(epochs=epochs, best_epoch=best, measure=next(iter(measures), ""), examples=100)


def test_each_measure_has_a_panel_and_the_chosen_one_comes_first():
    found = history(accuracy=0.5, f1=0.4)
    other = TrainHistory(**{**vars(found), "measure": "f1"})
    titles = [w for w in words(plots.training(found, "l")) if ":" in w or w == "training loss"]
    assert titles == ["training loss", "validation: accuracy", "validation: f1"]
    titles = [w for w in words(plots.training(other, "l")) if w.startswith("validation")]
    assert titles == ["validation: f1", "validation: accuracy"]


def test_validation_loss_is_drawn_beside_the_training_loss():
    said = words(plots.training(history(loss=0.5, accuracy=0.5), "l"))
    assert "loss: training, and validation (dashed)" in said
    assert "validation: loss" not in said
    assert "validation: accuracy" in said


def test_the_learning_rate_is_drawn_where_it_changes():
    assert "learning rate" not in words(plots.training(history(), "l"))
    assert "learning rate" in words(plots.training(history(rates=(0.1, 0.09)), "l"))
    said = words(plots.training(history(rates=(0.1, 1e-5)), "l"))
    assert {"0.1", "0.01", "0.001"} <= set(said)
    assert not any("mathdefault" in w for w in said)


def test_the_epoch_kept_is_ringed_in_every_curve_but_the_rate():
    one = plots.training(history(accuracy=0.5, rates=(0.1, 0.01)), "l")
    none = plots.training(history(accuracy=0.5, rates=(0.1, 0.01), best=0), "l")
    assert one.count("<use") == none.count("<use") + 2


@pytest.mark.parametrize("n", [1, 40])
def test_one_epoch_and_gaps_are_drawn(n):
    found = history(n, accuracy=float("nan"))
    assert "training loss" in words(plots.training(found, "l"))
    few = TrainHistory(
        epochs=(*found.epochs[:1], Epoch(epoch=2, step=2, loss=float("inf"), learning_rate=0.1, seconds=1))
    )
    assert "validation: accuracy" in words(plots.training(few, "l"))


def test_calibration_has_a_point_and_two_bars_for_each_bin_that_is_held():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1], 300)
    table = reliability(p, (rng.random(300) < p[:, 1]).astype(int))
    svg = plots.calibration(table, "l")
    assert {"right", "wrong", "accuracy", "confidence"} <= set(words(svg))
    held = int((table.count > 0).sum())
    assert held == 8
    bars = len(re.findall(r"<path[^>]*style=\"fill: var\(--(?:accent|series-2)\)[^\"]*\" />", svg))
    assert bars >= 2 * held
    alone = plots.calibration(reliability(np.array([[1.0, 0.0]]), np.array([0])), "l")
    assert "100%" in words(alone)


def test_numbers_have_a_cloud_and_a_histogram_for_each_of_the_first_outputs():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(60, 6))
    said = words(plots.values(true + 0.1, true, "l"))
    assert [w for w in said if w.endswith("against true")] == [
        f"output {n}: predicted against true" for n in range(1, 5)
    ]
    said = words(plots.values(true[:, :1], true[:, :1], "l"))
    assert "predicted against true" in said
    assert "errors" in said


def test_large_clouds_are_thinned_and_the_same_each_time():
    true = np.random.default_rng(0).normal(size=(5000, 1))
    once = plots.values(true * 0.9, true, "l")
    assert plots.POINTS <= once.count("<use") < plots.POINTS + 50
    assert once == plots.values(true * 0.9, true, "l")
    assert len(once) < 300_000


@pytest.mark.parametrize("error", [0.0, 1e17, -1e-300])
def test_errors_that_are_all_the_same_have_one_bar(error):
    true = np.arange(9.0)[:, None]
    assert "errors" in words(plots.values(true + error, true, "l"))
    spread = np.nextafter(np.full(5, error or 1.0), np.inf)
    heights, edges = plots._histogram(np.r_[spread, error or 1.0])
    assert heights.tolist() == [6]
    assert edges[0] < (error or 1.0) < edges[1]


def test_activations_are_drawn_before_and_after_with_their_names():
    x = np.linspace(-3, 3, 20)
    curves = [
        plots.ActivationCurve(name=f"layer <{n}>", x=x, before=x, after=np.maximum(x, 0.1 * n * x))
        for n in range(5)
    ]
    svg = plots.activations(curves, "l")
    assert {c.name for c in curves} <= set(words(svg))
    assert svg.count("stroke: var(--accent)") == 5
    many = plots.ActivationCurve(name="units", x=x, before=x, after=np.stack([x, 2 * x, 3 * x], axis=1))
    assert plots.activations([many], "l").count("stroke: var(--accent)") == 3
