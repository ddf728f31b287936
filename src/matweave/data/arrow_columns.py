"""Arrow columns as NumPy sees them: plain arrays, numbers with NaN for null, and which cells of text are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one plain array: chunks joined, dictionaries decoded, text as large_string.

    >>> flat(pa.chunked_array([["a"], ["b"]])).to_pylist()
    ['a', 'b']
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if is_text(kind):
        column = column.cast(pa.large_string())
    if isinstance(column, pa.ChunkedArray):
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is text.

    >>> is_text(pa.large_string()), is_text(pa.binary())
    (True, False)
    """
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def numbers(column: pa.Array) -> np.ndarray:
    """A numeric or boolean Arrow array as float64 (n,), NaN where null.

    >>> numbers(pa.array([1, None, 3]))
    array([ 1., nan,  3.])
    """
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    column = column.cast(pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False)


def is_numeric(kind: pa.DataType) -> bool:
    """Whether an Arrow type holds numbers; booleans are none.

    >>> is_numeric(pa.int8()), is_numeric(pa.bool_())
    (True, False)
    """
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def not_numbers(column: pa.ChunkedArray, nulls: Sequence[str] = ("",)) -> np.ndarray:
    """Rows (indices) of a text column whose cells are neither numbers nor missing.

    >>> not_numbers(pa.chunked_array([["1", " 2e3", "", "x", None]]))
    array([3])
    """
    cells = pc.utf8_trim_whitespace(flat(column)).dictionary_encode()
    bad = np.array(
        [text not in nulls and not is_number(text) for text in cells.dictionary.to_pylist()] + [False]
    )
    codes = cells.indices.fill_null(len(bad) - 1).to_numpy(zero_copy_only=False)
    return np.flatnonzero(bad[codes])


def is_number(text: str) -> bool:
    """Whether a cell holds a number as Arrow reads them: nan and inf are, 1_000 and 0x1F are not.

    >>> is_number(" -1.5e3"), is_number("1_000"), is_number("")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()
