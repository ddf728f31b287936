"""Delimited files: how they are written, what is read, and what is wrong with them by line."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.delimited_text import DelimitedText
from matweave.errors import DataError


@pytest.fixture
def open_text(tmp_path):
    def write(data, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return DelimitedText.open(path)

    return write


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a,b\n1,2\n", ","),
        ("a\tb\n1\t2\n", "\t"),
        ("a;b\n1,5;2,5\n", ";"),
        ("name;remark\nx;one, two\ny;none\n", ";"),
        ("name\tremark\nx\tone, two; three\n", "\t"),
        ('a;"b;c"\n1;2\n', ";"),
        ("alone\n1\n", ","),
        ("a,b;c\n1,2\n3,4\n", ","),
        ("a,b,c;d\n1;2\n3;4\n", ";"),
    ],
)
def test_the_separator_is_the_one_that_cuts_rows_alike(open_text, text, separator):
    assert open_text(text).separator == separator


def test_quotes_between_tabs_are_letters_unless_whole_fields_stand_in_them(open_text):
    assert open_text('a\tb\n"x" y\t1\n').read().to_pylist() == [{"a": '"x" y', "b": 1}]
    assert open_text('a\tb\n"x\ty"\t1\n').read().to_pylist() == [{"a": "x\ty", "b": 1}]


@given(
    rows=st.lists(
        st.tuples(
            st.text(alphabet="xyé,;\"'\n ", max_size=6).filter(lambda t: t.strip("\n") == t),
            st.integers(-9, 9),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_what_csv_writes_is_read_back(tmp_path_factory, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "number"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(out.getvalue())
    found = DelimitedText.open(path).read(types={"text": pa.string()})
    assert [tuple(row.values()) for row in found.to_pylist()] == rows


def test_places_are_lines_of_the_file(open_text):
    text = open_text('a,b\n\n1,"x\ny"\n2,z\n')
    assert text.places().numbers.tolist() == [3, 5]
    assert text.places(header=False).numbers.tolist() == [1, 3, 5]


def test_rows_without_a_header_and_after_one_without_names(open_text):
    assert open_text("1,2\n3,4").read(names=["0", "1"]).to_pylist() == [{"0": 1, "1": 2}, {"0": 3, "1": 4}]
    assert open_text("\n0,1\n3,4\n").read(names=["0", "1"], skip=1).to_pylist() == [{"0": 3, "1": 4}]


def test_a_header_alone_is_a_table_without_rows(open_text):
    for text in ("a,b", "a,b\n", "\na,b"):
        assert open_text(text).read().to_pydict() == {"a": [], "b": []}


def test_a_pair_of_quotes_is_a_row_of_one_empty_field(open_text):
    text = open_text('""\nx\n""\ny\n')
    assert text.head() == [("",), ("x",), ("",), ("y",)]
    assert text.names() == ("",)
    assert text.read(types={"": pa.string()}).column(0).to_pylist() == ["x", "", "y"]
    assert text.places().numbers.tolist() == [2, 3, 4]


def test_only_some_columns_with_types(open_text):
    found = open_text("a,b,c\n01,2,3\n").read(only=["a"], types={"a": pa.string()})
    assert found.to_pylist() == [{"a": "01"}]


def test_rows_longer_than_a_block_are_read(open_text):
    long = "x" * 2_500_000
    found = open_text(f"a,b\n{long},1\n{long},2\n").read()
    assert found.column("b").to_pylist() == [1, 2]
    assert len(found.column("a")[1].as_py()) == len(long)


def test_repeated_names_are_refused(open_text):
    for ask in (DelimitedText.names, DelimitedText.read):
        with pytest.raises(DataError, match=r"'a' \(2 times\)"):
            ask(open_text("a,b,a\n1,2,3\n"))


def test_rows_of_another_length_are_all_named(open_text):
    text = open_text("a,b\n1\n\n2,3\nx,5,6\n" + "7\n" * 20)
    with pytest.raises(DataError) as error:
        text.read()
    assert "which has 2: line 2 has 1, line 5 has 3, line 6 has 1" in error.value.what
    assert "(+12 more)" in error.value.what
    with pytest.raises(DataError, match="line 2 has 1"):
        open_text("1,2\n3\n4,5\n").read(names=["0", "1"])
    with pytest.raises(DataError, match="line 3 has 1"):
        open_text("0,1,2\n3,4,5\n4\n").read(names=["0", "1", "2"], skip=1)


def test_cells_that_are_no_numbers_are_named(open_text):
    kinds = {"a": pa.float64(), "b": pa.float64()}
    with pytest.raises(DataError) as error:
        open_text("a,b,c\n1,x,t\n\noops,2,t\n,y y,t\n").read(types=kinds)
    assert error.value.what.splitlines()[0] == "3 cells are no numbers:"
    assert "line 2, 'b': 'x'" in error.value.what
    assert "line 4, 'a': 'oops'" in error.value.what
    assert "line 5, 'b': 'y y'" in error.value.what
    with pytest.raises(DataError, match="line 2, '0': 'x'"):
        open_text("1,2\nx,3\n").read(names=["0", "1"], types={"0": pa.float64()})
    with pytest.raises(DataError, match="line 3, '0': 'x'"):
        open_text("0,1,2\n3,4,5\nx,6,7\n").read(names=["0", "1", "2"], skip=1, types={"0": pa.float64()})


def test_missing_cells_are_null_only_where_they_are_said_to_be(open_text):
    found = open_text("a,b\n1,NA\n?,x\n,\n").read(nulls=("", "?"))
    assert found.to_pydict() == {"a": [1, None, None], "b": ["NA", "x", ""]}


def test_other_failures_are_told_in_arrows_words(open_text):
    with pytest.raises(DataError, match="cannot be read as a table"):
        open_text("a\n1\nx\n").read(types={"a": pa.int64()})
