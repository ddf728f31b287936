"""What a method needs of a log before it starts; one error says what is missing and the mend."""

from __future__ import annotations

import numpy as np

from matweave.data.interactions import Interactions
from matweave.errors import DataError


def rows(log: Interactions, method: str) -> Interactions:
    """The log, if it has any row. Raises DataError otherwise.

    >>> rows(Interactions.from_codes([], []), "EASE")
    Traceback (most recent call last):
    matweave.errors.DataError: the log has no rows
      where: EASE.fit
      mend:  give at least one row
    """
    if not len(log):
        raise DataError("the log has no rows", where=f"{method}.fit", mend="give at least one row")
    return log


def values(log: Interactions, method: str, instead: str) -> np.ndarray:
    """The values of a log that has some. Raises DataError that names a method for logs without.

    >>> values(Interactions.from_codes([0], [0], values=[4]), "BiasedMF", "ImplicitALS")
    array([4.], dtype=float32)
    """
    if rows(log, method).values is None:
        raise DataError(
            f"{method} predicts values, and this log has none",
            where=f"{method}.fit",
            mend=f"name the value column when reading the log, or use {instead}, which needs none",
        )
    assert log.values is not None
    return log.values


def times(log: Interactions, method: str, setting: str) -> np.ndarray:
    """The times of a log that has some, in microseconds. Raises DataError that names the setting that needs them.

    >>> times(Interactions.from_codes([0], [0], times=[7]), "Popularity", "half_life_days")
    array([7])
    """
    if rows(log, method).times is None:
        raise DataError(
            f"{setting} needs the time of each row, and this log has none",
            where=f"{method}.fit",
            mend=f"name the time column when reading the log, or leave {setting} out",
        )
    assert log.times is not None
    return log.times


def moderate(values: np.ndarray | None, method: str) -> np.ndarray | None:
    """Values whose squares a float32 sum can hold; None stays None. Raises DataError otherwise.

    >>> moderate(np.array([2.0], np.float32), "SLIM")
    array([2.], dtype=float32)
    """
    if values is not None and np.abs(values).max(initial=0) > 1e15:
        raise DataError(
            f"values as large as {np.abs(values).max():.0e} overflow when squared",
            where=f"{method}.fit",
            mend="scale the values down, or set use_values=false",
        )
    return values
