"""Figures show the numbers handed in: rows, bars, curves, points, each where it should be."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matweave.evaluation import report_plots as plots


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("text")]


def row(name: str, mean: float, standing: str, half: float = 0.1) -> plots.Row:
    return plots.Row(name=name, mean=mean, low=mean - half, high=mean + half, standing=standing)


def test_intervals_have_a_panel_for_each_metric_and_a_row_for_each_method() -> None:
    rows = [row("a", 0.5, "best"), row("b", 0.4, "same"), row("c", 0.1, "other")]
    svg = plots.intervals({"ndcg@10": rows, "recall@10": rows, "rmse": rows, "mae": rows}, "label")
    said = words(svg)
    assert {"ndcg@10", "recall@10", "rmse", "mae"} <= set(said)
    assert [said.count(name) for name in "abc"] == [2, 2, 2]  # on the left of each of two rows of panels


def test_the_best_and_those_not_told_apart_are_blue_and_the_others_grey() -> None:
    def lines(standing: str) -> int:
        svg = plots.intervals({"m": [row("x", 0.5, standing)]}, "label")
        return len(re.findall(r"stroke: var\(--accent\); stroke-width: 2.2", svg))

    assert [lines(s) for s in ("best", "same", "other", "even")] == [1, 1, 0, 0]


def test_a_missing_number_leaves_its_row_empty() -> None:
    nan = float("nan")
    svg = plots.intervals(
        {"m": [row("a", 0.5, "best"), plots.Row(name="b", mean=nan, low=nan, high=nan, standing="other")]},
        "l",
    )
    assert {"a", "b"} <= set(words(svg))
    assert svg.count("stroke-width: 2.2") == 1


def test_curves_draw_objective_and_validation_of_each_fit() -> None:
    def fit(name: str, validation: tuple) -> plots.Curve:
        return plots.Curve(
            name=name, objective=(3.0, 2.0), validation=validation, validation_name="ndcg@10", epoch=2
        )

    said = words(plots.curves([fit("als", ((1, 0.1), (2, 0.3))), fit("sgd", ())], "label"))
    assert {"als: objective", "als: ndcg@10", "sgd: objective"} <= set(said)
    assert "sgd: ndcg@10" not in said
    many = plots.curves([fit(f"f{n}", ()) for n in range(9)], "label")
    assert sum(w.endswith("objective") for w in words(many)) == 9


def test_the_long_tail_runs_from_nothing_to_everything() -> None:
    log = np.array([1, 8, 4])
    found = plots.cumulative(np.array([4, 3, 1]))
    np.testing.assert_allclose(found, [0, 0.5, 0.875, 1])
    np.testing.assert_array_equal(plots.cumulative(np.zeros(2, int)), 0)
    said = words(plots.long_tail(log, {"one": np.array([0, 5, 0]), "all": np.array([1, 1, 1])}, "label"))
    order = [w for w in said if w in ("one", "all", "training log")]
    assert order == ["one", "training log", "all"]  # as the lines stand above one another


def test_the_spread_tells_shares_of_judged_users() -> None:
    values = np.array([0.0] * 5 + [0.1] * 3 + [0.2] * 1 + [1.0] * 1 + [np.nan] * 90)
    said = words(plots.spread({"m": values}, "ndcg@10", "label"))
    assert {"50%", "40%", "10%"} <= set(said)  # 0.2 belongs to "to 0.2"
    assert plots.bands(values).tolist() == pytest.approx([0.5, 0.4, 0, 0, 0, 0.1])
    assert plots.bands(np.array([np.nan])).tolist() == [0] * 6


def test_tradeoff_names_every_point() -> None:
    points = [
        plots.Point(name="a", x=0.1, y=0.2, x_span=(0.05, 0.15), y_span=(0.1, 0.3)),
        plots.Point(name="b", x=0.9, y=0.1, x_span=(float("nan"), float("nan"))),
    ]
    said = words(plots.tradeoff(points, "coverage@10", "ndcg@10", "label"))
    assert {"a", "b", "coverage@10", "ndcg@10"} <= set(said)


def test_names_of_near_points_keep_off_each_other() -> None:
    rng = np.random.default_rng(0)
    at = rng.random((8, 2)) * 60  # eight points within 2 cm
    names = ["implicit_als", "ease", "pure_svd", "item_knn", "popularity", "a", "b", "biased_mf"]
    boxes = []
    for (x, y), name, place in zip(at, names, plots.places(at, names), strict=True):
        assert place is not None
        wide = 5.5 * len(name)
        low = x + place.right - (wide if place.right < 0 else 0)
        boxes.append((low, y + place.up, low + wide, y + place.up + 10))
    for n, a in enumerate(boxes):
        for b in boxes[n + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert plots.places(at[:1], ["alone"]) == [plots.Place(right=8, up=6)]


def test_a_line_leads_to_a_name_that_is_far_off_or_nearer_to_another_point() -> None:
    crowd = np.array([[x, y] for x in (0.0, 12.0, 24.0) for y in (0.0, 12.0, 24.0)])
    middle = [""] * 4 + ["middle"] + [""] * 4
    found = plots.places(crowd, middle)
    assert [place is None for place in found] == [not name for name in middle]
    assert found[4] is not None
    assert found[4].led
    beside = plots.places(np.array([[0.0, 0.0], [20.0, 22.0]]), ["name", ""])[0]
    assert beside == plots.Place(right=8, up=6, led=True)  # the other point is just above it
    within = plots.places(np.array([[90.0, 50.0]]), ["name"], (0, 0, 100, 100))[0]
    assert within == plots.Place(right=-8, up=6)


@pytest.fixture
def canvas(monkeypatch: pytest.MonkeyPatch) -> list:
    """The figures as matplotlib lays them out; one that collapses warns, and a warning is an error here."""
    from matplotlib.figure import Figure

    seen: list = []

    def drawn(draw, *, height, name, label, width=10.4):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.draw_without_rendering()
        seen.append(figure)
        return name

    monkeypatch.setattr(plots, "drawn", drawn)
    return seen


def test_the_legend_of_eight_long_names_fits_beside_the_long_tail(canvas: list) -> None:
    shown = {f"{n} {'a very long name ' * 9}": np.arange(30) for n in range(8)}
    plots.long_tail(np.arange(30)[::-1], shown, "label")
    (figure,) = canvas
    (axis,) = figure.axes
    page, legend = figure.bbox, axis.get_legend().get_window_extent()
    assert len(axis.get_legend().get_texts()) == 9
    assert legend.x1 <= page.x1
    assert 0 <= legend.y0 < legend.y1 <= page.y1
    assert axis.get_window_extent().width > page.width / 2


def test_many_methods_are_given_height_and_only_some_a_name(canvas: list) -> None:
    rng = np.random.default_rng(0)
    points = [
        plots.Point(name=f"method_{n}", x=x, y=y, named=n < 6) for n, (x, y) in enumerate(rng.random((31, 2)))
    ]
    plots.tradeoff(points[:3], "coverage", "ndcg", "label")
    plots.tradeoff(points, "coverage", "ndcg", "label")
    few, many = canvas
    assert few.get_figheight() == 3.7
    assert 5 < many.get_figheight() <= 7
    said = many.axes[0].texts
    assert [text.get_text() for text in said] == [f"method_{n}" for n in range(6)]
    box = many.axes[0].get_window_extent()
    assert all(box.x0 <= text.get_window_extent().x0 for text in said)
    colours = {line.get_color() for line in many.axes[0].lines}
    assert colours == {*plots.SERIES[:6], plots.MUTED}
