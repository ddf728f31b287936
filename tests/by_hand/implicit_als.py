"""Implicit ALS from Hu et al. 2008 and Rendle et al. 2021, in dense loops; slow, float64, no sharing of code."""

from __future__ import annotations

import numpy as np


def loss(confidence, seen, x, y, *, alpha, weight, background, regularization, exponent):
    """The objective, cell by cell. confidence, seen: (users, items)."""
    users, items = seen.shape
    total = 0.0
    for u in range(users):
        for i in range(items):
            s = float(x[u] @ y[i])
            if seen[u, i]:
                total += alpha * confidence[u, i] * (1 - s) ** 2
                if background == "all":
                    total += weight * s**2
                else:
                    total += weight * (1 - s) ** 2
            else:
                total += weight * s**2
    for u in range(users):
        total += regularization * (seen[u].sum() + weight * items) ** exponent * float(x[u] @ x[u])
    for i in range(items):
        total += regularization * (seen[:, i].sum() + weight * users) ** exponent * float(y[i] @ y[i])
    return total


def solve_row(confidence, seen, y, *, alpha, weight, background, regularization, exponent):
    """The minimiser over one user's vector: weighted least squares over all cells, as a stacked dense problem."""
    items, rank = y.shape
    ridge = regularization * (seen.sum() + weight * items) ** exponent
    matrix, right = ridge * np.eye(rank), np.zeros(rank)
    for i in range(items):
        pull = weight
        if seen[i]:
            own = alpha * confidence[i]
            matrix += own * np.outer(y[i], y[i])
            right += own * y[i]
            if background == "unseen":
                right += pull * y[i]
        matrix += pull * np.outer(y[i], y[i])
    return np.linalg.solve(matrix, right)


def epoch(confidence, seen, x, y, **settings):
    """Every item, then every user."""
    y = np.array([solve_row(confidence[:, i], seen[:, i], x, **settings) for i in range(seen.shape[1])])
    x = np.array([solve_row(confidence[u], seen[u], y, **settings) for u in range(seen.shape[0])])
    return x, y
