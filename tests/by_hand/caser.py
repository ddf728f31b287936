"""Caser from the paper's equations, one window at a time in float64; slow, no sharing of code."""

from __future__ import annotations

import math

import numpy as np

Weights = dict[str, np.ndarray]


def image(items: list[int | None], w: Weights, *, horizontal: int, vertical: int) -> np.ndarray:
    """z of the last L items, None where there is none."""
    table = w["items.weight"]
    length, d = len(items), table.shape[1]
    e = np.array([np.zeros(d) if j is None else table[j] for j in items])
    found = []
    for height in range(1, length + 1):
        filters = w[f"heights.{height - 1}.weight"].reshape(horizontal, height, d)
        bias = w[f"heights.{height - 1}.bias"]
        for f in range(horizontal):
            over_time = [
                max(0.0, float((e[t : t + height] * filters[f]).sum() + bias[f]))
                for t in range(length - height + 1)
            ]
            found.append(max(over_time))
    for f in range(vertical):
        column = w["vertical.bias"][f] + sum(w["vertical.weight"][f, t] * e[t] for t in range(length))
        found.extend(column.tolist())
    return np.maximum(w["dense.weight"] @ np.array(found) + w["dense.bias"], 0)


def loss(rows: list[np.ndarray], w: Weights, targets: list[list[int]], wrong: list[list[int]]) -> float:
    """Mean over targets (-1: none) of windows with rows [z; p]; wrong: negatives of each target, one behind the other."""
    total, count = 0.0, 0
    for row, mine, theirs in zip(rows, targets, wrong, strict=True):
        each = len(theirs) // len(mine)
        for t, j in enumerate(mine):
            if j < 0:
                continue
            count += 1
            total += math.log(1 + math.exp(-(row @ w["out.weight"][j] + w["item_bias"][j])))
            for k in theirs[t * each : (t + 1) * each]:
                total += math.log(1 + math.exp(row @ w["out.weight"][k] + w["item_bias"][k]))
    return total / count
