"""iALS++ (Rendle et al. 2021, arXiv 2110.14044, algorithm 2): blocks outside, rows inside, predictions stored."""

from __future__ import annotations

import numpy as np


def sweep(rows, x, y, *, weight, ridge, size):
    """One pass over the blocks of all rows' vectors. rows: a list of (columns, a, b); x is changed and returned."""
    gram = y.T @ y
    stored = [y[columns] @ x[u] for u, (columns, _, _) in enumerate(rows)]
    for first in range(0, x.shape[1], size):
        block = slice(first, first + size)
        for u, (columns, a, b) in enumerate(rows):
            part = y[columns][:, block]
            gradient = part.T @ (b - a * stored[u]) - weight * gram[block] @ x[u] - ridge[u] * x[u, block]
            hessian = part.T @ (a[:, None] * part) + weight * gram[block, block]
            hessian += ridge[u] * np.eye(hessian.shape[0])
            step = np.linalg.solve(hessian, gradient)
            x[u, block] += step
            stored[u] = stored[u] + part @ step
    return x
