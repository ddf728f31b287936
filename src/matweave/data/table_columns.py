"""A column of features by kind: number, flag, date, clock, duration or levels, and its cells as float64 or text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import flat, is_numeric, is_text, not_numbers, numbers

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

SECONDS = {"date": "seconds since 1970", "clock": "seconds since midnight", "duration": "seconds"}
"""What the number is, of kinds that are no numbers in the table."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def kind_of(kind: pa.DataType) -> str | None:
    """The kind of a column of an Arrow type: "empty" where nothing but null is in it; None for what is no feature.

    >>> kind_of(pa.float32()), kind_of(pa.date32()), kind_of(pa.dictionary(pa.int8(), pa.string())), kind_of(pa.binary())
    ('number', 'date', 'levels', None)
    """
    if pa.types.is_dictionary(kind) or is_text(kind):
        return "levels"
    if pa.types.is_null(kind):
        return "empty"
    if pa.types.is_boolean(kind):
        return "flag"
    if is_numeric(kind):
        return "number"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "date"
    if pa.types.is_time(kind):
        return "clock"
    return "duration" if pa.types.is_duration(kind) else None


def values_of(column: pa.ChunkedArray) -> np.ndarray:
    """Cells of a number, flag, date, clock or duration as float64 (n,), NaN where missing; times in seconds.

    >>> values_of(pa.chunked_array([pa.array([1500, None], pa.duration("ms"))]))
    array([1.5, nan])
    """
    cells = flat(column)
    kind = cells.type
    if pa.types.is_null(kind):
        return np.full(len(cells), np.nan)
    if not pa.types.is_temporal(kind):
        return numbers(cells)
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    whole = cells.cast(pa.int32() if narrow else pa.int64())
    if pa.types.is_date32(kind):
        return numbers(whole) * 86400.0
    return numbers(whole) / (10**3 if pa.types.is_date64(kind) else _PER_SECOND[kind.unit])


def texts_of(column: pa.ChunkedArray) -> pa.Array:
    """Cells of a column of levels as large_string, null where missing.

    >>> texts_of(pa.chunked_array([pa.array([7, None]).dictionary_encode()])).to_pylist()
    ['7', None]
    """
    cells = flat(column)
    return cells if cells.type == pa.large_string() else cells.cast(pa.large_string())


def first_misfits(column: pa.ChunkedArray) -> list[int]:
    """Rows (indices) of the first cells of text that are no numbers; where all are, of the first cells.

    >>> first_misfits(pa.chunked_array([["1", "12kg", None, "x"]]))
    [1, 3]
    """
    wrong = not_numbers(column)
    wrong = wrong if len(wrong) else np.flatnonzero(column.is_valid().to_numpy())
    return wrong[:3].tolist()


def moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of numbers (n >= 1), scaled so that no sum or square overflows; 0 if constant.

    >>> moments(np.array([1e300, 3e300]))
    (2e+300, 1e+300)
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 0.0
    scale = max(abs(low), abs(high))
    parts = values / scale
    return float(parts.mean()) * scale, float(parts.std()) * scale
