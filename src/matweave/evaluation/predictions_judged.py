"""What is found about predictions on examples not learned from: numbers, and the words and JSON made of them.

Made by `matweave.evaluation.predictions`; nothing is computed from predictions here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.evaluation.intervals import LEVEL, Interval
from matweave.metrics.calibration import Reliability
from matweave.metrics.classification import PerClass
from matweave.metrics.regression import rmse

FULL = 100  # classes up to which JSON holds the whole confusion matrix

MEASURES: dict[str, tuple[bool, str]] = {
    "accuracy": (True, "share of examples whose most probable class is the true one"),
    "top_5_accuracy": (True, "share of examples whose true class is among the five most probable"),
    "log_loss": (False, "mean of -ln of the probability given to the true class, in nats; punishes being sure and wrong"),
    "brier": (False, "mean squared distance between probabilities and truth, summed over classes: 0 to 2"),
    "ece": (False, "expected calibration error: mean gap between confidence and accuracy, in 15 bins of equal width"),
    "macro_f1": (True, "mean over classes of F1, so that rare classes count as much as common ones"),
    "balanced_accuracy": (True, "mean over classes of the share of their examples that is found"),
    "roc_auc": (True, "chance that an example of the second class scores above one of the first; 0.5 is guessing"),
    "rmse": (False, "root of the mean squared error, in the units of the values; large errors weigh most"),
    "mae": (False, "mean absolute error, in the units of the values"),
    "r2": (True, "share of the variance explained: 1 at best, 0 for always answering the mean"),
}  # fmt: skip
"""Metric -> (higher is better, what it says)."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ClassesJudged:
    """Predicted classes against the truth.

    metrics: by name, the order of `MEASURES`; roc_auc for two classes, top_5_accuracy for ten and more.
    confusion: int64 (k, k), rows truth, columns predicted. reliability: the calibration table.
    chance_error: the ece that 95 of 100 perfectly calibrated models with these confidences stay below.
    hardest: int64, the 24 examples (or all, where there are fewer) with the greatest loss, the greatest first.

    >>> from matweave.data.targets import Targets
    >>> from matweave.evaluation.predictions import judge_classes
    >>> judged = judge_classes(np.array([[0.9, 0.1], [0.6, 0.4]]), Targets.of_labels(["no", "yes"]))
    >>> judged.commonest, judged.as_dict()["confused"]
    (('no', 0.5), [{'truth': 'yes', 'predicted': 'no', 'count': 1}])
    """

    n: int
    classes: tuple[str, ...]
    metrics: dict[str, Interval]
    confusion: np.ndarray
    reliability: Reliability
    chance_error: float
    per_class: PerClass
    hardest: np.ndarray

    @property
    def commonest(self) -> tuple[str, float]:
        """The most common true class, and the accuracy of always answering it."""
        at = int(self.per_class.support.argmax())
        return self.classes[at], float(self.per_class.support[at] / self.n)

    def confused(self, most: int = 10) -> list[tuple[str, str, int]]:
        """(truth, predicted, examples) of the most frequent mistakes, the most frequent first."""
        wrong = self.confusion * (1 - np.eye(len(self.classes), dtype=np.int64))
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        return [
            (self.classes[t], self.classes[p], int(wrong[t, p]))
            for t, p in zip(*np.unravel_index(order, wrong.shape), strict=True)
            if wrong[t, p]
        ]

    def rows(self) -> list[tuple[str, str, str]]:
        """(metric, value, 95 % interval) as text, for a table."""
        return _rows(self.metrics, lambda _, value, like: f"{value:.4f}")

    def lines(self) -> list[str]:
        """What to print: how much was judged, metrics, what they are to be read against, the commonest mistakes."""
        name, share = self.commonest
        said = [f"{_examples(self.n)} of {len(self.classes):,} classes", *_aligned(self.rows())]
        said.append(f"always {name!r}, the most common class: accuracy {share:.4f}")
        said.append(f"by chance a perfectly calibrated model shows an ece of up to {self.chance_error:.4f}")
        pairs = [f"{t!r} taken for {p!r} {count:,} times" for t, p, count in self.confused(3)]
        return [*said, f"most confused: {', '.join(pairs)}"] if pairs else said

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON, None for a number that does not exist.

        `confusion` is None beyond 100 classes; `confused` always holds the 25 most frequent mistakes.
        """
        bins, scores = self.reliability, self.per_class
        return {
            **_common(self.n, self.metrics, self.hardest),
            "classes": list(self.classes),
            "commonest": dict(zip(("class", "accuracy"), self.commonest, strict=True)),
            "confusion": self.confusion.tolist() if len(self.classes) <= FULL else None,
            "confused": [
                dict(zip(("truth", "predicted", "count"), c, strict=True)) for c in self.confused(25)
            ],
            "chance_ece": self.chance_error,
            "calibration": [
                {
                    "above": low,
                    "to": high,
                    "count": count,
                    "confidence": _number(sure),
                    "accuracy": _number(right),
                }
                for low, high, count, sure, right in zip(
                    bins.edges[:-1].tolist(),
                    bins.edges[1:].tolist(),
                    bins.count.tolist(),
                    bins.confidence,
                    bins.accuracy,
                    strict=True,
                )
            ],
            "per_class": [
                {
                    "class": name,
                    "support": int(scores.support[c]),
                    "predicted": int(scores.predicted[c]),
                    "precision": _number(scores.precision[c]),
                    "recall": _number(scores.recall[c]),
                    "f1": _number(scores.f1[c]),
                }
                for c, name in enumerate(self.classes)
            ],
        }


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ValuesJudged:
    """Predicted numbers against the truth; predicted and values float64 (n, outputs), per_output metric -> (outputs,).

    metrics: rmse, mae, r2, means over outputs. hardest: int64, the 24 examples with the greatest squared error, that of
    each output divided by its mean, summed over outputs; the greatest first.

    >>> from matweave.evaluation.predictions import judge_values
    >>> judge_values(np.array([1.0, 3.0]), np.array([1.0, 2.0])).lines()[-1]
    'always the mean of these values: rmse 0.5'
    """

    n: int
    metrics: dict[str, Interval]
    per_output: dict[str, np.ndarray]
    predicted: np.ndarray
    values: np.ndarray
    hardest: np.ndarray

    @property
    def constant(self) -> float:
        """The rmse of always answering the mean of these values."""
        middle = (self.values / self.n).sum(axis=0)
        return rmse(np.broadcast_to(middle, self.values.shape), self.values)

    def rows(self) -> list[tuple[str, str, str]]:
        """(metric, value, 95 % interval) as text, for a table."""
        return _rows(self.metrics, shown_value)

    def lines(self) -> list[str]:
        """What to print: how much was judged, metrics, and what they are to be read against."""
        outputs = self.values.shape[1]
        said = [_examples(self.n) + (f" of {outputs} outputs" if outputs > 1 else "")]
        return [
            *said,
            *_aligned(self.rows()),
            f"always the mean of these values: rmse {figures(self.constant, self.constant)}",
        ]

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON but the predictions, None for a number that does not exist."""
        error = self.predicted - self.values
        return {
            **_common(self.n, self.metrics, self.hardest),
            "outputs": [
                {
                    **{name: _number(values[at]) for name, values in self.per_output.items()},
                    "errors": {f"{q}%": float(np.percentile(error[:, at], q)) for q in (0, 5, 50, 95, 100)},
                }
                for at in range(error.shape[1])
            ],
        }


