"""Item neighbours, slowly: a dense similarity matrix, and a sort for each column."""

from __future__ import annotations

import numpy as np


def similarity(x: np.ndarray, shrink: float, asymmetry: float) -> np.ndarray:
    """s[j, i] = x_i·x_j / (|x_i|^(2 - 2α) |x_j|^(2α) + shrink), 0 on the diagonal."""
    x = x.astype(np.float64)
    n = x.shape[1]
    s = np.zeros((n, n))
    for j in range(n):
        for i in range(n):
            below = (x[:, i] @ x[:, i]) ** (1 - asymmetry) * (x[:, j] @ x[:, j]) ** asymmetry + shrink
            if i != j and below > 0:
                s[j, i] = x[:, i] @ x[:, j] / below
    return s


def nearest(s: np.ndarray, k: int) -> np.ndarray:
    """Row j keeps its k largest positive entries, ties to the smaller column."""
    kept = np.zeros_like(s)
    for j, row in enumerate(s):
        best = sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]
        for i in best:
            if row[i] > 0:
                kept[j, i] = row[i]
    return kept


def tf_idf(x: np.ndarray) -> np.ndarray:
    counts = (x > 0).sum(axis=1)
    return np.array(
        [np.sqrt(row) * np.log(1 + x.shape[1] / max(n, 1)) for row, n in zip(x, counts, strict=True)]
    )


def bm25(x: np.ndarray, k1: float, b: float) -> np.ndarray:
    out = np.zeros_like(x, dtype=np.float64)
    lengths = x.sum(axis=0)
    mean = lengths[lengths > 0].mean()
    for u, row in enumerate(x):
        n = (row > 0).sum()
        for j, a in enumerate(row):
            if a > 0:
                out[u, j] = a * (k1 + 1) / (a + k1 * (1 - b + b * lengths[j] / mean))
                out[u, j] *= np.log(1 + x.shape[1] / n)
    return out
