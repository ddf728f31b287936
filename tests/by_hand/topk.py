"""Top-k by a full sort of Python tuples: the definition, with no speed in mind."""

from __future__ import annotations

import math

import numpy as np


def best(scores: np.ndarray, k: int, out: set[int]) -> list[int]:
    """The k items of largest score, falling; equal scores by rising item; -inf and `out` never."""
    items = [(-float(s), j) for j, s in enumerate(scores) if j not in out and s > -math.inf]
    return [j for _, j in sorted(items)[:k]]


def lists(S: np.ndarray, k: int, leave_out: tuple[np.ndarray, np.ndarray] | None) -> list[list[int]]:
    rows = (
        [set()] * len(S)
        if leave_out is None
        else [set(r.tolist()) for r in np.split(leave_out[1], leave_out[0][1:-1])]
    )
    return [best(s, k, out) for s, out in zip(S, rows, strict=True)]
