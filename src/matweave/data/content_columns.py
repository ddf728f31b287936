"""Columns of a table of items as the parts of their content: texts joined, attributes as numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import flat, is_numeric, is_text, not_numbers, numbers
from matweave.errors import DataError

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

MOST_LEVELS = 4096
"""Levels that one column of attributes may have; more is rather text."""


def joined_texts(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text for each row, large_string: the cells of these columns on a line each, those that are missing left out.

    >>> joined_texts(pa.table({"title": ["Heat", None], "plot": ["a heist", None]}), ["title", "plot"]).to_pylist()
    ['Heat\\na heist', None]
    """
    return lines_of([_as_text(table.column(name)) for name in names])


def lines_of(parts: Sequence[pa.Array]) -> pa.Array:
    """Texts side by side as one each, on a line each; null where all of them are.

    >>> lines_of([pa.array(["a", None, None]), pa.array(["b", "c", None])]).to_pylist()
    ['a\\nb', 'c', None]
    """
    if len(parts) == 1:
        return parts[0].cast(pa.large_string())
    # by hand: binary_join_element_wise of Arrow 26 drops a row where all parts are null
    rows = zip(*(part.to_pylist() for part in parts), strict=True)
    there = ([cell for cell in row if cell is not None] for row in rows)
    return pa.array(["\n".join(cells) if cells else None for cells in there], pa.large_string())


def whole_numbers(column: pa.ChunkedArray) -> pa.Array:
    """Ids of text as int64 where all of them print as they stand there, and as they are otherwise.

    >>> whole_numbers(pa.chunked_array([["7", "12"]])).type, whole_numbers(pa.chunked_array([["07"]])).type
    (DataType(int64), DataType(large_string))
    """
    ids = flat(column)
    if not is_text(ids.type):
        return ids
    try:
        made = ids.cast(pa.int64())
    except pa.ArrowException:
        return ids
    return made if made.cast(pa.large_string()).equals(ids) else ids


def attribute_columns(
    table: pa.Table, names: Sequence[str], split: str, where: str, levels: Collection[str] = ()
) -> tuple[np.ndarray | None, tuple[str, ...], list[str]]:
    """(n, d) float32, NaN where missing, the d names, and what to tell; None for no columns.

    levels: names of columns whose numbers are codes, a level each.

    Raises DataError that lists columns of another type, of infinite values, and of too many levels.

    >>> values, names, told = attribute_columns(pa.table({"year": ["1995", ""], "kind": ["a|b", None]}), ["year", "kind"], "|", "")
    >>> values.tolist(), names
    ([[1995.0, 1.0, 1.0], [nan, nan, nan]], ('year', 'kind=a', 'kind=b'))
    """
    blocks, labels, told, problems = [], [], [], []
    for name in names:
        column = table.column(name)
        try:
            block, own, how = _attribute(column, split, name in levels)
        except _UnfitError as error:
            problems.append(f"{name!r} {error}")
            continue
        if np.isinf(block).any():
            problems.append(f"{name!r} holds infinite values")
        blocks.append(block)
        labels += [name if one is None else f"{name}={one}" for one in own]
        told.append(f"attribute {name!r}: {how}")
    if problems:
        raise DataError(
            "\n".join(problems),
            where=where,
            mend="give attributes of numbers, booleans, or text of few levels, and name those to take: attributes= (--attributes a,b); long text is text=",
        )
    if not blocks:
        return None, (), told
    return np.concatenate(blocks, axis=1), tuple(labels), told


class _UnfitError(ValueError):
    pass


def _attribute(column: pa.ChunkedArray, split: str, codes: bool) -> tuple[np.ndarray, list[str | None], str]:
    kind = column.type
    if codes and is_numeric(kind):
        return _levels([_code(number) for number in column.to_pylist()])
    if is_numeric(kind) or pa.types.is_boolean(kind):
        return _float32(numbers(flat(column))), [None], "numbers"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _levels(column.to_pylist())
    cells = flat(column)
    if not is_text(cells.type):
        raise _UnfitError(f"is {kind}, which is no attribute")
    trimmed = pc.utf8_trim_whitespace(cells)
    given = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.large_string()), trimmed)
    if not codes and given.null_count < len(given) and not len(not_numbers(pa.chunked_array([given]))):
        return _float32(numbers(given.cast(pa.float64()))), [None], "numbers"
    return _levels([None if text is None else text.split(split) for text in given.to_pylist()])


def _code(number: Any) -> list[str] | None:
    """A number as the name of a level: 25 and 25.0 are "25"."""
    if number is None or number != number:
        return None
    return [str(int(number)) if number == number // 1 else str(number)]


def _float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)[:, None]


def _levels(rows: list[Any]) -> tuple[np.ndarray, list[str | None], str]:
    """A column for each level, in the order of their names; rows without any cell are NaN throughout."""
    clean = [
        None if r is None else [str(v).strip() for v in r if v is not None and str(v).strip()] for r in rows
    ]
    levels = sorted({level for row in clean if row for level in row})
    if len(levels) > MOST_LEVELS:
        raise _UnfitError(f"has {len(levels):,} levels, and {MOST_LEVELS:,} at most are taken")
    if not levels:
        raise _UnfitError("is empty")
    place = {level: at for at, level in enumerate(levels)}
    block = np.zeros((len(rows), len(levels)), np.float32)
    for at, row in enumerate(clean):
        if row is None:
            block[at] = np.nan
        else:
            block[at, [place[level] for level in row]] = 1
    return block, list(levels), f"{len(levels):,} levels"


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    cells = flat(column)
    return cells if cells.type == pa.large_string() else cells.cast(pa.large_string())
