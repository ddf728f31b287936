"""A file with a row for each item as an Arrow table: delimited text, Parquet, JSON lines, or one JSON object.

Cells of delimited text stay text, empty ones are null. How such a file is written (separator, quotes, header) is found
out as for logs: data/read_sniff.py; rows of another length are refused with their lines.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from matweave.data.places import SHOWN
from matweave.data.read_bytes import open_stream, packed_errors, packing
from matweave.data.read_folder import read_folder
from matweave.data.read_json import read_json_lines
from matweave.data.read_sniff import HEAD, look, rows_of
from matweave.data.whole_text import read_head
from matweave.errors import ConfigError, DataError, listed


def read_rows(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    encoding: str = "utf-8",
    key: str | None = None,
    said: Sequence[str] = (),
) -> tuple[pa.Table, list[str]]:
    """The table and what to tell. key: the column of ids, which tells a JSON line from an object {id: text}. said: names of other
    columns, which tell a header from a row of text.

    Raises DataError for what cannot be read, with lines; ConfigError for an unknown encoding.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plots.json"
    ...     _ = path.write_text('{"1": "a heist", "2": "a boy grows up"}')
    ...     read_rows(path)[0].to_pylist()
    [{'id': '1', 'text': 'a heist'}, {'id': '2', 'text': 'a boy grows up'}]
    """
    if path.is_dir():
        return read_folder(path)
    head = read_head(path)
    if head.startswith((b"PAR1", b"ARROW1")):
        return _columnar(path, head), []
    encoding = _known(encoding)
    packed = packing(head, path, encoding)
    encoding = "utf-8" if _begins_as_json(path, packed) else encoding  # as JSON always is
    data = _whole(path, packed, encoding)
    if data.lstrip()[:1] in (b"{", b"["):
        found = _one_json(path, data, key)
        if found is not None:
            return found
        lines = read_json_lines(path, packed, encoding)
        told = lines.bad.settle("error", str(path), lines.table.num_rows)
        return lines.table, [*lines.report, *told]
    return _delimited(path, data, columns, [*said, *([key] if key else [])])


def _columnar(path: Path, head: bytes) -> pa.Table:
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet

    try:
        return parquet.ParquetFile(path).read() if head.startswith(b"PAR1") else feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} is truncated or damaged: {error}", where=str(path), mend="fetch or write it again"
        ) from error


def _begins_as_json(path: Path, packed: str | None) -> bool:
    with packed_errors(path):
        stream = open_stream(path, packed, "utf-8")
        try:
            return stream.read(256).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
        finally:
            stream.close()


def _whole(path: Path, packed: str | None, encoding: str) -> bytes:
    parts = []
    with packed_errors(path):
        stream = open_stream(path, packed, encoding)
        try:
            while block := stream.read(1 << 20):
                parts.append(block)
        except UnicodeDecodeError as error:
            raise _no_text(path, encoding, error) from error
        finally:
            stream.close()
    data = b"".join(parts).removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _no_text(path, encoding, f"line {line}") from error
    return data


def _no_text(path: Path, encoding: str, what: object) -> DataError:
    return DataError(
        f"{path} is not {encoding} text: {what}",
        where=str(path),
        mend="say how it is written: encoding='latin-1' (--encoding latin-1)",
    )


def _one_json(path: Path, data: bytes, key: str | None) -> tuple[pa.Table, list[str]] | None:
    """The table of a file that is one JSON value; None where it may be one object a line."""
    try:
        whole = json.loads(data)
    except ValueError:
        return None
    if isinstance(whole, list) and whole and all(isinstance(row, dict) for row in whole):
        return _objects(whole, path), [f"read {path.name}: a JSON array of {len(whole):,} objects"]
    if not isinstance(whole, dict) or (key is not None and key in whole):
        return None if isinstance(whole, dict) else _refuse_json(path)
    told = [f"read {path.name}: one JSON object of {len(whole):,} items"]
    values = list(whole.values())
    if all(v is None or isinstance(v, str) for v in values):
        return pa.table({"id": list(whole), "text": pa.array(values, pa.large_string())}), told
    if all(isinstance(v, dict) for v in values):
        rows = [{**v, "id": name} for name, v in whole.items()]
        return _objects(rows, path), told
    return None


def _refuse_json(path: Path) -> None:
    raise DataError(
        f"{path} is JSON, but neither an object nor an array of objects",
        where=str(path),
        mend="write {id: text}, or one object a line",
    )


def _objects(rows: list[dict[str, Any]], path: Path) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names.sort(key=lambda name: name != "id")
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"values of one name in {path} are of several types: {error}",
            where=str(path),
            mend="write each as text, a number or a list in every object",
        ) from error


def _delimited(
    path: Path, data: bytes, columns: Sequence[str] | None, said: Sequence[str]
) -> tuple[pa.Table, list[str]]:
    seen = look(data[:HEAD], len(data) <= HEAD, str(path), columns=columns, said=said)
    names = list(seen.names)
    if len(set(names)) < len(names):
        raise DataError(
            f"names of columns stand more than once: {listed(names)}",
            where=str(path),
            mend="give each column a name of its own",
        )
    cells: list[list[str | None]] = [[] for _ in names]
    text = data[seen.skip :].decode("latin-1")  # one letter a byte, as rows_of counts
    wrong, line = [], seen.lines + 1
    for fields, _, lines in rows_of(text, seen.separator, seen.quoted):
        if len(fields) != len(names):
            wrong.append(f"line {line:,} has {len(fields):,}")
        else:
            for column, field in zip(cells, fields, strict=True):
                column.append(field.strip() or None)
        line = seen.lines + 1 + lines
    if wrong:
        more = f" (+{len(wrong) - SHOWN:,} more)" if len(wrong) > SHOWN else ""
        raise DataError(
            f"rows have another number of fields than the {len(names):,} columns: {', '.join(wrong[:SHOWN])}{more}",
            where=str(path),
            mend="give every row equally many fields, and text with separators in quotes",
        )
    told = [f"read {path.name}: separator {seen.separator!r}, {'a header' if seen.header else 'no header'}"]
    arrays = [pa.array(column, pa.large_string()) for column in cells]
    return pa.table(dict(zip(names, arrays, strict=True))), told


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(
            f"encoding {encoding!r} is unknown", where="read_content", mend="use utf-8, latin-1, cp1252, ..."
        ) from error
    return "utf-8" if name in ("utf-8", "utf-8-sig", "ascii") else name
