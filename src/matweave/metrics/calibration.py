"""Whether predicted probabilities mean what they say: of all predictions made with 80 % confidence, 80 % should be right.

The confidence of an example is the probability of its predicted class. Examples are sorted by it into B = 15 bins of
**equal width**, ((b - 1)/B, b/B]; the reliability table holds mean confidence, accuracy and count of each, and

    ECE = Σ_b (n_b / n) |accuracy_b - confidence_b|             expected calibration error, 0 to 1, low is good

A finite sample never shows 0: even a perfectly calibrated model misses by chance, the more so the fewer the examples.
`chance_error` says how much: with every example right with the probability that its confidence says, the gap of a bin
is close to normal with variance Σ c_i (1 - c_i), and the 95 % quantile of the ECE of such gaps is what an observed ECE
is to be read against (consistency resampling). Cost O(n k).

Sources: Guo et al. 2017, "On calibration of modern neural networks", eqs. 2-3; Bröcker & Smith 2007, "Increasing the
reliability of reliability diagrams". Checked against plain Python (tests/by_hand/classification.py), and on planted
calibrated and overconfident models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.errors import DataError
from matweave.metrics.checks import probabilities_and_codes
from matweave.randomness import child

BINS = 15
_DRAWS = 2000


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """The reliability table of B bins: edges float64 (B + 1,), count int64 (B,), confidence and accuracy float64 (B,).

    Confidence and accuracy are means over the examples of the bin, NaN where it is empty.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error of the table."""
        held = self.count > 0
        gaps = np.abs(self.accuracy[held] - self.confidence[held])
        return float((gaps * self.count[held]).sum() / self.count.sum())


def reliability(probabilities: np.ndarray, codes: np.ndarray, bins: int = BINS) -> Reliability:
    """The reliability table of probabilities (n, k) against codes (n,), in bins of equal width.

    A confidence on an edge belongs to the bin below it. Raises DataError as `checks.probabilities_and_codes` does.

    >>> table = reliability(np.array([[0.95, 0.05], [0.9, 0.1], [0.4, 0.6]]), np.array([0, 1, 1]), bins=2)
    >>> table.count, table.accuracy
    (array([0, 3]), array([ nan, 0.667]))
    """
    p, y = probabilities_and_codes(probabilities, codes, where="calibration")
    if bins < 1:
        raise DataError(f"bins={bins}", where="calibration", mend="give at least one bin")
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    at = bin_of(confidence, bins)
    count = np.bincount(at, minlength=bins).astype(np.int64)
    with np.errstate(invalid="ignore"):
        return Reliability(
            edges=np.arange(bins + 1) / bins,
            count=count,
            confidence=np.bincount(at, confidence, bins) / count,
            accuracy=np.bincount(at, right, bins) / count,
        )


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin of each confidence, 0 to bins - 1: int64 (n,); an edge belongs to the bin below.

    >>> bin_of(np.array([0.0, 0.5, 0.51, 1.0]), bins=2)
    array([0, 0, 1, 1])
    """
    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")


def expected_calibration_error(probabilities: np.ndarray, codes: np.ndarray, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, weighted by their examples: 0 to 1.

    >>> expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    0.4
    """
    return reliability(probabilities, codes, bins).error


def chance_error(probabilities: np.ndarray, *, seed: int = 0, bins: int = BINS) -> float:
    """The ECE that 95 of 100 perfectly calibrated models with these confidences stay below, n examples each.

    >>> certain = np.array([[1.0, 0.0]] * 100)
    >>> chance_error(certain)
    0.0
    >>> chance_error(np.array([[0.9, 0.1]] * 100)) > chance_error(np.array([[0.9, 0.1]] * 10_000))
    True
    """
    p = np.asarray(probabilities, np.float64)
    confidence = np.minimum(p.max(axis=1), 1.0)  # a rounding above 1 would have no variance
    variance = np.bincount(bin_of(confidence, bins), confidence * (1 - confidence), bins)
    gaps = child(seed, "calibration", "chance").standard_normal((_DRAWS, bins)) * np.sqrt(variance)
    return float(np.quantile(np.abs(gaps).sum(axis=1), 0.95) / len(p))
