"""Columns of items: joined texts, ids that are numbers, attributes by what their cells are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.content_columns import attribute_columns, joined_texts, lines_of, whole_numbers
from matweave.errors import DataError


def read(**columns):
    return attribute_columns(pa.table(columns), list(columns), "|", "films.csv")


def test_numbers_booleans_levels_and_lists():
    values, names, told = read(
        year=pa.array([1995, None, 2001]),
        seen=pa.array([True, False, None]),
        text_year=pa.array([" 7 ", "8.5", ""]),
        genre=pa.array(["b|a", "a", " "]),
        tags=pa.array([["x"], [], None]),
    )
    nan = np.nan
    assert names == ("year", "seen", "text_year", "genre=a", "genre=b", "tags=x")
    assert values is not None
    assert values.dtype == np.float32
    np.testing.assert_array_equal(
        values,
        [[1995, 1, 7, 1, 1, 1], [nan, 0, 8.5, 1, 0, 0], [2001, nan, nan, nan, nan, nan]],
    )
    assert told[3] == "attribute 'genre': 2 levels"


def test_another_sign_may_stand_between_levels():
    values, names, _ = attribute_columns(pa.table({"g": ["a, b", "b"]}), ["g"], ",", "here")
    assert names == ("g=a", "g=b")
    np.testing.assert_array_equal(values, [[1, 1], [0, 1]])


def test_columns_that_are_no_attributes_are_all_told():
    with pytest.raises(DataError) as error:
        read(
            plot=pa.array([f"text {n}" for n in range(5000)]),
            blob=pa.array([b"x"] * 5000),
            far=pa.array([np.inf] * 5000),
            none=pa.array([""] * 5000),
        )
    for told in ("'plot' has 5,000 levels", "'blob' is binary", "'far' holds infinite", "'none' is empty"):
        assert told in error.value.what
    assert read()[0] is None


def test_rows_without_any_text_are_null_and_none_is_lost():
    table = pa.table({"a": ["x", None, None], "b": pa.array(["1", "2", None]).dictionary_encode()})
    assert joined_texts(table, ["a", "b"]).to_pylist() == ["x\n1", "2", None]
    assert lines_of([pa.array([None, "q"], pa.string())]).type == pa.large_string()


def test_ids_become_numbers_only_where_all_print_so():
    def kind(*ids):
        return whole_numbers(pa.chunked_array([pa.array(ids)])).type

    assert kind("1", "20") == pa.int64()
    assert kind("1", "020") == kind("1", "x") == kind("+1", "2") == pa.large_string()
    assert kind(1, 2) == pa.int64()


def test_numbers_are_codes_where_that_is_said():
    table = pa.table(
        {"age": pa.array([25, None, 18]), "job": pa.array(["7", "07", ""]), "f": pa.array([1.0, 2.5, np.nan])}
    )
    values, names, told = attribute_columns(table, ["age", "job", "f"], "|", "here", ["age", "job", "f"])
    nan = np.nan
    assert names == ("age=18", "age=25", "job=07", "job=7", "f=1", "f=2.5")
    np.testing.assert_array_equal(
        values, [[0, 1, 0, 1, 1, 0], [nan, nan, 1, 0, 0, 1], [1, 0, nan, nan, nan, nan]]
    )
    assert told[0] == "attribute 'age': 2 levels"
