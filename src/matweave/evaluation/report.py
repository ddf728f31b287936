"""One HTML file that tells a comparison whole: what was judged on what, who leads and how surely, and why.

The file needs nothing from outside, follows light and dark, and prints. Figures need matplotlib (extra `report`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from matweave.artifact import write_atomically
from matweave.evaluation import report_facts as facts
from matweave.evaluation import report_sections as sections
from matweave.evaluation.comparison import Comparison, Result
from matweave.evaluation.leaderboard import ended
from matweave.evaluation.machine import versions
from matweave.evaluation.report_calibration import calibration
from matweave.evaluation.report_html import Html, page, paragraph, section, text
from matweave.evaluation.report_sections import Example
from matweave.metrics.table import parse


def write_report(
    found: Comparison,
    path: str | PathLike[str],
    *,
    title: str = "Recommenders compared",
    examples: Sequence[Example] = (),
    examples_note: str = "",
) -> Path:
    """Write the report of a comparison, whole or not at all; returns where it is.

    examples: rows of a table of recommendations, all with the same keys (see `Example`).
    Raises MissingExtra where matplotlib is not installed.

    >>> import tempfile, matweave as mw
    >>> split = mw.split_by_time(mw.simulate_log(users=200, items=60, interactions=4000, seed=0).log, valid=0)
    >>> found = mw.compare({"popularity": mw.Popularity(), "ease": mw.EASE()}, split, metrics=["ndcg@10"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(found, folder + "/report.html").read_text()[:15]
    '<!doctype html>'
    """
    target = Path(path)
    write_atomically(
        target, as_html(found, title=title, examples=examples, examples_note=examples_note).encode()
    )
    return target


def as_html(
    found: Comparison, *, title: str, examples: Sequence[Example] = (), examples_note: str = ""
) -> str:
    """The report as one text."""
    lists = facts.shown(found)
    made = [
        ("leaderboard", "Leaderboard", sections.leaderboard(found)),
        ("differences", "Which differences are real", sections.differences(found)),
        ("users", "How users fare", sections.users(found)),
        ("calibration", "How sure, and how rightly", calibration(found)),
        ("tail", "Popular and rare items", sections.tail(lists)),
        ("tradeoff", "Coverage against accuracy", sections.tradeoff(found, lists)),
        ("fits", "How the fits went", sections.fits(found)),
        ("examples", "Examples", sections.examples(examples, examples_note)),
        ("split", "What was judged on what", sections.split(found)),
        ("settings", "Settings", sections.settings(found)),
        ("read", "How to read this", sections.reading(found)),
    ]
    kept = [(name, heading, parts) for name, heading, parts in made if parts]
    nav = " ".join(f"<a href='#{name}'>{text(heading)}</a>" for name, heading, _ in kept)
    head = Html(f"<h1>{text(title)}</h1>{_lead(found)}{_facts(found)}<nav aria-label='Sections'>{nav}</nav>")
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    return page(title, head, [section(name, heading, *parts) for name, heading, parts in kept], foot)


def _lead(found: Comparison) -> Html:
    metric = next((m for m in facts.judged_metrics(found) if found.best(m) is not None), None)
    best = None if metric is None else found.best(metric)
    won = None if best is None or metric is None else facts.interval_of(best, metric)
    if metric is None or best is None or won is None:
        return paragraph("No method leads: none could be judged by a metric that has a best.", kind="lead")
    others = [r for r in found.results if r is not best and facts.interval_of(r, metric)]
    same = [r for r in others if facts.standing(found, r, metric) == "same"]
    said = [] if math.isnan(won.low) else [f"95 % interval {won.low:.4f} to {won.high:.4f}"]
    said += [found.protocol] if "sampled" in found.protocol else []
    following = _next(others, metric)
    ahead = "" if following is None else _ahead(won.mean, following, metric)
    more = (f" ({'; '.join(said)})" if said else "") + ahead
    parts: list[object] = [
        Html(f"<b>{text(best.label)}</b> leads with {text(metric)} of <b>{won.mean:.4f}</b>{text(more)}."),
    ]
    if same:
        parts.append(f"Not told apart from it on these users: {', '.join(r.label for r in same)}.")
    elif any(metric in r.p_values for r in others):
        parts.append("Every other method is behind it by more than chance explains.")
    named = [r for r in found.results if r is best or r is following or r in same]
    notes = [paragraph(f"{line}.", kind="note") for line in ended(found, named)]
    return Html(paragraph(*parts, kind="lead").markup + "".join(note.markup for note in notes))


def _next(others: Sequence[Result], metric: str) -> Result | None:
    """The best of the others; None where none has a mean other than 0."""
    way = -1 if parse(metric).metric.higher_is_better is False else 1
    means = [(way * r.mean(metric), r.name, r) for r in others if not math.isnan(r.mean(metric))]
    following = max(means, key=lambda one: one[:2])[2] if means else None
    return following if following is not None and following.mean(metric) else None


def _ahead(best: float, following: Result, metric: str) -> str:
    """By how much the best is better than the next, as a share of it."""
    way = "below" if parse(metric).metric.higher_is_better is False else "above"
    share = abs(best - following.mean(metric)) / abs(following.mean(metric))
    return f", {share:.1%} {way} the next, {following.label}" if share else f", as has {following.label}"


def _facts(found: Comparison) -> Html:
    counts = next((r.evaluation.counts for r in found.results if r.evaluation), {})
    wanted = {
        "protocol": found.protocol,
        "split": found.split.kind,
        "training rows": f"{len(found.split.train):,}",
    }
    wanted |= {what: f"{count:,}" for what, count in list(counts.items())[:5]}
    cells = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in wanted.items())
    return Html(f"<dl class=facts>{cells}</dl>")
