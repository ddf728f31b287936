"""A comparison as text: one row a method, means with intervals, and what cannot be told from the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from matweave.evaluation.comparison import SAME

if TYPE_CHECKING:
    from matweave.evaluation.comparison import Comparison, Result


def table(found: Comparison) -> Table:
    """The leaderboard for a rich console."""
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("method", no_wrap=True)
    for metric in found.metrics:
        view.add_column(metric, justify="right", no_wrap=True)
    view.add_column("fit s", justify="right", no_wrap=True)
    view.add_column("peak MB", justify="right", no_wrap=True)
    for result in found.results:
        cells = [cell(found, result, metric) for metric in found.metrics]
        view.add_row(result.name, *cells, f"{result.seconds:.2f}", f"{result.peak_mb:.0f}")
    return view


def cell(found: Comparison, result: Result, metric: str) -> str:
    """A mean with half of its interval's width, and a mark: * the best, = not told apart from it."""
    if result.evaluation is None:
        return "failed"
    interval = result.evaluation.metrics.get(metric)
    if interval is None:
        return "-"
    best = found.best(metric)
    p = result.p_values.get(metric)
    mark = (
        "*" if best is not None and best.name == result.name else "=" if p is not None and p >= SAME else " "
    )
    return f"{interval.mean:.4f} ±{(interval.high - interval.low) / 2:.4f}{mark}"


def notes(found: Comparison) -> list[str]:
    """How to read the table, what the test part lost, and why methods failed."""
    lines = [
        f"{found.protocol}; ± half the bootstrap 95 % interval over users; * best, = not told apart from the best "
        f"(paired sign-flip test, Holm, p >= {SAME})"
    ]
    counts = next((r.evaluation.counts for r in found.results if r.evaluation), {})
    lines.append(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    for result in found.results:
        if result.error:
            lines.append(f"{result.name} failed: {result.error}")
        for metric, why in (result.evaluation.skipped if result.evaluation else {}).items():
            lines.append(f"{result.name} has no {metric}: {why}")
    return lines


def as_text(found: Comparison) -> str:
    """The table and its notes as plain text, as wide as it needs to be."""
    console = Console(width=40 + 24 * (len(found.metrics) + 2), highlight=False, no_color=True, markup=False)
    with console.capture() as capture:
        console.print(table(found))
    rows = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*rows, *notes(found)])
