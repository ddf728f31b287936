"""Intervals of means over users: the bootstrap, with resamples shared by every metric and every method.

    percentile bootstrap    draw n users with replacement, B times; the interval of a statistic is the
                            2.5 and 97.5 % quantiles of its B values (Efron 1979)
    ratio of sums           rmse = sqrt(Σ_u squares_u / Σ_u rows_u), resampled by users as a whole
    group jackknife         for numbers of a whole set of lists (coverage, gini), which shrink by themselves
                            when users repeat: leave out one of g groups of users at a time;
                            se² = (g - 1)/g Σ (θ_(i) - mean θ)², interval θ ± 1.96 se (Efron & Tibshirani 1993, §11)

Cost O(B n) draws and one matrix product for all metrics, in pieces of resamples that do not depend on the number
of threads, 16 MB each. The same seed and the same number of users give the same resamples, so that intervals of
two methods move together. Checked: coverage on planted distributions, and against tests/by_hand/evaluation.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numba import njit

from matweave.randomness import child
from matweave.threads import in_parallel

LEVEL = 0.95
_CELLS = 4_000_000  # weights drawn at once by a thread: 16 MB
_ROWS = 50  # resamples in a piece where the users are few


@final
@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with its 95 % interval; low and high are NaN where fewer than two users (or triples) were judged."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return "none" if np.isnan(self.mean) else f"{self.mean:.4f} (too few for an interval)"
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def as_dict(self) -> dict[str, float | None]:
        """mean, low, high; None where a number does not exist, since JSON has no NaN."""
        return {n: None if np.isnan(v) else float(v) for n, v in vars(self).items()}


def resample_weights(n: int, rows: int, seed: int, piece: int) -> np.ndarray:
    """How often each of n users is drawn in `rows` resamples: float32 (rows, n), every row summing to n.

    >>> resample_weights(5, 3, seed=0, piece=0).sum(axis=1).tolist()
    [5.0, 5.0, 5.0]
    """
    rng = child(seed, "bootstrap", n, piece)
    weights = np.zeros((rows, n), np.float32)
    for row in weights:
        _count(rng.integers(n, size=n, dtype=np.int32), row)
    return weights


@njit(nogil=True, cache=True)
def _count(drawn, row):
    for user in drawn:
        row[user] += 1


def of_ratios(top: np.ndarray, bottom: np.ndarray, *, seed: int, resamples: int = 1000) -> list[Interval]:
    """Intervals of Σ top / Σ bottom, column by column; top and bottom (n, m) float64, bottom >= 0.

    A mean over judged users is the case of bottom = 1 where judged and 0 elsewhere.

    >>> of_ratios(np.array([[1.0], [3.0]]), np.ones((2, 1)), seed=0)[0].mean
    2.0
    """
    n, m = top.shape
    with np.errstate(invalid="ignore", divide="ignore"):
        means = top.sum(axis=0) / bottom.sum(axis=0)
    judged = (bottom > 0).sum(axis=0)
    both = np.concatenate([top, bottom], axis=1).astype(np.float32)
    rows = max(1, min(_ROWS, _CELLS // max(n, 1)))

    def resampled(piece: int, size: int) -> np.ndarray:
        sums = resample_weights(n, size, seed, piece) @ both
        with np.errstate(invalid="ignore", divide="ignore"):
            return sums[:, :m] / sums[:, m:]

    starts = range(0, resamples, rows) if n else ()
    pieces = [(at, min(rows, resamples - start)) for at, start in enumerate(starts)]
    values = np.concatenate(in_parallel(resampled, pieces)) if pieces else np.empty((0, m))
    tail = (1 - LEVEL) / 2
    found = []
    for column in range(m):
        drawn = values[:, column]
        drawn = drawn[np.isfinite(drawn)].astype(np.float64)
        if judged[column] < 2 or not len(drawn):
            found.append(Interval(mean=float(means[column]), low=float("nan"), high=float("nan")))
            continue
        low, high = np.quantile(drawn, [tail, 1 - tail])
        # sums in float32 may leave the mean a rounding outside a degenerate interval
        mean = float(means[column])
        found.append(Interval(mean=mean, low=min(float(low), mean), high=max(float(high), mean)))
    return found


def of_means(values: np.ndarray, *, seed: int, resamples: int = 1000) -> list[Interval]:
    """Intervals of the means of columns (n, m), where NaN marks a user who is not judged.

    >>> of_means(np.array([[1.0], [np.nan], [2.0]]), seed=0)[0].mean
    1.5
    """
    judged = ~np.isnan(values)
    return of_ratios(np.where(judged, values, 0.0), judged.astype(np.float64), seed=seed, resamples=resamples)


def root(interval: Interval) -> Interval:
    """The interval of a square root; monotone, so quantiles go through it."""
    return Interval(mean=interval.mean**0.5, low=interval.low**0.5, high=interval.high**0.5)


def of_groups(value: float, without: np.ndarray) -> Interval:
    """The group-jackknife interval of a number, from its values `without` each of g groups of users.

    >>> of_groups(0.5, np.array([0.49, 0.51, 0.5, 0.5])).low < 0.5
    True
    """
    groups = len(without)
    if groups < 2:
        return Interval(mean=value, low=float("nan"), high=float("nan"))
    error = np.sqrt((groups - 1) / groups * np.sum((without - without.mean()) ** 2))
    return Interval(
        mean=value, low=float(max(0.0, value - 1.96 * error)), high=float(min(1.0, value + 1.96 * error))
    )
