"""GMF, slowly: He et al. 2017, eqs. 7 to 9, one row at a time in float64, and the expected objective of one user's row."""

from __future__ import annotations

import numpy as np


def softplus(s: float) -> float:
    return max(s, 0.0) + np.log1p(np.exp(-abs(s)))


def score(p, q, h, b, c=0.0):
    return sum(h[f] * p[f] * q[f] for f in range(len(h))) + b + c


def loss(users, positives, negatives, p, q, h, b, c, regularization):
    """The mean over rows of the logistic loss and λ/2 Σ |h| (p² + q²)."""
    total, rows = 0.0, 0
    for n, u in enumerate(users):
        for item, label in [(positives[n], 1), *((j, 0) for j in negatives[n])]:
            s = score(p[u], q[item], h, b, c[item])
            total += softplus(-s if label else s)
            total += 0.5 * regularization * np.abs(h) @ (p[u] ** 2 + q[item] ** 2)
            rows += 1
    return total / rows


def row_objective(x, items, factors, offset, negatives, ridge):
    """What a stranger's row minimises: positives once, `negatives` for each spread over the other items."""
    m, n = len(factors), len(items)
    free = m - n
    total = 0.5 * float(np.asarray(ridge) @ x**2)
    for j in range(m):
        s = offset[j] + x @ factors[j]
        if j in items:
            total += softplus(-s)
        if j not in items or not free:
            total += negatives * n / (free or m) * softplus(s)
    return total
