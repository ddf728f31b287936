"""The optimizers of the table, one weight at a time, in Python's own floats: the papers' formulas as they stand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Gradient = Callable[[np.ndarray], np.ndarray]


def walk(
    name: str,
    w: np.ndarray,
    gradient: Gradient,
    *,
    steps: int,
    rate: float,
    decay: float = 0.0,
    momentum: float = 0.9,
) -> np.ndarray:
    """Where `steps` steps of the optimizer lead from w."""
    w = w.astype(np.float64).copy()
    memory = [[0.0, 0.0] for _ in range(w.size)]
    for t in range(1, steps + 1):
        g = gradient(w).ravel()
        moved = [
            _step(name, float(x), float(g[i]), memory[i], t, rate, decay, momentum)
            for i, x in enumerate(w.ravel())
        ]
        w = np.array(moved).reshape(w.shape)
    return w


def _step(
    name: str, w: float, g: float, memory: list[float], t: int, rate: float, decay: float, momentum: float
) -> float:
    if name == "adamw":
        w -= rate * decay * w
    else:
        g += decay * w
    if name in ("gd", "sgd"):
        return w - rate * g
    if name in ("momentum", "nesterov"):
        memory[0] = momentum * memory[0] + g
        return w - rate * (memory[0] if name == "momentum" else g + momentum * memory[0])
    assert name in ("adam", "adamw")
    memory[0] = 0.9 * memory[0] + 0.1 * g
    memory[1] = 0.999 * memory[1] + 0.001 * g * g
    mean, square = memory[0] / (1 - 0.9**t), memory[1] / (1 - 0.999**t)
    return w - rate * mean / (math.sqrt(square) + 1e-8)
