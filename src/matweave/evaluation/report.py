"""One HTML file that tells a comparison whole: what was judged on what, who leads and how surely, and why.

The file needs nothing from outside, follows light and dark, and prints. Figures need matplotlib (extra `report`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from matweave.artifact import write_atomically
from matweave.evaluation import report_facts as facts
from matweave.evaluation import report_plots as plots
from matweave.evaluation.comparison import SAME, Comparison, Result
from matweave.evaluation.machine import versions
from matweave.evaluation.report_html import Html, bullets, figure, page, paragraph, section, table, text
from matweave.metrics.table import parse

AT_ONCE = 6  # metrics in one table: more would not fit a page

Example = Mapping[str, object]
"""One row of the examples: column -> text, or a list of texts; an entry that ends in * is marked."""


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
        ("leaderboard", "Leaderboard", _leaderboard(found)),
        ("tests", "Which differences are real", _tests(found)),
        ("users", "How users fare", _users(found)),
        ("tail", "Popular and rare items", _tail(lists)),
        ("tradeoff", "Coverage against accuracy", _tradeoff(found, lists)),
        ("fits", "How the fits went", _fits(found)),
        ("examples", "Examples", _examples(examples, examples_note)),
        ("split", "What was judged on what", _split(found)),
        ("settings", "Settings", _settings(found)),
        ("read", "How to read this", _reading(found)),
    ]
    kept = [(name, heading, parts) for name, heading, parts in made if parts]
    nav = " ".join(f"<a href='#{name}'>{text(heading)}</a>" for name, heading, _ in kept)
    head = Html(f"<h1>{text(title)}</h1>{_lead(found)}{_facts(found)}<nav aria-label='Sections'>{nav}</nav>")
    foot = "matweave " + ", ".join(f"{k} {v}" for k, v in versions().items() if k != "matweave")
    said = versions().get("matweave")
    foot = foot.replace("matweave ", f"matweave {said}, ", 1) if said else foot
    return page(title, head, [section(name, heading, *parts) for name, heading, parts in kept], foot)


def _lead(found: Comparison) -> Html:
    metrics = facts.judged_metrics(found)
    best = found.best(metrics[0]) if metrics else None
    won = None if best is None else facts.interval_of(best, metrics[0])
    if best is None or won is None:
        return paragraph("No method could be judged; the reasons stand below.", kind="lead")
    others = [r for r in found.results if r is not best and facts.interval_of(r, metrics[0])]
    same = [r.name for r in others if facts.standing(found, r, metrics[0]) == "same"]
    parts: list[object] = [
        Html(f"<b>{text(best.name)}</b> leads with {text(metrics[0])} of <b>{won.mean:.4f}</b>"),
        f"(95 % interval {won.low:.4f} to {won.high:.4f}; {found.protocol}).",
    ]
    if same:
        parts.append(f"Not told apart from it on these users: {', '.join(same)}.")
    elif any(metrics[0] in r.p_values for r in others):
        parts.append("Every other method is behind it by more than chance explains.")
    return paragraph(*parts, kind="lead")


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


def _leaderboard(found: Comparison) -> list[Html]:
    metrics = facts.judged_metrics(found)
    chunks = [metrics[at : at + AT_ONCE] for at in range(0, len(metrics), AT_ONCE)] or [[]]
    parts = [_board(found, chunk, first=at == 0) for at, chunk in enumerate(chunks)]
    marks = (
        "Mean over users above its 95 % interval. ★ the best of its column; ≈ not told apart from the best "
        f"(paired test, p ≥ {SAME} after Holm's correction). ↑ higher is better, ↓ lower is better."
    )
    parts.append(paragraph(marks, kind="note"))
    failed = [f"{r.name} failed: {r.error.splitlines()[0]}." for r in found.results if r.error]
    if failed:
        parts.append(paragraph(*failed, kind="bad"))
    drawn = facts.panels(found)
    if drawn:
        said = (
            f"Means and 95 % intervals of {len(drawn)} metrics for {len(next(iter(drawn.values())))} methods"
        )
        caption = (
            "Filled blue: the best. Open blue: not told apart from it. Grey: behind it, or a metric of which more "
            f"is not better. Each panel has its own scale. {_protocol(found)}"
        )
        parts.append(figure(plots.intervals(drawn, said), caption))
    return parts


def _board(found: Comparison, metrics: Sequence[str], *, first: bool) -> Html:
    """Some metrics of every method; the first table also says what the fits took."""
    rows = []
    for at, result in enumerate(found.results, 1):
        judged = result.evaluation is not None
        cells: list[object] = [at if judged else "–"] if first else []
        if judged:
            cells += [_cell(found, result, metric) for metric in metrics]
        elif metrics:
            cells += [Html("<span class=bad>failed</span>"), *["–"] * (len(metrics) - 1)]
        if first:
            memory = f"{result.peak_mb:,.0f}" if math.isfinite(result.peak_mb) else "–"
            cells += [f"{result.seconds:,.2f}", memory]
        rows.append([result.name, *cells])
    names = [_head(m) for m in metrics]
    heads = ["method", "#", *names, "fit, s", "peak, MB"] if first else ["method", *names]
    return table(heads, rows, numbers=range(1, len(heads)), caption=_protocol(found))


def _protocol(found: Comparison) -> str:
    return f"Protocol: {found.protocol}."


def _head(metric: str) -> Html:
    way = {True: " ↑", False: " ↓", None: ""}[parse(metric).metric.higher_is_better]
    return Html(f"{text(metric)}{way}")


def _cell(found: Comparison, result: Result, metric: str) -> Html:
    interval = facts.interval_of(result, metric)
    if interval is None:
        return Html("–")
    state = facts.standing(found, result, metric)
    mark = {"best": "★", "same": "≈"}.get(state, "")
    span = "" if math.isnan(interval.low) else f"<small>{interval.low:.4f} – {interval.high:.4f}</small>"
    style = " class=best" if state == "best" else ""
    return Html(f"<span{style}>{interval.mean:.4f}</span> <span class=mark>{mark}</span>{span}")


def _tests(found: Comparison) -> list[Html]:
    metrics = [
        m
        for m in facts.judged_metrics(found)
        if any(m in r.p_values for r in found.results) and parse(m).metric.higher_is_better is not None
    ]
    if not metrics:
        return []
    rows = []
    for result in found.results:
        if result.evaluation is None:
            continue
        cells = []
        for metric in metrics:
            p, best = result.p_values.get(metric), facts.standing(found, result, metric) == "best"
            cells.append(Html("<span class=best>best</span>") if best else "–" if p is None else _p(p))
        rows.append([result.name, *cells])
    return [
        paragraph(
            "Each method against the best of the column, on the same users: the sign-flip test of the mean "
            "difference, two-sided, with Holm's correction for the number of methods. Intervals of two methods may "
            "overlap although the difference between them is sure, because the same users are easy or hard for both."
        ),
        table(["p value", *metrics], rows, numbers=range(1, len(metrics) + 1), caption=_protocol(found)),
    ]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _users(found: Comparison) -> list[Html]:
    numbers = facts.per_user(found)
    if numbers is None:
        return []
    metric, users = numbers
    said = f"Shares of users by their own {metric}, for {len(users)} methods"
    caption = (
        f"A mean hides who is served: shares of users by their own {metric}, from nothing (grey) to the most "
        "(dark). Users who are not judged are left out. " + _protocol(found)
    )
    return [figure(plots.spread(users, metric, said), caption)]


def _tail(lists: facts.Shown | None) -> list[Html]:
    if lists is None:
        return []
    said = f"Cumulative shares of the training log and of the lists of {len(lists.lists)} methods by item popularity"
    caption = (
        "Items from most to least popular in the training log, and the share of all places in the judged users' "
        "lists that they fill. A line above the grey one favours popular items more than the "
        "log does; the diagonal shows every item alike."
    )
    total = max(1, len(lists.log))
    rows = [
        [name, f"{facts.head_share(n, lists.log):.1%}", f"{(n > 0).sum() / total:.1%}", f"{(n > 0).sum():,}"]
        for name, n in {"training log": lists.log, **lists.lists}.items()
    ]
    heads = ["", "on the most popular tenth", "of the catalogue shown", "items shown"]
    return [
        figure(plots.long_tail(lists.log, lists.lists, said), caption),
        table(heads, rows, numbers=(1, 2, 3)),
    ]


def _tradeoff(found: Comparison, lists: facts.Shown | None) -> list[Html]:
    drawn = facts.tradeoff(found, lists)
    if drawn is None or len(drawn[2]) < 2:
        return []
    x, y, points = drawn
    caption = f"{x} is the share of the catalogue that stands in anyone's list. Thin lines: 95 % intervals."
    return [figure(plots.tradeoff(points, x, y, f"{y} against {x} for {len(points)} methods"), caption)]


def _fits(found: Comparison) -> list[Html]:
    drawn, parts = facts.fits(found), []
    if drawn:
        said = f"Objective and validation by epoch: {', '.join(fit.name for fit in drawn)}"
        caption = (
            "The ring marks the epoch that was kept. Objectives of different methods are different functions: "
            "compare their shapes only."
        )
        parts.append(figure(plots.curves(drawn, said), caption))
    rows = []
    for result in found.results:
        if result.model is not None:
            past = result.model.history
            end = f"{past.objective[-1]:.6g}" if past.objective else "–"
            rows.append([result.name, past.stopped, past.epoch or "–", end, f"{result.seconds:,.2f}"])
    if rows:
        parts.append(
            table(
                ["method", "ended by", "epoch kept", "objective at the end", "fit, s"],
                rows,
                numbers=(2, 3, 4),
            )
        )
    return parts


def _examples(examples: Sequence[Example], note: str) -> list[Html]:
    if not examples:
        return []
    heads = list(examples[0])
    starred = any(_starred(v) for row in examples for v in row.values())
    said = note or ("Marked: entries that fit what is known of the user." if starred else "")
    rows = [[_entry(row.get(head, "")) for head in heads] for row in examples]
    return [*([paragraph(said)] if said else []), table(heads, rows)]


def _starred(value: object) -> bool:
    return isinstance(value, (list, tuple)) and any(str(v).endswith("*") for v in value)


def _entry(value: object) -> object:
    if not isinstance(value, (list, tuple)):
        return value
    marked = [Html(f"<mark>{text(str(v)[:-1])}</mark>") if str(v).endswith("*") else v for v in value]
    return bullets(marked, ordered=True)


def _split(found: Comparison) -> list[Html]:
    report = found.split.report
    rows = [
        [
            part.name,
            f"{part.rows:,}",
            f"{part.users:,}",
            f"{part.items:,}",
            f"{part.unseen_users:,}",
            f"{part.unseen_items:,}",
            f"{part.lost_rows:,}",
        ]
        for part in report.parts
    ]
    heads = ["part", "rows", "users", "items", "users unseen", "items unseen", "rows lost"]
    counts = next((r.evaluation.counts for r in found.results if r.evaluation), {})
    return [
        table(heads, rows, numbers=range(1, 7)),
        paragraph(
            "Unseen: not in the training part. Rows lost: no model fitted on it can rank or predict them.",
            kind="note",
        ),
        bullets([line.strip() for line in report.lines() if line.strip().startswith(("leak", "note"))]),
        bullets([f"{what}: {count:,}" for what, count in counts.items()]),
    ]


def _settings(found: Comparison) -> list[Html]:
    rows = []
    for result in found.results:
        said = ", ".join(f"{name}={value}" for name, value in result.settings.items()) or "none"
        rows.append([result.name, Html(f"<code>{text(said)}</code>")])
    parts = [table(["method", "settings"], rows)]
    failed = [r for r in found.results if r.error is not None]
    if failed:
        parts.append(Html("<h3>What failed, and why</h3>"))
        parts.append(bullets([Html(f"<b>{text(r.name)}</b>: {text(r.error)}") for r in failed]))
    none = {
        f"{r.name} has no {metric}: {why}"
        for r in found.results
        if r.evaluation
        for metric, why in r.evaluation.skipped.items()
    }
    parts.append(bullets(sorted(none)))
    parts.append(paragraph(f"Seed {found.seed}; lists of {found.k}.", kind="note"))
    return parts


def _reading(found: Comparison) -> list[Html]:
    terms = {metric: parse(metric).metric.doc for metric in facts.judged_metrics(found)}
    terms["95 % interval"] = (
        "what the mean could have been with other users like these: 2.5 and 97.5 % quantiles over resamples of users "
        "(bootstrap); for coverage and Gini, the jackknife over groups of users"
    )
    terms["p value"] = (
        "how often chance alone would give a difference as large, if the two methods were alike; corrected for the "
        f"number of comparisons. Below {SAME} the difference is taken as real"
    )
    terms["protocol"] = (
        "full ranking: every item of the training log competes, but the user's own training items. Sampled: the "
        "target competes with a few; such figures are not comparable with full ranking"
    )
    terms["peak, MB"] = (
        "largest resident memory of the whole process during the fit, sampled; it includes the data"
    )
    cells = "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in terms.items())
    return [Html(f"<dl class=read>{cells}</dl>")]
