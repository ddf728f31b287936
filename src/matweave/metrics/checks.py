"""What the metrics of predictions are given, checked whole before anything is computed from it.

Rows of probabilities must be distributions: finite, none below 0, summing to 1 within 0.001 (softmax in float32 is well
within it, logits are far outside). Numbers must be finite. All that is wrong is told in one DataError, the first ten
examples of each kind by index.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from matweave.errors import DataError

TOLERANCE = 1e-3


def probabilities_and_codes(
    probabilities: np.ndarray, codes: np.ndarray, *, where: str = "classification metrics"
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, k) as float64 and codes (n,) as int64, n >= 1, k >= 1, or a DataError with all that is wrong.

    >>> probabilities_and_codes(np.array([[0.5, 0.6]]), np.array([0]))
    Traceback (most recent call last):
    matweave.errors.DataError: 1 row of probabilities does not sum to 1: index 0 (1.1)
      where: classification metrics
      mend:  give the probability of every class for each example, for instance softmax of the logits
    """
    p, y = np.asarray(probabilities), np.asarray(codes)
    if p.ndim != 2 or y.ndim != 1 or len(p) != len(y) or not p.size:
        raise DataError(
            f"probabilities have shape {p.shape} and codes {y.shape}",
            where=where,
            mend="give probabilities (n, classes) and codes (n,) of the same n >= 1 examples",
        )
    if p.dtype.kind != "f" or y.dtype.kind not in "iu":
        raise DataError(
            f"probabilities are {p.dtype} and codes {y.dtype}",
            where=where,
            mend="give probabilities of float and codes of integers",
        )
    p, y = p.astype(np.float64), y.astype(np.int64)
    with np.errstate(invalid="ignore", over="ignore"):  # rows of infinities are named below
        sums = p.sum(axis=1)
    broken = ~np.isfinite(p).all(axis=1)
    low = (p < 0).any(axis=1) & ~broken
    off = (np.abs(sums - 1) > TOLERANCE) & ~broken & ~low
    outside = (y < 0) | (y >= p.shape[1])
    row = "row of probabilities", "rows of probabilities"
    problems = [
        _named(broken, row, ("holds", "hold"), "NaN or infinity", lambda i: ""),
        _named(low, row, ("goes", "go"), "below 0", lambda i: f" ({p[i].min():.6g})"),
        _named(off, row, ("does not", "do not"), "sum to 1", lambda i: f" ({sums[i]:.6g})"),
        _named(
            outside,
            ("code", "codes"),
            ("is", "are"),
            f"outside the {p.shape[1]} classes",
            lambda i: f" ({y[i]})",
        ),
    ]
    _refuse(
        problems,
        where,
        "give the probability of every class for each example, for instance softmax of the logits",
    )
    return p, y


def predictions_and_values(
    predicted: np.ndarray, values: np.ndarray, *, where: str = "regression metrics"
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and values as float64 (n, outputs), n >= 1, outputs >= 1, or a DataError with all that is wrong.

    (n, 1) beside (n,) is one output; nothing else is reshaped or broadcast.

    >>> predictions_and_values(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    Traceback (most recent call last):
    matweave.errors.DataError: 1 prediction is NaN or infinite: index 1 (nan)
      where: regression metrics
      mend:  look for a diverged fit, and for missing targets
    """
    p, t = np.asarray(predicted), np.asarray(values)
    said = f"predictions have shape {p.shape} and values {t.shape}"
    p, t = (a[:, None] if a.ndim == 1 else a for a in (p, t))
    if p.ndim != 2 or p.shape != t.shape or not p.size:
        raise DataError(
            said, where=where, mend="give both as (n,) or (n, outputs), of the same n >= 1 examples"
        )
    if p.dtype.kind not in "fiu" or t.dtype.kind not in "fiu":
        raise DataError(
            f"predictions are {p.dtype} and values {t.dtype}", where=where, mend="give numbers for both"
        )
    p, t = p.astype(np.float64), t.astype(np.float64)
    problems = [
        _named(
            ~np.isfinite(array).all(axis=1),
            (name, f"{name}s"),
            ("is", "are"),
            "NaN or infinite",
            lambda i, array=array: f" ({', '.join(f'{v:.6g}' for v in array[i])})",
        )
        for name, array in (("prediction", p), ("value", t))
    ]
    with np.errstate(over="ignore", invalid="ignore"):
        apart = not any(problems) and not np.isfinite(p - t).all()
    if apart:
        problems.append("predictions and values lie so far apart that their difference is beyond float64")
    _refuse(problems, where, "look for a diverged fit, and for missing targets")
    return p, t


def _refuse(problems: list[str], where: str, mend: str) -> None:
    if any(problems):
        raise DataError("; ".join(filter(None, problems)), where=where, mend=mend)


def _named(
    wrong: ArrayLike,
    thing: tuple[str, str],
    verb: tuple[str, str],
    what: str,
    value: Callable[[int], str],
) -> str:
    """The problem, with its first ten examples by index; nothing where there are none. Words in singular and plural."""
    at = np.flatnonzero(wrong)
    if not len(at):
        return ""
    many = len(at) > 1
    shown = ", ".join(f"index {i}{value(i)}" for i in at[:10].tolist())
    more = f" (+{len(at) - 10:,} more)" if len(at) > 10 else ""
    return f"{len(at):,} {thing[many]} {verb[many]} {what}: {shown}{more}"
