"""Collective matrix factorization (Singh & Gordon 2008) cell by cell, in dense float64; no sharing of code."""

from __future__ import annotations

import numpy as np


def side_loss(values, seen_rows, x, c, weight, penalty):
    """w Σ (a - c·x)² over known cells of rows with a history, and λ |C|²; values (n, d) with NaN where missing."""
    total = penalty * float((c**2).sum())
    for u in np.flatnonzero(seen_rows):
        for k in range(values.shape[1]):
            if not np.isnan(values[u, k]):
                total += weight * (values[u, k] - float(c[k] @ x[u])) ** 2
    return total


def side_map(values, seen_rows, x, weight, penalty):
    """C: each attribute regressed on the rows that have it."""
    found = []
    for k in range(values.shape[1]):
        here = seen_rows & ~np.isnan(values[:, k])
        matrix = weight * x[here].T @ x[here] + penalty * np.eye(x.shape[1])
        found.append(np.linalg.solve(matrix, weight * x[here].T @ values[here, k]))
    return np.array(found)


def implicit_row(seen, y, ridge, omega, a, c, weight):
    """One vector: seen cells weigh 1 and want 1, all cells weigh omega and want 0, attributes weigh w and want a."""
    matrix, right = ridge * np.eye(y.shape[1]), np.zeros(y.shape[1])
    for i in range(len(y)):
        matrix += (omega + seen[i]) * np.outer(y[i], y[i])
        right += seen[i] * y[i]
    for k in range(0 if a is None else len(a)):
        matrix += weight * np.outer(c[k], c[k])
        right += weight * a[k] * c[k]
    return np.linalg.solve(matrix, right)


def explicit_row(ratings, y, bias, ridge, bias_ridge, a, c, weight):
    """Vector and bias of one row of a rating model, ratings less the mean, NaN where there is none."""
    here = np.flatnonzero(~np.isnan(ratings))
    matrix = np.diag([*[ridge] * y.shape[1], bias_ridge]).astype(float)
    right = np.zeros(y.shape[1] + 1)
    for i in here:
        design = np.append(y[i], 1.0)
        matrix += np.outer(design, design)
        right += (ratings[i] - bias[i]) * design
    for k in range(0 if a is None else len(a)):
        design = np.append(c[k], 0.0)
        matrix += weight * np.outer(design, design)
        right += weight * a[k] * design
    solved = np.linalg.solve(matrix, right)
    return solved[:-1], solved[-1]
