"""The Gaussian around a row of least squares, from dense inverses in float64, one pair at a time; slow."""

from __future__ import annotations

import numpy as np


def precision(design, weights, penalty, shared=0.0):
    """A = Σ w y yᵀ + shared + diag(penalty) of one row; design (n, rank)."""
    found = np.diag(np.asarray(penalty, float)) + shared
    for y, w in zip(np.asarray(design, float), weights, strict=True):
        found = found + w * np.outer(y, y)
    return found


def leverage(design, weights, penalty, y):
    """yᵀ A⁻¹ y."""
    return float(y @ np.linalg.inv(precision(design, weights, penalty)) @ y)


def rating_variance(ratings, mean, x, y, b, c, *, regularization, bias_regularization, scale_by_count):
    """σ² of ratings (users, items), NaN where there is none: mean of r² √(1 - h) over all of them, left out of both rows."""
    there = ~np.isnan(ratings)
    rank = x.shape[1]
    found = []
    for u, i in zip(*np.nonzero(there), strict=True):
        error = ratings[u, i] - mean - b[u] - c[i] - x[u] @ y[i]
        free = []
        for row, others, own in ((there[u], y, i), (there[:, i], x, u)):
            design = np.column_stack([others, np.ones(len(others))])
            scale = row.sum() if scale_by_count else 1
            penalty = scale * np.array([regularization] * rank + [bias_regularization])
            free.append(1 - leverage(design[row], np.ones(row.sum()), penalty, design[own]))
        found.append((error / (free[0] * free[1])) ** 2 * np.sqrt(free[0]))
    return float(np.mean(found))


def left_out_residual(design, targets, penalty, at):
    """What the ridge regression without value `at` misses it by: fitted anew."""
    keep = np.arange(len(targets)) != at
    a = precision(design[keep], np.ones(keep.sum()), penalty)
    return float(targets[at] - design[at] @ np.linalg.solve(a, design[keep].T @ targets[keep]))


def implicit_variance(seen, x, y, *, alpha, pull, background, ridge):
    """σ² of a cell of weight 1: weighted squares left per free unit of weight. seen (users, items) 0/1; pull: a seen cell's
    target has so much more than its weight."""
    left = mass = spent = 0.0
    gram = y.T @ y
    for u in range(len(x)):
        for i in range(len(y)):
            s = x[u] @ y[i]
            left += background * s**2
            mass += background
            if seen[u, i]:
                left += alpha * s**2 - 2 * (alpha + pull) * s + alpha + pull
                mass += alpha
        k = precision(
            y[seen[u] > 0], np.full(int(seen[u].sum()), alpha), np.zeros(x.shape[1]), background * gram
        )
        spent += np.trace(np.linalg.inv(k + ridge[u] * np.eye(x.shape[1])) @ k)
    return left / (mass - spent)
