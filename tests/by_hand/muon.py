"""Muon on one matrix, slowly, from the write-up (Jordan et al. 2024) and the factor of Liu et al. 2025."""

from __future__ import annotations

import numpy as np


def newton_schulz(u: np.ndarray) -> np.ndarray:
    """The quintic on the singular values themselves: U p(S) Vᵀ."""
    left, values, right = np.linalg.svd(u.astype(np.float64), full_matrices=False)
    s = values / max(np.sqrt((values**2).sum()), 1e-7)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return left @ np.diag(s) @ right


def walk(
    w: np.ndarray, gradients: list[np.ndarray], *, rate: float, decay: float, momentum: float
) -> np.ndarray:
    """Where the gradients lead from w; all (rows, columns)."""
    w, b = w.astype(np.float64).copy(), np.zeros(w.shape)
    for g in gradients:
        b = momentum * b + (1 - momentum) * g
        u = momentum * b + (1 - momentum) * g
        w = w - rate * decay * w - rate * 0.2 * np.sqrt(max(w.shape)) * newton_schulz(u)
    return w
