"""Files with a row for each item, in every form, and what is wrong with them."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from matweave.data.content_rows import read_rows
from matweave.errors import ConfigError, DataError

ROWS = [
    {"id": "1", "title": "Heat; again", "genres": "Action|Crime"},
    {"id": "2", "title": 'A "Big"', "genres": None},
]


def write(path, text, encoding="utf-8"):
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["films.csv", "films.csv.gz"])
def test_csv_with_quotes(tmp_path, name):
    path = write(tmp_path / name, 'id,title,genres\n1,Heat; again,Action|Crime\n2,"A ""Big""",\n')
    table, told = read_rows(path)
    assert table.to_pylist() == ROWS
    assert "a header" in told[0]


def test_double_colons_in_latin_1_without_a_header(tmp_path):
    path = write(tmp_path / "movies.dat.gz", "1::Les Misérables (1995)::Drama\n2::Big::Comedy\n", "latin-1")
    table, _ = read_rows(path, columns=["id", "title", "genres"], encoding="latin-1")
    assert table.column("title").to_pylist() == ["Les Misérables (1995)", "Big"]
    with pytest.raises(DataError, match="line 1") as error:
        read_rows(path, columns=["id", "title", "genres"])
    assert "latin-1" in error.value.mend
    with pytest.raises(ConfigError, match="'klingon' is unknown"):
        read_rows(path, encoding="klingon")


def test_json_in_all_its_forms(tmp_path):
    texts = {"1": "a heist", "2": None}
    wanted = [{"id": "1", "text": "a heist"}, {"id": "2", "text": None}]
    for text in (json.dumps(texts), json.dumps(texts, indent=1)):
        assert read_rows(write(tmp_path / "a.json", text))[0].to_pylist() == wanted
    nested = {row["id"]: {k: v for k, v in row.items() if k != "id"} for row in ROWS}
    assert read_rows(write(tmp_path / "b.json", json.dumps(nested)))[0].to_pylist() == ROWS
    lines = "\n".join(map(json.dumps, ROWS))
    assert read_rows(write(tmp_path / "c.jsonl", lines))[0].to_pylist() == ROWS
    assert read_rows(write(tmp_path / "d.json", json.dumps(ROWS)))[0].to_pylist() == ROWS
    one = read_rows(write(tmp_path / "e.jsonl", json.dumps(ROWS[0])), key="id")[
        0
    ]  # a single line, by its key
    assert one.to_pylist() == ROWS[:1]


def test_parquet_file_folder_and_feather(tmp_path):
    table = pa.table({"id": [1, 2], "title": ["a", "b"]})
    parquet.write_table(table, tmp_path / "one.parquet")
    assert read_rows(tmp_path / "one.parquet")[0].equals(table)
    assert read_rows(tmp_path)[0].num_rows == 2
    (tmp_path / "bad.parquet").write_bytes((tmp_path / "one.parquet").read_bytes()[:50])
    with pytest.raises(DataError, match="truncated or damaged"):
        read_rows(tmp_path / "bad.parquet")


def test_rows_of_other_lengths_are_named_by_line(tmp_path):
    path = write(tmp_path / "films.csv", 'id,title,year\n1,Heat,1995\n2,Big,"19\n88",x\n3\n4,Jaws,1975\n')
    with pytest.raises(DataError, match="line 3 has 4, line 5 has 1"):
        read_rows(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ('["a"]', "neither an object nor an array of objects"),
        ('[{"id": 1, "x": 1}, {"id": 2, "x": "a"}]', "several types"),
        ('{"id": 1}\nnonsense\n', "nonsense"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, text, told):
    with pytest.raises(DataError, match=told):
        read_rows(write(tmp_path / "films.txt", text), key="id")


def test_names_that_are_said_tell_a_header_from_a_row_of_text(tmp_path):
    path = write(tmp_path / "films.csv", "slug,blurb\nheat,a heist\n")
    assert read_rows(path, said=["blurb"])[0].to_pylist() == [{"slug": "heat", "blurb": "a heist"}]
    assert read_rows(path)[0].column_names == ["1", "2"]
    with pytest.raises(DataError, match="more than once"):
        read_rows(path, columns=["a", "a"])
