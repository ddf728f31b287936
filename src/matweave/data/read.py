"""Any interaction log into integer codes: `read_interactions`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from matweave.data.bad_rows import check_policy as check_bad_rows
from matweave.data.duplicates import check_policy as check_duplicates
from matweave.data.interactions import Interactions
from matweave.data.read_bytes import open_stream, packed_errors, packing, unreadable
from matweave.data.read_delimited import Delimited, read_delimited
from matweave.data.read_folder import read_folder
from matweave.data.read_json import read_json_lines
from matweave.data.read_tables import read_table
from matweave.data.vocabulary import arrow
from matweave.errors import ConfigError, DataError, nearest


def read_interactions(
    source: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    value: str | None = None,
    time: str | None = None,
    duplicates: str = "last",
    on_bad_rows: str = "error",
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    quoted: bool | None = None,
    encoding: str = "utf-8",
) -> Interactions:
    """Read a log: who had to do with what, how much, and when.

    source: a path to delimited text (CSV, TSV, `::`, spaces), JSON lines, both also packed with gzip or zstd,
        Parquet (a file or a partitioned folder) or an Arrow file; an Arrow table; a pandas or polars frame; or a
        SciPy sparse matrix (users x items, ids are row and column numbers).
    user, item, value, time: names of columns; None finds them by common names, or in a file without a header by
        place. Such a file's columns are named "1", "2", ... `value="-"` or `time="-"` leaves them out.
    duplicates: of a (user, item) seen again keep the "last" (by time where there are times) or the "first", "sum"
        the values (clicks become counts), or "error".
    on_bad_rows: "error" raises one BadRows that counts them by kind and names the first ten; "drop" leaves them
        out, and the report tells how many and which.
    separator, header, quoted, encoding: how a text file is written, found out where not given (encoding is not:
        it is UTF-8 unless said). columns: the names of a file's columns, in order.

    Returns an `Interactions`; its `report` tells what was chosen, dropped and merged. Whole-number ids of text
    files become int64 where all of them print as they stand there, and stay text otherwise; ids of tables keep
    their type. Times become microseconds since 1970 UTC.

    Raises DataError for what cannot be read or is ambiguous (all problems at once), BadRows for unusable rows,
    ConfigError for settings.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "log.csv"
    ...     _ = path.write_text("userId,movieId,rating,timestamp\\nann,7,4.5,978300760\\nbob,7,3,978302109\\n")
    ...     log = read_interactions(path)
    >>> log.users.to_list(), log.items.to_list(), log.values.tolist(), log.report[1]
    (['ann', 'bob'], [7], [4.5, 3.0], "columns by name: user 'userId', item 'movieId', value 'rating', time 'timestamp'")
    """
    check_duplicates(duplicates, "read_interactions")
    check_bad_rows(on_bad_rows)
    said = {"user": user, "item": item, "value": value, "time": time}
    policies: dict[str, Any] = {"duplicates": duplicates, "on_bad_rows": on_bad_rows}
    if isinstance(source, (str, os.PathLike)):
        how = Delimited(
            separator=separator, quoted=quoted, header=header, columns=columns, encoding=_known(encoding)
        )
        return _read_path(Path(source), said, how, policies)
    how = Delimited(separator=separator, quoted=quoted, header=header, columns=columns, encoding=encoding)
    _refuse_useless(how, f"a {type(source).__name__}", encoding=True)
    if type(source).__module__.startswith("scipy.sparse"):
        return _read_matrix(source, said, policies)
    table, frame = _as_table(source)
    return read_table(table, said, f"a {type(source).__name__}", frame=frame, **policies)


def _read_path(
    path: Path, said: dict[str, str | None], how: Delimited, policies: dict[str, Any]
) -> Interactions:
    where = str(path)
    if path.is_dir():
        _refuse_useless(how, "Parquet", encoding=True)
        table, told = read_folder(path)
        return read_table(table, said, where, frame="arrow", report=told, **policies)
    head = _head(path)
    if head.startswith((b"PAR1", b"ARROW1")):
        _refuse_useless(how, "Parquet" if head.startswith(b"PAR1") else "Arrow", encoding=True)
        return read_table(_read_columnar(path, head), said, where, frame="arrow", **policies)
    packed = packing(head, path, how.encoding)
    with packed_errors(path):
        stream = open_stream(path, packed, how.encoding)
        try:
            first = stream.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()
        finally:
            stream.close()
    if first.startswith(b"[") and _is_json(first):
        raise DataError(
            f"{path} is one JSON array", where=where, mend="write one object a line: jq -c '.[]' FILE"
        )
    if first.startswith(b"{"):
        _refuse_useless(how, "JSON lines", encoding=False)
        found = read_json_lines(path, packed, how.encoding)
        return read_table(
            found.table,
            said,
            where,
            frame="arrow",
            report=found.report,
            bad=found.bad,
            lines=found.lines,
            **policies,
        )
    return read_delimited(path, packed, said, how, **policies)


def _refuse_useless(how: Delimited, kind: str, *, encoding: bool) -> None:
    """ConfigError for settings of a text file that a source of this kind has no use for."""
    names = ("separator", "header", "columns", "quoted")
    useless = [name for name in names if getattr(how, name) is not None]
    useless += ["encoding"] if encoding and how.encoding != "utf-8" else []
    if useless:
        raise ConfigError(
            f"{', '.join(useless)} say how a delimited text file is written, but the source is {kind}",
            where="read_interactions",
            mend="leave them out",
        )


def _head(path: Path) -> bytes:
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        guess = nearest(path.name, beside) if path.parent.is_dir() else f": there is no folder {path.parent}"
        raise DataError(f"there is no file {path}{guess}", where=str(path), mend="give the path of a log")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise DataError(f"{path} is empty", where=str(path), mend="give a file with one interaction a line")
    return head


def _read_columnar(path: Path, head: bytes) -> pa.Table:
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet

    try:
        return parquet.ParquetFile(path).read() if head.startswith(b"PAR1") else feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is truncated or damaged: {error}", where=str(path), mend="fetch or write it again"
        ) from error


def _as_table(source: Any) -> tuple[pa.Table, str]:
    """An Arrow table of any frame that narwhals knows, and which kind of frame to answer in."""
    if isinstance(source, (pa.Table, pa.RecordBatch)):
        return (source if isinstance(source, pa.Table) else pa.Table.from_batches([source])), "arrow"
    try:
        frame = nw.from_native(source)
    except nw.exceptions.NarwhalsError as error:
        raise DataError(
            f"the columns of the frame cannot be told apart: {error}",
            where="read_interactions",
            mend="give each column a name of its own",
        ) from error
    except TypeError as error:
        raise DataError(
            f"a {type(source).__name__} is not a log that can be read",
            where="read_interactions",
            mend="give a path, an Arrow table, a pandas or polars frame, or a SciPy sparse matrix",
        ) from error
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    kind = frame.implementation.value
    try:
        return frame.to_arrow(), kind if kind in ("pandas", "polars") else "arrow"
    except (pa.ArrowException, TypeError) as error:
        raise DataError(
            f"a column of the frame has values of several types: {error}",
            where="read_interactions",
            mend="make the column one type, for example with astype(str)",
        ) from error


def _read_matrix(matrix: Any, said: dict[str, str | None], policies: dict[str, Any]) -> Interactions:
    import scipy.sparse as sp

    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise DataError(
            f"a sparse array of {matrix.ndim} dimension(s) and type {matrix.dtype} is no table of users and items",
            where="read_interactions",
            mend="give two dimensions, users x items, of real numbers",
        )
    whole = sp.csr_array(matrix, copy=True)
    whole.sum_duplicates()  # what an entry stored twice means in SciPy
    coo = whole.tocoo()
    table = pa.table(
        {
            "user": arrow(coo.coords[0].astype("int64")),
            "item": arrow(coo.coords[1].astype("int64")),
            "value": pa.array(coo.data.astype("float64") if coo.data.dtype.itemsize > 8 else coo.data),
        }
    )
    rows, columns = matrix.shape
    log = read_table(
        table,
        said,
        f"a {rows:,} x {columns:,} matrix",
        frame="arrow",
        report=["ids are the row and column numbers of the matrix"],
        **policies,
    )
    empty = [
        f"{n:,} empty {name} of the matrix are in no vocabulary"
        for n, name in ((rows - log.n_users, "rows"), (columns - log.n_items, "columns"))
        if n
    ]
    if matrix.nnz > coo.nnz:
        empty.append(f"{matrix.nnz - coo.nnz:,} entries stored at the place of another were added to it")
    return replace(log, report=(*log.report, *empty)) if empty else log


def _is_json(text: bytes) -> bool:
    """True for the beginning of a JSON array of objects."""
    return text[1:].lstrip().startswith(b"{") or text.strip() == b"[]"


def _known(encoding: str) -> str:
    import codecs

    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(
            f"encoding {encoding!r} is unknown{nearest(encoding, ('utf-8', 'utf-16', 'latin-1', 'cp1252'))}",
            where="read_interactions",
            mend="use a name that Python knows, for example utf-8 or latin-1",
        ) from error
    return "utf-8" if name in ("utf-8", "utf-8-sig", "ascii") else name
