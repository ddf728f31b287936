"""LightGCN from the paper's equations, with dense matrices in float64."""

from __future__ import annotations

import numpy as np


def adjacency(rows: np.ndarray) -> np.ndarray:
    """D^-1/2 A D^-1/2 over users and items, for the 0/1 table `rows` (users, items); eq. 8."""
    n, m = rows.shape
    a = np.zeros((n + m, n + m))
    a[:n, n:], a[n:, :n] = rows, rows.T
    degrees = a.sum(1)
    root = np.array([1 / np.sqrt(d) if d else 0.0 for d in degrees])
    return root[:, None] * a * root


def propagated(rows: np.ndarray, start: np.ndarray, layers: int) -> np.ndarray:
    """The mean over layers 0..layers of Â^k E^(0); eqs. 3, 4, 7."""
    link, found = adjacency(rows), [start.astype(np.float64)]
    for _ in range(layers):
        found.append(link @ found[-1])
    return np.mean(found, axis=0)


def loss(
    rows: np.ndarray,
    start: np.ndarray,
    layers: int,
    batch: list[tuple[int, int, list[int]]],
    regularization: float,
) -> float:
    """BPR of triples (user, item, wrong items) and the penalty on layer 0 of their rows; eq. 15."""
    n, sent = len(rows), propagated(rows, start, layers)
    total = 0.0
    for u, i, wrong in batch:
        each = []
        for j in wrong:
            x = sent[u] @ sent[n + i] - sent[u] @ sent[n + j]
            each.append(
                -np.log(1 / (1 + np.exp(-x))) + regularization / 2 * float(start[n + j] @ start[n + j])
            )
        own = float(start[u] @ start[u] + start[n + i] @ start[n + i])
        total += np.mean(each) + regularization / 2 * own
    return total / len(batch)
