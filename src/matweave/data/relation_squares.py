"""Adjacency matrices with names: square tables in text files, and frames whose index holds the names of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.data.delimited_text import DelimitedText, refuse_repeats
from matweave.data.relation_columns import mirrored
from matweave.data.relation_matrices import from_matrices
from matweave.data.relations import Relations
from matweave.errors import DataError


def square_frame(source: Any) -> tuple[np.ndarray, list] | None:
    """The numbers and names of a pandas frame whose index and columns hold the same names; None for anything else.

    >>> square_frame([1, 2]) is None
    True
    """
    index = getattr(source, "index", None)
    if index is None or callable(index) or not hasattr(source, "columns") or len(index) < 2:
        return None
    if list(index) != list(source.columns):
        return None
    array = np.asarray(source)
    return (array, list(index)) if array.dtype.kind in "biuf" else None


def is_square(first: Sequence[str], rows: Sequence[Sequence[str]], lines: int) -> bool:
    """Whether a text of so many lines is a square table: the names of its first line are those of its first column.

    >>> is_square(["", "a", "b"], [["a", "0", "1"], ["b", "1", "0"]], 3)
    True
    """
    n = lines - 1
    if n < 2 or not rows or len(rows[0]) != n + 1 or len(first) not in (n, n + 1):
        return False
    return [row[0] for row in rows] == list(first[-n:])[: len(rows)]


def read_square(text: DelimitedText, first: Sequence[str], where: str) -> Relations:
    """The relation of a square table. Empty cells, NA and NaN are unknown.

    Raises DataError with lines where a cell is no number, or rows and columns have other names.
    """
    n = len(text.starts) - 1
    names = ["", *first[-n:]]
    refuse_repeats(names, where)
    kinds = {"": pa.string(), **dict.fromkeys(names[1:], pa.float64())}
    table = text.read(names=names, skip=1, types=kinds, nulls=("", "NA", "NaN", "nan"))
    rows = table.column(0).to_pylist()
    if rows != names[1:]:
        at = next(k for k, (a, b) in enumerate(zip(rows, names[1:], strict=True)) if a != b)
        raise DataError(
            f"the rows of the table are not named as its columns: line {text.lines[at + 1]:,} is {rows[at]!r}, "
            f"column {at + 2} is {names[at + 1]!r}",
            where=where,
            mend="give rows and columns the same names in the same order, or a triple in each line",
        )
    matrix = np.column_stack([table.column(k + 1).to_numpy() for k in range(n)])
    return from_matrices(matrix, entities=names[1:], where=f"{where}: an adjacency matrix {n:,} x {n:,}")


def _unknown_both_ways(made: Relations) -> Relations:
    """Without direction a cell is unknown where neither way is known."""
    if made.missing is None:
        return made
    n = np.int64(len(made.entities))
    heads, kinds, tails = (part.astype(np.int64) for part in made.places(made.missing))
    every = np.union1d(made.missing, (kinds * n + tails) * n + heads)
    known = np.union1d(made.cells, (made.relations * n + made.tails) * n + made.heads)
    left = np.setdiff1d(every, known)
    return replace(made, missing=left if len(left) else None)


def mirrored_matrix(made: Relations) -> Relations:
    """A matrix that is said to have no direction: symmetric as it is, or one triangle, whose other is added.

    Raises DataError for any other.

    >>> mirrored_matrix(Relations.from_codes([0], None, [1])).heads.tolist()
    [0, 1]
    """
    made = _unknown_both_ways(made)
    if made.symmetric:
        return made
    turned = made.heads != made.tails
    n = np.int64(len(made.entities))
    inverse = (made.relations * n + made.tails) * n + made.heads
    both = int(np.count_nonzero(np.isin(inverse[turned], made.cells)))
    if both:
        raise DataError(
            f"the matrix is said to have no direction, but is neither symmetric nor one triangle: {both:,} cells "
            "stand there both ways",
            where="undirected",
            mend="leave undirected out, or give (X + X.T) / 2",
        )
    return mirrored(made)
