"""One HTML file that tells a trained network whole: how good it is and how surely, how it learned, where it fails.

The file needs nothing from outside, follows light and dark, and prints. Figures need matplotlib (extra `report`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from matweave.artifact import write_atomically
from matweave.evaluation import net_report_classes as classes
from matweave.evaluation import net_report_sections as sections
from matweave.evaluation.intervals import Interval
from matweave.evaluation.machine import versions
from matweave.evaluation.net_report_examples import HardExample
from matweave.evaluation.net_report_plots import ActivationCurve
from matweave.evaluation.net_report_sections import Judged
from matweave.evaluation.predictions_judged import ClassesJudged, ValuesJudged, figures, shown_value
from matweave.evaluation.report_html import Html, page, paragraph, section, text
from matweave.train.history import TrainHistory


def write_net_report(
    path: str | PathLike[str],
    *,
    title: str,
    judged: Judged,
    history: TrainHistory | None = None,
    facts: Mapping[str, str] | None = None,
    balance: Sequence[str] = (),
    hard: Sequence[HardExample] = (),
    activations: Sequence[ActivationCurve] = (),
    sheet: str | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the report of a network, whole or not at all; returns where it is.

    judged: of `judge_classes` or `judge_values`. history: how training went. facts: short texts by name, shown under
    the first sentence. balance: lines such as those of `Targets.balance`, set in columns. hard: the examples at
    `judged.hardest`, in that order. activations: learned functions before and after. sheet: markup of a contact sheet,
    put in as it is. notes: further lines. All but the sheet is text and is escaped.
    Raises MissingExtra where matplotlib is not installed, DataError for an example that cannot be shown.

    >>> import tempfile
    >>> from matweave.data.targets import Targets
    >>> from matweave.evaluation.predictions import judge_classes
    >>> judged = judge_classes(np.array([[0.9, 0.1], [0.2, 0.8]]), Targets.of_labels(["no", "yes"]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_net_report(folder + "/report.html", title="XOR", judged=judged).read_text()[:15]
    '<!doctype html>'
    """
    target = Path(path)
    markup = as_html(
        title=title,
        judged=judged,
        history=history,
        facts=facts or {},
        balance=balance,
        hard=hard,
        activations=activations,
        sheet=sheet,
        notes=notes,
    )
    write_atomically(target, markup.encode())
    return target


def as_html(
    *,
    title: str,
    judged: Judged,
    history: TrainHistory | None,
    facts: Mapping[str, str],
    balance: Sequence[str],
    hard: Sequence[HardExample],
    activations: Sequence[ActivationCurve],
    sheet: str | None,
    notes: Sequence[str],
) -> str:
    """The report as one text."""
    made = [
        ("metrics", "How good it is", sections.metrics(judged)),
        ("training", "How training went", sections.training(history)),
        *_what_happened(judged),
        ("hardest", "Hardest examples", sections.hardest(hard, judged)),
        ("activations", "Learned activations", sections.activations(activations)),
        ("sheet", "Augmentation", sections.sheet(sheet)),
        ("data", "Data", sections.data(balance, notes)),
        ("read", "How to read this", sections.reading(judged, history)),
    ]
    kept = [(name, heading, parts) for name, heading, parts in made if parts]
    nav = " ".join(f"<a href='#{name}'>{text(heading)}</a>" for name, heading, _ in kept)
    head = Html(f"<h1>{text(title)}</h1>{lead(judged)}{_facts(facts)}<nav aria-label='Sections'>{nav}</nav>")
    foot = ", ".join(f"{name} {version}" for name, version in versions().items())
    whole = page(title, head, [section(name, heading, *parts) for name, heading, parts in kept], foot)
    return whole.replace("</style>", f"{STYLE}</style>", 1)  # the title before it is escaped


def _what_happened(judged: Judged) -> list[tuple[str, str, list[Html]]]:
    if isinstance(judged, ClassesJudged):
        return [
            ("confusion", "What is taken for what", classes.confusion(judged)),
            ("classes", "Class by class", classes.by_class(judged)),
            ("calibration", "Calibration", classes.calibration(judged)),
        ]
    return [("values", "Predicted against true", sections.values(judged))]


