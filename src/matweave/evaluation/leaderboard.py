"""A comparison as text: one row a method, means with intervals, and what cannot be told from the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from matweave.evaluation.budget import spell
from matweave.evaluation.comparison import SAME

if TYPE_CHECKING:
    from matweave.evaluation.comparison import Comparison, Result

WIDTH = 120  # columns of text, beyond which metrics go on below


def table(found: Comparison, metrics: Sequence[str] | None = None, *, costs: bool = True) -> Table:
    """The leaderboard for a rich console; of some of its metrics, and without fit seconds and memory, where asked."""
    metrics = found.metrics if metrics is None else metrics
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("method", no_wrap=True)
    for metric in metrics:
        view.add_column(metric, justify="right", no_wrap=True)
    for cost in ("fit s", "peak MB") if costs else ():
        view.add_column(cost, justify="right", no_wrap=True)
    for result in found.results:
        spent = (f"{result.seconds:.2f}", f"{result.peak_mb:.0f}") if costs else ()
        view.add_row(result.name, *(cell(found, result, metric) for metric in metrics), *spent)
    return view


def cell(found: Comparison, result: Result, metric: str) -> str:
    """A mean with half of its interval's width, and a mark: * the best, = not told apart from it."""
    if result.evaluation is None:
        return "failed "
    interval = result.evaluation.metrics.get(metric)
    if interval is None or math.isnan(interval.mean):
        return "- "
    best = found.best(metric)
    p = result.p_values.get(metric)
    mark = (
        "*" if best is not None and best.name == result.name else "=" if p is not None and p >= SAME else " "
    )
    if math.isnan(interval.low):
        return f"{interval.mean:.4f}{mark}"
    return f"{interval.mean:.4f} ±{(interval.high - interval.low) / 2:.4f}{mark}"


def notes(found: Comparison) -> list[str]:
    """How to read the table, what the test part lost, what the budget or Ctrl-C ended, and why methods failed."""
    lines = [
        f"{found.protocol}; ± half the 95 % interval over users; * best, = not told apart from the best "
        f"(paired sign-flip test, Holm, p >= {SAME})"
    ]
    counts = next((r.evaluation.counts for r in found.results if r.evaluation), {})
    if counts:
        lines.append(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    if found.budget is not None:
        lines.append(f"each fit was given {spell(found.budget)}")
    for result in found.results:
        if result.error:
            lines.append(f"{result.name} failed: {result.error}")
        if result.over:
            lines.append(f"{result.name} {result.over}")
        elif result.model is not None and result.model.history.stopped == "interrupted":
            lines.append(f"{result.name} was interrupted after epoch {result.model.history.epoch}")
        skipped = result.evaluation.skipped if result.evaluation else {}
        skipped = {metric: why for metric, why in skipped.items() if metric in found.metrics}
        for why in dict.fromkeys(skipped.values()):
            metrics = ", ".join(metric for metric, reason in skipped.items() if reason == why)
            lines.append(f"{result.name} has no {metrics}: {why}")
    lines += [f"{name} was left out: {why}" for name, why in found.left_out.items()]
    return lines


def as_text(found: Comparison, width: int = WIDTH) -> str:
    """The table and its notes as plain text; metrics that do not fit in `width` columns go on in tables below."""
    names = max((len(r.name) for r in found.results), default=0)
    spare = width - max(names, len("method")) - len("  fit s  peak MB") - 4
    groups: list[list[str]] = [[]]
    used = 0
    for metric in found.metrics:
        mine = 2 + max(len(metric), *(len(cell(found, r, metric)) for r in found.results), 0)
        if groups[-1] and used + mine > spare:
            groups.append([])
            used = 0
        groups[-1].append(metric)
        used += mine
    rows: list[str] = []
    for at, metrics in enumerate(groups):
        console = Console(width=10_000, highlight=False, no_color=True, markup=False)
        with console.capture() as capture:
            console.print(table(found, metrics, costs=at == 0))
        rows += [line.rstrip() for line in capture.get().splitlines()] + ([""] if len(groups) > 1 else [])
    return "\n".join([*rows, *notes(found)])
