"""Errors of predicted ratings, and AUC of scores.

RMSE and MAE take predictions as they are: clip them to the rating scale first where that is the protocol.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.errors import DataError
from matweave.threads import in_parallel


def rmse(predicted: np.ndarray, target: np.ndarray) -> float:
    """sqrt(mean((p - t)^2)) over rows, summed in float64; NaN for no rows.

    >>> rmse(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5811
    """
    p, t = _pair(predicted, target)
    return float(np.sqrt(np.mean((p - t) ** 2))) if len(p) else float("nan")


def mae(predicted: np.ndarray, target: np.ndarray) -> float:
    """mean(|p - t|) over rows, summed in float64; NaN for no rows.

    >>> mae(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    1.5
    """
    p, t = _pair(predicted, target)
    return float(np.mean(np.abs(p - t))) if len(p) else float("nan")


def user_errors(
    users: np.ndarray, predicted: np.ndarray, target: np.ndarray, n_users: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per user: sum of squared errors, sum of absolute errors (float64) and rows (int64).

    Errors over any set of users come from sums of these, which is what a bootstrap over users resamples:
    rmse = sqrt(sum of squares / sum of rows).

    >>> [a.tolist() for a in user_errors(np.array([1, 1]), np.array([1.0, 2.0]), np.array([2.0, 4.0]), 2)]
    [[0.0, 5.0], [0.0, 3.0], [0, 2]]
    """
    p, t = _pair(predicted, target)
    if len(users) != len(p):
        raise DataError(
            f"{len(users)} users for {len(p)} ratings", where="user_errors", mend="give one user per rating"
        )
    squares = np.bincount(users, (p - t) ** 2, n_users)
    return squares, np.bincount(users, np.abs(p - t), n_users), np.bincount(users, minlength=n_users)


def auc(
    scores: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    leave_out: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Per user: the chance that a relevant item scores above an irrelevant one, ties counting half.

    The Mann-Whitney statistic: (pairs won + pairs tied / 2) / (r (m' - r)), over the m' items not left out.
    O(m log r) per user.

    Args:
        scores: float32 (n, m), a block of users.
        indptr, indices: relevant items of these users, rising.
        leave_out: (indptr, indices), rising: items that are neither relevant nor rivals, for example seen in training.

    Returns:
        float64 (n,); NaN for users with no relevant or no irrelevant item.

    Raises:
        DataError: for a NaN score, or shapes that do not match.

    >>> auc(np.array([[3, 1, 2, 2]], np.float32), np.array([0, 2]), np.array([0, 3])).tolist()
    [0.875]
    """
    scores = np.ascontiguousarray(scores, np.float32)
    n = len(scores)
    out = (np.zeros(n + 1, np.int64), np.zeros(0, np.int32)) if leave_out is None else leave_out
    if len(indptr) != n + 1 or len(out[0]) != n + 1:
        raise DataError(
            f"{n} rows of scores, {len(indptr) - 1} of relevant items, {len(out[0]) - 1} left out",
            where="auc",
            mend="give the rows of the same users, in order",
        )
    if np.isnan(scores).any():
        raise DataError("a score is not a number (NaN)", where="auc", mend="look for a diverged fit")
    starts, relevant = np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(indices, np.int32)
    out_starts, left_out = np.ascontiguousarray(out[0], np.int64), np.ascontiguousarray(out[1], np.int32)
    for codes in (relevant, left_out):
        if len(codes) and not 0 <= codes.min() <= codes.max() < scores.shape[1]:
            raise DataError(
                f"an item lies outside the {scores.shape[1]} scored",
                where="auc",
                mend="number items as the scores do",
            )
    value = np.full(n, np.nan)

    def work(start: int, end: int) -> None:
        _auc(scores, starts, relevant, out_starts, left_out, value, start, end)

    in_parallel(work, [(start, min(start + 64, n)) for start in range(0, n, 64)])
    return value


@njit(nogil=True, cache=True)
def _auc(scores, indptr, indices, out_indptr, out_indices, value, start, end):
    m = scores.shape[1]
    kind = np.zeros(m, np.int8)  # 1 relevant, 2 left out
    for u in range(start, end):
        row = scores[u]
        out = out_indices[out_indptr[u] : out_indptr[u + 1]]
        relevant = indices[indptr[u] : indptr[u + 1]]
        kind[out] = 2
        n_relevant = 0
        for j in relevant:
            if kind[j] == 0:
                kind[j] = 1
                n_relevant += 1
        best = np.empty(n_relevant, np.float32)
        t = 0
        for j in relevant:
            if kind[j] == 1:
                best[t] = row[j]
                t += 1
        best.sort()
        n_rivals, won = 0, 0.0  # won: per rival, relevant items above it, and half of those beside it
        for j in range(m):
            if kind[j] == 0:
                n_rivals += 1
                below, left = 0, n_relevant  # relevant items below the rival; a search without branches
                while left > 0:
                    half = (left + 1) >> 1
                    below += half if best[below + half - 1] < row[j] else 0
                    left -= half
                won += n_relevant - below
                while below < n_relevant and best[below] == row[j]:
                    won -= 0.5
                    below += 1
        if n_relevant > 0 and n_rivals > 0:
            value[u] = won / (float(n_relevant) * n_rivals)
        kind[out] = 0
        kind[relevant] = 0


def _pair(predicted: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, t = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
    if p.shape != t.shape or p.ndim != 1:
        raise DataError(
            f"predictions {p.shape} and targets {t.shape} differ in shape",
            where="rating errors",
            mend="give one prediction per rating",
        )
    if not (np.isfinite(p).all() and np.isfinite(t).all()):
        raise DataError(
            "a prediction or a target is NaN or infinite",
            where="rating errors",
            mend="look for a diverged fit",
        )
    return p, t
