"""Logistic matrix factorization, slowly: Johnson 2014, in float64, one cell at a time."""

from __future__ import annotations

import numpy as np


def objective(weights, x, b, y, c, regularization, bias_regularization):
    """weights (users, items): a of each cell, 0 where unseen."""
    total = 0.0
    for u in range(len(x)):
        for i in range(len(y)):
            s = x[u] @ y[i] + b[u] + c[i]
            total += (1 + weights[u, i]) * np.log(1 + np.exp(s)) - weights[u, i] * s
    return (
        total
        + regularization / 2 * ((x**2).sum() + (y**2).sum())
        + bias_regularization / 2 * ((b**2).sum() + (c**2).sum())
    )


def slope(weights, x, b, y, c, regularization, bias_regularization):
    """∂/∂x and ∂/∂b."""
    gx, gb = regularization * x, bias_regularization * b
    for u in range(len(x)):
        for i in range(len(y)):
            p = 1 / (1 + np.exp(-(x[u] @ y[i] + b[u] + c[i])))
            error = (1 + weights[u, i]) * p - weights[u, i]
            gx[u] += error * y[i]
            gb[u] += error
    return gx, gb


def epoch(weights, at, *, rate, regularization, bias_regularization):
    """Items, then users: a step of AdaGrad each. at: x, b, y, c, and the squares summed so far of each; changed in place."""
    for own, bias, other, against, table in (
        ("y", "c", "x", "b", weights.T),
        ("x", "b", "y", "c", weights),
    ):
        found = slope(table, at[own], at[bias], at[other], at[against], regularization, bias_regularization)
        for name, g in zip((own, bias), found, strict=True):
            at[f"{name}_squares"] += g**2
            at[name] -= rate * g / np.sqrt(at[f"{name}_squares"])
