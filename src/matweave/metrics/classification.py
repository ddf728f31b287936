"""How good predicted class probabilities are: one named formula each, over n examples and k classes.

Notation: p_ic the probability of class c for example i, y_i the code of its true class, ŷ_i = argmax_c p_ic, the lower
code where two are equally probable. T_c, P_c, S_c: examples of class c that are predicted right, examples predicted c,
and examples of class c.

| name | formula | range, best |
|---|---|---|
| accuracy | mean of 1[ŷ_i = y_i] | 0 to 1, high |
| top_k_accuracy | mean of 1[y_i is among the k most probable classes] | 0 to 1, high |
| log_loss | mean of -ln max(p_{i,y_i}, ε), in nats; ε = 2.2e-16, so one example costs 36.04 at most | 0 to 36.04, low |
| brier | mean of Σ_c (p_ic - 1[c = y_i])², summed over all classes | 0 to 2, low |
| precision, recall, F1 | T_c / P_c, T_c / S_c, 2 T_c / (P_c + S_c) | 0 to 1, high |
| macro_f1 | mean of F1 over the classes that occur, as truth or as prediction | 0 to 1, high |
| balanced_accuracy | mean of recall over the classes that occur as truth | 0 to 1, high |
| roc_auc (two classes) | chance that an example of class 1 scores above one of class 0, ties counting half | 0 to 1, high |

Every function takes probabilities (n, k) of float and codes (n,) of integers, and raises DataError for shapes that do
not fit, no examples, codes outside 0..k-1, and rows that are no distribution (`matweave.metrics.checks`). Nothing is
rescaled or clipped, but the ε above. Cost O(n k). Whether the probabilities mean what they say:
`matweave.metrics.calibration`.

Sources: Brier 1950, "Verification of forecasts expressed in terms of probability" (the sum over classes; the two-class
formula of one class alone is half of it); Fawcett 2006, "An introduction to ROC analysis", for AUC as a rank statistic;
Sokolova & Lapalme 2009, "A systematic analysis of performance measures for classification tasks", for macro averages.
Checked against plain Python (tests/by_hand/classification.py) and scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.errors import DataError
from matweave.metrics.checks import probabilities_and_codes

EPSILON = float(np.finfo(np.float64).eps)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class PerClass:
    """Precision, recall and F1 float64 (k,), support int64 (k,) (examples of the class) and predicted int64 (k,).

    Precision is NaN for a class that is never predicted, recall for one without examples, F1 for one with neither.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    predicted: np.ndarray


def accuracy(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Share of examples whose most probable class is the true one.

    >>> p = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.3, 0.3, 0.4]])
    >>> codes = np.array([0, 0, 2])
    >>> [round(f(p, codes), 4) for f in (accuracy, log_loss, brier, macro_f1, balanced_accuracy)]
    [0.6667, 0.7298, 0.4333, 0.5556, 0.75]
    """
    p, y = probabilities_and_codes(probabilities, codes)
    return float(np.mean(p.argmax(axis=1) == y))


def top_k_accuracy(probabilities: np.ndarray, codes: np.ndarray, k: int = 5) -> float:
    """Share of examples whose true class is among the k most probable; of equal ones the lower code comes first.

    Raises DataError unless 1 <= k <= the number of classes.

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), k=2)
    0.5
    """
    p, y = probabilities_and_codes(probabilities, codes)
    if not 1 <= k <= p.shape[1]:
        raise DataError(
            f"k={k} does not fit {p.shape[1]} classes",
            where="top_k_accuracy",
            mend=f"give 1 <= k <= {p.shape[1]}",
        )
    return float(np.mean(ranks(p, y) <= k))


def ranks(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The place of the true class among the classes of each example, 1 the most probable: int64 (n,).

    >>> ranks(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]]), np.array([2, 1]))
    array([3, 2])
    """
    own = np.take_along_axis(probabilities, codes[:, None], axis=1)
    before = np.arange(probabilities.shape[1]) < codes[:, None]
    return 1 + ((probabilities > own) | ((probabilities == own) & before)).sum(axis=1)


