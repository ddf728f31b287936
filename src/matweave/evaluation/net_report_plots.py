"""The figures of a network's report: plain numbers in, SVG out. Every one has a label that says what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.evaluation.report_svg import ACCENT, GRID, INK, MUTED, SERIES, drawn
from matweave.metrics.calibration import Reliability
from matweave.randomness import child
from matweave.train.history import TrainHistory

POINTS = 1500  # of a cloud: more would make the file heavy and the cloud no clearer
OUTPUTS = 4
_PANELS = 4  # in a row


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ActivationCurve:
    """One activation function, or several units of one: x (m,), before and after training (m,) or (m, units)."""

    name: str
    x: np.ndarray
    before: np.ndarray
    after: np.ndarray


def training(history: TrainHistory, label: str) -> str:
    """Training loss, every validation measure and the learning rate by epoch; the epoch kept is ringed.

    A measure called loss is drawn beside the training loss, dashed; a learning rate that never changes is not drawn.
    """
    epochs = np.array([e.epoch for e in history.epochs])
    measured = list(dict.fromkeys(name for e in history.epochs for name in e.measures))
    measured.sort(key=lambda name: name != history.measure)
    lines = {
        name: np.array([e.measures.get(name, np.nan) for e in history.epochs], np.float64)
        for name in measured
    }
    rates = np.array([e.learning_rate for e in history.epochs])
    columns = 1 + len([name for name in lines if name != "loss"]) + _varies(rates)
    wide = min(_PANELS, max(2, columns))
    deep = -(-columns // wide)

    def draw(figure: Any) -> None:
        axes = list(figure.subplots(deep, wide, squeeze=False).flat)
        for axis in axes[columns:]:
            axis.set_visible(False)
        free = iter(axes)
        loss = next(free)
        _line(loss, epochs, np.array([e.loss for e in history.epochs]), SERIES[0], history.best_epoch)
        loss.set_title("training loss", loc="left")
        for at, (name, values) in enumerate(lines.items()):
            if name == "loss":
                _line(loss, epochs, values, SERIES[1], history.best_epoch, dash=True)
                loss.set_title("loss: training, and validation (dashed)", loc="left")
                continue
            axis = next(free)
            _line(axis, epochs, values, SERIES[1 + at % 7], history.best_epoch)
            axis.set_title(f"validation: {name}", loc="left")
        if _varies(rates):
            axis = next(free)
            _line(axis, epochs, rates, MUTED, 0)
            axis.set_title("learning rate", loc="left")
            if rates.min() > 0 and rates.max() / rates.min() > 30:
                axis.set_yscale("log")
                axis.tick_params(axis="y", which="minor", length=0)
                axis.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
                axis.yaxis.set_minor_formatter(lambda v, _: "")
        for axis in axes[:columns]:
            axis.set_xlabel("epoch")

    return drawn(draw, height=0.2 + (2.6 if wide == 2 else 2.2) * deep, name="training", label=label)


def _varies(rates: np.ndarray) -> bool:
    return bool(len(rates) and rates.min() < rates.max())


def _line(axis: Any, x: np.ndarray, y: np.ndarray, colour: str, kept: int, *, dash: bool = False) -> None:
    axis.plot(x, y, color=colour, lw=1.8, ls="--" if dash else "-", marker="." if len(x) < 30 else "", ms=5)
    if kept in x:
        axis.plot(kept, y[list(x).index(kept)], "o", ms=8, color=colour, mfc="none", mew=1.6)
    axis.grid(axis="y")
    axis.margins(x=0.04, y=0.1)
    axis.locator_params(axis="x", integer=True, nbins=5)
    axis.locator_params(axis="y", nbins=5)
    axis.ticklabel_format(axis="y", useOffset=False, scilimits=(-4, 7))


def calibration(table: Reliability, label: str) -> str:
    """Accuracy against confidence, with what chance explains in grey; and how many examples stand behind each point."""
    held = table.count > 0
    sure, right, count = table.confidence[held], table.accuracy[held], table.count[held]
    middle = (table.edges[:-1] + table.edges[1:])[held] / 2
    wide = table.edges[1] - table.edges[0]
    start = max(0.0, float(table.edges[:-1][held].min()) - wide / 2)
    chance = 1.96 * np.sqrt(np.clip(sure * (1 - sure), 0, None) / count)

    def draw(figure: Any) -> None:
        left, bars = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=MUTED, lw=1.1, ls="--", zorder=1)
        low, high = np.clip(sure - chance, 0, 1), np.clip(sure + chance, 0, 1)
        left.bar(sure, high - low, bottom=low, width=wide * 0.5, color=MUTED, alpha=0.28, lw=0)
        left.plot(sure, right, "o-", color=ACCENT, lw=1.6, ms=6)
        left.set(xlabel="confidence: probability of the predicted class", ylabel="accuracy")
        left.set(xlim=(start, 1.02), ylim=(-0.02, 1.04))
        left.set_title("Accuracy at each confidence", loc="left")
        bars.bar(middle, count * right, width=wide * 0.86, color=ACCENT, lw=0, label="right")
        bars.bar(
            middle, count * (1 - right), bottom=count * right, width=wide * 0.86, color=SERIES[1], lw=0, label="wrong"
        )  # fmt: skip
        bars.set(xlabel="confidence", xlim=(start, 1.02))
        bars.set_title("Examples at each confidence", loc="left")
        bars.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.1, ncols=2, handlelength=1)
        bars.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
        for axis in (left, bars):
            axis.grid(axis="y")
            axis.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        left.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")

    return drawn(draw, height=3.7, name="calibration", label=label)


def values(predicted: np.ndarray, true: np.ndarray, label: str) -> str:
    """Predicted against true numbers (n, outputs) and the histogram of errors, a row for each of the first four outputs."""
    n, outputs = true.shape
    shown = min(outputs, OUTPUTS)
    some = np.sort(child(0, "net_report", "points").permutation(n)[:POINTS])

    def draw(figure: Any) -> None:
        axes = figure.subplots(shown, 2, squeeze=False)
        for at, (cloud, bars) in enumerate(axes):
            p, t = predicted[:, at], true[:, at]
            ends = min(p.min(), t.min()), max(p.max(), t.max())
            cloud.plot(ends, ends, color=MUTED, lw=1.2, zorder=0)
            faint = 0.75 if len(some) < 100 else 0.35
            cloud.plot(t[some], p[some], "o", ms=4, color=ACCENT, alpha=faint, mew=0)
            cloud.grid()
            cloud.set(xlabel="true", ylabel="predicted")
            error = p - t
            heights, edges = _histogram(error)
            bars.bar(edges[:-1], heights, width=np.diff(edges) * 0.94, align="edge", color=ACCENT, lw=0)
            bars.axvline(0, color=INK, lw=1)
            bars.grid(axis="y")
            bars.set(xlabel="error: predicted less true", ylabel="examples")
            name = f"output {at + 1}: " if outputs > 1 else ""
            cloud.set_title(f"{name}predicted against true", loc="left")
            bars.set_title(f"{name}errors", loc="left")
            for axis in (cloud, bars):
                axis.locator_params(nbins=6)
                axis.ticklabel_format(useOffset=False, scilimits=(-4, 7))

    return drawn(draw, height=3.7 * shown, name="values", label=label)


def _histogram(error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges; errors that are all the same, but for rounding, in a bin of their own."""
    middle, span = float(np.median(error)), float(np.ptp(error))
    if span <= 1e-9 * abs(middle):
        half = abs(middle) / 2 or 0.5
        return np.array([len(error)]), np.array([middle - half, middle + half])
    return np.histogram(error, bins=int(np.clip(np.sqrt(len(error)), 8, 50)))


def activations(curves: Sequence[ActivationCurve], label: str) -> str:
    """Each function before training (grey, dashed) and after it (blue), on a scale of its own."""
    wide = min(_PANELS, max(2, len(curves)))
    deep = -(-len(curves) // wide)

    def draw(figure: Any) -> None:
        axes = list(figure.subplots(deep, wide, squeeze=False).flat)
        for axis in axes[len(curves) :]:
            axis.set_visible(False)
        for axis, curve in zip(axes, curves, strict=False):
            axis.axhline(0, color=GRID, lw=1, zorder=0)
            axis.axvline(0, color=GRID, lw=1, zorder=0)
            units = 1 if np.ndim(curve.after) == 1 else np.shape(curve.after)[1]
            axis.plot(
                curve.x,
                curve.after,
                color=ACCENT,
                lw=2 if units == 1 else 1.1,
                alpha=1 if units == 1 else 0.55,
            )
            axis.plot(curve.x, curve.before, color=MUTED, lw=1.5, ls="--")
            axis.set_title(curve.name, loc="left")
            axis.set_xlim(float(np.min(curve.x)), float(np.max(curve.x)))
            axis.locator_params(nbins=5)

    return drawn(draw, height=0.1 + 2.1 * deep, name="activations", label=label)
