"""Metrics of class probabilities from their definitions, one example at a time, in plain Python."""

from __future__ import annotations

import math

Rows = list[list[float]]
NAN = float("nan")


def guess(row: list[float]) -> int:
    """The most probable class, the lower code where two are equal."""
    best = 0
    for c, p in enumerate(row):
        if p > row[best]:
            best = c
    return best


def accuracy(rows: Rows, codes: list[int]) -> float:
    return sum(guess(r) == y for r, y in zip(rows, codes, strict=True)) / len(codes)


def top_k_accuracy(rows: Rows, codes: list[int], k: int) -> float:
    found = 0
    for row, y in zip(rows, codes, strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        found += y in order[:k]
    return found / len(codes)


def log_loss(rows: Rows, codes: list[int]) -> float:
    return sum(-math.log(min(1.0, max(2.0**-52, r[y]))) for r, y in zip(rows, codes, strict=True)) / len(
        codes
    )


def brier(rows: Rows, codes: list[int]) -> float:
    total = 0.0
    for row, y in zip(rows, codes, strict=True):
        total += sum((p - (c == y)) ** 2 for c, p in enumerate(row))
    return total / len(codes)


def confusion(rows: Rows, codes: list[int]) -> list[list[int]]:
    k = len(rows[0])
    table = [[0] * k for _ in range(k)]
    for row, y in zip(rows, codes, strict=True):
        table[y][guess(row)] += 1
    return table


def per_class(rows: Rows, codes: list[int]) -> list[tuple[float, float, float]]:
    """(precision, recall, F1) of each class, NaN where a denominator is 0."""
    table = confusion(rows, codes)
    found = []
    for c in range(len(table)):
        right, support = table[c][c], sum(table[c])
        predicted = sum(row[c] for row in table)
        found.append(
            (
                right / predicted if predicted else NAN,
                right / support if support else NAN,
                2 * right / (predicted + support) if predicted + support else NAN,
            )
        )
    return found


def mean_of_those_that_are(values: list[float]) -> float:
    kept = [v for v in values if not math.isnan(v)]
    return sum(kept) / len(kept)


def macro_f1(rows: Rows, codes: list[int]) -> float:
    return mean_of_those_that_are([f1 for _, _, f1 in per_class(rows, codes)])


def balanced_accuracy(rows: Rows, codes: list[int]) -> float:
    return mean_of_those_that_are([recall for _, recall, _ in per_class(rows, codes)])


def roc_auc(rows: Rows, codes: list[int]) -> float:
    """Every pair of one example of class 1 and one of class 0."""
    won = pairs = 0.0
    for a, y in zip(rows, codes, strict=True):
        for b, z in zip(rows, codes, strict=True):
            if y == 1 and z == 0:
                pairs += 1
                won += 1.0 if a[1] > b[1] else 0.5 if a[1] == b[1] else 0.0
    return won / pairs if pairs else NAN


def bins(rows: Rows, codes: list[int], count: int) -> list[tuple[int, float, float]]:
    """(examples, mean confidence, accuracy) of each bin ((b - 1)/count, b/count]; the first holds 0 as well."""
    held: list[list[tuple[float, bool]]] = [[] for _ in range(count)]
    for row, y in zip(rows, codes, strict=True):
        top = row[guess(row)]
        b = 0
        while b < count - 1 and top > (b + 1) / count:
            b += 1
        held[b].append((top, guess(row) == y))
    return [
        (len(h), sum(c for c, _ in h) / len(h), sum(r for _, r in h) / len(h)) if h else (0, NAN, NAN)
        for h in held
    ]


def calibration_error(rows: Rows, codes: list[int], count: int) -> float:
    return sum(n * abs(right - sure) for n, sure, right in bins(rows, codes, count) if n) / len(codes)
