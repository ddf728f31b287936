"""Bayesian personalized ranking, slowly: Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, in float64, one sample at a time."""

from __future__ import annotations

import numpy as np


def score(u, j, x, y, c):
    return sum(x[u, f] * y[j, f] for f in range(x.shape[1])) + c[j]


def loss(u, i, j, x, y, c, pull, bias_pull):
    """What a sample adds to the objective to be minimised."""
    d = score(u, i, x, y, c) - score(u, j, x, y, c)
    squares = x[u] @ x[u] + y[i] @ y[i] + y[j] @ y[j]
    return np.log1p(np.exp(-d)) + pull / 2 * squares + bias_pull / 2 * (c[i] ** 2 + c[j] ** 2)


def learn(samples, x, y, c, *, rate, bias_rate, pull, bias_pull, scale=lambda u, i, j: 1.0):
    """One step per (u, i, j), the arrays changed in place; answers Σ -ln σ as each step finds it."""
    lost = 0.0
    for u, i, j in samples:
        d = score(u, i, x, y, c) - score(u, j, x, y, c)
        lost += np.log1p(np.exp(-d))
        g = 1 / (1 + np.exp(d))
        step, bias_step = rate * scale(u, i, j), bias_rate * scale(u, i, j)
        old = x[u].copy()
        x[u] += step * (g * (y[i] - y[j]) - pull * x[u])
        y[i] += step * (g * old - pull * y[i])
        y[j] += step * (-g * old - pull * y[j])
        c[i] += bias_step * (g - bias_pull * c[i])
        c[j] += bias_step * (-g - bias_pull * c[j])
    return lost
