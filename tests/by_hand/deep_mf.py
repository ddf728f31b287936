"""DeepMF from its paper's equations, in NumPy float64 (Xue et al., IJCAI 2017)."""

from __future__ import annotations

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]


def tower(rows: np.ndarray, first: np.ndarray, layers: Layers) -> np.ndarray:
    """Rows (n, columns) through W₁ and then ReLU layers (weight (out, in), bias), not yet of unit length."""
    x = rows @ first
    for weight, bias in layers:
        x = np.maximum(0.0, x @ weight.T + bias)
    return x


def cosines(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The cosine of every row of p with every row of q."""
    return (p @ q.T) / np.outer(np.linalg.norm(p, axis=1), np.linalg.norm(q, axis=1))


def loss(scores: np.ndarray, labels: np.ndarray, least: float = 1e-6) -> float:
    """Mean normalised cross-entropy of pairs."""
    y = np.clip(scores, least, 1 - least)
    return float(-np.mean(labels * np.log(y) + (1 - labels) * np.log(1 - y)))
