"""RP3beta, slowly: dense probability matrices, a sort for each row and each column."""

from __future__ import annotations

import numpy as np


def rp3beta(x: np.ndarray, neighbors: int, alpha: float, beta: float, normalize: bool) -> np.ndarray:
    """W for a dense users x items table of weights."""
    x = x.astype(np.float64)
    n = x.shape[1]
    to_item, to_user = np.zeros(x.shape), np.zeros(x.shape)
    for u, i in zip(*np.nonzero(x), strict=True):
        to_item[u, i] = (x[u, i] / x[u].sum()) ** alpha
        to_user[u, i] = (x[u, i] / x[:, i].sum()) ** alpha
    popularity = np.maximum((x > 0).sum(axis=0), 1.0)
    w = to_user.T @ to_item / popularity**beta
    np.fill_diagonal(w, 0.0)
    w = cut(w, neighbors)
    if normalize:
        w = w / np.where(w.sum(axis=1) > 0, w.sum(axis=1), 1.0)[:, None]
    assert w.shape == (n, n)
    return cut(w.T, neighbors).T


def cut(w: np.ndarray, k: int) -> np.ndarray:
    """Each row keeps its k largest, ties to the smaller column."""
    kept = np.zeros_like(w)
    for i, row in enumerate(w):
        for j in sorted(range(len(row)), key=lambda j: (-row[j], j))[:k]:
            kept[i, j] = row[j]
    return kept
