"""PureSVD, slowly: Cremonesi, Koren & Turrin 2010, section 3.2, by a full dense SVD."""

from __future__ import annotations

import numpy as np


def triplets(x: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """left, values, right with the largest entry of each right column positive."""
    left, values, right = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    left, values, right = left[:, :rank], values[:rank], right[:rank].T
    for f in range(right.shape[1]):
        if right[np.abs(right[:, f]).argmax(), f] < 0:
            right[:, f] *= -1
            left[:, f] *= -1
    return left, values, right


def scores(x: np.ndarray, rank: int) -> np.ndarray:
    """X V Vᵀ (eq. 10)."""
    right = triplets(x, rank)[2]
    return x @ right @ right.T
