"""X_k ≈ W H_k Wᵀ >= 0, slowly: the multiplicative updates on dense arrays in float64."""

from __future__ import annotations

import numpy as np


def objective(x, w, h, penalty=0.0, core_penalty=0.0):
    total = penalty * (w**2).sum() + core_penalty * (h**2).sum()
    return total + sum(((one - w @ core @ w.T) ** 2).sum() for one, core in zip(x, h, strict=True))


def step(x, w, h, power, penalty=0.0, core_penalty=0.0, orthogonal=False):
    """One update of W, then one of every H."""
    up, down = np.zeros_like(w), penalty * w
    for one, core in zip(x, h, strict=True):
        up += one @ w @ core.T + one.T @ w @ core
        down += w @ (core @ w.T @ w @ core.T + core.T @ w.T @ w @ core)
    if orthogonal:
        down = w @ w.T @ up
    w = w * (up / down) ** power
    gram = w.T @ w
    h = np.stack(
        [
            core * (w.T @ one @ w) / (gram @ core @ gram + core_penalty * core)
            for one, core in zip(x, h, strict=True)
        ]
    )
    return w, h
