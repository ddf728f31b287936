"""The sections of a report, each from a comparison to markup; a section with nothing to say is an empty list."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

from matweave.evaluation import report_facts as facts
from matweave.evaluation import report_plots as plots
from matweave.evaluation.budget import spell
from matweave.evaluation.comparison import SAME, Comparison, Result
from matweave.evaluation.leaderboard import attributes, ended, lacking
from matweave.evaluation.report_html import Html, bullets, figure, paragraph, table, text
from matweave.metrics.table import parse

AT_ONCE = 6  # metrics in one table: more would not fit a page
CURVES = 8  # methods in one drawing of curves: as many as there are colours

Example = Mapping[str, object]
"""One row of the examples: column -> text, or a list of texts; an entry that ends in * is marked."""


def leaderboard(found: Comparison) -> list[Html]:
    """Means with intervals, what is best and what cannot be told from it; and the same as a figure."""
    metrics = facts.judged_metrics(found)
    chunks = [metrics[at : at + AT_ONCE] for at in range(0, len(metrics), AT_ONCE)] or [[]]
    parts = [_board(found, chunk, first=at == 0) for at, chunk in enumerate(chunks)]
    marks = (
        "Mean over users above its 95 % interval. ★ the best of its column; ≈ not told apart from the best "
        f"(paired test, p ≥ {SAME} after Holm's correction). ↑ higher is better, ↓ lower is better."
    )
    parts.append(paragraph(marks, *(f"{line}." for line in ended(found)), kind="note"))
    parts += [paragraph(f"{line[0].upper()}{line[1:]}.", kind="note") for line in attributes(found)]
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
        rows.append([result.label, *cells])
    names = [_head(m) for m in metrics]
    heads = ["method", "#", *names, "fit, s", "peak, MB"] if first else ["method", *names]
    return table(heads, rows, numbers=range(1, len(heads)), caption=_protocol(found))


def _protocol(found: Comparison) -> str:
    return f"Protocol: {found.protocol}."


def _head(metric: str) -> Html:
    way = {True: " ↑", False: " ↓", None: ""}[parse(metric).metric.higher_is_better]
    parts = text(metric).replace("_", "_<wbr>").replace("@", "<wbr>@")  # long names may break over lines
    return Html(f"{parts}{way}")


def _cell(found: Comparison, result: Result, metric: str) -> Html:
    interval = facts.interval_of(result, metric)
    if interval is None:
        return Html("–")
    state = facts.standing(found, result, metric)
    mark = {"best": "★", "same": "≈"}.get(state, "")
    span = "" if math.isnan(interval.low) else f"<small>{interval.low:.4f} – {interval.high:.4f}</small>"
    style = " class=best" if state == "best" else ""
    return Html(f"<span{style}>{interval.mean:.4f}</span> <span class=mark>{mark}</span>{span}")


def differences(found: Comparison) -> list[Html]:
    """The p values of every method against the best; nothing where no paired test was made."""
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
        rows.append([result.label, *cells])
    return [
        paragraph(
            "Each method against the best of the column, on the same users: the sign-flip test of the mean "
            "difference, two-sided, with Holm's correction for the number of methods. Intervals of two methods may "
            "overlap although the difference between them is sure, because the same users are easy or hard for both."
        ),
        table(
            ["p value", *map(_head, metrics)],
            rows,
            numbers=range(1, len(metrics) + 1),
            caption=_protocol(found),
        ),
    ]


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def users(found: Comparison) -> list[Html]:
    """How the first metric is spread over users; nothing where no metric lies between 0 and 1."""
    numbers = facts.per_user(found)
    if numbers is None:
        return []
    metric, users = numbers
    said = f"Shares of users by their own {metric}, for {len(users)} methods"
    caption = (
        f"A mean hides who is served: shares of users by their own {metric}, from nothing (grey) to the most "
        "(strongest blue). Users who are not judged are left out. " + _protocol(found)
    )
    return [figure(plots.spread(users, metric, said), caption)]


def tail(lists: facts.Shown | None) -> list[Html]:
    """Lists against the training log, from popular to rare items."""
    if lists is None:
        return []
    curves = dict(islice(lists.lists.items(), CURVES))
    said = (
        f"Cumulative shares of the training log and of the lists of {len(curves)} methods by item popularity"
    )
    caption = (
        "Items from most to least popular in the training log, and the share of all places in the judged users' "
        "lists that they fill. A line above the grey one favours popular items more than the "
        "log does; the diagonal shows every item alike."
    )
    if len(curves) < len(lists.lists):
        left = len(lists.lists) - len(curves)
        caption += f" Drawn: the {len(curves)} best of the leaderboard; {left} more stand in the table alone."
    total = max(1, len(lists.log))
    rows = [
        [name, f"{facts.head_share(n, lists.log):.1%}", f"{(n > 0).sum() / total:.1%}", f"{(n > 0).sum():,}"]
        for name, n in {"training log": lists.log, **lists.lists}.items()
    ]
    heads = ["", "on the most popular tenth", "of the catalogue shown", "items shown"]
    return [
        figure(plots.long_tail(lists.log, curves, said), caption),
        table(heads, rows, numbers=(1, 2, 3)),
    ]


def tradeoff(found: Comparison, lists: facts.Shown | None) -> list[Html]:
    """Coverage against the first metric; nothing for a single method."""
    drawn = facts.tradeoff(found, lists)
    if drawn is None or len(drawn[2]) < 2:
        return []
    x, y, points = drawn
    caption = f"{x} is the share of the catalogue that stands in anyone's list. Thin lines: 95 % intervals."
    if left := sum(not point.named for point in points):
        caption += (
            f" Named: methods that no other beats in both, and the {facts.NAMED} best by {y}; "
            f"the other {left} are grey here, and stand by name in the tables."
        )
    return [figure(plots.tradeoff(points, x, y, f"{y} against {x} for {len(points)} methods"), caption)]


def fits(found: Comparison) -> list[Html]:
    """Objective and validation by epoch, and how every fit ended."""
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
            rows.append(
                [result.name, result.over or past.stopped, past.epoch or "–", end, f"{result.seconds:,.2f}"]
            )
    if rows:
        parts.append(
            table(
                ["method", "ended by", "epoch kept", "objective at the end", "fit, s"],
                rows,
                numbers=(2, 3, 4),
            )
        )
    return parts


def examples(examples: Sequence[Example], note: str) -> list[Html]:
    """The rows handed in; an entry that ends in * is marked."""
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


def split(found: Comparison) -> list[Html]:
    """The parts, what the test part lost, and what leaks."""
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


def settings(found: Comparison) -> list[Html]:
    """Every recipe in full, what failed and what there is no number of."""
    rows = []
    for result in found.results:
        said = ", ".join(f"{name}={value}" for name, value in result.settings.items()) or "none"
        rows.append([result.name, Html(f"<code>{text(said)}</code>")])
    parts = [table(["method", "settings"], rows)]
    failed = [r for r in found.results if r.error is not None]
    if failed:
        parts.append(Html("<h3>What failed, and why</h3>"))
        parts.append(bullets([Html(f"<b>{text(r.name)}</b>: {text(r.error)}") for r in failed]))
    parts.append(bullets(lacking(found)))
    if found.left_out:
        parts.append(Html("<h3>What was left out, and why</h3>"))
        parts.append(bullets([Html(f"<b>{text(n)}</b>: {text(why)}") for n, why in found.left_out.items()]))
    budget = "" if found.budget is None else f" Each fit was given {spell(found.budget)}."
    parts.append(paragraph(f"Seed {found.seed}; lists of {found.k}.{budget}", kind="note"))
    return parts


def reading(found: Comparison) -> list[Html]:
    """Every metric and word of the report, in a line."""
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
