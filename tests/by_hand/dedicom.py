"""Three-way DEDICOM, slowly: Bader, Harshman & Kolda 2007 on dense arrays, the shared core by one Kronecker system."""

from __future__ import annotations

import numpy as np


def step_factors(x, w, core, scales, penalty):
    pull, system = np.zeros_like(w), penalty * np.eye(w.shape[1])
    for one, d in zip(x, scales, strict=True):
        m = np.diag(d) @ core @ np.diag(d)
        pull += one @ w @ m.T + one.T @ w @ m
        system += m @ w.T @ w @ m.T + m.T @ w.T @ w @ m
    return pull @ np.linalg.inv(system)


def best_core(x, w, scales, penalty):
    """The H of least squares, all relations at once: vec(D_k Wᵀ..) written out."""
    rank = w.shape[1]
    system, right = penalty * np.eye(rank * rank), np.zeros(rank * rank)
    for one, d in zip(x, scales, strict=True):
        z = np.kron(w * d, w * d)
        system += z.T @ z
        right += z.T @ one.ravel()
    return np.linalg.solve(system, right).reshape(rank, rank)


def objective(x, w, core, scales, penalty):
    total = penalty * ((w**2).sum() + (core**2).sum() + ((scales - 1) ** 2).sum())
    for one, d in zip(x, scales, strict=True):
        total += ((one - w @ np.diag(d) @ core @ np.diag(d) @ w.T) ** 2).sum()
    return total
