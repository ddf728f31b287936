"""Tables from files: types, missing cells, problems by line."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from matweave.data.read_table import read_table, refuse_infinite
from matweave.data.tables import Table
from matweave.errors import DataError

TEXT = """age,colour,member,joined,label
31,red,true,2020-01-01,a
?,NA,false,,b
25.5,,true,2021-06-30,a
"""


@pytest.fixture
def read(tmp_path):
    def write(text, /, name="people.csv", **said):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, **said)

    return write


@pytest.mark.parametrize("name", ["people.csv", "people.tsv", "people.csv.gz", "people"])
def test_types_and_missing_cells(read, name):
    text = TEXT.replace(",", "\t") if "tsv" in name else TEXT
    table = read(gzip.compress(text.encode()) if "gz" in name else text, name)
    assert table.features.to_pydict().keys() == {"age", "colour", "member", "joined"}
    assert table.features.column("age").to_pylist() == [31, None, 25.5]
    assert table.features.column("colour").to_pylist() == ["red", "NA", None]
    assert table.features.column("member").to_pylist() == [True, False, True]
    assert pa.types.is_date(table.features.schema.field("joined").type)
    assert table.targets.labels() == ["a", "b", "a"]
    assert table.named([1]) == "line 3"


def test_decimal_commas_between_semicolons_stay_text_and_are_not_numbers(read):
    table = read("a;y\n1,5;u\n2,5;v\n")
    assert table.features.column("a").to_pylist() == ["1,5", "2,5"]


def test_parquet_files_and_folders(read, tmp_path):
    columns = pa.table({"zip": [1, 2], "colour": pa.array(["r", "g"]).dictionary_encode(), "y": [0.5, 1.5]})
    parquet.write_table(columns, tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet")
    assert pa.types.is_dictionary(table.features.schema.field("colour").type)
    assert table.targets.values.tolist() == [0.5, 1.5]
    assert table.named([1]) == "row 2"
    assert read_table(tmp_path / "a.parquet", text="zip").features.column("zip").to_pylist() == ["1", "2"]
    assert len(read_table(tmp_path)) == 2


def test_a_damaged_parquet_file(read):
    with pytest.raises(DataError, match="truncated or damaged"):
        read(b"PAR1 and nothing else")


def test_columns_may_be_read_as_text(read):
    table = read("zip,a,y\n01,1,u\n10,2,v\n", text=["zip"])
    assert table.features.column("zip").to_pylist() == ["01", "10"]
    with pytest.raises(DataError, match="not there: 'zap'; did you mean 'zip'"):
        read("zip,a,y\n01,1,u\n10,2,v\n", text=["zap"])


def test_a_column_of_numbers_with_a_slip_is_told(read):
    text = "a,y\n" + "".join(f"{i},u\n" for i in range(30)) + "3o,v\n"
    table = read(text)
    assert "'a' is read as text, though most cells are numbers; line 32: '3o', ..." in table.report
    assert not any("most cells" in line for line in read(text, text=["a"]).report)
    assert not any("most cells" in line for line in read("a,y\nx,u\n1,v\n").report)
    assert not any("most cells" in line for line in read("a\tb\ty\n \t1\tu\n1\t2\tv\n").report)


def test_targets_are_chosen_as_in_tables(read):
    assert read(TEXT, target="member").targets.classes == ("False", "True")
    assert read(TEXT, target="-").targets is None
    assert read(TEXT, drop="colour").features.column_names == ["age", "member", "joined"]


@pytest.mark.parametrize(
    ("text", "said", "what"),
    [
        (TEXT, {"target": "age"}, "the target 'age' is missing: line 3"),
        ("a,label\n1,u\n\n2,\n3,\n", {}, "the target 'label' is missing: lines 4, 5"),
        (
            "a,b\n1,2\n",
            {},
            "no column is named like a target (target, label, class, y); the columns are 'a', 'b'",
        ),
        ("a,label\n1,2,3\n", {}, "line 2 has 3"),
        ("a,b,a,label\n1,2,3,u\n", {}, "'a' (2 times)"),
        ("a,label\n", {}, "has no rows"),
        ("label\nu\nv\n", {}, "no column is left for features"),
        ("5.1,3.5,u\n", {}, "no column is named like a target"),
        ("5.1,3.5,1\n4.9,3,1\n", {}, "holds numbers, not the names of columns"),
        ("a,label\ninf,u\n1,v\n-inf,u\n", {}, "infinite values stand in 'a' (lines 2, 4)"),
        ("a,label\n\xff,u\n", {}, "is not UTF-8"),
        ("a,label\n1,u\n", {"drop": "b"}, "columns to drop are not there: 'b'"),
    ],
)
def test_files_that_cannot_be_used(read, text, said, what):
    with pytest.raises(DataError) as error:
        read(text.encode("latin-1"), **said)
    assert what in error.value.what


def test_columns_that_are_named_by_counting_are_a_header(read):
    assert read("0,1,y\n5,6,u\n7,8,v\n").features.column_names == ["0", "1"]
    assert read("0,1,2\n5,6,u\n7,8,v\n", target="2").targets.labels() == ["u", "v"]


def test_infinite_values_of_every_column_are_listed():
    features = pa.table(
        {
            "a": [1.0, np.inf],
            "b": ["inf", "x"],
            "c": pa.array([-np.inf, 0], pa.float32()),
            "d": [np.nan, None],
        }
    )
    with pytest.raises(DataError) as error:
        refuse_infinite(Table(features=features), "here")
    assert error.value.what == "infinite values stand in 'a' (row 2), 'c' (row 1)"
    refuse_infinite(Table(features=features.select(["b", "d"])), "here")


def test_the_columns_that_a_model_knows_are_read_and_the_others_told(read, tmp_path):
    text = "b,far,code,label\n1,inf,007,x\n2,3,8,y\n"
    known = dict(only=["code", "b", "gone"], text=["code", "gone"])
    for table in (
        read(text, **known),
        read(text, target="label", **known),
        read(text.replace("label", "kind"), target="kind", **known),
    ):
        assert table.features.to_pydict() == {"b": [1, 2], "code": ["007", "8"]}
        assert table.targets.labels() == ["x", "y"]
        assert table.report[0] == "columns that the model does not know are left out: 'far'"
    bare = read(text, target="-", **known)
    assert bare.targets is None
    assert "'far', 'label'" in bare.report[0]
    parquet.write_table(
        pa.table({"code": [7, 8], "far": [np.inf, 0.0], "label": ["x", "y"]}), tmp_path / "t.parquet"
    )
    stored = read_table(tmp_path / "t.parquet", **known)
    assert stored.features.to_pydict() == {"code": ["7", "8"]}


def test_where_a_model_knows_no_column_all_are_read(read):
    assert read("a,b,label\n1,2,x\n3,4,y\n", only=["c"]).features.column_names == ["a", "b"]
