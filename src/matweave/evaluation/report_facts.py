"""What the figures of a report show, taken from a comparison: plain numbers, no drawing and no markup."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from matweave.evaluation.comparison import SAME, Comparison, Result
from matweave.evaluation.intervals import Interval
from matweave.evaluation.report_plots import Curve, Point, Row
from matweave.factor.loop import History
from matweave.metrics.table import METRICS, parse

FEW = 8  # points that can all have their names beside them
NAMED = 3  # of more, the best that always have


def interval_of(result: Result, metric: str) -> Interval | None:
    """The interval of a metric, where the method has one."""
    return None if result.evaluation is None else result.evaluation.metrics.get(metric)


def standing(found: Comparison, result: Result, metric: str) -> str:
    """best, same (not told apart from the best by the paired test), other, or even where nothing is better."""
    if parse(metric).metric.higher_is_better is None:
        return "even"
    best = found.best(metric)
    if best is not None and best.name == result.name:
        return "best"
    p = result.p_values.get(metric)
    return "same" if p is not None and p >= SAME else "other"


def judged_metrics(found: Comparison) -> list[str]:
    """The metrics that at least one method has."""
    return [m for m in found.metrics if any(interval_of(r, m) is not None for r in found.results)]


def panels(found: Comparison, most: int = 6) -> dict[str, list[Row]]:
    """Intervals to draw: of the first metrics, every method that was judged; NaN where it lacks the metric."""
    none = Interval(mean=float("nan"), low=float("nan"), high=float("nan"))
    shown = [r for r in found.results if r.evaluation is not None]
    drawn = {}
    for metric in judged_metrics(found)[:most]:
        drawn[metric] = [
            Row(
                name=r.label,
                standing=standing(found, r, metric),
                **vars(interval_of(r, metric) or none),
            )
            for r in shown
        ]
    return drawn


def fits(found: Comparison) -> list[Curve]:
    """The fits that went by epochs; a validation metric that is better low is shown as it is, not negated."""
    return [
        Curve(
            name=r.name,
            objective=r.model.history.objective,
            validation=_as_measured(r.model.history),
            validation_name=r.model.history.validation_name,
            epoch=r.model.history.epoch,
        )
        for r in found.results
        if r.model is not None and len(r.model.history.objective) > 1
    ]


def _as_measured(history: History) -> tuple[tuple[int, float], ...]:
    metric = METRICS.get(history.validation_name.partition("@")[0])
    if metric is None or metric.higher_is_better is not False:
        return history.validation
    return tuple((epoch, -value) for epoch, value in history.validation)


@final
@dataclass(frozen=True, kw_only=True)
class Shown:
    """log (items,): training rows of each item. lists: method -> how often it shows each item to the judged users."""

    log: np.ndarray
    lists: dict[str, np.ndarray]


def shown(found: Comparison) -> Shown | None:
    """How often each item stands in the judged lists; None where no method made full lists."""
    items = found.split.train.items
    lists = {}
    for result in found.results:
        if result.model is None or result.evaluation is None or result.evaluation.judged.exposure is None:
            continue
        at, inside = items.encode(result.model.items.ids)
        lists[result.name] = np.zeros(len(items), np.int64)
        lists[result.name][at[inside]] = result.evaluation.judged.exposure[inside]
    if not lists:
        return None
    return Shown(log=np.bincount(found.split.train.item_codes, minlength=len(items)), lists=lists)


def per_user(found: Comparison) -> tuple[str, dict[str, np.ndarray]] | None:
    """The first metric between 0 and 1 that has a number per user, and those numbers by method.

    One that is nothing or all for every user, such as the hit rate, only where there is no other.
    """
    second = None
    for metric in judged_metrics(found):
        if parse(metric).metric.higher_is_better is not True:
            continue
        numbers = {
            r.name: r.evaluation.judged.per_user[metric]
            for r in found.results
            if r.evaluation is not None and metric in r.evaluation.judged.per_user
        }
        if not numbers or not all(_unit(values) for values in numbers.values()):
            continue
        if any(((values > 0) & (values < 1)).any() for values in numbers.values()):
            return metric, numbers
        second = second or (metric, numbers)
    return second


def _unit(values: np.ndarray) -> bool:
    good = values[np.isfinite(values)]
    return bool(len(good)) and good.min() >= 0 and good.max() <= 1 + 1e-9


def tradeoff(found: Comparison, lists: Shown | None) -> tuple[str, str, list[Point]] | None:
    """Coverage against the first accuracy metric; coverage is counted from the lists where it was not asked for."""
    metric = next((m for m in judged_metrics(found) if not m.startswith("coverage")), None)
    coverage = next((m for m in judged_metrics(found) if m.startswith("coverage")), None)
    if metric is None or (coverage is None and lists is None):
        return None
    points = []
    for r in found.results:
        y = interval_of(r, metric)
        if y is None:
            continue
        x = None if coverage is None else interval_of(r, coverage)
        if x is not None:
            points.append(
                Point(name=r.name, x=x.mean, y=y.mean, x_span=(x.low, x.high), y_span=(y.low, y.high))
            )
        elif lists is not None and r.name in lists.lists:
            share = float(np.count_nonzero(lists.lists[r.name]) / max(1, len(lists.log)))
            points.append(Point(name=r.name, x=share, y=y.mean, y_span=(y.low, y.high)))
    better = parse(metric).metric.higher_is_better
    up = 1 if better is None or better else -1
    return (coverage or "coverage", metric, _named(points, up)) if points else None


def _named(points: list[Point], up: int) -> list[Point]:
    """Few points all keep their names; of many, those that no other beats in both and the best few. up: -1 where low is better."""
    if len(points) <= FEW:
        return points
    best = sorted(points, key=lambda p: -up * p.y)[:NAMED]
    return [replace(p, named=p in best or not any(_beats(q, p, up) for q in points)) for p in points]


def _beats(one: Point, other: Point, up: int) -> bool:
    y, other_y = up * one.y, up * other.y
    return one.x >= other.x and y >= other_y and (one.x > other.x or y > other_y)


def head_share(counts: np.ndarray, log: np.ndarray, part: float = 0.1) -> float:
    """Share of `counts` that falls on the most popular `part` of the catalogue by `log`; NaN for nothing.

    >>> head_share(np.array([3, 1, 0, 0]), np.array([9, 5, 2, 1]), part=0.25)
    0.75
    """
    order = np.argsort(-log, kind="stable")[: max(1, round(part * len(log)))]
    return float(counts[order].sum() / counts.sum()) if counts.sum() else float("nan")
