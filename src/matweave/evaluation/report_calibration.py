"""The section of a report on intervals: whether 90 % intervals hold 90 % of what came, and so for every level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from matweave.evaluation.comparison import Comparison
from matweave.evaluation.report_html import Html, figure, paragraph, table
from matweave.evaluation.report_plots import DASHES
from matweave.evaluation.report_svg import GRID, MUTED, SERIES, drawn
from matweave.metrics.uncertainty import LEVELS

SHOWN = (0.5, 0.8, 0.9, 0.95, 0.99)


def calibration(found: Comparison) -> list[Html]:
    """Actual against said coverage of every method that has a variance; nothing where none has."""
    shares = {
        r.name: r.evaluation.judged.inside
        for r in found.results
        if r.evaluation is not None
        and r.evaluation.judged.inside is not None
        and np.isfinite(r.evaluation.judged.inside).all()
    }
    if not shares:
        return []
    said = f"Share of test values inside intervals of each level, for {', '.join(shares)}"
    caption = (
        "An interval of level 90 % should hold 90 % of the values that came: the dashed diagonal. A line below it is too "
        "sure, one above it too shy. Test values whose user or item training lacks have no interval."
    )
    at = [LEVELS.index(level) for level in SHOWN]
    rows = [[name, *(f"{inside[k]:.1%}" for k in at)] for name, inside in shares.items()]
    heads = ["share inside intervals of", *(f"{level:.0%}" for level in SHOWN)]
    return [
        paragraph(
            "Methods with a variance say how far a value may lie from its prediction. Here is how often it lay within."
        ),
        figure(curves(shares, said), caption),
        table(heads, rows, numbers=range(1, len(heads))),
    ]


def curves(shares: Mapping[str, np.ndarray], label: str) -> str:
    """For each method the share inside (levels,) against `LEVELS`, and on the right how far it is off, in points."""
    levels = np.array(LEVELS)

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=MUTED, lw=1.1, ls="--", zorder=1)
        right.axhline(0, color=MUTED, lw=1.1, ls="--", zorder=1)
        for n, (name, inside) in enumerate(shares.items()):
            look = dict(color=SERIES[n % 8], ls=DASHES[n % 8], lw=1.8, marker="o", ms=4)
            left.plot(levels, inside, label=name, **look)
            right.plot(levels, 100 * (inside - levels), **look)
        left.set(
            xlim=(0, 1.02), ylim=(0, 1.04), xlabel="level of the interval", ylabel="share of values inside"
        )
        left.set_title("Said and true", loc="left")
        left.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        left.legend(loc="upper left")
        far = max(5.0, 1.15 * max(float(np.abs(100 * (inside - levels)).max()) for inside in shares.values()))
        right.set(xlim=(0, 1.02), ylim=(-far, far), xlabel="level of the interval")
        right.set_title("True less said, in points", loc="left")
        for axis in (left, right):
            axis.grid(color=GRID)
            axis.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")

    return drawn(draw, height=3.7, name="intervals-calibration", label=label)
