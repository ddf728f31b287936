"""WARP, slowly: Weston, Bengio & Usunier 2011 with AdaGrad for each row, in float64, one row of the log at a time."""

from __future__ import annotations

import numpy as np


def rank_loss(k):
    """L(k) = 1 + 1/2 + ... + 1/k."""
    return sum(1 / n for n in range(1, k + 1))


def first_violation(level, scores):
    """Of the scores of the items drawn, in order: which is the first over the level, from 1; None where none is."""
    for n, s in enumerate(scores, 1):
        if s > level:
            return n
    return None


def learn(rows, at, unmet, *, rate, bias_rate, pull, bias_pull, longest):
    """One step per (u, i, j, N): positive i, first violation j at the N-th draw, or j = -1 and no step.

    at: the arrays of linalg/rank_loss.py in float64 without padding, changed in place; unmet (users,): items that each
    has not met. Answers Σ L |1 - s_ui + s_uj|, and asserts that every j is a violation.
    """
    x, y, c = at["user_factors"], at["item_factors"], at["item_bias"]
    gx, gy, gc = at["user_squares"], at["item_squares"], at["item_bias_squares"]
    rank, lost = x.shape[1], 0.0
    for u, i, j, n in rows:
        if j < 0:
            continue
        over = 1 - (x[u] @ y[i] + c[i]) + (x[u] @ y[j] + c[j])
        assert over > -1e-5
        l = rank_loss(unmet[u] // n)
        lost += l * over
        own, first, second = x[u].copy(), y[i].copy(), y[j].copy()
        x[u] += rate / np.sqrt(1 + gx[u]) * (l * (first - second) - pull * own)
        y[i] += rate / np.sqrt(1 + gy[i]) * (l * own - pull * first)
        y[j] += rate / np.sqrt(1 + gy[j]) * (-l * own - pull * second)
        c[i] += bias_rate / np.sqrt(1 + gc[i]) * (l - bias_pull * c[i])
        c[j] += bias_rate / np.sqrt(1 + gc[j]) * (-l - bias_pull * c[j])
        gx[u] += l**2 * sum((first - second) ** 2) / rank
        gy[i] += l**2 * sum(own**2) / rank
        gy[j] += l**2 * sum(own**2) / rank
        gc[i] += l**2
        gc[j] += l**2
        for row in (x[u], y[i], y[j]):
            length = np.sqrt(row @ row)
            if longest and length > longest:
                row *= longest / length
    return lost
