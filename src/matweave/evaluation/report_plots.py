"""The figures of a report: plain numbers in, SVG out. Every one has a label that says what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, final

import numpy as np

from matweave.evaluation.report_svg import ACCENT, GRID, INK, MUTED, PAPER, SERIES, drawn

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (7, 2)))
EDGES = (0.2, 0.4, 0.6, 0.8, 1.0)


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One method in a panel of intervals. standing: best, same (not told apart from the best), other, or even
    (a metric that is neither better high nor low has no best)."""

    name: str
    mean: float
    low: float
    high: float
    standing: str


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """One fit: objective (value per epoch), validation ((epoch, value) pairs), its name, and the epoch kept."""

    name: str
    objective: Sequence[float]
    validation: Sequence[tuple[int, float]]
    validation_name: str
    epoch: int


@final
@dataclass(frozen=True, kw_only=True)
class Point:
    """One method between two metrics; spans are (low, high) or None. named: whether its name stands beside it."""

    name: str
    x: float
    y: float
    x_span: tuple[float, float] | None = None
    y_span: tuple[float, float] | None = None
    named: bool = True


def intervals(panels: Mapping[str, Sequence[Row]], label: str) -> str:
    """Horizontal intervals, a panel for each metric, a row for each method: the best in front, filled."""
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    deep = -(-len(panels) // columns)
    most = max(len(rows) for rows in panels.values())

    def draw(figure: Any) -> None:
        axes = figure.subplots(deep, columns, squeeze=False, sharey=True)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, (metric, rows) in zip(axes.flat, panels.items(), strict=False):
            for at, row in enumerate(rows):
                near = row.standing in ("best", "same")
                colour = ACCENT if near else MUTED
                if np.isfinite([row.low, row.high]).all():
                    axis.plot([row.low, row.high], [at, at], color=colour, lw=2.2, solid_capstyle="round")
                if np.isfinite(row.mean):
                    axis.plot(row.mean, at, "o", ms=6, color=colour, mfc=_FILL[row.standing](colour), mew=1.6)
            axis.set_title(metric, loc="left")
            axis.set_yticks(range(most), [r.name for r in rows] if len(rows) == most else None)
            axis.set_ylim(most - 0.4, -0.6)
            axis.grid(axis="x")
            axis.tick_params(axis="y", length=0, labelcolor=INK)
            axis.spines["left"].set_visible(False)
            axis.margins(x=0.08)
            axis.locator_params(axis="x", nbins=4)

    return drawn(draw, height=deep * (0.75 + 0.3 * most), name="intervals", label=label)


_FILL: dict[str, Callable[[str], str]] = {"best": str, "same": lambda _: "none", "other": str, "even": str}


def curves(fits: Sequence[Curve], label: str) -> str:
    """Objective, and validation where there is one, by epoch; four panels in a row; the epoch kept is marked."""
    panels = []
    for fit in fits:
        epochs = np.arange(1, len(fit.objective) + 1)
        panels.append((f"{fit.name}: objective", epochs, np.asarray(fit.objective), SERIES[0], fit.epoch))
        if fit.validation:
            at, values = np.array(fit.validation, float).T
            panels.append((f"{fit.name}: {fit.validation_name}", at, values, SERIES[1], fit.epoch))
    columns = min(4, max(2, len(panels)))
    deep = -(-len(panels) // columns)

    def draw(figure: Any) -> None:
        axes = figure.subplots(deep, columns, squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for at, (axis, (title, x, y, colour, kept)) in enumerate(zip(axes.flat, panels, strict=False)):
            _line(axis, x, y, colour, kept)
            axis.set_title(title, loc="left")
            if at + columns >= len(panels):
                axis.set_xlabel("epoch")

    return drawn(draw, height=0.2 + (2.4 if columns == 2 else 2.0) * deep, name="curves", label=label)


def _line(axis: Any, x: np.ndarray, y: np.ndarray, colour: str, kept: int) -> None:
    axis.plot(x, y, color=colour, lw=1.8, marker="." if len(x) < 30 else "", ms=4)
    if kept in x:
        axis.plot(kept, y[list(x).index(kept)], "o", ms=6.5, color=colour, mfc="none", mew=1.6)
    axis.grid(axis="y")
    axis.locator_params(axis="x", integer=True, nbins=4)
    axis.locator_params(axis="y", nbins=4)
    axis.ticklabel_format(axis="y", useOffset=False, scilimits=(-4, 7))


def long_tail(log: np.ndarray, shown: Mapping[str, np.ndarray], label: str) -> str:
    """Cumulative share of the log (grey) and of each method's lists, items from most to least popular."""
    order = np.argsort(-log, kind="stable")
    x = np.arange(len(log) + 1) / len(log)

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        axis.plot(x, cumulative(log[order]), color=MUTED, lw=5, alpha=0.4, label="training log")
        ends = {name: cumulative(counts[order]) for name, counts in shown.items()}
        for n, (name, y) in enumerate(ends.items()):
            axis.plot(x, y, color=SERIES[n % 8], ls=DASHES[n % 8], lw=1.9, label=_short(name))
        axis.plot([0, 1], [0, 1], color=GRID, lw=1, zorder=0)
        axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of the catalogue, most popular items first")
        axis.set_ylabel("cumulative share")
        axis.grid()
        _percent(axis.xaxis, axis.yaxis)
        # in the order in which the lines stand above one another, as far as they have parted
        handles, labels = axis.get_legend_handles_labels()
        heights = [cumulative(log[order]).sum(), *(y.sum() for y in ends.values())]
        by_height = np.argsort(heights)[::-1]
        axis.legend(
            [handles[i] for i in by_height],
            [labels[i] for i in by_height],
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
        )

    return drawn(draw, height=3.7, name="tail", label=label)


def cumulative(counts: np.ndarray) -> np.ndarray:
    """Running shares from 0 to 1, one longer than the counts; zeros where there is nothing.

    >>> cumulative(np.array([3, 1])).tolist()
    [0.0, 0.75, 1.0]
    """
    return np.concatenate([[0.0], np.cumsum(counts) / max(1, counts.sum())])


def spread(users: Mapping[str, np.ndarray], metric: str, label: str) -> str:
    """How users fare: for each method the shares of users at nothing, and in five bands up to the most."""

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        for at, values in enumerate(users.values()):
            left = 0.0
            for band, share in enumerate(bands(values)):
                colour, alpha = (GRID, 1.0) if band == 0 else (ACCENT, 0.12 + 0.176 * band)
                axis.barh(at, share, left=left, height=0.62, color=colour, alpha=alpha, lw=0)
                if share >= 0.05:
                    ink = PAPER if band >= 4 else INK
                    axis.text(
                        left + share / 2, at, f"{share:.0%}", ha="center", va="center", color=ink, size=8
                    )
                left += share
        names = ["0", *(f"to {edge:g}" for edge in EDGES)]
        for band, name in enumerate(names):
            colour, alpha = (GRID, 1.0) if band == 0 else (ACCENT, 0.12 + 0.176 * band)
            axis.barh(0, 0, color=colour, alpha=alpha, label=name)
        axis.set_yticks(range(len(users)), list(users))
        axis.set(xlim=(0, 1), ylim=(len(users) - 0.45, -0.55), xlabel="share of users")
        axis.tick_params(axis="y", length=0, labelcolor=INK)
        for side in ("left", "bottom"):
            axis.spines[side].set_visible(False)
        _percent(axis.xaxis)
        axis.legend(
            title=metric,
            alignment="left",
            ncols=6,
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            handlelength=1,
            columnspacing=1.4,
        )

    return drawn(draw, height=1.15 + 0.34 * len(users), name="spread", label=label)


def bands(values: np.ndarray) -> np.ndarray:
    """Shares of the numbers that are not NaN: at 0, then in (0, 0.2], (0.2, 0.4], ... up to 1.

    >>> bands(np.array([0.0, 0.2, 0.3, np.nan, 1.0])).tolist()
    [0.25, 0.25, 0.25, 0.0, 0.0, 0.25]
    """
    good = values[np.isfinite(values)]
    # a little room, since a sum such as 0.6 may come out a rounding above its band
    at = np.where(good <= 0, 0, 1 + np.minimum(np.searchsorted(EDGES, good - 1e-9), len(EDGES) - 1))
    return np.bincount(at, minlength=1 + len(EDGES)) / max(1, len(good))


def tradeoff(points: Sequence[Point], x: str, y: str, label: str) -> str:
    """Methods between a share (across) and a metric (up), with their intervals as thin crosses and the names of those to be
    named beside them: a line leads to a name that had to go further off. Higher for many methods."""

    def draw(figure: Any) -> None:
        axis = figure.subplots()
        series = cycle(SERIES)
        colours = [next(series) if point.named else MUTED for point in points]
        for point, colour in zip(points, colours, strict=True):
            strong = 0.7 if point.named else 0.35
            if point.x_span is not None and np.isfinite(point.x_span).all():
                axis.plot(point.x_span, [point.y] * 2, color=colour, lw=1.2, alpha=strong)
            if point.y_span is not None and np.isfinite(point.y_span).all():
                axis.plot([point.x] * 2, point.y_span, color=colour, lw=1.2, alpha=strong)
            axis.plot(point.x, point.y, "o", ms=8 if point.named else 6, color=colour, zorder=3)
        axis.set(xlabel=x, ylabel=y)
        axis.grid()
        axis.margins(x=0.16, y=0.16)
        if min(point.x for point in points) >= 0:
            axis.set_xlim(left=max(0.0, axis.get_xlim()[0]))
        _percent(axis.xaxis)
        figure.draw_without_rendering()  # where points are in pt is known once the figure is laid out
        at = axis.transData.transform([(point.x, point.y) for point in points]) * 72 / figure.dpi
        (left, low), (right, high) = axis.get_window_extent().get_points() * 72 / figure.dpi
        names = [_short(point.name) if point.named else "" for point in points]
        found = places(at, names, (left, low, right, high))
        for point, name, colour, place in zip(points, names, colours, found, strict=True):
            if place is None:
                continue
            near, side = (0, "left") if place.right > 0 else (1, "right")  # of the name, what faces the point
            line = dict(arrowstyle="-", color=colour, lw=0.9, relpos=(near, 0.5), shrinkA=1, shrinkB=5)
            said = axis.annotate(
                name,
                (point.x, point.y),
                xytext=(place.right, place.up),
                textcoords="offset points",
                ha=side,
                color=INK,
                arrowprops=line if place.led else None,
            )
            said.set_in_layout(False)  # the layout that its place was found in stays

    height = float(np.clip(2.4 + 0.15 * len(points), 3.7, 7.0))
    return drawn(draw, height=height, name="tradeoff", label=label)


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a name goes: offset of its near lower corner from its point, in pt; to the right of it where right > 0.

    led: whether a line must lead to it, since it is far off or another point is nearer to it.
    """

    right: float
    up: float
    led: bool = False


NEAR = ((8, 6), (-8, 6), (8, -14), (-8, -14))
FAR = tuple(
    (side * right, up)
    for right in (14, 30, 55, 85)
    for up in (4, 18, -26, 34, -42, 52, -60)
    for side in (1, -1)
)


def places(at: np.ndarray, names: Sequence[str], inside: Sequence[float] | None = None) -> list[Place | None]:
    """Where to write names beside points at (n, 2), all in pt, so that they keep off each other and off points.

    5.5 pt a letter and 10 pt high are taken for the size; a point with an empty name has none, and None for its place. The
    first of some places that is free is taken, or else the first. inside: left, low, right, high that names stay within.

    >>> [(place.right, place.up) for place in places(np.array([[0.0, 0.0], [1.0, 1.0]]), ["a", "b"])]
    [(8, 6), (-8, 6)]
    """
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in at]
    found: list[Place | None] = []
    for n, ((x, y), name) in enumerate(zip(at, names, strict=True)):
        if not name:
            found.append(None)
            continue
        wide = 5.5 * len(name)
        tried = [
            (r, u, (x + r - (wide if r < 0 else 0), y + u, x + r + (wide if r > 0 else 0), y + u + 10))
            for r, u in (*NEAR, *FAR)
        ]
        free = [one for one in tried if not any(_overlap(one[2], other) for other in taken)]
        if inside is not None:
            free = [one for one in free if _within(one[2], inside)] or free
        right, up, box = (free or tried)[0]
        taken.append(box)
        off = np.hypot(*(np.maximum(0, np.maximum(box[k] - at[:, k], at[:, k] - box[k + 2])) for k in (0, 1)))
        nearer = len(off) > 1 and np.delete(off, n).min() < off[n]
        found.append(Place(right=right, up=up, led=bool((right, up) not in NEAR or nearer)))
    return found


def _within(box: Sequence[float], outer: Sequence[float]) -> bool:
    return outer[0] <= box[0] and outer[1] <= box[1] and box[2] <= outer[2] and box[3] <= outer[3]


def _short(name: str, most: int = 28) -> str:
    """A name that leaves room for the drawing.

    >>> _short("implicit_als"), _short("implicit_als", 8)
    ('implicit_als', 'implici…')
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _percent(*axes: Any) -> None:
    for axis in axes:
        axis.set_major_formatter(lambda v, _: f"{v:.0%}")
