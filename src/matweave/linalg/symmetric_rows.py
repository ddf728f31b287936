"""Coordinate descent for X ≈ W Wᵀ, W >= 0, on a sparse symmetric X with weights: the kernels.

    F(W) = Σ_{i≠j} u_ij (x_ij - w_i·w_j)² + Σ_i q_i (x_ii - |w_i|²)² + λ |W|²,   u_ij = ω where no entry is listed (x = 0)

Row by row, coordinate by coordinate: with the others fixed, F is a quartic in w_ij, least at a root of a cubic or at 0,
which is found exactly (Vandaele, Gillis, Lei, Zhong & Dhillon 2016), so F never rises. With C = Σ_{k≠i} u_ik w_k w_kᵀ and
s = Σ_k u_ik x_ik w_k, the derivative in w_ij = t over 4 is

    q t³ + (C_jj + q (ρ - x_ii) + λ/2) t + Σ_{l≠j} C_jl w_il - s_j,     ρ = Σ_{l≠j} w_il²

C is ω (WᵀW - w_i w_iᵀ) and what listed entries weigh beyond ω, so a sweep costs 2 nnz r + 4 n r² flops, and nnz r² more for
entries of another weight than ω. One thread: each row needs the rows before it. float64 throughout.
Checked by  tests/linalg/test_symmetric_rows.py: descent, and every coordinate against a fine grid.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def least(q, a, b):  # pragma: no cover
    """The t >= 0 of least q t⁴ / 4 + a t² / 2 + b t; 0 where nothing is less."""
    if q <= 0:
        return max(0.0, -b / a) if a > 0 else 0.0
    p, c = a / q, b / q
    inside = c * c / 4 + p * p * p / 27
    if inside >= 0:
        root = math.sqrt(inside)
        # the larger part first: their product is -p / 3, so the other one loses no digits
        first = -c / 2 + root if c <= 0 else -c / 2 - root
        part = math.copysign(abs(first) ** (1 / 3), first)
        t = part - p / (3 * part) if part != 0 else 0.0
    else:
        size = math.sqrt(-p / 3)
        t = 2 * size * math.cos(math.acos(max(-1.0, min(1.0, -c / (2 * size * size * size)))) / 3)
    if t <= 0:
        return 0.0
    for _ in range(2):  # Newton, for the digits that the closed form lost
        slope = 3 * t * t + p
        if slope > 0:
            t = max(t - (t * t * t + p * t + c) / slope, 0.0)
    return t if t * (t * t / 4 + p / 2) + c < 0 else 0.0


@njit(nogil=True, cache=True)
def sweep(indptr, indices, x, u, self_x, self_u, rest, ridge, w):  # pragma: no cover
    """One pass over all rows of w (n, r), in place. Listed entries of row i, itself left out: indices, x and weights u."""
    n, r = w.shape
    gram = w.T @ w
    c, s, y = np.empty((r, r)), np.empty(r), np.empty(r)
    for i in range(n):
        mine, q = w[i], self_u[i]
        for a in range(r):
            s[a] = 0
            for b in range(r):
                gram[a, b] -= mine[a] * mine[b]
                c[a, b] = rest * gram[a, b]
        for e in range(indptr[i], indptr[i + 1]):
            other, over, pull = w[indices[e]], u[e] - rest, u[e] * x[e]
            for a in range(r):
                s[a] += pull * other[a]
            if over != 0:
                for a in range(r):
                    for b in range(r):
                        c[a, b] += over * other[a] * other[b]
        square = 0.0
        for a in range(r):
            square += mine[a] * mine[a]
            total = 0.0
            for b in range(r):
                total += c[a, b] * mine[b]
            y[a] = total
        for a in range(r):
            old = mine[a]
            lower = max(square - old * old, 0.0)
            t = least(q, c[a, a] + q * (lower - self_x[i]) + ridge / 2, y[a] - c[a, a] * old - s[a])
            step = t - old
            if step != 0:
                mine[a], square = t, lower + t * t
                for b in range(r):
                    y[b] += step * c[b, a]
        for a in range(r):
            for b in range(r):
                gram[a, b] += mine[a] * mine[b]


@njit(nogil=True, cache=True)
def objective(indptr, indices, x, u, self_x, self_u, rest, ridge, w):  # pragma: no cover
    """F(W), where every x that is not listed is 0."""
    n, r = w.shape
    gram = w.T @ w
    total = 0.0
    for i in range(n):
        square = 0.0
        for a in range(r):
            square += w[i, a] * w[i, a]
        total += ridge * square + self_u[i] * (self_x[i] - square) ** 2 - rest * square * square
        for e in range(indptr[i], indptr[i + 1]):
            m = 0.0
            for a in range(r):
                m += w[i, a] * w[indices[e], a]
            total += u[e] * (x[e] - m) ** 2 - rest * m * m
    for a in range(r):
        for b in range(r):
            total += rest * gram[a, b] * gram[a, b]
    return total
