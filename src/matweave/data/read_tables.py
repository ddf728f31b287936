"""Columns that have a type already (Arrow, frames, Parquet, sparse matrices, JSON lines) to a log.

Rows are numbered from 1. Ids keep their type; values of any numeric type, or text that is a number; times of any
type, form and unit. The checks are those of delimited text, with the same kinds of bad rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data import parse_rows as p
from matweave.data.bad_rows import BadRow, BadRowList
from matweave.data.interactions import Interactions
from matweave.data.parse_numbers import ISO
from matweave.data.read_columns import Columns, choose
from matweave.data.read_delimited import finished
from matweave.data.read_times import TimeForm, count_times, form_of, parse_time
from matweave.data.read_work import parse_value
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

Checked = tuple[np.ndarray, np.ndarray]
"""Numbers (n,), and kinds of bad rows (n,) int8, -1 where the row is good."""


def read_table(
    table: pa.Table,
    said: dict[str, str | None],
    where: str,
    *,
    frame: str,
    duplicates: str,
    on_bad_rows: str,
    report: Sequence[str] = (),
    bad: BadRowList | None = None,
    lines: np.ndarray | None = None,
) -> Interactions:
    """A log from an Arrow table; see `read_interactions`.

    bad: rows that were found bad before, with `lines` (rows,) int64 the number of each row left.
    """
    bad = bad or BadRowList(unit="row")
    if not table.num_rows and not bad.total:
        raise DataError(f"{where} has no rows", where=where, mend="give a log with one interaction a row")
    columns = choose(table.column_names, said, where)
    told = [*report, *columns.report]
    ids = {role: _flat(table.column(getattr(columns, role))) for role in ("user", "item")}
    faults = [(role, _id_faults(ids[role])) for role in ids]
    values = times = None
    if columns.value is not None:
        values, kinds = _values(_flat(table.column(columns.value)))
        faults.append(("value", kinds))
    if columns.time is not None:
        times, kinds, form = _times(_flat(table.column(columns.time)), columns, where)
        faults.append(("time", kinds))
        told.append(form.told)
    good = _note(faults, columns, table, bad, lines)
    told += bad.settle(on_bad_rows, where, table.num_rows + bad.total - int(np.count_nonzero(~good)))
    if not good.any():
        raise DataError(f"{where} has no good row", where=where, mend="give a log with one interaction a row")
    if not good.all():
        ids = {role: array.filter(pa.array(good)) for role, array in ids.items()}
        values = None if values is None else values[good]
        times = None if times is None else times[good]
    users, u = Vocabulary.of(ids["user"])
    items, j = Vocabulary.of(ids["item"])
    v = None if values is None else np.ascontiguousarray(values, np.float32)
    return finished(users, items, u, j, v, times, frame, told, duplicates)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # more text than one array of 32-bit offsets holds
        array = array.cast(pa.large_string()).combine_chunks()
    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    if pa.types.is_string_view(array.type):  # Arrow has few functions for views
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _mask(array: Any) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False).astype(bool)


def _id_faults(ids: pa.Array) -> np.ndarray:
    kinds = np.full(len(ids), -1, np.int8)
    kinds[_mask(ids.is_null())] = p.EMPTY_ID
    if pa.types.is_floating(ids.type):
        kinds[_mask(pc.fill_null(pc.is_nan(ids), False))] = p.NAN
        kinds[_mask(pc.fill_null(pc.is_inf(ids), False))] = p.INFINITE
    elif _is_text(ids.type):
        blank = pc.equal(pc.utf8_trim_whitespace(ids.cast(pa.large_string())), "")
        kinds[_mask(pc.fill_null(blank, False))] = p.EMPTY_ID
    return kinds


def _values(column: pa.Array) -> Checked:
    kind = column.type
    if _is_text(kind):
        return _each_distinct(column, parse_value, np.float64)
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numeric or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        return np.zeros(len(column)), np.full(len(column), p.NUMBER, np.int8)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    kinds = np.full(len(numbers), -1, np.int8)
    kinds[np.isnan(numbers)] = p.NAN
    kinds[np.abs(numbers) > np.finfo(np.float32).max] = p.INFINITE
    kinds[_mask(column.is_null())] = p.MISSING
    return numbers, kinds


def _times(column: pa.Array, columns: Columns, where: str) -> tuple[np.ndarray, np.ndarray, TimeForm]:
    kind = column.type
    missing = _mask(column.is_null())
    kinds = np.where(missing, p.MISSING, -1).astype(np.int8)
    if pa.types.is_temporal(kind) and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        zone = pa.types.is_timestamp(kind) and kind.tz is not None
        told = f"times are {kind}" + ("" if zone else ", taken as UTC")
        try:
            target = pa.timestamp("us", tz=kind.tz if zone else None)
            # nanoseconds are cut; years beyond int64 raise
            micros = column.cast(options=pc.CastOptions(target, allow_time_truncate=True))
            times = micros.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise _no_times(columns, where, str(error)) from error
        return times, kinds, TimeForm(ISO, 1, 0, 0, told)
    if _is_text(kind):
        sample = column.drop_null()[:1000].to_pylist()
        form = form_of(sample)
        if form is None:
            raise _no_times(columns, where, f"for example {sample[:1]}")
        times, kinds = _each_distinct(column, lambda text: parse_time(text, form), np.int64)
        return times, kinds, form
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise _no_times(columns, where, f"their type is {kind}")
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    if numbers.dtype.kind == "f":
        kinds[np.isnan(numbers) & ~missing] = p.NAN
        kinds[np.isinf(numbers)] = p.INFINITE
        numbers = np.where(np.isfinite(numbers), numbers, 0.0)
    times, other, form = count_times(numbers)
    kinds[other & (kinds < 0)] = p.MIXED
    return times, kinds, form


def _no_times(columns: Columns, where: str, why: str) -> DataError:
    return DataError(
        f"the column {columns.name('time')!r} holds no times that can be read: {why}",
        where=where,
        mend="give times as numbers since 1970, dates or ISO 8601; say time='-' to leave them out",
    )


def _each_distinct(column: pa.Array, parse: Callable[[str], tuple[int, Any]], dtype: Any) -> Checked:
    """Parse each text that occurs once; missing ones are MISSING."""
    coded = column.dictionary_encode()
    parsed = [parse(text) for text in coded.dictionary.to_pylist()]
    kinds = np.array([kind for kind, _ in parsed] + [p.MISSING], np.int8)
    numbers = np.array([number for _, number in parsed] + [0], dtype)
    codes = coded.indices.fill_null(len(parsed)).to_numpy(zero_copy_only=False)
    return numbers[codes], kinds[codes]


def _note(
    faults: list[tuple[str, np.ndarray]],
    columns: Columns,
    table: pa.Table,
    bad: BadRowList,
    lines: np.ndarray | None,
) -> np.ndarray:
    """Count and name the rows with a fault, each by its first one; the mask of the good rows."""
    good = np.ones(table.num_rows, bool)
    for role, kinds in faults:
        at = np.flatnonzero((kinds >= 0) & good)
        bad.count(np.bincount(kinds[at], minlength=len(bad.counts)).tolist())
        for row in at[: p.NAMED].tolist():
            number = row + 1 if lines is None else int(lines[row])
            here = {name: table.column(k)[row].as_py() for k, name in enumerate(columns.names)}
            text = ", ".join(f"{name}={value!r}" for name, value in here.items())
            bad.note(BadRow(number, int(kinds[row]), columns.name(role), text))
        good[at] = False
    return good
