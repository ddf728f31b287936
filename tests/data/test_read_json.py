"""JSON lines: columns by key, bad lines by number."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from matweave.data.read_json import read_json_lines
from matweave.errors import DataError


def found(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "log.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_json_lines(path, None, encoding)


def test_keys_may_come_late_or_be_missing(tmp_path):
    got = found(tmp_path, '{"user": "a"}\n\n{"user": "b", "item": 2}\n{"item": 3}')
    assert got.table.to_pydict() == {"user": ["a", "b", None], "item": [None, 2, 3]}
    assert got.lines.tolist() == [1, 3, 4]
    assert got.bad.total == 0


def test_lines_that_are_no_object_are_bad(tmp_path):
    got = found(tmp_path, b'{"user": 1}\nnope\n[1]\n{"user": "\xff"}\n7\n')
    assert got.bad.total == 4
    assert [row.line for row in got.bad.first] == [2, 3, 4, 5]
    assert got.bad.lines()[0] == "3 wrong number of fields; 1 broken encoding"


def test_mixed_types_become_text_and_are_told(tmp_path):
    got = found(
        tmp_path,
        '{"user": 1, "item": true, "x": 1}\n{"user": "a", "item": 2, "x": 99999999999999999999999}\n',
    )
    assert got.table.to_pydict() == {
        "user": ["1", "a"],
        "item": ["true", "2"],
        "x": ["1", "99999999999999999999999"],
    }
    assert sum("kept as text" in line for line in got.report) == 3
    assert found(tmp_path, '{"user": true}\n{"user": null}\n').table.column("user").type == pa.bool_()


def test_long_files_packed_and_recoded(tmp_path):
    rows = "".join(f'{{"user": "é{k}", "item": {k}}}\n' for k in range(40_000))
    assert found(tmp_path, rows).table.num_rows == 40_000
    assert found(tmp_path, rows, "latin-1").table.column("user")[1].as_py() == "é1"
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(rows.encode()))
    assert read_json_lines(path, "gzip", "utf-8").table.num_rows == 40_000


def test_no_object_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no JSON object"):
        found(tmp_path, "{\n")
