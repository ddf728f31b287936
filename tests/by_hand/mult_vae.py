"""Mult-DAE and Mult-VAE from Liang et al. 2018, on dense rows in float64."""

from __future__ import annotations

import numpy as np
import torch

Layer = tuple[np.ndarray, np.ndarray]
"""Weights (out, in) and biases."""


def thinned(x: np.ndarray, mask: np.ndarray, drop: float) -> np.ndarray:
    """Rows of length 1, and then dropout; a row without entries stays zero."""
    length = np.sqrt((x**2).sum(1, keepdims=True))
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0) * mask / (1 - drop)


def tanh_layers(x: np.ndarray, layers: list[Layer], *, last_linear: bool = False) -> np.ndarray:
    for at, (w, b) in enumerate(layers):
        x = x @ w.T + b
        if not (last_linear and at == len(layers) - 1):
            x = np.tanh(x)
    return x


def log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def negative_likelihood(x: np.ndarray, scores: np.ndarray) -> float:
    """A mean over rows of -Σ x log π (eq. 2)."""
    return float(-(x * log_softmax(scores)).sum(1).mean())


def divergence(mean: np.ndarray, log_variance: np.ndarray) -> float:
    """KL to the standard normal, from its integral per coordinate: log(1/σ) + (σ² + μ²)/2 - 1/2."""
    sigma = np.exp(log_variance / 2)
    return float((np.log(1 / sigma) + (sigma**2 + mean**2) / 2 - 0.5).sum(1).mean())


def layers_of(module: torch.nn.Module, *names: str) -> list[Layer]:
    """Weights and biases of the named parts of a module."""

    def one(layer: torch.nn.Module) -> Layer:
        table = getattr(layer, "table", None)
        weight = layer.weight if table is None else table.whole()
        weight = weight.T if table is not None and layer.__class__.__name__ == "FirstLayer" else weight
        return weight.detach().double().numpy(), layer.bias.detach().double().numpy()

    found = []
    for name in names:
        part = getattr(module, name)
        found += [one(layer) for layer in (part if isinstance(part, torch.nn.ModuleList) else [part])]
    return found


def dense(counts: torch.Tensor, codes: torch.Tensor, items: int = 40) -> np.ndarray:
    """Rows of ones where the codes are."""
    x = np.zeros((len(counts), items))
    x[np.repeat(np.arange(len(counts)), counts.numpy()), codes.numpy()] = 1.0
    return x


def angles(one: np.ndarray, other: np.ndarray) -> float:
    """How far the item-item products of two tables agree."""
    a, b = (x @ x.T for x in (one.astype(float), other.astype(float)))
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
