"""Probabilistic matrix factorization, slowly: Salakhutdinov & Mnih 2007, float64, one rating and one row at a time.

log: (user, item, standardised value) rows. A side's prior is (mean, precision), both (rank,).
"""

from __future__ import annotations

import numpy as np


def shares(log, n_users, n_items):
    """The paper's indicator rows over their sums."""
    table = np.zeros((n_users, n_items))
    for u, i, _ in log:
        table[u, i] = 1
    return table / np.maximum(1, table.sum(axis=1, keepdims=True))


def squared_error(log, x, y):
    return sum((r - x[u] @ y[j]) ** 2 for u, j, r in log)


def away(log, column, side, prior, w):
    """S of each coordinate, over rows with a rating, and how many those are."""
    rated = sorted({row[column] for row in log})
    return sum((side[k] - prior[0] - w[k]) ** 2 for k in rated), len(rated)


def objective(log, x, y, alpha, users, items, history, settings):
    """settings: regularization, history_regularization, share (None: fixed priors)."""
    value = 0.5 * alpha * squared_error(log, x, y) + 0.5 * settings["history"] * (history**2).sum()
    w = shares(log, len(x), len(y)) @ history
    for column, side, prior, more in ((0, x, users, w), (1, y, items, np.zeros_like(y))):
        spread, n = away(log, column, side, prior, more)
        value += 0.5 * prior[1] @ spread
        if settings["share"] is not None:
            hyper = settings["share"] * (prior[1] / settings["regularization"] - np.log(prior[1]))
            value += 0.5 * n * (hyper - np.log(prior[1])).sum()
    if settings["share"] is not None:
        value += 0.5 * len(log) * (settings["share"] * (alpha - np.log(alpha)) - np.log(alpha))
    return value


def rows(log, column, other, prior, alpha, w):
    """Every row of a side at its minimum."""
    found = prior[0] + w
    for k in {row[column] for row in log}:
        mine = [row for row in log if row[column] == k]
        a, r = np.array([other[row[1 - column]] for row in mine]), np.array([row[2] for row in mine])
        gram = alpha * a.T @ a + np.diag(prior[1])
        found[k] = np.linalg.solve(gram, alpha * a.T @ r + prior[1] * (prior[0] + w[k]))
    return found


def learned(log, column, side, w, regularization, share):
    """Mean and precision of a side's prior at their minimum."""
    rated = sorted({row[column] for row in log})
    mean = np.mean([side[k] - w[k] for k in rated], axis=0)
    spread, n = away(log, column, side, (mean, None), w)
    return mean, (n + share * n) / (spread + share * n / regularization)


def history(log, x, users, n_items, ridge):
    """W at its minimum, coordinate by coordinate."""
    s = shares(log, len(x), n_items)
    return np.column_stack(
        [
            np.linalg.solve(
                weight * s.T @ s + ridge * np.eye(n_items), weight * s.T @ (x[:, f] - users[0][f])
            )
            for f, weight in enumerate(users[1])
        ]
    )
