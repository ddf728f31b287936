"""Nonnegative factorization, slowly: dense, float64, from Lee & Seung 2001, Cichocki & Phan 2009 and Hsieh & Dhillon 2011.

x: the table with zeros where nothing is, seen: which cells have entries, cells: which cells count (all, or the seen ones).
One row u of one side is improved at a time, f the other side (columns of the table, rank).
"""

from __future__ import annotations

import numpy as np


def divergence(x, fitted, cells, loss):
    total = 0.0
    for u, j in np.argwhere(cells):
        v, s = x[u, j], fitted[u, j]
        if loss == "frobenius":
            total += 0.5 * (v - s) ** 2
        else:
            total += s - v + (v * np.log(v / s) if v > 0 else 0.0)
    return total


def penalty(side, first, second, scale):
    return float((scale[:, None] * (first * side + 0.5 * second * side**2)).sum())


def row_objective(v, row, f, cells, loss, first, second):
    value = divergence(v[None], (f @ row)[None], cells[None], loss)
    return value + first * row.sum() + 0.5 * second * row @ row


def coordinate_row(v, row, f, cells, loss, first, second):
    """One sweep over the coordinates of a row, in place."""
    for k in range(len(row)):
        score, y = f[cells] @ row, f[cells][:, k]
        if loss == "frobenius":
            slope = y @ (score - v[cells]) + first + second * row[k]
            bend = y @ y + second
        else:
            share = y / np.maximum(score, 1e-12)
            slope = y.sum() - v[cells] @ share + first + second * row[k]
            bend = v[cells] @ share**2 + second
            if slope > 0:
                bend += slope * max(1.0001 * (share[v[cells] > 0] ** 8).sum() ** 0.125, 2e-5)
        if bend > 0:
            row[k] = max(0.0, row[k] - slope / bend)
        elif slope > 0:
            row[k] = 0.0


def multiplicative_row(v, row, f, cells, loss, first, second):
    """One update of all coordinates of a row at once, in place."""
    score, y = f[cells] @ row, f[cells]
    if loss == "frobenius":
        row *= (y.T @ v[cells]) / (y.T @ score + first + second * row)
    else:
        c, linear = row * (y.T @ (v[cells] / np.maximum(score, 1e-12))), y.sum(axis=0) + first
        row[:] = c / linear if second == 0 else (np.sqrt(linear**2 + 4 * second * c) - linear) / (2 * second)


def half_step(x, own, f, cells, loss, solver, first, second, scale, sweeps=1):
    improve = coordinate_row if solver == "coordinate" else multiplicative_row
    for u in range(len(own)):
        if not x[u].any() and not cells[u].any():
            own[u] = 0
            continue
        for _ in range(sweeps):
            improve(x[u], own[u], f, cells[u], loss, first * scale[u], second * scale[u])
