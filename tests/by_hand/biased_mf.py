"""Biased matrix factorization, slowly: Koren, Bell & Volinsky 2009, eqs. 4 and 5, in float64, one rating at a time."""

from __future__ import annotations

import numpy as np


def predict(users, items, mean, b, c, x, y):
    return np.array([mean + b[u] + c[j] + x[u] @ y[j] for u, j in zip(users, items, strict=True)])


def objective(users, items, values, mean, b, c, x, y, regularization, bias_regularization):
    total = 0.0
    for u, j, r in zip(users, items, values, strict=True):
        e = r - (mean + b[u] + c[j] + x[u] @ y[j])
        total += e**2
        total += regularization * (x[u] @ x[u] + y[j] @ y[j])
        total += bias_regularization * (b[u] ** 2 + c[j] ** 2)
    return total


def sgd_pass(order, mean, b, c, x, y, *, rate, bias_rate, regularization, bias_regularization):
    """One step per (user, item, value) of `order`; the arrays are changed in place."""
    for u, j, r in order:
        e = r - (mean + b[u] + c[j] + x[u] @ y[j])
        b[u] += bias_rate * (e - bias_regularization * b[u])
        c[j] += bias_rate * (e - bias_regularization * c[j])
        old = x[u].copy()
        x[u] += rate * (e * y[j] - regularization * x[u])
        y[j] += rate * (e * old - regularization * y[j])


def gradient(users, items, values, mean, b, c, x, y, regularization, bias_regularization):
    """-½ ∂J/∂θ of every row, divided by the number of ratings of the row: (gb, gc, gx, gy)."""
    gb, gc, gx, gy = (np.zeros_like(a) for a in (b, c, x, y))
    nu, nj = np.bincount(users, minlength=len(b)), np.bincount(items, minlength=len(c))
    for u, j, r in zip(users, items, values, strict=True):
        e = r - (mean + b[u] + c[j] + x[u] @ y[j])
        gb[u] += (e - bias_regularization * b[u]) / nu[u]
        gc[j] += (e - bias_regularization * c[j]) / nj[j]
        gx[u] += (e * y[j] - regularization * x[u]) / nu[u]
        gy[j] += (e * x[u] - regularization * y[j]) / nj[j]
    return gb, gc, gx, gy
