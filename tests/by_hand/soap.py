"""SOAP on one matrix, slowly: algorithms 3 and 4 of Vyas et al. 2024, the first moment in the weight's own basis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BETA = 0.95
ULPS = 10 * np.finfo(np.float64).eps


def scaled(p: np.ndarray) -> np.ndarray:
    """As our code does against rounding: trace 1, a little on the diagonal."""
    return p / np.trace(p) + ULPS * np.eye(len(p))


def turned(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 4, columns in the order of their eigenvalues; and that order."""
    p = scaled(p)
    order = np.argsort([-(column @ p @ column) for column in q.T], kind="stable")
    return np.linalg.qr(p @ q[:, order])[0], order


def walk(
    w: np.ndarray,
    gradient: Callable[[np.ndarray], np.ndarray],
    *,
    steps: int,
    rate: float,
    decay: float,
    frequency: int = 10,
    bases: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Where `steps` steps lead from w (rows, columns); the first only makes the bases.

    bases: the first ones, where the first gradient has no full rank, so that they are not unique.
    """
    w = w.astype(np.float64).copy()
    g = gradient(w)
    left, right = (1 - BETA) * g @ g.T, (1 - BETA) * g.T @ g
    q_left = np.linalg.eigh(scaled(left))[1][:, ::-1]
    q_right = np.linalg.eigh(scaled(right))[1][:, ::-1]
    q_left, q_right = (q_left, q_right) if bases is None else bases
    m, v = np.zeros(w.shape), np.zeros(w.shape)
    for t in range(1, steps):
        g = gradient(w)
        m = BETA * m + (1 - BETA) * g
        v = BETA * v + (1 - BETA) * (q_left.T @ g @ q_right) ** 2
        mean, square = q_left.T @ m @ q_right / (1 - BETA**t), v / (1 - BETA**t)
        n = mean / (np.sqrt(square) + 1e-8)
        w = w - rate * decay * w - rate * q_left @ n @ q_right.T
        left = BETA * left + (1 - BETA) * g @ g.T
        right = BETA * right + (1 - BETA) * g.T @ g
        if t % frequency == 0:
            q_left, rows = turned(left, q_left)
            q_right, columns = turned(right, q_right)
            v = v[rows][:, columns]
    return w
