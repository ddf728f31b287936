"""Vocabulary: ids of any type come back as they came, and are the same only within their type."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, UnknownId

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
OF_EACH_TYPE = {
    "text": pa.array(["ö", "", "b"]),
    "large text": pa.array(["x", "y"], pa.large_string()),
    "int64": pa.array([7, -3]),
    "uint64": pa.array([2**64 - 1, 0], pa.uint64()),
    "bool": pa.array([True, False]),
    "float": pa.array([0.5, 2.0]),
    "date": pa.array([dt.date(2020, 1, 2), dt.date(1960, 1, 1)]),
    "time": pa.array([NOON], pa.timestamp("us", tz="UTC")),
    "nanoseconds": pa.array([1, 2], pa.timestamp("ns")),
    "bytes": pa.array([b"\xff", b""]),
    "fixed bytes": pa.array([b"ab", b"cd"], pa.binary(2)),
    "uuid": pa.array([uuid.UUID(int=5), uuid.UUID(int=6)], pa.uuid()),
    "decimal": pa.array([decimal.Decimal("1.50")]),
}


@pytest.mark.parametrize("ids", OF_EACH_TYPE.values(), ids=OF_EACH_TYPE)
def test_ids_of_any_type_come_back_as_they_came(ids):
    twice = pa.concat_arrays([ids, ids])
    v, codes = Vocabulary.of(twice)
    assert v.ids.type == ids.type
    assert v.decode(codes).equals(twice)
    assert codes.dtype == np.int32
    found, known = v.encode(twice)
    assert known.all()
    np.testing.assert_array_equal(found, codes)


@pytest.mark.parametrize("name", ["text", "int64", "bool", "date", "uuid", "decimal", "time", "bytes"])
def test_python_objects_and_text_find_the_same_codes(name):
    ids = OF_EACH_TYPE[name]
    v = Vocabulary(ids=ids)
    objects = v.to_list()
    np.testing.assert_array_equal(v.encode(objects)[0], np.arange(len(ids)))
    assert [v.code(o) for o in objects] == list(range(len(ids)))
    if name not in ("bytes", "time"):  # bytes have no one way to be written
        texts = [str(o).lower() if name == "bool" else str(o) for o in objects]
        np.testing.assert_array_equal(v.encode_text(texts)[0], np.arange(len(ids)))


@given(st.lists(st.one_of(st.text(), st.integers(0, 3).map(str)), min_size=1))
def test_numbers_by_first_appearance(values):
    v, codes = Vocabulary.of(values)
    assert v.to_list() == list(dict.fromkeys(values))
    assert [v.to_list()[c] for c in codes] == values


def test_chunks_series_and_dictionaries_are_taken():
    chunked = pa.chunked_array([["b", "a"], ["a", "c"]])
    for values in (
        chunked,
        chunked.dictionary_encode(),
        pd.Series(["b", "a", "a", "c"]),
        pl.Series(["b", "a", "a", "c"]),
        np.array(["b", "a", "a", "c"]),
        np.array(["b", "a", "a", "c"], object),
    ):
        v, codes = Vocabulary.of(values)
        assert v.to_list() == ["b", "a", "c"]
        assert codes.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("ids", "asked"),
    [
        ([12, 13], "12"),
        (["12", "13"], 12),
        ([12, 13], 12.5),
        ([1, 2], True),
        ([12], None),
        ([12], [12]),
        (["12"], b"12"),
    ],
)
def test_another_type_is_another_id(ids, asked):
    v = Vocabulary(ids=pa.array(ids))
    assert not v.encode([asked])[1].any()
    assert v.encode([ids[0], asked])[0].tolist() == [0, -1]
    with pytest.raises(UnknownId):
        v.code(asked)


def test_integers_of_any_width_are_the_same_ids():
    v = Vocabulary(ids=pa.array([5, 200], pa.uint8()))
    assert v.encode(np.array([200, 5, 70_000, -1]))[0].tolist() == [1, 0, -1, -1]
    assert v.encode(pa.array([5], pa.int32()))[0].tolist() == [0]
    assert Vocabulary(ids=pa.array(["a"])).encode(pa.array(["a"], pa.large_string()))[0].tolist() == [0]


def test_few_ids_in_a_long_vocabulary_are_found_like_many():
    ids = [f"u{i}" for i in range(1000)]
    v = Vocabulary(ids=pa.array(ids))
    few, known = v.encode(["u999", "nobody", "u0"])
    assert few.tolist() == [999, -1, 0]
    assert known.tolist() == [True, False, True]
    np.testing.assert_array_equal(v.encode(ids)[0], np.arange(1000))


def test_unknown_names_the_nearest_and_the_type():
    v = Vocabulary(ids=pa.array([f"user-{i:04d}" for i in range(5000)]))
    with pytest.raises(UnknownId, match="did you mean 'user-0042'"):
        v.code("user-0042x")
    with pytest.raises(UnknownId, match="whole numbers"):
        Vocabulary(ids=pa.array([12])).code("12")


def test_text_must_be_written_as_the_number_prints():
    v = Vocabulary(ids=pa.array([7, 10**18]))
    assert v.encode_text(["7", "07", "+7", " 7", "1e18", str(10**18), str(10**30)])[0].tolist() == [
        0,
        -1,
        -1,
        -1,
        -1,
        1,
        -1,
    ]


def test_take_keeps_the_order_given():
    v = Vocabulary(ids=pa.array(["a", "b", "c"]))
    assert v.take([2, 0]).to_list() == ["c", "a"]
    assert v.take([]).to_list() == []


@pytest.mark.parametrize("codes", [[3], [-1]])
def test_codes_out_of_range_are_refused(codes):
    with pytest.raises(UnknownId):
        Vocabulary(ids=pa.array(["a", "b", "c"])).decode(codes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Vocabulary(ids=pa.array(["a", None])),
        lambda: Vocabulary(ids=pa.array(["a", "a"])),
        lambda: Vocabulary.of(["a", None]),
        lambda: Vocabulary.of(["a", 1]),
        lambda: Vocabulary.of([[1], [2]]),
    ],
)
def test_what_is_no_vocabulary_is_refused(make):
    with pytest.raises(DataError):
        make()


def test_equal_by_ids():
    assert Vocabulary(ids=pa.array(["a"])) == Vocabulary.of(["a", "a"])[0]
    assert Vocabulary(ids=pa.array(["1"])) != Vocabulary(ids=pa.array([1]))
