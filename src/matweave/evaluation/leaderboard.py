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
        view.add_row(result.label, *(cell(found, result, metric) for metric in metrics), *spent)
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
    lines += ended(found) + attributes(found)
    for result in found.results:
        if result.error:
            lines.append(f"{result.name} failed: {result.error}")
        if result.over and result.ended is None:
            lines.append(f"{result.name} {result.over}")
        elif (
            result.ended is None
            and result.model is not None
            and result.model.history.stopped == "interrupted"
        ):
            lines.append(f"{result.name} was interrupted after epoch {result.model.history.epoch}")
    lines += lacking(found)
    lines += [f"{name} was left out: {why}" for name, why in found.left_out.items()]
    return lines


def ended(found: Comparison, results: Sequence[Result] | None = None) -> list[str]:
    """The footnote to ‡: which fits the budget ended, and after which epoch; nothing where it ended none."""
    cut = [(r.name, r.ended) for r in (found.results if results is None else results) if r.ended]
    if not cut or found.budget is None:
        return []
    said = [f"{name} after epoch {epoch} of {epochs}" for name, (epoch, epochs) in cut]
    return [f"‡ ended by the budget of {spell(found.budget)}, and judged as it was: {', '.join(said)}"]


def lacking(found: Comparison) -> list[str]:
    """Which metrics methods have none of, and why: one line for all that lack the same for the same reason."""
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for result in found.results:
        if result.evaluation is None:
            continue
        by_reason: dict[str, list[str]] = {}
        for metric, why in result.evaluation.skipped.items():
            if metric in found.metrics:
                by_reason.setdefault(why, []).append(metric)
        for why, metrics in by_reason.items():
            # a reason may begin with the method's own name, and is the same for others but for that
            key = ", ".join(metrics), why.removeprefix(f"{result.evaluation.method} ")
            alike.setdefault(key, []).append((result.name, why))
    lines = []
    for (metrics, reason), those in alike.items():
        (name, why), names = those[0], ", ".join(name for name, _ in those)
        many = f"{_MANY.get(reason, reason)}: {names} (no {metrics})"
        lines.append(many if len(those) > 1 else f"{name} has no {metrics}: {why}")
    return lines


_MANY = {
    "ranks, and predicts no values": "rank, and predict no values",
    "has no variance": "have no variance",
}


def attributes(found: Comparison) -> list[str]:
    """Which methods read the attributes that were given, and which do not; nothing where none were given."""
    given = list(dict.fromkeys(kind for kinds in found.attributes.values() for kind in kinds))
    if not found.attributes:
        return []
    reading = []
    for name, kinds in found.attributes.items():
        alone = "" if len(kinds) == len(given) else f" (only {', '.join(kinds)})"
        reading += [f"{name}{alone}"] if kinds else []
    others = [name for name, kinds in found.attributes.items() if not kinds]
    return [
        f"attributes are read by {', '.join(reading) or 'none'}"
        + (f"; not read by {', '.join(others)}" if others else "")
    ]


def as_text(found: Comparison, width: int = WIDTH) -> str:
    """The table and its notes as plain text; metrics that do not fit in `width` columns go on in tables below."""
    names = max((len(r.label) for r in found.results), default=0)
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
