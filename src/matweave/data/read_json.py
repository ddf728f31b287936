"""JSON lines, one object a line, to an Arrow table; what is no object is a bad row of its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from matweave.data.bad_rows import BadRow, BadRowList
from matweave.data.parse_rows import ENCODING, FIELDS
from matweave.data.read_bytes import open_stream, packed_errors
from matweave.errors import DataError


class JsonLines(NamedTuple):
    """The table of all keys, the lines that are no JSON object, the line (from 1) of each row, what to tell."""

    table: pa.Table
    bad: BadRowList
    lines: np.ndarray
    report: list[str]


def read_json_lines(path: Path, packed: str | None, encoding: str) -> JsonLines:
    """Read one object a line. Raises DataError where no line holds one, or the file is damaged.

    A key that an object lacks is null there. Values of one key that are of several types (numbers and
    text) become text, as JSON writes them. Blank lines are passed over.
    """
    bad = BadRowList()
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    file = open_stream(path, packed, encoding)
    try:
        with packed_errors(path):
            for number, line in enumerate(_lines(file), 1):
                if not line.strip():
                    continue
                row = _object(line, number, bad)
                if row is None:
                    continue
                for key in row:
                    if key not in columns:
                        columns[key] = [None] * len(lines)
                for key, column in columns.items():
                    column.append(row.get(key))
                lines.append(number)
    finally:
        file.close()
    if not lines:
        raise DataError(
            f"{path} holds no JSON object on a line of its own",
            where=str(path),
            mend="write one object a line, for example with jq -c '.[]'",
        )
    report = [f"read {path.name}{f' ({packed})' if packed else ''}: one JSON object a line"]
    arrays = {}
    for key, values in columns.items():
        arrays[key], mixed = _column(values)
        if mixed:
            report.append(f"the values of {key!r} are of several types and are kept as text")
    return JsonLines(pa.table(arrays), bad, np.array(lines, np.int64), report)


def _lines(file: Any):
    rest = b""
    while block := file.read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _object(line: bytes, number: int, bad: BadRowList) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        if b"\\u" in line:  # half a pair of \ud800-\udfff is JSON, but no text
            json.dumps(row, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError):
        bad.add(BadRow(number, ENCODING, "", line[:400].decode("utf-8", "replace")))
        return None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        bad.add(BadRow(number, FIELDS, "", line[:400].decode("utf-8", "replace")))
        return None
    return row


def _column(values: list[Any]) -> tuple[pa.Array, bool]:
    """The values as one type, and whether they had to become text for it."""
    booleans = sum(isinstance(v, bool) for v in values)
    if not booleans or booleans == sum(v is not None for v in values):
        try:
            return pa.array(values), False
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values]), True
