"""Losses and their gradients with respect to the predictions, slowly, in float64; means over the batch, as in torch."""

from __future__ import annotations

import numpy as np
from by_hand.activations import sigmoid


def mse(p, y):
    return ((p - y) ** 2).mean()


def mse_backward(p, y):
    return 2.0 * (p - y) / p.size


def huber(p, y, delta=1.0):
    """½ d² within delta, delta (|d| - ½ delta) beyond (Huber 1964)."""
    d = np.abs(p - y)
    return np.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta)).mean()


def huber_backward(p, y, delta=1.0):
    return np.clip(p - y, -delta, delta) / p.size


def cross_entropy(z, y, *, smoothing=0.0, weights=None):
    """-Σ t ln softmax(z). z (n, classes) logits; y (n,) codes or (n, classes) probabilities; weights (classes,)."""
    return -(cross_entropy_targets(z, y, smoothing, weights) * log_softmax(z)).sum()


def cross_entropy_backward(z, y, *, smoothing=0.0, weights=None):
    """softmax(z) Σt - t: the distance of what is said from what is so."""
    t = cross_entropy_targets(z, y, smoothing, weights)
    return np.exp(log_softmax(z)) * t.sum(axis=1, keepdims=True) - t


def cross_entropy_targets(z, y, smoothing=0.0, weights=None):
    """t (n, classes): smoothed, (1 - ε) y + ε / classes (Szegedy et al. 2016), weighted, and divided for the mean.

    The divisor of codes is the sum of their classes' weights, that of probabilities the number of examples.
    """
    n, classes = z.shape
    w = np.ones(classes) if weights is None else weights
    certain = y if y.ndim == 2 else np.eye(classes)[y]
    total = n if y.ndim == 2 else w[y].sum()
    return w * ((1.0 - smoothing) * certain + smoothing / classes) / total


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def binary_cross_entropy(z, y, *, positive_weight=1.0):
    """-w y ln σ(z) - (1 - y) ln σ(-z), from logits."""
    return (positive_weight * y * np.logaddexp(0.0, -z) + (1.0 - y) * np.logaddexp(0.0, z)).mean()


def binary_cross_entropy_backward(z, y, *, positive_weight=1.0):
    return ((1.0 - y) * sigmoid(z) - positive_weight * y * sigmoid(-z)) / z.size
