"""The sections of a network's report, from what was judged to markup; a section with nothing to say is an empty list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matweave.evaluation import net_report_plots as plots
from matweave.evaluation.net_report_examples import HardExample, cards
from matweave.evaluation.net_report_plots import ActivationCurve
from matweave.evaluation.predictions_judged import MEASURES, ClassesJudged, ValuesJudged, shown_value
from matweave.evaluation.report_html import Html, bullets, figure, paragraph, table, text
from matweave.metrics.regression import mae
from matweave.train.history import TrainHistory

Judged = ClassesJudged | ValuesJudged


def metrics(judged: Judged) -> list[Html]:
    """Every metric with its interval, and what is reached without looking at an example."""
    blind = _blind(judged)
    rows = []
    for name, value, span in judged.rows():
        higher, said = MEASURES[name]
        known = _shown(judged, name, blind[name]) if name in blind else "–"
        rows.append(
            [f"{name} {'↑' if higher else '↓'}", Html(f"<b>{text(value)}</b>"), span or "–", known, said]
        )
    heads = ["metric", "value", "95 % interval", "without looking", "what it says"]
    return [
        table(heads, rows, numbers=(1, 2, 3)),
        paragraph(
            f"Over {judged.n:,} examples. ↑ higher is better, ↓ lower is better. Without looking: what one "
            "answer for all of these examples reaches, "
            + (
                "the shares of their classes."
                if isinstance(judged, ClassesJudged)
                else "the mean of their values."
            ),
            kind="note",
        ),
    ]


def _shown(judged: Judged, name: str, value: float) -> str:
    if isinstance(judged, ClassesJudged):
        return f"{value:.4f}"
    mean = judged.metrics[name].mean
    return shown_value(name, value, mean if mean else value)


def _blind(judged: Judged) -> dict[str, float]:
    """What answering the same for every example gives: the shares of the classes, or the mean."""
    if isinstance(judged, ValuesJudged):
        middle = np.broadcast_to(judged.values.mean(axis=0), judged.values.shape)
        return {"rmse": judged.constant, "mae": mae(middle, judged.values), "r2": 0.0}
    share = np.sort(judged.per_class.support / judged.n)[::-1]
    held = share[share > 0]
    return {
        "accuracy": share[0],
        "top_5_accuracy": share[:5].sum(),
        "log_loss": -(held * np.log(held)).sum(),
        "brier": 1 - (share**2).sum(),
        "macro_f1": 2 * share[0] / (1 + share[0]) / len(held),
        "balanced_accuracy": 1 / len(held),
        "roc_auc": 0.5,
    }


def training(history: TrainHistory | None) -> list[Html]:
    """How training went, and why it ended."""
    if history is None or not history.epochs:
        return []
    last, rates = history.epochs[-1], {e.learning_rate for e in history.epochs}
    count = len(history.epochs)
    said = [
        f"{count:,} {'epoch' if count == 1 else 'epochs'} of {history.examples:,} examples in {_duration(history.seconds)}."
    ]
    said.append(
        f"Ended: {history.stopped}." if history.stopped != "epochs" else "Every epoch asked for was run."
    )
    if history.best is not None:
        said.append(
            f"Kept: the weights of epoch {history.best_epoch}, the best by {history.measure} ({history.best:.4g})."
        )
    elif history.best_epoch:
        said.append(f"Kept: the weights of epoch {history.best_epoch}.")
    said.append(f"Training loss at the end {last.loss:.4g}.")
    if len(rates) == 1:
        said.append(f"Learning rate {last.learning_rate:.4g} throughout.")
    caption = (
        "The ring marks the epoch whose weights were kept. Training loss is the mean over an epoch, while the weights "
        "moved and with augmentation where there is any: early on it may lie above the loss of validation."
    )
    label = f"Loss, validation measures and learning rate over {count} epochs"
    return [paragraph(*said), figure(plots.training(history, label), caption)]


def _duration(seconds: float) -> str:
    """Seconds in words: 7.2 s, 5 min 12 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def values(judged: ValuesJudged) -> list[Html]:
    """Predicted against true numbers, errors, and for several outputs a table of them."""
    outputs, shown = judged.values.shape[1], min(judged.n, plots.POINTS)
    some = (
        f"{shown:,} of {judged.n:,} examples, drawn at random."
        if shown < judged.n
        else f"{shown:,} examples."
    )
    caption = f"On the line the prediction is the truth. Points: {some} Errors: all of them; left of 0, predicted too low."
    label = f"Predicted against true values, and a histogram of errors, of {judged.n} examples"
    parts = [figure(plots.values(judged.predicted, judged.values, label), caption)]
    if outputs > 1:
        rows = [
            [
                f"output {at + 1}",
                *(_shown(judged, name, judged.per_output[name][at]) for name in judged.metrics),
            ]
            for at in range(outputs)
        ]
        parts.append(table(["", *judged.metrics], rows, numbers=range(1, 4)))
    return parts


def hardest(examples: Sequence[HardExample], judged: Judged) -> list[Html]:
    """The examples that cost most."""
    if not examples:
        return []
    why = "log loss" if isinstance(judged, ClassesJudged) else "squared error"
    said = (
        f"The {len(examples)} judged examples with the greatest {why}, the greatest first: look here for wrong labels, "
        "broken files and kinds of examples that training had too few of."
    )
    return [paragraph(said), cards(examples)]


def activations(curves: Sequence[ActivationCurve]) -> list[Html]:
    """What the learned activations became."""
    if not curves:
        return []
    caption = "Grey, dashed: before training. Blue: after it. Each has a scale of its own."
    label = f"{len(curves)} activation functions before and after training"
    return [figure(plots.activations(curves, label), caption)]


def sheet(markup: str | None) -> list[Html]:
    """The contact sheet of augmentation, made elsewhere."""
    if not markup:
        return []
    said = "Training examples as the network saw them, changed at random each time; the truth must still be seen in them."
    return [paragraph(said), Html(f"<div class='scroll sheet'>{markup}</div>")]


def data(balance: Sequence[str], notes: Sequence[str]) -> list[Html]:
    """What was learned from and judged on, in lines that were made elsewhere."""
    lines = "\n".join(map(str, balance))
    block = Html(f"<pre tabindex=0>{text(lines)}</pre>" if balance else "")
    return [part for part in (block, bullets(list(notes))) if part.markup]


def reading(judged: Judged, history: TrainHistory | None) -> list[Html]:
    """The words of the report, in a line each."""
    terms = {
        "95 % interval": "what the number could have been with other examples like these: 2.5 and 97.5 % quantiles over "
        "resamples of the examples (bootstrap). It does not say how another training run would come out",
        "without looking": "the same metric for one constant answer; what a network is worth is its distance from it",
    }
    if isinstance(judged, ClassesJudged):
        terms |= {
            "confidence": "the probability that the network gives to the class it predicts",
            "calibration error": "ece: how far confidence and accuracy are apart, over bins of confidence. It is never 0 on "
            "a finite sample; compare it with what chance alone gives",
            "F1": "harmonic mean of precision and recall; 0 where a class is never found",
            "log loss": "in nats; ln of the number of classes is what guessing all alike costs",
        }
    else:
        terms["R²"] = "below 0 where the mean of the true values would have been the better prediction"
    if history is not None and history.measure:
        way = "higher" if history.higher_is_better else "lower"
        terms["validation"] = (
            f"examples held out of training by which the epoch was chosen ({history.measure}, {way} is better); "
            "its numbers are a little too good for that reason"
        )
    cells = "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in terms.items())
    return [Html(f"<dl class=read>{cells}</dl>")]
