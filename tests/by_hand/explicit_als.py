"""ALS-WR with biases (Zhou et al. 2008), the bordered system of each row solved densely; slow, float64."""

from __future__ import annotations

import numpy as np


def loss(ratings, mean, x, y, b, c, *, regularization, bias_regularization, scale_by_count):
    """The objective; ratings: (users, items) with NaN where there is none."""
    total = 0.0
    for u, i in zip(*np.nonzero(~np.isnan(ratings)), strict=True):
        total += (ratings[u, i] - mean - b[u] - c[i] - x[u] @ y[i]) ** 2
    for vectors, biases, counts in (
        (x, b, (~np.isnan(ratings)).sum(1)),
        (y, c, (~np.isnan(ratings)).sum(0)),
    ):
        for k in range(len(vectors)):
            scale = counts[k] if scale_by_count else 1
            total += scale * (regularization * vectors[k] @ vectors[k] + bias_regularization * biases[k] ** 2)
    return float(total)


def solve_row(ratings, mean, y, c, *, regularization, bias_regularization, scale_by_count):
    """Vector and bias of one row, the other side fixed."""
    here = ~np.isnan(ratings)
    design = np.column_stack([y[here], np.ones(here.sum())])
    scale = here.sum() if scale_by_count else 1
    penalty = scale * np.diag([regularization] * y.shape[1] + [bias_regularization])
    solved = np.linalg.solve(design.T @ design + penalty, design.T @ (ratings[here] - mean - c[here]))
    return solved[:-1], solved[-1]


def epoch(ratings, mean, x, y, b, c, **settings):
    """Every item, then every user."""
    for i in range(ratings.shape[1]):
        y[i], c[i] = solve_row(ratings[:, i], mean, x, b, **settings)
    for u in range(ratings.shape[0]):
        x[u], b[u] = solve_row(ratings[u], mean, y, c, **settings)
    return x, y, b, c
