"""Rows that cannot be used: counted by kind, the first ten named by line, in one error or in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

from matweave.errors import BadRows, ConfigError, nearest

KINDS = (
    "wrong number of fields",
    "empty id",
    "missing value or time",
    "NaN",
    "infinity or beyond float32",
    "not a number",
    "not a time",
    "time of another form or unit",
    "broken encoding",
    "text after a closing quote",
)
"""In the order of the codes in `parse_rows`."""

SHOWN = 10


class BadRow(NamedTuple):
    """A line (from 1), the kind, the column concerned if one is, and what stands there."""

    line: int
    kind: int
    column: str
    text: str


@final
@dataclass(kw_only=True)
class BadRowList:
    """All bad rows of one log. `unit` is what is numbered: lines of a file or rows of a table."""

    unit: str = "line"
    counts: list[int] = field(default_factory=lambda: [0] * len(KINDS))
    first: list[BadRow] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def count(self, counts: Sequence[int]) -> None:
        """Count rows by kind."""
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]

    def shift(self, lines: int) -> None:
        """Number all rows as standing that many lines further down."""
        self.first = [row._replace(line=row.line + lines) for row in self.first]

    def add(self, row: BadRow) -> None:
        """Count a row; it is named if it is among the first."""
        self.counts[row.kind] += 1
        self.note(row)

    def note(self, row: BadRow) -> None:
        """Name a row that is counted already."""
        self.first.append(row)
        if len(self.first) > 8 * SHOWN:
            self.first = sorted(self.first)[:SHOWN]

    def lines(self) -> list[str]:
        """The kinds with their counts, then the first rows."""
        kinds = [f"{n:,} {KINDS[kind]}" for kind, n in enumerate(self.counts) if n]
        shown = sorted(self.first)[:SHOWN]
        return ["; ".join(kinds), *(self._line(row) for row in shown)]

    def _line(self, row: BadRow) -> str:
        of = f" in {row.column!r}" if row.column else ""
        return f"{self.unit} {row.line:,}: {KINDS[row.kind]}{of}: {shortened(row.text)}"

    def settle(self, policy: str, where: str, total: int) -> list[str]:
        """Lines for the report where bad rows are dropped; else raise BadRows, if there are any."""
        if not self.total:
            return []
        if policy == "drop":
            noun = "row" if self.total == 1 else "rows"
            return [f"{self.total:,} bad {noun} of {total:,} dropped: {self.lines()[0]}", *self.lines()[1:]]
        more = self.total - min(SHOWN, len(self.first))
        rest = [f"and {more:,} more"] if more > 0 else []
        raise BadRows(
            "\n    ".join(
                [
                    f"{self.total:,} of {total:,} rows cannot be used: {self.lines()[0]}",
                    *self.lines()[1:],
                    *rest,
                ]
            ),
            where=where,
            mend="correct them, or leave them out with on_bad_rows='drop' (--on-bad-rows drop), which counts and tells them",
        )


def check_policy(policy: str) -> None:
    """Raises ConfigError unless the policy is error or drop."""
    if policy not in ("error", "drop"):
        raise ConfigError(
            f"on_bad_rows is {policy!r}{nearest(str(policy), ('error', 'drop'))}",
            where="read_interactions",
            mend="use error or drop",
        )


def shortened(text: str, limit: int = 80) -> str:
    """Text quoted, its middle left out where it is long.

    >>> shortened("a" * 100, 10)
    "'aaaaaaa...'"
    """
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")
