"""What figures show is what the comparison holds, by hand on a small planted one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import matweave as mw
from matweave.evaluation import report_facts as facts
from matweave.evaluation.comparison import Comparison, Result
from matweave.evaluation.evaluate import Evaluation
from matweave.evaluation.intervals import Interval
from matweave.evaluation.judged import Judged
from matweave.factor.loop import History


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.1, high=mean + 0.1)


def judged(
    means: dict[str, float], per_user: dict[str, list[float]], exposure: list[int] | None = None
) -> Evaluation:
    shown = None if exposure is None else np.array(exposure)
    return Evaluation(
        method="m",
        metrics={name: interval(mean) for name, mean in means.items()},
        skipped={},
        protocol="full ranking",
        counts={},
        seconds=0.0,
        judged=Judged(
            protocol="full ranking", per_user={n: np.array(v) for n, v in per_user.items()}, exposure=shown
        ),
    )


@pytest.fixture(scope="module")
def found() -> Comparison:
    """Items 0..3 with 3, 2, 1, 1 rows; one method shows items 0 and 1, the other all of them."""
    log = mw.Interactions.from_codes([0, 1, 2, 0, 1, 0, 1], [0, 0, 0, 1, 1, 2, 3])
    split = mw.split_given(log, mw.Interactions.from_codes([0, 2], [3, 1]))
    model = mw.Popularity().fit(log)
    past = History(objective=(3.0, 2.0), validation=((1, -0.9), (2, -0.8)), validation_name="rmse", epoch=2)
    results = (
        Result(
            name="a",
            settings={},
            seconds=1.0,
            peak_mb=1.0,
            model=model,
            evaluation=judged({"ndcg@2": 0.6, "gini@2": 0.5}, {"ndcg@2": [1.0, 0.2]}, [2, 2, 0, 0]),
        ),
        Result(
            name="b",
            settings={},
            seconds=1.0,
            peak_mb=1.0,
            model=replace(model, history=past),
            evaluation=judged(
                {"ndcg@2": 0.5, "popularity_lift@2": 2.0}, {"ndcg@2": [0.5, 0.5]}, [1, 1, 1, 1]
            ),
            p_values={"ndcg@2": 0.4},
        ),
        Result(name="c", settings={}, seconds=1.0, peak_mb=1.0, error="it broke"),
    )
    metrics = ("ndcg@2", "gini@2", "popularity_lift@2", "recall@2")
    return Comparison(results=results, metrics=metrics, split=split, protocol="full ranking", k=2, seed=0)


def test_standing_of_each_method(found: Comparison) -> None:
    a, b, c = found.results
    assert [facts.standing(found, r, "ndcg@2") for r in (a, b, c)] == ["best", "same", "other"]
    assert facts.standing(found, replace(b, p_values={"ndcg@2": 0.01}), "ndcg@2") == "other"
    assert facts.standing(found, b, "popularity_lift@2") == "even"


def test_panels_hold_every_judged_method_and_nan_where_it_has_none(found: Comparison) -> None:
    panels = facts.panels(found)
    assert list(panels) == ["ndcg@2", "gini@2", "popularity_lift@2"]
    assert [row.name for row in panels["gini@2"]] == ["a", "b"]
    assert panels["gini@2"][0].mean == 0.5
    assert np.isnan(panels["gini@2"][1].mean)
    assert list(facts.panels(found, most=1)) == ["ndcg@2"]


def test_fits_are_those_with_epochs_and_errors_are_shown_as_errors(found: Comparison) -> None:
    (fit,) = facts.fits(found)
    assert (fit.name, fit.epoch) == ("b", 2)
    assert list(fit.validation) == [(1, 0.9), (2, 0.8)]


def test_what_lists_show_is_laid_over_the_items_of_the_training_log(found: Comparison) -> None:
    lists = facts.shown(found)
    assert lists is not None
    assert lists.log.tolist() == [3, 2, 1, 1]
    assert {name: counts.tolist() for name, counts in lists.lists.items()} == {
        "a": [2, 2, 0, 0],
        "b": [1, 1, 1, 1],
    }
    assert facts.shown(replace(found, results=found.results[2:])) is None


def test_users_by_the_first_metric_between_nothing_and_one(found: Comparison) -> None:
    numbers = facts.per_user(found)
    assert numbers is not None
    assert numbers[0] == "ndcg@2"
    assert {name: values.tolist() for name, values in numbers[1].items()} == {
        "a": [1.0, 0.2],
        "b": [0.5, 0.5],
    }
    assert facts.per_user(replace(found, metrics=("gini@2", "popularity_lift@2"))) is None


def test_a_metric_of_all_or_nothing_is_shown_only_where_there_is_no_other(found: Comparison) -> None:
    hits = judged({"hit_rate@2": 0.5, "ndcg@2": 0.3}, {"hit_rate@2": [0.0, 1.0], "ndcg@2": [0.0, 0.6]})
    one = replace(
        found, results=(replace(found.results[0], evaluation=hits),), metrics=("hit_rate@2", "ndcg@2")
    )
    assert (facts.per_user(one) or "")[0] == "ndcg@2"
    assert (facts.per_user(replace(one, metrics=("hit_rate@2",))) or "")[0] == "hit_rate@2"


def test_coverage_is_counted_from_the_lists_where_it_was_not_asked_for(found: Comparison) -> None:
    drawn = facts.tradeoff(found, facts.shown(found))
    assert drawn is not None
    x, y, points = drawn
    assert (x, y) == ("coverage", "ndcg@2")
    assert [(p.name, p.x, p.y) for p in points] == [("a", 0.5, 0.6), ("b", 1.0, 0.5)]
    assert facts.tradeoff(found, None) is None


def test_the_share_of_the_head() -> None:
    log = np.array([5, 9, 1, 0, 0, 0, 0, 0, 0, 0])
    assert facts.head_share(np.array([1, 3, 0, 0, 0, 0, 0, 0, 0, 0]), log) == 0.75
    assert np.isnan(facts.head_share(np.zeros(10, int), log))


@pytest.mark.parametrize("metric", ["ndcg@2", "rmse"])
def test_of_many_points_those_that_none_beats_and_the_best_are_named(found: Comparison, metric: str) -> None:
    way = -1 if metric == "rmse" else 1
    # coverage, accuracy: b is behind a in both, and c leads in coverage alone; the others lie below all
    spots = {"a": (0.5, 0.9), "b": (0.4, 0.8), "c": (0.9, 0.3), "d": (0.1, 0.7)}
    spots |= {f"low{n}": (0.05, 0.1 - n / 100) for n in range(facts.FEW)}
    results = tuple(
        Result(
            name=name,
            settings={},
            seconds=1.0,
            peak_mb=1.0,
            evaluation=judged({metric: way * y, "coverage@2": x}, {}),
        )
        for name, (x, y) in spots.items()
    )
    many = replace(found, results=results, metrics=(metric, "coverage@2"))
    drawn = facts.tradeoff(many, None)
    assert drawn is not None
    assert [p.name for p in drawn[2] if p.named] == ["a", "b", "c", "d"]  # b and d are of the three best
    few = facts.tradeoff(replace(many, results=results[:4]), None)
    assert few is not None
    assert all(p.named for p in few[2])
