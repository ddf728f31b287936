"""A table of examples: columns of features as they were read, typed by Arrow, and a target for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.arrow_columns import flat, is_numeric, numbers
from matweave.data.delimited_text import refuse_repeats
from matweave.data.places import SHOWN, Places
from matweave.data.ragged import chosen
from matweave.data.table_columns import kind_of
from matweave.data.target_column import NAMES, check_task, find_target, read_target
from matweave.data.targets import Targets
from matweave.errors import DataError, listed, nearest


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """features: n rows of at least one column, names all different. targets: one for each row, or None. target: the
    name of their column. places: where each row stands in its source; rows from 1 where not given. report: what was
    chosen and left out. Raises DataError for parts that do not fit together.

    >>> table = Table.of(pa.table({"height": [0.5, 2.0], "colour": ["red", None], "label": ["fern", "oak"]}))
    >>> len(table), table.features.column_names, table.targets.labels()
    (2, ['height', 'colour'], ['fern', 'oak'])
    """

    features: pa.Table
    targets: Targets | None = None
    target: str | None = None
    places: Places | None = None
    report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_repeats(self.features.column_names, "a table")
        n = self.features.num_rows
        problems = []
        if not self.features.num_columns:
            problems.append("the table has no column of features")
        if self.targets is not None and len(self.targets) != n:
            problems.append(f"there are {n:,} rows, but {len(self.targets):,} targets")
        if self.places is not None and len(self.places) != n:
            problems.append(f"there are {n:,} rows, but {len(self.places):,} places")
        if problems:
            raise DataError(
                "\n".join(problems), where="a table", mend="build tables with Table.of or read_table"
            )

    @staticmethod
    def of(
        columns: pa.Table,
        *,
        target: str | None = None,
        task: str | None = None,
        drop: Sequence[str] = (),
        places: Places | None = None,
        where: str = "a table",
        report: Sequence[str] = (),
    ) -> Table:
        """Choose the target among the columns, and leave out those to drop; see `read_table`."""
        check_task(task, where)
        names = columns.column_names
        refuse_repeats(names, where)
        name = _target(names, target, where)
        _refuse_unknown(drop, name, names, where)
        if not columns.num_rows:
            raise DataError(
                f"{where} has no rows", where=where, mend="give a table with an example in each row"
            )
        kept = [n for n in names if n != name and n not in drop]
        if not kept:
            raise DataError(
                f"no column is left for features: {listed(names)}",
                where=where,
                mend="give a table with other columns than the target, or drop fewer",
            )
        places = places or Places.rows(columns.num_rows)
        told, targets = list(report), None
        if name is None:
            told.append("no target, as said")
        else:
            targets, line = read_target(
                columns.column(name), name=name, task=task, places=places, where=where
            )
            told.append(line)
        if drop:
            told.append(f"columns dropped, as said: {listed(list(drop))}")
        told += _counting(columns.select(kept))
        told.append(f"{columns.num_rows:,} rows, {len(kept):,} column{'s' * (len(kept) > 1)} of features")
        return Table(
            features=columns.select(kept), targets=targets, target=name, places=places, report=tuple(told)
        )

    def __len__(self) -> int:
        return self.features.num_rows

    def __repr__(self) -> str:
        return f"Table({len(self):,} rows, {self.features.num_columns} columns, target {self.target!r})"

    def take(self, index: Any) -> Table:
        """Some of the rows, by integer index, mask or slice; classes stay whole.

        >>> Table.of(pa.table({"x": [1, 2], "y": ["a", "b"]})).take([1]).features.to_pylist()
        [{'x': 2}]
        """
        at = chosen(index, len(self))
        return Table(
            features=self.features.take(pa.array(at)),
            targets=None if self.targets is None else self.targets.take(at),
            target=self.target,
            places=None if self.places is None else self.places.take(at),
            report=self.report,
        )

    def digests(self) -> np.ndarray:
        """(n,) uint64 of the cells of each row, by column name: equal rows have equal ones, in any order of columns.

        Targets do not count. 1 and 1.0 are equal, and so are -0 and 0, and all missing cells of a column.
        """
        total = np.zeros(len(self), np.uint64)
        for name in self.features.column_names:
            cells = flat(self.features.column(name))
            salt = np.uint64(_digest(name))
            total += _mixed(_cell_digests(cells) ^ salt)  # a sum does not know the order of columns
        return total

    def named(self, rows: Sequence[int] | np.ndarray) -> str:
        """Rows, indices from 0, as they are found in the source: 'lines 3, 4'."""
        return (self.places or Places.rows(len(self))).named(rows)


def _target(names: list[str], target: str | None, where: str) -> str | None:
    if target == "-":
        return None
    name = find_target(names) if target is None else target
    if name not in names:
        said = (
            f"there is no column {target!r}{nearest(target, names)}"
            if target
            else "no column is named like a target"
        )
        raise DataError(
            f"{said} ({', '.join(NAMES)}); the columns are {listed(names, 40)}"
            if target is None
            else f"{said}; the columns are {listed(names, 40)}",
            where=where,
            mend="say the target (target=NAME, --target NAME), or '-' for data without one",
        )
    return name


def _refuse_unknown(drop: Sequence[str], target: str | None, names: list[str], where: str) -> None:
    unknown = [f"{n!r}{nearest(n, names)}" for n in drop if n not in names]
    problems = []
    if unknown:
        more = f" (+{len(unknown) - SHOWN} more)" if len(unknown) > SHOWN else ""
        problems.append(f"columns to drop are not there: {', '.join(unknown[:SHOWN])}{more}")
    if target is not None and target in drop:
        problems.append(f"{target!r} is the target, and is to be dropped too")
    if problems:
        raise DataError(
            "\n".join([*problems, f"the columns are {listed(names, 40)}"]),
            where=where,
            mend="correct the names",
        )


def _counting(features: pa.Table) -> list[str]:
    """A line for each column that does no more than number the rows: it tells where a row stood, not what it is."""
    n, told = features.num_rows, []
    for name in features.column_names:
        column = features.column(name)
        if n > 2 and pa.types.is_integer(column.type) and not column.null_count:
            values = column.to_numpy()
            if values[0] in (0, 1) and (np.diff(values) == 1).all():
                told.append(f"{name!r} numbers the rows; drop it unless their order means something")
    return told


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _cell_digests(cells: pa.Array) -> np.ndarray:
    if pa.types.is_null(cells.type):
        return np.zeros(len(cells), np.uint64)
    if is_numeric(cells.type) or pa.types.is_boolean(cells.type):
        values = numbers(cells) + 0.0  # -0 becomes 0
        missing = np.isnan(values)
        return np.where(missing, np.uint64(0), _mixed(values.view(np.uint64) + np.uint64(1)))
    if kind_of(cells.type) in _MOMENTS:
        return _moment_digests(cells)
    encoded = cells.dictionary_encode() if not pa.types.is_nested(cells.type) else None
    values = cells.to_pylist() if encoded is None else encoded.dictionary.to_pylist()
    known = np.array([*(0 if v is None else _digest(f"{v}") for v in values), 0], np.uint64)
    if encoded is None:
        return known[:-1]
    return known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]


_MOMENTS = ("date", "clock", "duration")
_PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second


def _moment_digests(cells: pa.Array) -> np.ndarray:
    """By whole seconds and the rest: equal in any unit, and without Python's dates, which end in year 9999 and at microseconds."""
    kind = cells.type
    counts = cells.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64())
    values = counts.fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(kind):
        seconds, rest = values * 86_400, np.zeros_like(values)
    else:
        parts = _PARTS["ms" if pa.types.is_date64(kind) else kind.unit]
        seconds, rest = values // parts, values % parts * (10**9 // parts)
    found = _mixed(_mixed(seconds.view(np.uint64) + np.uint64(1)) + rest.view(np.uint64))
    return np.where(cells.is_null().to_numpy(zero_copy_only=False), np.uint64(0), found)


def _mixed(x: np.ndarray) -> np.ndarray:
    """Bits spread over the word, so that sums and differences of cells do not meet (splitmix64; Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