def lead(judged: Judged) -> Html:
    """The first sentence: the number that matters, how surely it is known, and what it is to be compared with.

    >>> from matweave.evaluation.predictions import judge_values
    >>> lead(judge_values(np.array([1.0, 2.0, 3.5]), np.array([1.0, 2.0, 3.0]))).markup[:72]
    '<p class=lead>Predictions of 3 examples are typically off by <b>0.28868<'
    """
    if isinstance(judged, ValuesJudged):
        return _lead_of_values(judged)
    found, (name, share) = judged.metrics["accuracy"], judged.commonest
    wrong = judged.n - int(np.diagonal(judged.confusion).sum())
    return paragraph(
        Html(
            f"<b>{_percent(found.mean)}</b> of {judged.n:,} examples are classified correctly"
            f"{_span(found, _percent)}; {wrong:,} {'is' if wrong == 1 else 'are'} not."
        ),
        f"Always answering “{name}”, the most common of {len(judged.classes):,} classes, would be right for "
        f"{_percent(share)}.",
        classes.calibration_in_short(judged),
        kind="lead",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def _lead_of_values(judged: ValuesJudged) -> Html:
    error, explained = judged.metrics["rmse"], judged.metrics["r2"]
    like = error.mean or judged.constant

    def size(value: float) -> str:
        return figures(value, like)

    parts: list[object] = [
        Html(f"Predictions of {judged.n:,} examples are typically off by <b>{size(error.mean)}</b>"),
        f"(RMSE{_span(error, size, bare=True)}); always answering the mean would be off by "
        f"{size(judged.constant)}.",
    ]
    if np.isfinite(explained.mean):
        span = _span(explained, lambda v: shown_value("r2", v, v))
        parts.append(Html(f"R² is <b>{shown_value('r2', explained.mean, explained.mean)}</b>{span}."))
    else:
        parts.append("There is no R²: the true values are all the same.")
    return paragraph(*parts, kind="lead")


def _span(found: Interval, shown: Callable[[float], str], *, bare: bool = False) -> str:
    if np.isnan(found.low):
        return ""
    said = f"95\N{NO-BREAK SPACE}% interval {shown(found.low)} to {shown(found.high)}"
    return f", {said}" if bare else f" ({said})"


def _facts(facts: Mapping[str, str]) -> Html:
    cells = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in facts.items())
    kind = "facts" if len(facts) >= 4 else '"facts few"'
    return Html(f"<dl class={kind}>{cells}</dl>" if cells else "")


STYLE = """
table.confusion{width:auto;border-collapse:separate;border-spacing:2px;font-size:.84rem;margin:.6rem 0}
.confusion th{border:0!important;padding:.15rem .5rem;vertical-align:middle;font-weight:600}
.confusion thead th{vertical-align:bottom;text-align:center} .confusion tbody th{text-align:right}
.confusion th.corner{font-weight:400;text-align:right;white-space:nowrap}
.confusion th.up span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;padding:.2rem 0}
.confusion td{position:relative;isolation:isolate;min-width:2.9rem;height:2.15rem;padding:0 .4rem;border:0;
 text-align:center;vertical-align:middle;background:var(--tint);border-radius:4px;font-variant-numeric:tabular-nums}
.confusion .hit,.confusion .miss{font-weight:600;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.confusion .hit::before,.confusion .miss::before{content:"";position:absolute;inset:0;border-radius:4px;z-index:-1;
 background:var(--accent);opacity:var(--w)}
.confusion .miss::before{background:var(--series-2)} .confusion .strong{color:var(--paper)}
.confusion .sum{background:none;color:var(--muted);font-weight:400;padding-left:.7rem;text-align:right}
.confusion.wide td{min-width:1.9rem;height:1.8rem;padding:0 .15rem;font-size:.76rem}
.confusion.small td{min-width:5rem;height:2.6rem;font-size:.95rem}
.meter{display:block;width:7rem;height:.5rem;margin:.5rem 0 0 auto;border-radius:3px;background:var(--tint);
 box-shadow:inset 0 0 0 1px var(--line);overflow:hidden}
.meter i{display:block;height:100%;background:var(--accent);print-color-adjust:exact;-webkit-print-color-adjust:exact}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));margin:1rem 0 0}
.cards.images{grid-template-columns:repeat(auto-fill,minmax(8.6rem,1fr))}
.cards.texts,.cards.rows{grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}
.card{background:var(--tint);border:1px solid var(--line);border-radius:10px;padding:.7rem;min-width:0;
 display:flex;flex-direction:column;break-inside:avoid}
.card img{display:block;width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;border-radius:5px;
 background:#000}
.card svg{min-width:0;background:var(--paper);border-radius:5px}
.card dl{display:grid;grid-template-columns:max-content 1fr;gap:.05rem .6rem;margin:.6rem 0 .3rem;font-size:.9rem}
.card dt{color:var(--muted)} .card dd{margin:0;font-weight:620;overflow-wrap:anywhere}
.card dd small{color:var(--muted);font-weight:400;white-space:nowrap}
.card .from{color:var(--muted);font-size:.78rem;margin:auto 0 0;overflow-wrap:anywhere;line-height:1.35}
.card .quote{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.92rem;line-height:1.45}
.fields{font-size:.86rem} .fields div{display:flex;justify-content:space-between;gap:1rem;padding:.12rem 0;
 border-bottom:1px solid var(--line)} .fields span:first-child{color:var(--muted)}
.fields span{overflow-wrap:anywhere} .fields span:last-child{text-align:right;font-variant-numeric:tabular-nums}
.sheet svg{min-width:0} #metrics td:last-child{min-width:17rem}
.facts.few{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}
pre{margin:.6rem 0 1rem;padding:.8rem 1rem;background:var(--tint);border:1px solid var(--line);border-radius:10px;
 max-height:24rem;overflow:auto;font:.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media print{pre{max-height:none} #metrics td:last-child{min-width:0}}
"""
