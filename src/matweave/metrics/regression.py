"""How far predicted numbers are from the truth: root of the mean square, mean absolute, and share of variance explained.

    rmse = sqrt(mean (p_i - t_i)²)      mae = mean |p_i - t_i|      r2 = 1 - Σ (p_i - t_i)² / Σ (t_i - mean t)²

Predictions and truth are (n,), or (n, outputs): then each output is judged by itself and the answer is the mean over
outputs, as scikit-learn does (a mean of RMSEs, not the root of a pooled mean: outputs may have units of their own).
Squares are taken of scaled numbers, so that none overflows. Cost O(n outputs). Checked against plain Python
(tests/by_hand/regression.py) and scikit-learn.
"""

from __future__ import annotations

import numpy as np

from matweave.metrics.checks import predictions_and_values


def rmse(predicted: np.ndarray, values: np.ndarray) -> float:
    """Root of the mean squared error, in the units of the values; large errors weigh most.

    >>> truth = np.array([1.0, 2.0, 4.0])
    >>> [round(f(np.array([1.0, 3.0, 4.0]), truth), 4) for f in (rmse, mae, r2)]
    [0.5774, 0.3333, 0.7857]
    """
    p, t = predictions_and_values(predicted, values)
    return float(np.mean([_root_of_squares(error) / np.sqrt(len(error)) for error in (p - t).T]))


def mae(predicted: np.ndarray, values: np.ndarray) -> float:
    """Mean absolute error, in the units of the values.

    >>> mae(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5
    """
    p, t = predictions_and_values(predicted, values)
    return float(np.mean([np.abs(error / len(error)).sum() for error in (p - t).T]))


def r2(predicted: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance of the values that is explained: 1 at best, 0 for always answering their mean, no lower end.

    NaN where the values of an output are all the same (a single example too): there is no variance to explain, and
    neither 0 nor 1 would say anything about the predictions.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), r2(np.array([1.0, 2.0]), np.array([5.0, 5.0]))
    (1.0, nan)
    """
    p, t = predictions_and_values(predicted, values)
    return float(np.mean([_explained(a, b) for a, b in zip(p.T, t.T, strict=True)]))


def _explained(predicted: np.ndarray, values: np.ndarray) -> float:
    # not by the mean: a mean of equal numbers may be a rounding beside them
    if (values == values[0]).all():
        return float("nan")
    scale = np.abs(values).max()
    spread = _root_of_squares(values / scale - (values / scale / len(values)).sum())
    with np.errstate(over="ignore"):
        return float(1 - (_root_of_squares(predicted - values) / scale / spread) ** 2)


def _root_of_squares(error: np.ndarray) -> np.float64:
    scale = np.abs(error).max()
    return scale * np.sqrt(np.square(error / scale).sum()) if scale else scale
