"""A factorization machine over the whole design matrix, one coordinate after another: float64, no sharing of sums.

Rendle 2010: ŷ(z) = w0 + Σ w_i z_i + Σ_{i<i'} <v_i, v_i'> z_i z_i'.
"""

from __future__ import annotations

import numpy as np


def predict(z: np.ndarray, w0: float, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """ŷ of every row of z (n, p) by the double sum; w (p,), v (p, d)."""
    found = w0 + z @ w
    for i in range(z.shape[1]):
        for k in range(i + 1, z.shape[1]):
            found = found + z[:, i] * z[:, k] * (v[i] @ v[k])
    return found


def linear_step(
    z: np.ndarray, y: np.ndarray, w0: float, w: np.ndarray, v: np.ndarray, i: int,
    mean: float, strength: float, alpha: float, normal: float,
) -> None:  # fmt: skip
    """The minimum (normal 0) or a draw of w[i] given all else, in place."""
    e, h = y - predict(z, w0, w, v), z[:, i]
    p = strength + alpha * h @ h
    w[i] = (strength * mean + alpha * (h @ e + w[i] * h @ h)) / p + normal / np.sqrt(p)


def factor_step(
    z: np.ndarray, y: np.ndarray, w0: float, w: np.ndarray, v: np.ndarray, i: int, f: int,
    mean: float, strength: float, alpha: float, normal: float,
) -> None:  # fmt: skip
    """The minimum (normal 0) or a draw of v[i, f] given all else, in place."""
    e = y - predict(z, w0, w, v)
    h = z[:, i] * (z @ v[:, f] - z[:, i] * v[i, f])
    p = strength + alpha * h @ h
    v[i, f] = (strength * mean + alpha * (h @ e + v[i, f] * h @ h)) / p + normal / np.sqrt(p)
