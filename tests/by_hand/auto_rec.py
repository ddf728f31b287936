"""AutoRec from Sedhain et al. 2015, on dense rows in float64."""

from __future__ import annotations

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def outputs(r: np.ndarray, v: np.ndarray, mu: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """W g(V r + μ) + b for rows r (n, columns); v (hidden, columns), w (columns, hidden); eq. 1 with the identity for f."""
    return sigmoid(r @ v.T + mu) @ w.T + b


def objective(
    r: np.ndarray,
    there: np.ndarray,
    v: np.ndarray,
    mu: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    out: float,
    into: float,
) -> float:
    """Eq. 2: errors where there is a rating, and the penalties of W and V."""
    errors = np.where(there, r - outputs(np.where(there, r, 0.0), v, mu, w, b), 0.0)
    return float((errors**2).sum() + out / 2 * (w**2).sum() + into / 2 * (v**2).sum())
