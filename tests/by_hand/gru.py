"""GRU4Rec from the papers' equations, one history and one step at a time in float64; slow, no sharing of code."""

from __future__ import annotations

import math

import numpy as np

Weights = dict[str, np.ndarray]


def sigmoid(x: np.ndarray | float) -> np.ndarray | float:
    """1 / (1 + exp -x)."""
    return 1 / (1 + np.exp(-np.asarray(x)))


def gru_layer(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    """States after each step, from zero: reset and update gates, and the candidate with the reset on its recurrent part."""
    inward, back = w[f"{name}weight_ih_l0"], w[f"{name}weight_hh_l0"]
    b_in, b_back = w[f"{name}bias_ih_l0"], w[f"{name}bias_hh_l0"]
    width = back.shape[1]
    h, states = np.zeros(width), []
    for row in x:
        a, b = np.split(inward @ row + b_in, 3), np.split(back @ h + b_back, 3)
        reset, update = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        candidate = np.tanh(a[2] + reset * b[2])
        h = (1 - update) * candidate + update * h
        states.append(h)
    return np.array(states)


def gru4_rec(items: list[int], w: Weights, *, layers: int, dense: bool) -> np.ndarray:
    """What items' vectors are multiplied by after each step of one history."""
    x = w["items.weight"][items]
    for layer in range(layers):
        x = gru_layer(x, w, f"layers.{layer}.")
    return x @ w["dense.weight"].T + w["dense.bias"] if dense else x


def top1_max(good: float, bad: list[float]) -> float:
    """Of one target and its rivals."""
    total = sum(math.exp(r) for r in bad)
    return float(sum(math.exp(r) / total * (sigmoid(r - good) + sigmoid(r * r)) for r in bad))


def bpr_max(good: float, bad: list[float], regularization: float) -> float:
    """Of one target and its rivals."""
    total = sum(math.exp(r) for r in bad)
    shares = [math.exp(r) / total for r in bad]
    won = sum(s * sigmoid(good - r) for s, r in zip(shares, bad, strict=True))
    return -math.log(won) + regularization * sum(s * r * r for s, r in zip(shares, bad, strict=True))
