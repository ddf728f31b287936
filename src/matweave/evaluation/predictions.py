"""How good a network's predictions are on examples it has not learned from: metrics with intervals, and what went wrong.

    judge_classes(probabilities, targets)    probabilities (n, k) against classes
    judge_values(predicted, values)          numbers (n,) or (n, outputs) against numbers

Both give the same: metrics with 95 % bootstrap intervals over examples (`prediction_draws`), the 24 examples with the
greatest loss, lines for a terminal, and a dict for JSON. Formulas: `matweave.metrics.classification`, `calibration` and
`regression`. Neither looks at the model. An interval speaks of other examples like these, not of another training run.
"""

from __future__ import annotations

import numpy as np

from matweave.data.targets import Targets
from matweave.errors import DataError
from matweave.evaluation import prediction_draws as draws
from matweave.evaluation.intervals import Interval
from matweave.evaluation.predictions_judged import MEASURES, ClassesJudged, ValuesJudged
from matweave.metrics import classification, regression
from matweave.metrics.calibration import chance_error, reliability
from matweave.metrics.checks import predictions_and_values, probabilities_and_codes

HARDEST = 24


def judge_classes(probabilities: np.ndarray, targets: Targets, *, seed: int = 0) -> ClassesJudged:
    """Judge class probabilities float (n, k) against the n targets, of the same k classes in the same order.

    The seed draws the resamples of the intervals. Raises DataError, with all that is wrong, for targets that are
    numbers, shapes that do not fit, no examples, and rows that are no distribution.

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    >>> judged = judge_classes(p, Targets.of_labels(["cat", "dog", "dog"]))
    >>> judged.rows()[0][:2], judged.hardest, judged.confused()
    (('accuracy', '0.6667'), array([1, 2, 0]), [('dog', 'cat', 1)])
    """
    where = "judge_classes"
    if targets.classes is None:
        raise DataError("the targets are numbers, not classes", where=where, mend="use judge_values")
    p = np.asarray(probabilities)
    if p.ndim == 2 and p.shape[1] != targets.n_classes:
        raise DataError(
            f"there are probabilities of {p.shape[1]} classes, and targets of {targets.n_classes}",
            where=where,
            mend="recode the targets onto the classes of the model: targets.with_classes(classes)",
        )
    p, codes = probabilities_and_codes(p, targets.values, where=where)
    table = reliability(p, codes)
    found = {
        "accuracy": classification.accuracy(p, codes),
        "log_loss": classification.log_loss(p, codes),
        "brier": classification.brier(p, codes),
        "ece": table.error,
        "macro_f1": classification.macro_f1(p, codes),
        "balanced_accuracy": classification.balanced_accuracy(p, codes),
    }
    if p.shape[1] >= draws.MANY:
        found["top_5_accuracy"] = classification.top_k_accuracy(p, codes, k=draws.TOP)
    if p.shape[1] == 2:
        found["roc_auc"] = classification.roc_auc(p, codes)
    return ClassesJudged(
        n=len(codes),
        classes=targets.classes,
        metrics=_intervals(found, draws.of_classes(p, codes), len(codes), seed),
        confusion=classification.confusion_matrix(p, codes),
        reliability=table,
        chance_error=chance_error(p, seed=seed),
        per_class=classification.per_class(p, codes),
        hardest=_greatest(classification.losses(p, codes)),
    )


def judge_values(predicted: np.ndarray, values: np.ndarray, *, seed: int = 0) -> ValuesJudged:
    """Judge predicted numbers (n,) or (n, outputs) against the true ones; (n, 1) beside (n,) is one output.

    The seed draws the resamples of the intervals. Raises DataError, with all that is wrong, for shapes that do not
    fit, no examples, and numbers that are NaN or infinite.

    >>> judged = judge_values(np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0, 5.0]))
    >>> judged.hardest, judged.metrics["mae"].mean
    (array([1, 0, 2]), 0.3333)
    """
    p, t = predictions_and_values(predicted, values, where="judge_values")
    formulas = {"rmse": regression.rmse, "mae": regression.mae, "r2": regression.r2}
    each = {name: np.array([f(a, b) for a, b in zip(p.T, t.T, strict=True)]) for name, f in formulas.items()}
    found = {name: float(np.mean(numbers)) for name, numbers in each.items()}
    scale = np.where(each["rmse"] > 0, each["rmse"], 1.0)
    return ValuesJudged(
        n=len(t),
        metrics=_intervals(found, draws.of_values(p, t), len(t), seed),
        per_output=each,
        predicted=p,
        values=t,
        hardest=_greatest(np.square((p - t) / scale).sum(axis=1)),
    )


def _intervals(found: dict[str, float], statistic: draws.Statistic, n: int, seed: int) -> dict[str, Interval]:
    values = draws.drawn(statistic, n, seed=seed)
    return {
        name: draws.interval(found[name], values[name], n=n, centred=name in draws.CENTRED)
        for name in MEASURES
        if name in found
    }


def _greatest(losses: np.ndarray) -> np.ndarray:
    return np.argsort(-losses, kind="stable")[:HARDEST].astype(np.int64)
