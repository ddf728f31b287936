"""Are two methods different? Paired tests over the same users, corrected for how many are made.

The default is the sign-flip test of the mean difference (Fisher 1935): if two methods were alike, each
user's difference could as well have had the other sign. It tests the very mean that the table shows, needs
no normality, and keeps its level with ties and many zeros, which Wilcoxon's ranks discard. With R flips

    p = (1 + #{ |Σ s_u d_u| >= |Σ d_u| }) / (1 + R),   s_u = ±1 by chance           (two-sided)

Holm (1979): the i-th smallest of m values is multiplied by m - i + 1, and never falls below the one before.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.randomness import child
from matweave.threads import in_parallel

FLIPS = 9_999
_PIECE = 2_500  # flips in a piece of work
_BYTES = 4_096  # bytes of signs, each of eight users, drawn at once for a flip


def sign_flip(differences: np.ndarray, *, seed: int, flips: int = FLIPS) -> np.ndarray:
    """Two-sided p of each column of differences (n, m) float64; NaN counts as no difference.

    Columns that are zero throughout get p = 1. The flips are shared by the columns. O(flips n m / 8): the sums of
    eight users under their 256 patterns of signs are tabled once, and looked up by a byte of random bits.

    >>> sign_flip(np.array([[0.0, 1.0]] * 30), seed=0).tolist()
    [1.0, 0.0001]
    """
    d = np.nan_to_num(np.asarray(differences, np.float64))
    n, m = d.shape
    scale = np.abs(d).sum(axis=0)
    padded = np.zeros((-(-n // 8) * 8, m))
    padded[:n] = d
    eights = np.ascontiguousarray(padded.reshape(-1, 8, m).transpose(2, 0, 1))
    # what ties exactly in real numbers must tie here, in whatever order it is summed
    least = np.abs(d.sum(axis=0)) - 1e-11 * scale

    def reached(piece: int, size: int) -> np.ndarray:
        rng = child(seed, "sign-flip", n, piece)
        sums = np.zeros((m, size))
        for start in range(0, eights.shape[1], _BYTES):
            part = eights[:, start : start + _BYTES]
            bits = rng.integers(256, size=(part.shape[1], size), dtype=np.uint8)
            _add_flipped(part, bits, sums)
        return (np.abs(sums) >= least[:, None]).sum(axis=1)

    pieces = [(at, min(_PIECE, flips - start)) for at, start in enumerate(range(0, flips, _PIECE))]
    total = np.sum(in_parallel(reached, pieces), axis=0)
    return np.where(scale > 0, (1 + total) / (1 + flips), 1.0)


@njit(nogil=True, cache=True)
def _add_flipped(eights, bits, sums):
    """sums[c, f] += Σ over bytes b of the eight differences eights[c, b], negated where bits[b, f] has a 1."""
    table = np.empty(256)
    for c in range(eights.shape[0]):
        for b in range(eights.shape[1]):
            table[0] = eights[c, b].sum()
            for j in range(8):
                for pattern in range(1 << j):
                    table[pattern + (1 << j)] = table[pattern] - 2 * eights[c, b, j]
            for f in range(bits.shape[1]):
                sums[c, f] += table[bits[b, f]]


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