def losses(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """-ln max(probability of the true class, ε) of each example, in nats: float64 (n,). `log_loss` is their mean.

    >>> losses(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1]))
    array([ 0.693147, 36.043653])
    """
    p, y = probabilities_and_codes(probabilities, codes)
    return -np.log(np.clip(np.take_along_axis(p, y[:, None], axis=1)[:, 0], EPSILON, 1.0))


def log_loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean of -ln of the probability of the true class, in nats (divide by ln 2 for bits).

    Guessing all k classes alike costs ln k. A probability of 0 for the truth counts as ε = 2.2e-16, whatever the
    type of the array.

    >>> log_loss(np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([1, 0]))
    0.490415
    """
    return float(losses(probabilities, codes).mean())


def squares(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Σ_c (p_ic - 1[c = y_i])² of each example: float64 (n,), 0 to 2. `brier` is their mean.

    >>> squares(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 1]))
    array([0.5, 2. ])
    """
    p, y = probabilities_and_codes(probabilities, codes)
    own = np.take_along_axis(p, y[:, None], axis=1)[:, 0]
    # the own class is taken out of the sum, not subtracted after it: no loss of digits near 0
    others = p.copy()
    np.put_along_axis(others, y[:, None], 0.0, axis=1)
    return np.einsum("nk,nk->n", others, others) + (1 - own) ** 2


def brier(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean squared distance between the probabilities and the truth, summed over classes: 0 to 2.

    For two classes it is twice the Brier score of one class alone (scikit-learn halves it there by itself).

    >>> brier(np.array([[0.8, 0.2]]), np.array([0]))
    0.08
    """
    return float(squares(probabilities, codes).mean())


def confusion_matrix(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Counts by truth (rows) and prediction (columns): int64 (k, k), summing to n.

    >>> confusion_matrix(np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1]))
    array([[1, 0],
           [1, 1]])
    """
    p, y = probabilities_and_codes(probabilities, codes)
    k = p.shape[1]
    return np.bincount(y * k + p.argmax(axis=1), minlength=k * k).reshape(k, k).astype(np.int64)


def per_class(probabilities: np.ndarray, codes: np.ndarray) -> PerClass:
    """Precision, recall, F1, support and predictions of every class.

    >>> per_class(np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1])).precision
    array([0.5, 1. ])
    """
    found = confusion_matrix(probabilities, codes)
    right, support, predicted = np.diagonal(found), found.sum(axis=1), found.sum(axis=0)
    precision, recall, f1 = scores_of(right, predicted, support)
    return PerClass(precision=precision, recall=recall, f1=f1, support=support, predicted=predicted)


def scores_of(
    right: np.ndarray, predicted: np.ndarray, support: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 from counts of any shape (..., k); NaN where a denominator is 0.

    >>> [float(a) for a in scores_of(np.array(2), np.array(4), np.array(2))]
    [0.5, 1.0, 0.666667]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.true_divide(right, predicted),
            np.true_divide(right, support),
            np.true_divide(2 * right, predicted + support),
        )


def macro_f1(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean F1 over the classes that occur as truth or as prediction: rare classes count as much as common ones.

    >>> macro_f1(np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1]))
    0.666667
    """
    return float(np.nanmean(per_class(probabilities, codes).f1))


def balanced_accuracy(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean recall over the classes that occur as truth; 1/k for guessing, however unequal the classes are.

    >>> balanced_accuracy(np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]), np.array([0, 1, 1]))
    0.75
    """
    return float(np.nanmean(per_class(probabilities, codes).recall))


def roc_auc(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Area under the ROC curve of two classes: (R₁ - n₁(n₁ + 1)/2) / (n₀ n₁), R₁ the midranks of class 1 summed.

    NaN where one of the classes has no example: there is nothing to rank above or below. O(n log n).
    Raises DataError for other than two classes.

    >>> roc_auc(np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 0, 1, 1]))
    0.875
    """
    p, y = probabilities_and_codes(probabilities, codes)
    if p.shape[1] != 2:
        raise DataError(
            f"ROC AUC is of two classes, but there are {p.shape[1]}",
            where="roc_auc",
            mend="use macro_f1 or balanced_accuracy, or judge one class against the others",
        )
    _, place, counts = np.unique(p[:, 1], return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2
    ones = int(y.sum())
    if not 0 < ones < len(y):
        return float("nan")
    return float((midranks[place][y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))
