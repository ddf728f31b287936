"""The nearest columns of each column of a sparse table, without a dense n x n matrix.

Similarity  s_ij = G_ij / (|a_i|^(2 - 2α) |a_j|^(2α) + shrink),  G = AᵀA, |a_i|² = G_ii
            α = ½ is the cosine (Sarwar et al. 2001, section 3.1.1), another α the asymmetric cosine
            (Aiolli 2013, eq. 4); the shrink term discounts pairs with little common support (Bell & Koren 2007).
            j is the column whose neighbours are sought, so α > ½ favours neighbours i with long columns.
Kept        the k largest s_ij > 0 of each j, i ≠ j; ties go to the smaller i.
Cost        Σ_u n_u² additions, one dense row of n floats per piece of work, k entries per column.
Weights     `tf_idf` and `bm25` re-weight A first, with columns as documents and rows as terms
            (Robertson & Zaragoza 2009, eq. 3.15), so that rows with everything in them say less.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.gram import columns_of, pieces
from matweave.threads import in_parallel

Floats = NDArray[np.float32]
Sparse = tuple[NDArray[np.int64], NDArray[np.int32], Floats]
"""indptr, indices ascending within each row, values."""


def nearest_columns(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: Floats,
    n_columns: int,
    *,
    k: int,
    shrink: float = 0.0,
    asymmetry: float = 0.5,
) -> Sparse:
    """Row j of the result holds the k columns most similar to column j, as a sparse (n, n) table.

    >>> table = np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32), np.ones(4, np.float32)
    >>> starts, near, how = nearest_columns(*table, 3, k=2)
    >>> starts.tolist(), near.tolist(), how.tolist()
    ([0, 1, 2, 2], [1, 0], [1.0, 1.0])
    """
    squares = np.zeros(n_columns)
    np.add.at(squares, indices, values.astype(np.float64) ** 2)
    mine = (squares**asymmetry).astype(np.float32)
    theirs = (squares ** (1.0 - asymmetry)).astype(np.float32)
    return closest(indptr, indices, values, values, k=k, mine=mine, theirs=theirs, shrink=shrink)


def closest(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    left: Floats,
    right: Floats,
    *,
    k: int,
    mine: Floats,
    theirs: Floats,
    shrink: float = 0.0,
) -> Sparse:
    """Row j of the result holds the k columns i of largest Σ_u left_uj right_ui / (theirs_i mine_j + shrink) > 0.

    left, right: two tables with the same entries; mine, theirs: (n,). j itself is left out, and ties go to the smaller i.

    >>> table = np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32), np.full(2, 3, np.float32)
    >>> closest(*table, k=1, mine=np.ones(2, np.float32), theirs=np.full(2, 2, np.float32))[2].tolist()
    [1.5, 1.5]
    """
    n_columns = len(mine)
    columns = columns_of(indptr, indices, n_columns)
    width = min(k, max(1, n_columns - 1))
    found = np.empty((n_columns, width), np.int32)
    scores = np.empty((n_columns, width), np.float32)
    counts = np.zeros(n_columns, np.int64)
    table = (np.ascontiguousarray(indptr, np.int64), indices, left, right)

    def work(low: int, high: int) -> None:
        _nearest(
            low, high, columns.starts, columns.rows, columns.places, *table,
            mine, theirs, np.float32(shrink), found, scores, counts,
        )  # fmt: skip

    in_parallel(work, pieces(n_columns))
    starts = np.concatenate([[0], np.cumsum(counts)])
    kept = np.arange(width) < counts[:, None]
    return starts, found[kept], scores[kept]


@njit(nogil=True, cache=True)
def _worse(score_a, code_a, score_b, code_b):
    return score_a < score_b or (score_a == score_b and code_a > code_b)


@njit(nogil=True, cache=True)
def _sift_down(scores, codes, size):
    """Restore the heap whose root, the worst entry kept, was replaced."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _worse(scores[child + 1], codes[child + 1], scores[child], codes[child]):
            child += 1
        if not _worse(scores[child], codes[child], scores[at], codes[at]):
            return
        scores[at], scores[child] = scores[child], scores[at]
        codes[at], codes[child] = codes[child], codes[at]
        at = child


@njit(nogil=True, cache=True)
def _sift_up(scores, codes, at):
    while at > 0:
        above = (at - 1) // 2
        if not _worse(scores[at], codes[at], scores[above], codes[above]):
            return
        scores[at], scores[above] = scores[above], scores[at]
        codes[at], codes[above] = codes[above], codes[at]
        at = above


@njit(nogil=True, cache=True)
def _nearest(
    low, high, starts, rows, places, indptr, indices, left, right, mine, theirs, shrink, found, scores, counts
):
    total = np.zeros(len(mine), np.float32)
    met_for = np.full(len(mine), -1, np.int32)  # the last j for which total[i] was begun
    touched = np.empty(len(mine), np.int32)
    width = found.shape[1]
    for j in range(low, high):
        met = 0
        for k in range(starts[j], starts[j + 1]):
            v, u = left[places[k]], rows[k]
            for t in range(indptr[u], indptr[u + 1]):
                i = indices[t]
                if met_for[i] != j:
                    met_for[i], total[i] = j, np.float32(0)
                    touched[met] = i
                    met += 1
                total[i] += v * right[t]
        size = 0
        for q in range(met):
            i = touched[q]
            below = theirs[i] * mine[j] + shrink
            if i == j or total[i] <= 0 or below <= 0:
                continue
            s = total[i] / below
            if size < width:
                scores[j, size], found[j, size] = s, i
                _sift_up(scores[j], found[j], size)
                size += 1
            elif _worse(scores[j, 0], found[j, 0], s, i):
                scores[j, 0], found[j, 0] = s, i
                _sift_down(scores[j], found[j], size)
        order = np.argsort(found[j, :size])
        found[j, :size] = found[j, :size][order]
        scores[j, :size] = scores[j, :size][order]
        counts[j] = size


def tf_idf(indptr: NDArray[np.int64], indices: NDArray[np.int32], values: Floats, n_columns: int) -> Floats:
    """√a_ui · ln(1 + n_columns / n_u): a row that holds most columns says little about any of them.

    >>> tf_idf(np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32), 2).tolist()
    [0.693, 0.693]
    """
    return (np.sqrt(values) * np.repeat(_idf(indptr, n_columns), np.diff(indptr))).astype(np.float32)


def bm25(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: Floats,
    n_columns: int,
    *,
    k1: float = 1.2,
    b: float = 0.75,
) -> Floats:
    """a (k1 + 1) / (a + k1 (1 - b + b |column| / mean |column|)) · idf_u, |column| the sum of a column.

    >>> table = np.array([0, 2]), np.array([0, 1], np.int32), np.ones(2, np.float32)
    >>> bm25(*table, 2).tolist()
    [0.693, 0.693]
    """
    lengths = np.bincount(indices, weights=values, minlength=n_columns)
    present = lengths[lengths > 0]
    norm = k1 * (1.0 - b + b * lengths / (present.mean() if len(present) else 1.0))
    saturated = values * (k1 + 1.0) / (values + norm[indices])
    return (saturated * np.repeat(_idf(indptr, n_columns), np.diff(indptr))).astype(np.float32)


def _idf(indptr: NDArray[np.int64], n_columns: int) -> NDArray[np.float64]:
    return np.log1p(n_columns / np.maximum(np.diff(indptr), 1))
