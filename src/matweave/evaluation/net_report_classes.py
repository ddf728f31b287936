"""The sections of a network's report that are of classes alone: the confusion matrix, every class, calibration."""

from __future__ import annotations

import numpy as np

from matweave.evaluation import net_report_plots as plots
from matweave.evaluation.predictions_judged import ClassesJudged
from matweave.evaluation.report_html import Html, figure, paragraph, table, text

GRID = 25  # classes in a confusion matrix that still reads as one
SMALL, WIDE = 5, 14  # classes up to which, and from which, its cells are larger and smaller
LISTED = 60  # classes in the table of classes


def confusion(judged: ClassesJudged) -> list[Html]:
    """What is taken for what: the matrix, or for many classes the most frequent mistakes."""
    pairs = judged.confused(20)
    support = dict(zip(judged.classes, judged.per_class.support.tolist(), strict=True))
    if len(judged.classes) > GRID:
        if not pairs:
            return [paragraph("No example was taken for another class.")]
        rows = [[t, p, f"{c:,}", f"{support[t]:,}", f"{c / support[t]:.1%}"] for t, p, c in pairs]
        heads = ["true", "taken for", "times", "examples of it", "share"]
        return [
            table(heads, rows, numbers=(2, 3, 4)),
            paragraph(
                f"The {len(rows)} most frequent mistakes between {len(judged.classes)} classes.", kind="note"
            ),
        ]
    said = [f"{t} for {p} ({c:,} of {support[t]:,})" for t, p, c in pairs[:5]]
    return [
        _matrix(judged),
        paragraph(
            "Rows are the true classes, columns the predicted ones; numbers are examples. Blue: the share of the row "
            "that is right. Orange: mistakes, stronger the larger their share of the row.",
            kind="note",
        ),
        paragraph(
            f"Most often mistaken: {'; '.join(said)}." if said else "No example was taken for another class."
        ),
    ]


def _matrix(judged: ClassesJudged) -> Html:
    """A table whose cells are shaded by their share of the row."""
    names = judged.classes
    size = "small" if len(names) <= SMALL else "wide" if len(names) > WIDE else ""
    upright = " class=up" if max(map(len, names)) > 4 and size != "small" else ""
    heads = "".join(f"<th scope=col{upright}><span>{text(n)}</span></th>" for n in names)
    lines = []
    for t, row in enumerate(judged.confusion.tolist()):
        total = sum(row)
        cells = "".join(_cell(count, total, right=t == p) for p, count in enumerate(row))
        lines.append(f"<tr><th scope=row>{text(names[t])}</th>{cells}<td class=sum>{total:,}</td></tr>")
    body = "\n".join(lines)
    return Html(
        f"<div class=scroll><table class='confusion {size}'><thead><tr><th class=corner>true ↓ predicted →</th>{heads}"
        f"<th scope=col class=sum>all</th></tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _cell(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    share = count / total
    strength = 0.08 + 0.87 * share if right else min(0.95, 0.08 + 0.9 * share**0.5)
    kind = " ".join(["hit" if right else "miss", *(["strong"] if strength > 0.68 else [])])
    return f'<td class="{kind}" style="--w:{strength:.2f}">{count:,}</td>'


def by_class(judged: ClassesJudged) -> list[Html]:
    """Precision, recall and F1 of every class; of many, those that are found worst."""
    scores, k = judged.per_class, len(judged.classes)
    order = list(range(k))
    if k > LISTED:
        order = np.argsort(np.where(np.isnan(scores.f1), 2, scores.f1), kind="stable")[:LISTED].tolist()
    rows = [
        [
            judged.classes[c],
            f"{scores.support[c]:,}",
            f"{scores.predicted[c]:,}",
            _share(scores.precision[c]),
            _share(scores.recall[c]),
            _share(scores.f1[c]),
            _meter(scores.f1[c]),
        ]
        for c in order
    ]
    heads = ["class", "examples", "predicted", "precision", "recall", "F1", ""]
    said = "Precision: of the examples predicted as the class, the share that is. Recall: of its examples, the share found."
    more = f" The {LISTED} of {k:,} classes with the lowest F1." if k > LISTED else ""
    return [table(heads, rows, numbers=(1, 2, 3, 4, 5)), paragraph(said + more, kind="note")]


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _meter(value: float) -> Html:
    return Html(
        "" if np.isnan(value) else f"<span class=meter><i style='width:{100 * value:.1f}%'></i></span>"
    )


def calibration(judged: ClassesJudged) -> list[Html]:
    """Whether probabilities mean what they say."""
    caption = (
        "Left: on the diagonal, what is said with 80 % confidence is right in 80 % of cases; below it the network is too "
        "sure, above it too shy. Grey: where a perfectly calibrated network would lie in 95 of 100 samples of this size. "
        "Right: how many examples stand behind each point."
    )
    label = f"Accuracy against confidence, and a histogram of confidence, of {judged.n} examples"
    return [
        paragraph(calibration_said(judged)),
        figure(plots.calibration(judged.reliability, label), caption),
    ]


def calibration_said(judged: ClassesJudged) -> str:
    """One sentence about calibration: how far off, which way, and whether chance alone would explain it."""
    ece, by_chance = judged.reliability.error, f"chance alone would give up to {judged.chance_error:.4f}"
    way = _way(judged)
    if not way:
        return (
            f"Probabilities mean what they say, as far as {judged.n:,} examples can tell: the calibration error is "
            f"{ece:.4f}, and {by_chance}."
        )
    return (
        f"The network is {way}: confidence and accuracy are {100 * ece:.1f} points apart on average "
        f"(calibration error {ece:.4f}; {by_chance})."
    )


def calibration_in_short(judged: ClassesJudged) -> str:
    """The same in a few words, for the head of the report."""
    way = _way(judged)
    apart = f"The network is {way}, by {100 * judged.reliability.error:.1f} points on average."
    return apart if way else "Its probabilities can be taken at their word."


def _way(judged: ClassesJudged) -> str:
    """Too sure, too shy or both; nothing where chance would explain the calibration error."""
    bins = judged.reliability
    if bins.error <= judged.chance_error:
        return ""
    held = bins.count > 0
    gap = float(((bins.confidence - bins.accuracy)[held] * bins.count[held]).sum() / judged.n)
    return "both too sure and too shy" if abs(gap) < bins.error / 2 else "too sure" if gap > 0 else "too shy"
