"""SLIM, slowly: Ning & Karypis 2011, coordinate descent on the table itself, one weight at a time, in float64."""

from __future__ import annotations

import numpy as np


def slim(x: np.ndarray, l2: float, l1: float, nonnegative: bool, sweeps: int = 500) -> np.ndarray:
    """W for a dense users x items table."""
    x = x.astype(np.float64)
    n = x.shape[1]
    w = np.zeros((n, n))
    for j in range(n):
        left = x[:, j].copy()  # what is not yet predicted
        for _ in range(sweeps):
            before = w[:, j].copy()
            for i in range(n):
                if i == j:
                    continue
                left += x[:, i] * w[i, j]
                pull = x[:, i] @ left
                push = max(pull - l1, 0.0) if nonnegative else np.sign(pull) * max(abs(pull) - l1, 0.0)
                w[i, j] = push / (x[:, i] @ x[:, i] + l2)
                left -= x[:, i] * w[i, j]
            if np.abs(w[:, j] - before).max() < 1e-7:
                break
    return w


def objective(x: np.ndarray, w: np.ndarray, l2: float, l1: float) -> np.ndarray:
    """½|x_j - X w_j|² + β/2 |w_j|² + λ|w_j|₁ of each column."""
    x = x.astype(np.float64)
    return 0.5 * ((x - x @ w) ** 2).sum(axis=0) + 0.5 * l2 * (w**2).sum(axis=0) + l1 * np.abs(w).sum(axis=0)


def violation(x: np.ndarray, w: np.ndarray, l2: float, l1: float, nonnegative: bool) -> np.ndarray:
    """How far each weight is from its optimality condition, items x items."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    pull = x.T @ (x - x @ w)
    away = np.abs(pull - l2 * w - l1 * np.sign(w))
    free = np.maximum((pull if nonnegative else np.abs(pull)) - l1, 0.0)
    out = np.where(w == 0, free, away)
    np.fill_diagonal(out, 0.0)
    return out
