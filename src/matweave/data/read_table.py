"""Tables of examples from files: `read_table`.

CSV, TSV and semicolons (plain, .gz or .zst), read by Arrow with its inference of types; Parquet files and folders.
Missing cells are empty, or written as Arrow knows them (NA, null, nan, ...) or as ?, - and . in a column that else
holds numbers, dates or booleans; in a column of text only empty cells are missing, and all others are levels.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import flat, is_number, is_text, not_numbers, numbers
from matweave.data.delimited_text import DelimitedText
from matweave.data.places import Places
from matweave.data.read_folder import read_folder
from matweave.data.tables import Table
from matweave.data.target_column import find_target
from matweave.data.whole_text import read_head
from matweave.errors import DataError, listed, nearest

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

MISSING = ("", "#N/A", "N/A", "NA", "n/a", "NULL", "Null", "null", "NaN", "nan", "-NaN", "-nan")
MISSING += ("None", "none", "NaT", "?", "-", ".")
"""What stands for a missing cell among numbers, dates and booleans."""

_MOSTLY = 0.9  # a column of text with more numbers than that is rather one of numbers with mistakes


def read_table(
    path: str | os.PathLike[str],
    *,
    target: str | None = None,
    task: str | None = None,
    drop: Sequence[str] = (),
    text: Sequence[str] = (),
    only: Sequence[str] | None = None,
) -> Table:
    """Read a table with a header, its target, and its features as they stand there.

    path: a CSV file (commas, tabs or semicolons), plain or packed with gzip or zstd; a Parquet file or folder.
    target: the name of its column; None finds target, label, class or y, in this order; "-" is none.
    task: "classify" or "regress"; None: text, booleans, categories and integers of at most 20 values are classes.
    drop: columns to leave out. text: columns to be read as text whatever they hold, as codes and postal codes.
    only: the columns that a model knows. Others are left out, and told; those that are not there, here or in `text`,
        are for the model's preparation to refuse.

    Returns a `Table`; its `report` tells what was chosen and left out. Raises DataError, with lines, for missing
    targets, rows of uneven length, infinite values, unknown columns, and a file with no rows or nothing but a target.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "plants.csv"
    ...     _ = at.write_text("height,colour,label\\n0.5,green,fern\\n?,brown,oak\\n")
    ...     table = read_table(at)
    >>> table, table.features.column("height").to_pylist(), table.targets.labels()
    (Table(2 rows, 2 columns, target 'label'), [0.5, None], ['fern', 'oak'])
    """
    path = Path(path)
    where, lenient = str(path), only is not None
    drop, text = _names(drop, "drop"), _names(text, "text")
    if path.is_dir() or read_head(path).startswith(b"PAR1"):
        columns, told = _read_parquet(path)
        columns = _as_text(columns, _there(text, columns.column_names, where, lenient))
        places = Places.rows(columns.num_rows)
    else:
        columns, places, told = _read_text(path, text, lenient)
    if only is not None:
        columns, told = _known(columns, only, target, told)
    table = Table.of(columns, target=target, task=task, drop=drop, places=places, where=where, report=told)
    refuse_infinite(table, where)
    return table


def refuse_infinite(table: Table, where: str) -> None:
    """Raise DataError that lists the columns of features with infinite values, and their rows.

    >>> refuse_infinite(Table.of(pa.table({"x": [1.0, float("inf")]}), target="-"), "plants.csv")
    Traceback (most recent call last):
    matweave.errors.DataError: infinite values stand in 'x' (row 2)
      where: plants.csv
      mend:  correct these cells, leave them empty, or drop the columns
    """
    found = []
    for name in table.features.column_names:
        column = table.features.column(name)
        if pa.types.is_floating(column.type):
            at = np.flatnonzero(np.isinf(numbers(flat(column))))
            if len(at):
                found.append(f"{name!r} ({table.named(at)})")
    if found:
        more = f" (+{len(found) - 10} more columns)" if len(found) > 10 else ""
        raise DataError(
            f"infinite values stand in {', '.join(found[:10])}{more}",
            where=where,
            mend="correct these cells, leave them empty, or drop the columns",
        )


def _read_text(path: Path, text: tuple[str, ...], lenient: bool) -> tuple[pa.Table, Places, list[str]]:
    source = DelimitedText.open(path)
    names = source.names()
    written = [name for name in names if name.strip()]
    if written and all(map(is_number, written)) and not all(name.isdecimal() for name in written):
        raise DataError(
            f"the first line of {path} holds numbers, not the names of columns: {listed(names)}",
            where=str(path),
            mend="write a header as the first line",
        )
    text = _there(text, names, str(path), lenient)
    columns = source.read(types=dict.fromkeys(text, pa.string()), nulls=MISSING)
    places = source.places()
    told = []
    for at, name in enumerate(names):
        column = columns.column(at)
        if not is_text(column.type):
            continue
        cells = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        columns = columns.set_column(at, name, cells)
        told += _rather_numbers(name, cells, places) if name not in text else []
    return columns, places, told


def _rather_numbers(name: str, cells: pa.ChunkedArray, places: Places) -> list[str]:
    """A line where a column of text is nearly one of numbers."""
    wrong = not_numbers(cells, MISSING)
    given = len(cells) - cells.null_count
    if not len(wrong) or len(wrong) > (1 - _MOSTLY) * given:
        return []
    example = cells[int(wrong[0])].as_py()
    return [
        f"{name!r} is read as text, though most cells are numbers; {places.named(wrong)}: {example!r}, ..."
    ]


def _read_parquet(path: Path) -> tuple[pa.Table, list[str]]:
    import pyarrow.parquet as parquet

    if path.is_dir():
        return read_folder(path)
    try:
        return parquet.ParquetFile(path).read(), []
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is truncated or damaged: {error}", where=str(path), mend="fetch or write it again"
        ) from error


def _as_text(columns: pa.Table, text: tuple[str, ...]) -> pa.Table:
    for name in text:
        at = columns.column_names.index(name)
        columns = columns.set_column(at, name, columns.column(at).cast(pa.string()))
    return columns


def _known(
    columns: pa.Table, only: Sequence[str], target: str | None, told: list[str]
) -> tuple[pa.Table, list[str]]:
    """The columns that a model knows, and the target; all of them where it knows none, for it to say so."""
    names = columns.column_names
    kept = [name for name in names if name in only and name != target]
    if not kept:
        return columns, told
    target = find_target(names) if target is None else target
    kept = [name for name in names if name in only or name == target]
    left = [name for name in names if name not in kept]
    more = [f"columns that the model does not know are left out: {listed(left)}"] if left else []
    return columns.select(kept), [*told, *more]


def _there(text: tuple[str, ...], names: Sequence[str], where: str, lenient: bool) -> tuple[str, ...]:
    """The columns to read as text that are there; DataError for others, unless that is left to the caller."""
    missing = [f"{name!r}{nearest(name, names)}" for name in text if name not in names]
    if missing and not lenient:
        raise DataError(
            f"columns to read as text are not there: {', '.join(missing[:10])}; the columns are {listed(list(names), 40)}",
            where=where,
            mend="correct the names",
        )
    return tuple(name for name in text if name in names)


def _names(given: Sequence[str], what: str) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
