"""The bootstrap of metrics of predictions: what each would have been with other examples like these.

    n examples are drawn with replacement, B times; every metric is computed from the same draws, and its interval is
    the 2.5 and 97.5 % quantiles of its B values (percentile bootstrap, Efron 1979)

A draw is a row of weights, how often each example stands in it (`intervals.resample_weights`, the same for the same
seed and n). Metrics are functions of weighted sums, so a draw costs O(n) for any number of classes. Values that a
draw does not define (an AUC without one of the classes, R² of equal values) are left out of its quantiles.

Two are exceptions: noise can only raise a calibration error, and F1 of a class with few examples falls with noise. Their
draws lie beside the estimate as it lies beside the truth, and plain quantiles might not even hold it. So they are moved
by the difference between the estimate and the mean of the draws: the interval shows the spread of the estimate, not its
bias.

Checked: coverage on planted models, and against the metrics of examples that are really drawn, one draw at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from matweave.evaluation.intervals import LEVEL, Interval, resample_weights
from matweave.metrics.calibration import BINS, bin_of
from matweave.metrics.classification import losses, ranks, scores_of, squares
from matweave.threads import in_parallel

RESAMPLES = 1000
CENTRED = ("ece", "macro_f1")
TOP = 5
MANY = 10  # classes from which the top five say something of their own
_CELLS, _ROWS = 2_000_000, 50  # weights at once in a thread: 16 MB in float64

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Weights float64 (rows, n) -> metric -> float64 (rows,)."""


def drawn(statistic: Statistic, n: int, *, seed: int, resamples: int = RESAMPLES) -> dict[str, np.ndarray]:
    """The values of every metric in the draws: metric -> float64 (resamples,). The same for any number of threads.

    >>> share = lambda weights: {"first": weights[:, 0] / weights.sum(axis=1)}
    >>> float(drawn(share, 4, seed=0, resamples=200)["first"].mean().round(1))
    0.2
    """
    rows = max(1, min(_ROWS, _CELLS // n))

    def piece(at: int, size: int) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return statistic(resample_weights(n, size, seed, at).astype(np.float64))

    pieces = [(at, min(rows, resamples - start)) for at, start in enumerate(range(0, resamples, rows))]
    found = in_parallel(piece, pieces)
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def interval(mean: float, values: np.ndarray, *, n: int, centred: bool = False) -> Interval:
    """The interval of a metric from its values in the draws; NaN for one example, or where no draw defines it.

    centred: moved so that the mean of the draws is the estimate, and within 0 to 1 (see `CENTRED`).

    >>> interval(0.5, np.linspace(0, 1, 101), n=50)
    Interval(mean=0.5, low=0.025, high=0.975)
    """
    values = values[np.isfinite(values)]
    if n < 2 or not len(values) or not np.isfinite(mean):
        return Interval(mean=mean, low=float("nan"), high=float("nan"))
    if centred:
        values = np.clip(values + (mean - values.mean()), 0.0, 1.0)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean=mean, low=min(float(low), mean), high=max(float(high), mean))


def of_classes(probabilities: np.ndarray, codes: np.ndarray) -> Statistic:
    """The metrics of checked class probabilities (n, k), by name, as functions of weights.

    >>> p, codes = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1])
    >>> of_classes(p, codes)(np.ones((1, 3)))["accuracy"]
    array([0.667])
    """
    n, k = probabilities.shape
    guessed, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = guessed == codes
    means = {
        "accuracy": right.astype(np.float64),
        "log_loss": losses(probabilities, codes),
        "brier": squares(probabilities, codes),
    }
    if k >= MANY:
        means[f"top_{TOP}_accuracy"] = (ranks(probabilities, codes) <= TOP).astype(np.float64)
    columns = np.stack(list(means.values()), axis=1)
    gaps = _cells(np.arange(n), bin_of(confidence), confidence - right, (n, BINS))
    kinds = [_cells(np.arange(n), at, w, (n, k)) for at, w in ((codes, right), (guessed, 1), (codes, 1))]
    auc = _auc(probabilities[:, 1], codes) if k == 2 else None

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        sums = weights @ columns / n
        found = {name: sums[:, at] for at, name in enumerate(means)}
        found["ece"] = np.abs(weights @ gaps).sum(axis=1) / n
        _, recall, f1 = scores_of(*(weights @ kind for kind in kinds))
        found["macro_f1"], found["balanced_accuracy"] = np.nanmean(f1, axis=1), np.nanmean(recall, axis=1)
        if auc is not None:
            found["roc_auc"] = auc(weights)
        return found

    return statistic


def of_values(predicted: np.ndarray, values: np.ndarray) -> Statistic:
    """rmse, mae and r2 of checked numbers (n, outputs), as functions of weights; means over outputs.

    >>> of_values(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]))(np.array([[1.0, 1.0], [2.0, 0.0]]))["mae"]
    array([0.5, 0. ])
    """
    n = len(values)
    error, reach = _scaled(predicted - values)
    centred, spread = _scaled(values / 2 - (values / 2 / n).sum(axis=0))  # halves: no difference overflows
    terms = np.square(error), np.abs(error), np.square(centred), centred

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        square, absolute, whole, first = (weights @ term / n for term in terms)
        variance = whole - first**2
        # what is left of equal values is rounding
        variance = np.where(variance > 1e-12 * whole, variance, np.nan)
        explained = 1 - square * (reach / spread / 2) ** 2 / variance
        parts = {"rmse": reach * np.sqrt(square), "mae": reach * absolute, "r2": explained}
        return {name: part.mean(axis=1) for name, part in parts.items()}

    return statistic


def _cells(rows: np.ndarray, columns: np.ndarray, values: np.ndarray | int, shape: tuple[int, int]):
    """A sparse array with one value in each row; times weights it gives sums by column."""
    data = np.broadcast_to(np.asarray(values, np.float64), rows.shape)
    return sparse.csr_array((data, (rows, columns)), shape=shape)


def _scaled(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns between -1 and 1, and what they were divided by."""
    most = np.abs(values).max(axis=0)
    most = np.where(most > 0, most, 1.0)
    return values / most, most


def _auc(scores: np.ndarray, codes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """ROC AUC as a function of weights: pairs won by class 1, and half of the tied ones, of all pairs."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    ones = codes[order] == 1

    def area(weights: np.ndarray) -> np.ndarray:
        drawn = weights[:, order]
        up = np.add.reduceat(drawn * ones, starts, axis=1)
        down = np.add.reduceat(drawn * ~ones, starts, axis=1)
        below = down.cumsum(axis=1) - down / 2
        return (up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1))

    return area
