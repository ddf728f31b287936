"""Relations from files, frames, matrices, graphs and lists: `read_relations`.

CSV, TSV, ;, ::, |, spaces     a triple in each line, plain or packed (.gz, .zst), with a header or without
CSV of a square table          an adjacency matrix: names in the first line and in the first column
Parquet, JSON, Arrow, frames   a triple in each row
NumPy, SciPy sparse            an adjacency matrix, several of them, or a tensor (relations, n, n)
NetworkX                       any of its graphs
lists of tuples                (head, tail), (head, relation, tail) or (head, relation, tail, value)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from matweave.data.arrow_columns import is_number
from matweave.data.content_rows import read_rows
from matweave.data.delimited_text import DelimitedText, refuse_repeats
from matweave.data.places import Places
from matweave.data.read_sniff import HEAD, look
from matweave.data.relation_columns import known_roles, relations_of
from matweave.data.relation_matrices import (
    from_graph,
    from_matrices,
    is_graph,
    is_matrix,
    table_of_tuples,
)
from matweave.data.relation_squares import is_square, mirrored_matrix, read_square, square_frame
from matweave.data.relations import Relations
from matweave.data.whole_text import read_head
from matweave.errors import ConfigError, DataError, nearest


def read_relations(
    source: Any,
    *,
    head: str | None = None,
    relation: str | None = None,
    tail: str | None = None,
    value: str | None = None,
    absent: str = "zero",
    undirected: bool = False,
    duplicates: str = "last",
    on_bad_rows: str = "error",
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    entities: Sequence[Any] | None = None,
    kinds: Sequence[Any] | None = None,
) -> Relations:
    """Read who stands in which relation to whom, and how strongly.

    source: see the head of this file. head, relation, tail, value: names of columns (of attributes of a graph's edges); None finds
        them by common names, or in a file without a header by place. Such a file's columns are named "1", "2", ...
        `relation="-"` or `value="-"` leaves them out; without relations there is one, named "relation".
    absent: "zero": a cell without a triple is a zero; "missing": it is unknown. undirected: each triple stands for
        its inverse, too. duplicates: of a triple seen again keep the "last" or the "first", "sum" the values, or "error".
    on_bad_rows: rows without an id or with a value that is no finite number: "error" names them, "drop" leaves them out and
        tells. header, columns: whether a text file has a header, or the names of its columns. entities, kinds: names for
        the rows of matrices, and for several of them.

    Returns `Relations`; its `report` tells what was chosen, dropped and merged. Whole-number ids of text files become int64 where
    all print as they stand there. Raises DataError for what cannot be read, all problems at once; ConfigError for settings.

    >>> family = read_relations([("ann", "mother", "bob"), ("bob", "father", "cy"), ("ann", "mother", "bob")])
    >>> family, family.report[-1]
    (Relations(2 triples, 3 entities, 2 relations), '1 triple merged: 1 repeated; the last of each was kept')
    """
    if absent not in ("zero", "missing"):
        raise ConfigError(
            f"absent is {absent!r}{nearest(str(absent), ('zero', 'missing'))}",
            where="read_relations",
            mend='use "zero" or "missing"',
        )
    said = {"head": head, "relation": relation, "tail": tail, "value": value}
    policies: dict[str, Any] = {
        "duplicates": duplicates,
        "on_bad_rows": on_bad_rows,
        "undirected": undirected,
    }
    if not isinstance(source, (str, os.PathLike)):
        _refuse_useless(f"a {type(source).__name__}", header=header, columns=columns)
        made = _from_memory(source, said, policies, entities, kinds)
    else:
        _refuse_useless("a file", entities=entities, kinds=kinds)
        made = _from_file(Path(source), said, policies, header, columns)
    if absent == "missing":
        if made.missing is not None:
            raise DataError(
                "the matrix says by NaN which cells are unknown, and all others are known",
                where="absent='missing'",
                mend="leave absent out, or write zeros for NaN",
            )
        return made.only_triples()
    return made


def _refuse_useless(kind: str, **given: Any) -> None:
    useless = [name for name, value in given.items() if value is not None]
    if useless:
        raise ConfigError(
            f"{', '.join(useless)} have no meaning for {kind}", where="read_relations", mend="leave them out"
        )


def _from_memory(
    source: Any, said: dict[str, str | None], policies: dict[str, Any], entities: Any, kinds: Any
) -> Relations:
    several = isinstance(source, Mapping) or (
        isinstance(source, (list, tuple)) and len(source) > 0 and is_matrix(source[0])
    )
    square = square_frame(source)
    if several or is_matrix(source) or square is not None:
        _refuse_useless("a matrix, whose rows are heads and columns tails", **said)
        array, names = (source, entities) if square is None else square
        where = (
            f"a {type(source).__name__}"
            if several
            else f"a {' x '.join(map(str, getattr(source, 'shape', ())))} matrix"
        )
        made = from_matrices(array, entities=names, kinds=kinds, where=where)
        return mirrored_matrix(made) if policies["undirected"] else made
    _refuse_useless(f"a {type(source).__name__}, which is no matrix", entities=entities, kinds=kinds)
    if is_graph(source):
        _refuse_useless("a graph", head=said["head"], tail=said["tail"])
        made = from_graph(
            source, relation=said["relation"], value=said["value"], duplicates=policies["duplicates"]
        )
        return mirrored_matrix(made) if policies["undirected"] else made
    if isinstance(source, Iterable) and not hasattr(type(source), "columns"):
        table, frame = table_of_tuples(source), "arrow"
    else:
        table, frame = _as_table(source)
    return relations_of(
        table,
        said,
        f"a {type(source).__name__}",
        places=Places.rows(table.num_rows),
        frame=frame,
        **policies,
    )


def _as_table(source: Any) -> tuple[pa.Table, str]:
    """An Arrow table of any frame that narwhals knows, and which kind of frame to answer in."""
    if isinstance(source, pa.Table):
        return source, "arrow"
    try:
        frame = nw.from_native(source)
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        kind = frame.implementation.value
        return frame.to_arrow(), kind if kind in ("pandas", "polars") else "arrow"
    except (TypeError, pa.ArrowException, nw.exceptions.NarwhalsError) as error:
        raise DataError(
            f"a {type(source).__name__} holds no relations that can be read: {error}",
            where="read_relations",
            mend="give a path, a frame, a NumPy or SciPy matrix, a NetworkX graph, or a list of tuples",
        ) from error


def _from_file(
    path: Path,
    said: dict[str, str | None],
    policies: dict[str, Any],
    header: bool | None,
    columns: Sequence[str] | None,
) -> Relations:
    where = str(path)
    text = None if path.is_dir() or _is_binary(path) else DelimitedText.open(path)
    if text is None or _is_json(text.data) or len(text.head()[0]) < 2:
        return _from_rows(path, said, policies, header, columns, text)
    first, rows = text.head()[0], text.head()[1:]
    if columns is None and header is not False and is_square(first, rows, len(text.starts)):
        made = read_square(text, first, where)
        return mirrored_matrix(made) if policies["undirected"] else made
    named = columns is not None or header is True or (header is None and _is_header(first, said))
    skip = int(header is True or (header is None and _is_header(first, said)))
    names = _names(first, columns, named, where)
    table = text.read(names=names, skip=skip, types=dict.fromkeys(names, pa.string()))
    told = f"read {path.name}: separator {text.separator!r}, {'a header' if skip else 'no header'}"
    return relations_of(
        table,
        said,
        where,
        places=Places(unit="line", numbers=text.lines[skip:]),
        named=named,
        text=True,
        report=[told],
        **policies,
    )


def _from_rows(
    path: Path,
    said: dict[str, str | None],
    policies: dict[str, Any],
    header: bool | None,
    columns: Sequence[str] | None,
    text: DelimitedText | None,
) -> Relations:
    """Parquet, JSON, and text between other separators, whose first row is looked at here."""
    if text is None or _is_json(text.data):
        _refuse_useless("a file without delimited text", header=header, columns=columns)
        plain = False
        table, told = read_rows(path)
    else:
        seen = look(text.data[:HEAD], len(text.data) <= HEAD, str(path), header=False)
        plain = columns is None
        table, told = read_rows(path, columns=columns or seen.names)
    if plain and header is not False and table.num_rows:
        first = ["" if cell is None else str(cell) for cell in table.slice(0, 1).to_pylist()[0].values()]
        if header or _is_header(first, said):
            refuse_repeats(first, str(path))
            table, plain = table.slice(1).rename_columns(first), False
    return relations_of(
        table,
        said,
        str(path),
        places=Places.rows(table.num_rows),
        named=not plain,
        text=all(pa.types.is_large_string(kind) for kind in table.schema.types),
        report=told,
        **policies,
    )


def _is_binary(path: Path) -> bool:
    return read_head(path).startswith((b"PAR1", b"ARROW1"))


def _is_json(data: bytes) -> bool:
    return data.lstrip()[:1] in (b"{", b"[")


def _is_header(first: Sequence[str], said: Mapping[str, str | None]) -> bool:
    """A first row that holds names that are asked for, or known for both ends of a triple."""
    if any(map(is_number, first)):
        return False
    if set(first) & {name for name in said.values() if name}:
        return True
    return {"head", "tail"} <= set(
        known_roles([name for name in first if len(name) > 1])
    )  # u, v may be entities


def _names(first: Sequence[str], columns: Sequence[str] | None, named: bool, where: str) -> list[str]:
    if columns is not None:
        if len(columns) != len(first):
            raise DataError(
                f"{len(columns)} columns are named, but the first row has {len(first)} fields",
                where=where,
                mend="name every column",
            )
        refuse_repeats(columns, where)
        return list(columns)
    if named:
        refuse_repeats(first, where)
        return list(first)
    return [str(at + 1) for at in range(len(first))]
