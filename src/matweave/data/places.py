"""Where examples stand in their source, as a reader of that source finds them: lines of a file, rows, indices.

A reader checks everything before it gives up: `Problems` gathers what is wrong by kind, and raises one error that
counts each kind and names its first ten places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.errors import DataError

SHOWN = 10
"""Places named of each kind."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """unit: "line" or "row"; numbers: (n,) int64, the place of each example, from 1.

    >>> Places(unit="line", numbers=np.array([2, 3, 5])).named([0, 2])
    'lines 2, 5'
    """

    unit: str
    numbers: np.ndarray

    @staticmethod
    def rows(n: int) -> Places:
        """Rows 1 to n.

        >>> Places.rows(3).named([2])
        'row 3'
        """
        return Places(unit="row", numbers=np.arange(1, n + 1))

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, index: Any) -> Places:
        """The places of some examples, by integer index, mask or slice."""
        return Places(unit=self.unit, numbers=self.numbers[index])

    def named(self, rows: Sequence[int] | np.ndarray, limit: int = SHOWN) -> str:
        """The first places in words, and how many more there are; `rows` are indices from 0."""
        shown = [f"{n:,}" for n in self.numbers[np.asarray(rows[:limit], np.int64)].tolist()]
        more = f" (+{len(rows) - limit:,} more)" if len(rows) > limit else ""
        return f"{self.unit}{'s' if len(rows) > 1 else ''} {', '.join(shown)}{more}"


@final
class Problems:
    """What is wrong with a source, by kind.

    >>> found = Problems(Places.rows(9))
    >>> found.add("holds no steps", [3, 4])
    >>> found.settle("waves.csv", "correct them")
    Traceback (most recent call last):
    matweave.errors.DataError: holds no steps: rows 4, 5
      where: waves.csv
      mend:  correct them
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lines: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, kind: str, rows: Sequence[int] | np.ndarray) -> None:
        """Note a kind of problem with the rows (indices from 0, or a mask) that have it; none is none."""
        at = np.asarray(rows)
        at = np.flatnonzero(at) if at.dtype == bool else at
        if len(at):
            self._lines.append(f"{kind}: {self._places.named(at)}")

    def say(self, line: str) -> None:
        """Note a problem in words of its own."""
        self._lines.append(line)

    def settle(self, where: str, mend: str) -> None:
        """Raise one DataError that lists every problem, if there are any."""
        if self._lines:
            raise DataError("\n".join(self._lines), where=where, mend=mend)
