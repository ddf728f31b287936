"""Are two methods different? Paired tests over the same users, corrected for how many are made.

The default is the sign-flip test of the mean difference (Fisher 1935): if two methods were alike, each
user's difference could as well have had the other sign. It tests the very mean that the table shows, needs
no normality, and keeps its level with ties and many zeros, which Wilcoxon's ranks discard. With R flips

    p = (1 + #{ |Σ s_u d_u| >= |Σ d_u| }) / (1 + R),   s_u = ±1 by chance           (two-sided)

Holm (1979): the i-th smallest of m values is multiplied by m - i + 1, and never falls below the one before.
"""

from __future__ import annotations

import numpy as np

from matweave.randomness import child

FLIPS = 9_999
_BLOCK = 8_000_000


def sign_flip(differences: np.ndarray, *, seed: int, flips: int = FLIPS) -> np.ndarray:
    """Two-sided p of each column of differences (n, m) float64; NaN counts as no difference.

    Columns that are zero throughout get p = 1. The flips are shared by the columns.

    >>> sign_flip(np.array([[0.0, 1.0]] * 30), seed=0).tolist()
    [1.0, 0.0001]
    """
    d = np.nan_to_num(np.asarray(differences, np.float64))
    n, m = d.shape
    # scaled, so that float32 sums compare fairly; 1e-5 absorbs their rounding at exact ties
    scale = np.abs(d).sum(axis=0)
    d32 = (d / np.where(scale > 0, scale, 1)).astype(np.float32)
    seen = np.abs(d32.sum(axis=0, dtype=np.float64))
    rng = child(seed, "sign-flip", n)
    reached = np.zeros(m, np.int64)
    rows = max(1, _BLOCK // max(n, 1))
    for start in range(0, flips, rows):
        size = min(rows, flips - start)
        bits = np.unpackbits(rng.integers(256, size=(size, -(-n // 8)), dtype=np.uint8), axis=1, count=n)
        sums = np.abs((bits.astype(np.float32) * 2 - 1) @ d32)
        reached += (sums >= seen - 1e-5).sum(axis=0)
    p = (1 + reached) / (1 + flips)
    return np.where(scale > 0, p, 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's correction of some p values; the answers are in the order of the questions.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected
