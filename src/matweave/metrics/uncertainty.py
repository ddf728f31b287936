"""Whether what a model says of its own errors is true: predictions with a deviation, judged by the values that came.

A prediction is a normal law with mean m and deviation s, its central interval of level L being m ± z s with
z = Φ⁻¹((1 + L) / 2). Over test values t:

    coverage   share of t inside; L at best. More is shy, less is too sure
    width      mean 2 z s: of two models whose intervals cover alike, the better one has the narrower
    CRPS       ∫ (F(x) - 1[x >= t])² dx = s (w (2 Φ(w) - 1) + 2 φ(w) - 1 / √π),  w = (t - m) / s

The CRPS is proper: it is lowest for the law that the values are drawn from, in the units of the values, and it is the
absolute error where s = 0. Source: Gneiting & Raftery 2007. Cost O(n). Checked by numerical integration and on
values drawn from the law (tests/metrics/test_uncertainty.py).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from matweave.errors import DataError

LEVEL = 0.9
"""Of the intervals that coverage and width are told of by name."""

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Of a calibration curve."""


def quantile_of(level: float) -> float:
    """z of the central interval of a level in (0, 1): how many deviations it reaches to each side.

    >>> round(quantile_of(0.9), 4)
    1.6449
    """
    return float(ndtri(0.5 + level / 2))


def inside(target: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Whether each target lies in its interval, ends included: bool (n,)."""
    return (lower <= target) & (target <= upper)


def interval_coverage(
    mean: np.ndarray, deviation: np.ndarray, target: np.ndarray, level: float = LEVEL
) -> float:
    """Share of targets inside the central interval of a level; NaN for none.

    >>> interval_coverage(np.zeros(4), np.ones(4), np.array([0.0, 1.0, -1.6, 2.0]))
    0.75
    """
    m, s, t = _three(mean, deviation, target)
    half = quantile_of(level) * s
    return float(inside(t, m - half, m + half).mean()) if len(t) else float("nan")


def interval_width(deviation: np.ndarray, level: float = LEVEL) -> float:
    """Mean width of the central interval of a level, in the units of the values; NaN for none.

    >>> round(interval_width(np.array([1.0, 3.0])), 4)
    6.5794
    """
    s = np.asarray(deviation, np.float64)
    return float(2 * quantile_of(level) * s.mean()) if len(s) else float("nan")


def crps(mean: np.ndarray, deviation: np.ndarray, target: np.ndarray) -> float:
    """Mean continuous ranked probability score, low is good; NaN for no targets.

    >>> crps(np.zeros(1), np.ones(1), np.zeros(1)), crps(np.zeros(1), np.zeros(1), np.array([2.0]))
    (0.2337, 2.0)
    """
    found = crps_of_each(mean, deviation, target)
    return float(found.mean()) if len(found) else float("nan")


def crps_of_each(mean: np.ndarray, deviation: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The score of each prediction: float64 (n,).

    Raises DataError for arrays of different shapes, a number that is not finite or a negative deviation.
    """
    m, s, t = _three(mean, deviation, target)
    error, sure = t - m, s == 0
    w = error / np.where(sure, 1.0, s)
    density = np.exp(-0.5 * w**2) / np.sqrt(2 * np.pi)
    found = s * (w * (2 * ndtr(w) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.where(sure, np.abs(error), found)


def _three(
    mean: np.ndarray, deviation: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, s, t = (np.asarray(a, np.float64) for a in (mean, deviation, target))
    if not (m.shape == s.shape == t.shape and m.ndim == 1):
        raise DataError(
            f"means {m.shape}, deviations {s.shape} and targets {t.shape} differ in shape",
            where="uncertainty",
            mend="give one of each per value",
        )
    if not all(np.isfinite(a).all() for a in (m, s, t)) or (s < 0).any():
        raise DataError(
            "a mean, deviation or target is not finite, or a deviation is negative",
            where="uncertainty",
            mend="look for a diverged fit",
        )
    return m, s, t
