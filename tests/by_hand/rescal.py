"""RESCAL, slowly: the updates of Nickel, Tresp & Kriegel 2011 on dense arrays in float64, the core by its normal equations."""

from __future__ import annotations

import numpy as np


def step_factors(x, w, h, penalty):
    """W⁺ of all relations; x (K, n, n), w (n, r), h (K, r, r)."""
    pull, system = np.zeros_like(w), penalty * np.eye(w.shape[1])
    for k in range(len(x)):
        pull += x[k] @ w @ h[k].T + x[k].T @ w @ h[k]
        system += h[k] @ w.T @ w @ h[k].T + h[k].T @ w.T @ w @ h[k]
    return pull @ np.linalg.inv(system)


def step_cores(x, w, penalty):
    """Every H_k by least squares on w ⊗ w."""
    z = np.kron(w, w)
    system = z.T @ z + penalty * np.eye(z.shape[1])
    rank = w.shape[1]
    return np.stack([np.linalg.solve(system, z.T @ one.ravel()).reshape(rank, rank) for one in x])


def objective(x, w, h, penalty, core_penalty):
    total = penalty * (w**2).sum() + core_penalty * (h**2).sum()
    for one, core in zip(x, h, strict=True):
        total += ((one - w @ core @ w.T) ** 2).sum()
    return total


def weighted_loss(x, weights, w, h, means, heads, tails):
    """Cell by cell; means (K,), heads and tails (K, n)."""
    total = 0.0
    for k, a, b in np.ndindex(x.shape):
        score = w[a] @ h[k] @ w[b] + means[k] + heads[k, a] + tails[k, b]
        total += weights[k, a, b] * (x[k, a, b] - score) ** 2
    return total
