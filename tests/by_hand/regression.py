"""Errors of predicted numbers from their definitions, in plain Python; rows of outputs."""

from __future__ import annotations

import math

Rows = list[list[float]]


def _columns(rows: Rows) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def rmse(predicted: Rows, values: Rows) -> float:
    pairs = zip(_columns(predicted), _columns(values), strict=True)
    return mean([math.sqrt(mean([(a - b) ** 2 for a, b in zip(p, t, strict=True)])) for p, t in pairs])


def mae(predicted: Rows, values: Rows) -> float:
    pairs = zip(_columns(predicted), _columns(values), strict=True)
    return mean([mean([abs(a - b) for a, b in zip(p, t, strict=True)]) for p, t in pairs])


def r2(predicted: Rows, values: Rows) -> float:
    found = []
    for p, t in zip(_columns(predicted), _columns(values), strict=True):
        middle = mean(t)
        left = sum((a - b) ** 2 for a, b in zip(p, t, strict=True))
        whole = sum((b - middle) ** 2 for b in t)
        found.append(1 - left / whole if len(set(t)) > 1 else float("nan"))
    return mean(found)
