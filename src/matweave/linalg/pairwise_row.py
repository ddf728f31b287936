"""The best vector for one user of a pairwise logistic loss, the items as they are.

Given items y_j with offsets c_j, met items h, and weights w_j >= 0 of the others (0 for h), Σ w = 1:

    min over x of  f(x) = Σ_{i in h} Σ_j w_j ln(1 + e^(s_j - s_i)) + ½ Σ_f ρ_f x_f²,     s = Y x + c

which is what a stochastic step of BPR expects. Convex: Newton's method from 0. With q_ij = σ(s_j - s_i) and D_ij = w_j q_ij (1 - q_ij):

    ∇f = -Σ_i (Σ_j w_j q_ij) y_i + Σ_j (w_j Σ_i q_ij) y_j + ρ x
    ∇²f = Y_hᵀ diag(Σ_j D_ij) Y_h + Yᵀ diag(Σ_i D_ij) Y - Y_hᵀ D Y - (Y_hᵀ D Y)ᵀ + diag(ρ)

A step is halved while the slope along it turns around by more than it was. q is one division: σ(s_j - s_i) = e^s_j / (e^s_j + e^s_i).
Cost        A step is |h| · items divisions and 2 |h| items rank multiply-adds, by blocks of items; about 7 steps.
Checked by  tests/linalg/test_pairwise_row.py: numerical gradients in float64, SciPy's minimum.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 2048
"""Items handled at once: D has BLOCK rows."""

STEPS = 100
REACH = 40.0
"""Scores further than this from the middle count as this far: e^80 is past what a float holds of a sum."""


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _pulls(met, others, weights, up, down, curve, curve_met, curve_others):
    """Of e^s of the met and of others: up_i += Σ_j w q, down_j = w Σ_i q, D (others, met), and its sums both ways."""
    for j in range(len(others)):
        e, w = others[j], weights[j]
        total, bend = np.float32(0), np.float32(0)
        for i in range(len(met)):
            q = e / (e + met[i])
            d = w * q * (np.float32(1) - q)
            up[i] += w * q
            total += q
            curve[j, i] = d
            curve_met[i] += d
            bend += d
        down[j] = w * total
        curve_others[j] = bend


def slope_and_curve(
    x: NDArray, table: NDArray, wide: NDArray, offset: NDArray, met: NDArray, weights: NDArray, ridge: NDArray
) -> tuple[NDArray, NDArray]:
    """∇f (r,) and ∇²f (r, r), float64, at x; table (items, r) float32, wide the same in float64."""
    scores = wide @ x + offset
    middle = scores[met].mean()
    powers = np.exp(np.clip(scores - middle, -REACH, REACH)).astype(np.float32)
    own, weights = powers[met], weights.astype(np.float32)
    up, bends = np.zeros(len(met), np.float32), np.zeros(len(met), np.float32)
    down, rows = np.zeros(len(table)), table[met]
    hessian = np.diag(ridge)
    for low in range(0, len(table), BLOCK):
        part = slice(low, min(low + BLOCK, len(table)))
        size = part.stop - low
        curve = np.empty((size, len(met)), np.float32)
        pulled, bent = np.empty(size, np.float32), np.empty(size, np.float32)
        _pulls(own, powers[part], weights[part], up, pulled, curve, bends, bent)
        down[part] = pulled
        items = table[part]
        cross = (curve @ rows).T @ items  # Y_hᵀ D Y of this block
        hessian += items.T @ (bent[:, None] * items) - cross - cross.T
    hessian += rows.T @ (bends[:, None] * rows)
    gradient = down @ wide - up.astype(np.float64) @ wide[met] + ridge * x
    return gradient, hessian


def best_row(
    table: NDArray, wide: NDArray, offset: NDArray, met: NDArray, weights: NDArray, ridge: NDArray
) -> NDArray[np.float64]:
    """The minimum of the head of this file, (r,); ridge (r,) > 0. Zero where nothing is met or nothing weighs.

    >>> y = np.array([[1.0], [-1.0]])
    >>> best_row(y.astype(np.float32), y, np.zeros(2), np.array([0]), np.array([0.0, 1.0]), np.array([1.0])).round(3)
    array([0.521])
    """
    x = np.zeros(table.shape[1])
    if not len(met) or not weights.any():
        return x
    gradient, hessian = slope_and_curve(x, table, wide, offset, met, weights, ridge)
    for _ in range(STEPS):
        step = np.linalg.solve(hessian, gradient)
        fall, length = float(gradient @ step), 1.0
        if not fall > 1e-9 * len(met):
            break
        while True:
            trial = x - length * step
            there, curve = slope_and_curve(trial, table, wide, offset, met, weights, ridge)
            if there @ step >= -0.9 * fall or length < 1e-4:
                break
            length /= 2
        x, gradient, hessian = trial, there, curve
    return x