def _examples(n: int) -> str:
    return "1 example" if n == 1 else f"{n:,} examples"


def _common(n: int, metrics: dict[str, Interval], hardest: np.ndarray) -> dict[str, Any]:
    return {
        "n": n,
        "level": LEVEL,
        "metrics": {
            name: {part: _number(v) for part, v in vars(interval).items()}
            for name, interval in metrics.items()
        },
        "hardest": hardest.tolist(),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def shown_value(name: str, value: float, like: float) -> str:
    """A metric of numbers as text: a share (r2) with four decimals, else five figures of `like`.

    >>> shown_value("r2", 0.5, 0.5), shown_value("mae", 0.5, 0.5)
    ('0.5000', '0.50000')
    """
    return f"{value:.4f}" if name == "r2" and abs(value) < 1e6 else figures(value, like)


def figures(value: float, like: float) -> str:
    """A number with the decimals that give `like` five figures, in plain notation while that is readable.

    >>> figures(26.1, like=25.465), figures(45231.3, like=45231.3), figures(1e-9, like=1e-9)
    ('26.100', '45,231', '1e-09')
    """
    size = abs(like)
    if not (1e-6 <= size < 1e12) or abs(value) >= 1e12:
        return f"{value:.5g}"
    return f"{value:,.{max(0, 4 - math.floor(math.log10(size)))}f}"


def _rows(
    metrics: dict[str, Interval], shown: Callable[[str, float, float], str]
) -> list[tuple[str, str, str]]:
    """shown(metric, value, mean of the metric) -> text."""
    rows = []
    for name, i in metrics.items():
        span = "" if np.isnan(i.low) else " – ".join(shown(name, v, i.mean) for v in (i.low, i.high))
        rows.append((name, "none" if np.isnan(i.mean) else shown(name, i.mean, i.mean), span))
    return rows


def _aligned(rows: list[tuple[str, str, str]]) -> list[str]:
    wide = [max(len(row[at]) for row in rows) for at in range(2)]
    return [f"{name:<{wide[0]}}  {value:>{wide[1]}}  {span}".rstrip() for name, value, span in rows]
