"""Arrow columns of each type as NumPy sees them."""

from __future__ import annotations

import decimal

import numpy as np
import pyarrow as pa
import pytest

from matweave.data import arrow_columns as a


@pytest.mark.parametrize(
    "column",
    [
        pa.chunked_array([["x", None], ["y"]]),
        pa.chunked_array([pa.array(["x", None, "y"]).dictionary_encode()]),
        pa.chunked_array([pa.array(["x", None, "y"], pa.string_view())]),
        pa.array(["x", None, "y"]),
    ],
)
def test_text_of_any_kind_is_one_large_string_array(column):
    found = a.flat(column)
    assert found.type == pa.large_string()
    assert found.to_pylist() == ["x", None, "y"]


def test_a_column_without_chunks_is_an_empty_array():
    assert len(a.flat(pa.chunked_array([], pa.int8()))) == 0


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, 0], pa.int8()),
        pa.array([1, None, 0], pa.uint64()),
        pa.array([1.0, np.nan, 0.0], pa.float32()),
        pa.array([1.0, None, 0.0], pa.float16()),
        pa.array([decimal.Decimal("1"), None, decimal.Decimal("0")]),
        pa.array([True, None, False]),
    ],
)
def test_numbers_of_any_kind_are_float64_with_nan(column):
    found = a.numbers(column)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1.0, np.nan, 0.0])


def test_numbers_are_a_copy_or_harmless_to_change():
    column = pa.array([1.0, 2.0])
    assert a.numbers(column).tolist() == [1.0, 2.0]
    assert column.to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("text", ["1", "-0.5", "+3", "1e-3", ".5", "1.", "nan", "inf", " 7 "])
def test_what_arrow_reads_as_a_number_is_one(text):
    assert a.is_number(text)
    assert not np.isnan(pa.array([text.strip()]).cast(pa.float64())[0].as_py()) or text == "nan"


@pytest.mark.parametrize("text", ["", "x", "1_0", "0x1F", "1,5", "٣", "1 2", "--1"])
def test_what_arrow_does_not_read_as_a_number_is_none(text):
    assert not a.is_number(text)
    with pytest.raises(pa.ArrowInvalid):
        pa.array([text]).cast(pa.float64())


def test_cells_that_are_no_numbers():
    column = pa.chunked_array([["1", "a", "?"], ["a", None, ""]])
    assert a.not_numbers(column).tolist() == [1, 2, 3]
    assert a.not_numbers(column, ("", "?")).tolist() == [1, 3]
    assert a.not_numbers(pa.chunked_array([], pa.string())).tolist() == []
