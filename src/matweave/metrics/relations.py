"""How well scores tell true triples from others: ranks among entities, and areas under curves over cells.

rank of a target among candidates of which known others are left out (filtered), ties at the mean of their places:

    rank = 1 + #{score > own} + #{others with score = own} / 2      (one target; ties at the mean of their places)

| name | formula | range, best |
|---|---|---|
| mrr | mean of 1 / rank | 0 to 1, high |
| hits@k | mean of 1[rank <= k] | 0 to 1, high |
| mean_rank | mean of rank | from 1, low |
| auc_pr | area under (recall, precision) between its points by the trapezoid rule | 0 to 1, high |
| average_precision | Σ (R_i - R_{i-1}) P_i over falling thresholds | 0 to 1, high |
| auc_roc | chance that a true cell scores above a false one, ties counting half | 0 to 1, high |

The trapezoid joins points of the curve that no threshold reaches, and is a little larger than average precision where
points lie far apart (Davis & Goadrich 2006); it is given because published figures of relations are areas by it. A
tie at the mean place does not reward a model that scores all alike (Sun et al. 2020, "A re-evaluation of knowledge
graph completion methods"). Checked against plain Python (tests/metrics/test_relations.py) and scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.errors import DataError
from matweave.threads import in_parallel

RANKED = ("mrr", "hits@1", "hits@3", "hits@10", "mean_rank")
"""The numbers of ranks that are given by default."""

PIECE = 16  # targets of a piece of work


def filtered_ranks(
    scores: np.ndarray, targets: np.ndarray, owners: np.ndarray, known: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Ranks float64 (p,) of targets among the n candidates of a query, other known answers left out.

    scores (q, n): one row for each query. targets, owners (p,): a candidate, and the query it answers. known: indptr (q + 1,)
    and indices, the right answers of each query, targets among them. Raises DataError for scores that are NaN.

    >>> scores = np.array([[0.9, 0.5, 0.5, 0.1]])
    >>> filtered_ranks(scores, np.array([1, 3]), np.array([0, 0]), (np.array([0, 1]), np.array([0]))).tolist()
    [1.5, 3.0]
    """
    ranks = np.empty(len(targets))
    t, q, indptr, indices = (np.asarray(a, np.int64) for a in (targets, owners, *known))
    cuts = [(low, min(low + PIECE, len(targets))) for low in range(0, len(targets), PIECE)]
    broken = in_parallel(lambda low, high: _ranks(low, high, scores, t, q, indptr, indices, ranks), cuts)
    if any(broken):
        raise DataError("a score is not a number (NaN)", where="ranks", mend="look for a diverged fit")
    return ranks


@njit(nogil=True, cache=True)
def _ranks(low, high, scores, targets, owners, indptr, indices, ranks):
    """Ranks of targets low..high in place; how many of the scores are NaN."""
    broken = 0
    for p in range(low, high):
        row, target = scores[owners[p]], targets[p]
        own = row[target]
        above, level, nans = np.int32(0), np.int32(-1), np.int32(0)  # a target is no rival of itself
        for score in row:
            above += np.int32(score > own)
            level += np.int32(score == own)
            nans += np.int32(score != score)
        for q in range(indptr[owners[p]], indptr[owners[p] + 1]):
            if indices[q] != target:
                above -= np.int32(row[indices[q]] > own)
                level -= np.int32(row[indices[q]] == own)
        ranks[p] = 1.0 + above + level / 2
        broken += nans
    return broken


def of_ranks(ranks: np.ndarray, name: str) -> np.ndarray:
    """The number of each rank, float64, whose mean is the metric `name`: mrr, mean_rank, or hits@k.

    Raises DataError for another name.

    >>> of_ranks(np.array([1.0, 4.0]), "mrr").tolist(), of_ranks(np.array([1.0, 4.0]), "hits@3").tolist()
    ([1.0, 0.25], [1.0, 0.0])
    """
    kind, _, k = name.partition("@")
    if kind == "mrr" and not k:
        return 1.0 / ranks
    if kind == "mean_rank" and not k:
        return np.asarray(ranks, np.float64)
    if kind == "hits" and k.isdecimal() and int(k) > 0:
        return (ranks <= int(k)).astype(np.float64)
    raise DataError(
        f"{name!r} is no number of ranks", where="relations", mend="use mrr, mean_rank, or hits@k, k >= 1"
    )


def auc_pr(labels: np.ndarray, scores: np.ndarray) -> float:
    """The area under precision over recall, by the trapezoid rule. NaN without a true cell.

    labels: bool (m,); scores (m,) float. Raises DataError for shapes that do not fit, and for NaN.

    >>> labels, scores = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1])
    >>> [round(f(labels, scores), 4) for f in (auc_pr, average_precision, auc_roc)]
    [0.7917, 0.8333, 0.75]
    """
    hits, taken, ones = _curve(labels, scores)
    if not ones:
        return float("nan")
    recall = np.concatenate([[0.0], hits / ones])
    precision = np.concatenate([[1.0], hits / taken])
    return float(np.trapezoid(precision, recall))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """The mean of the precision at each true cell, cells of one score taken together. NaN without a true cell.

    >>> average_precision(np.array([False, True]), np.array([0.2, 0.2]))
    0.5
    """
    hits, taken, ones = _curve(labels, scores)
    if not ones:
        return float("nan")
    return float((np.diff(hits, prepend=0.0) * hits / taken).sum() / ones)


def auc_roc(labels: np.ndarray, scores: np.ndarray) -> float:
    """The chance that a true cell scores above a false one, ties half. NaN where all cells are of one kind.

    >>> auc_roc(np.array([True, False]), np.array([0.3, 0.3]))
    0.5
    """
    hits, taken, ones = _curve(labels, scores)
    zeros = len(labels) - ones
    if not ones or not zeros:
        return float("nan")
    misses = taken - hits
    return float(
        np.trapezoid(np.concatenate([[0.0], hits]), np.concatenate([[0.0], misses])) / (ones * zeros)
    )


def _curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """At each distinct score, falling: true cells of at least that score, cells of at least it; and all true cells."""
    y, s = np.asarray(labels), np.asarray(scores)
    if y.dtype != bool or y.ndim != 1 or s.shape != y.shape or not len(y):
        raise DataError(
            f"labels are {y.dtype} {y.shape} and scores {s.dtype} {s.shape}",
            where="cells",
            mend="give labels of bool and scores of one length, at least one cell",
        )
    if np.isnan(s).any():
        raise DataError("a score is not a number (NaN)", where="cells", mend="look for a diverged fit")
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
    return np.cumsum(y, dtype=np.float64)[last], last + 1.0, int(y.sum())
