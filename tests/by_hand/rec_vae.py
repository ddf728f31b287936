"""RecVAE from Shenbin et al. 2020, on dense rows in float64."""

from __future__ import annotations

import numpy as np
from by_hand.mult_vae import Layer


def swish(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def norm(x: np.ndarray, gain: np.ndarray, shift: np.ndarray, eps: float = 0.1) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + eps) * gain + shift


def encoder(
    x: np.ndarray, layers: list[Layer], norms: list[Layer], mean: Layer, log_variance: Layer
) -> tuple[np.ndarray, np.ndarray]:
    """Five layers, each of which is given what all before it found."""
    found: list[np.ndarray] = []
    h = x
    for (w, b), (gain, shift) in zip(layers, norms, strict=True):
        h = norm(swish(h @ w.T + b + (sum(found) if found else 0.0)), gain, shift)
        found.append(h)
    return h @ mean[0].T + mean[1], h @ log_variance[0].T + log_variance[1]


def density(z: np.ndarray, mean: np.ndarray | float, log_variance: np.ndarray | float) -> np.ndarray:
    variance = np.exp(log_variance)
    return np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def prior(z: np.ndarray, old_mean: np.ndarray, old_log_variance: np.ndarray) -> np.ndarray:
    """The mixture's density for each coordinate."""
    return (
        0.15 * density(z, 0.0, 0.0)
        + 0.75 * density(z, old_mean, old_log_variance)
        + 0.1 * density(z, 0.0, 10.0)
    )
