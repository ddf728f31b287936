"""SVD++, slowly: Koren 2008, in float64, one rating at a time; the step of z as in the paper and gathered over a wave of users."""

from __future__ import annotations

import numpy as np


def history_sum(items, z):
    """|N|^-1/2 Σ z_i."""
    return sum((z[i] for i in items), np.zeros(z.shape[1])) / np.sqrt(max(1, len(items)))


def objective(log, b, c, x, y, z, regularization, bias_regularization, implicit_regularization):
    """log: for each user a list of (item, value)."""
    total = 0.0
    for u, mine in enumerate(log):
        s = history_sum([j for j, _ in mine], z)
        for j, r in mine:
            total += (r - (b[u] + c[j] + y[j] @ (x[u] + s))) ** 2
            total += regularization * (x[u] @ x[u] + y[j] @ y[j])
            total += bias_regularization * (b[u] ** 2 + c[j] ** 2) + implicit_regularization * z[j] @ z[j]
    return total


def wave(order, log, users, b, c, x, y, z, *, rate, bias_rate, implicit_rate, penalties):
    """One wave of users whose ratings come in `order` (user, item, value); the arrays are changed in place."""
    pull, bias_pull, implicit_pull = penalties
    sums = {u: history_sum([j for j, _ in log[u]], z) for u in users}
    gathered = {u: np.zeros(z.shape[1]) for u in users}
    for u, j, r in order:
        e = r - (b[u] + c[j] + y[j] @ (x[u] + sums[u]))
        b[u] += bias_rate * (e - bias_pull * b[u])
        c[j] += bias_rate * (e - bias_pull * c[j])
        gathered[u] += e * y[j]
        old = x[u].copy()
        x[u] += rate * (e * y[j] - pull * x[u])
        y[j] += rate * (e * (old + sums[u]) - pull * y[j])
    for i in range(len(z)):
        holders = [u for u in users if i in [j for j, _ in log[u]]]
        for u in holders:
            z[i] += implicit_rate * gathered[u] / np.sqrt(len(log[u]))
        z[i] /= 1 + implicit_rate * implicit_pull * len(holders)


def paper_pass(order, log, b, c, x, y, z, *, rate, bias_rate, implicit_rate, penalties):
    """The paper's step at every rating: every z_i of the user's history moves with it, and the sum is made anew."""
    pull, bias_pull, implicit_pull = penalties
    for u, j, r in order:
        mine = [i for i, _ in log[u]]
        s = history_sum(mine, z)
        e = r - (b[u] + c[j] + y[j] @ (x[u] + s))
        b[u] += bias_rate * (e - bias_pull * b[u])
        c[j] += bias_rate * (e - bias_pull * c[j])
        x_was, y_was = x[u].copy(), y[j].copy()
        x[u] += rate * (e * y_was - pull * x_was)
        y[j] += rate * (e * (x_was + s) - pull * y_was)
        for i in mine:
            # one n-th of the penalty at each of the n ratings: once for each user in all
            z[i] += implicit_rate * (e * y_was / np.sqrt(len(mine)) - implicit_pull / len(mine) * z[i])
