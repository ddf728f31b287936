"""Small ridge systems by numpy.linalg.solve, one at a time; and random ones to solve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Problem:
    """n rows over m columns: CSR, a weight and a target per entry, vectors and ridges."""

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    other: np.ndarray
    other_bias: np.ndarray
    start: np.ndarray
    ridge: np.ndarray
    bias_ridge: np.ndarray
    weight: float

    @property
    def gram(self):
        return self.weight * self.other.T @ self.other if self.weight else None


def random_problem(seed, *, n=40, m=30, rank=20, longest=25, weight=0.3, unit_weights=False):
    """Rows of 0..longest columns; the first row is the longest, the second is empty."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, longest + 1, n)
    counts[:2] = longest, 0
    indices = np.concatenate([np.sort(rng.choice(m, c, replace=False)) for c in counts])
    entries = len(indices)
    return Problem(
        indptr=np.r_[0, np.cumsum(counts)],
        indices=indices.astype(np.int32),
        weights=np.ones(entries) if unit_weights else rng.uniform(0.2, 2, entries),
        targets=rng.normal(size=entries),
        other=rng.normal(size=(m, rank)),
        other_bias=rng.normal(size=m),
        start=rng.normal(size=(n, rank)),
        ridge=rng.uniform(0.5, 1.5, n),
        bias_ridge=rng.uniform(0.5, 1.5, n),
        weight=weight,
    )


def exact(p, *, biased=False):
    """(vectors, biases, Σ_u f_u) as rows.py defines f; with biases, f has Σ a r² of the shifted targets too."""
    rank, total = p.other.shape[1], 0.0
    vectors, biases = [], []
    for u in range(len(p.indptr) - 1):
        cut = slice(p.indptr[u], p.indptr[u + 1])
        columns, a, b = p.indices[cut], p.weights[cut], p.targets[cut]
        design = p.other[columns]
        fixed = p.weight * p.other.T @ p.other + p.ridge[u] * np.eye(rank)
        if biased:
            b = b - a * p.other_bias[columns]
            total += float(b @ b)
            design = np.column_stack([design, np.ones(len(columns))])
            fixed = np.block(
                [[fixed, np.zeros((rank, 1))], [np.zeros((1, rank)), np.full((1, 1), p.bias_ridge[u])]]
            )
        matrix = design.T @ (a[:, None] * design) + fixed
        x = np.linalg.solve(matrix, design.T @ b)
        total += float(x @ matrix @ x - 2 * x @ design.T @ b)
        vectors.append(x[:rank])
        biases.append(x[rank] if biased else 0.0)
    return np.array(vectors), np.array(biases), total


def value(p, x):
    """Σ_u f_u at any vectors, without biases."""
    total = 0.0
    for u in range(len(p.indptr) - 1):
        cut = slice(p.indptr[u], p.indptr[u + 1])
        s = p.other[p.indices[cut]] @ x[u]
        total += float(np.sum(p.weights[cut] * s**2 - 2 * p.targets[cut] * s))
        total += p.weight * float(np.sum((p.other @ x[u]) ** 2)) + p.ridge[u] * float(x[u] @ x[u])
    return total
