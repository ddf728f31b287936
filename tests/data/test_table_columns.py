"""Kinds of columns, their values and texts."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.table_columns import first_misfits, kind_of, moments, texts_of, values_of

NOON = dt.datetime(1970, 1, 2, 12)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.int8(), "number"),
        (pa.decimal128(5, 2), "number"),
        (pa.float16(), "number"),
        (pa.bool_(), "flag"),
        (pa.string_view(), "levels"),
        (pa.dictionary(pa.int8(), pa.int64()), "levels"),
        (pa.timestamp("ns", "UTC"), "date"),
        (pa.date64(), "date"),
        (pa.time64("us"), "clock"),
        (pa.duration("s"), "duration"),
        (pa.null(), "empty"),
        (pa.binary(), None),
        (pa.list_(pa.int8()), None),
        (pa.struct([("a", pa.int8())]), None),
    ],
)
def test_kinds(kind, wanted):
    assert kind_of(kind) == wanted


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([1, None], pa.int16()), [1, np.nan]),
        (pa.array([True, None]), [1, np.nan]),
        (pa.nulls(1), [np.nan]),
        *(
            (pa.array([NOON, None], pa.timestamp(unit)), [129_600, np.nan])
            for unit in ("s", "ms", "us", "ns")
        ),
        (pa.array([NOON], pa.timestamp("us", "Asia/Tokyo")), [129_600]),
        (pa.array([NOON.date(), None]), [86_400, np.nan]),
        (pa.array([NOON.date()], pa.date64()), [86_400]),
        *((pa.array([dt.time(1, 0, 1)], kind), [3601]) for kind in (pa.time32("s"), pa.time32("ms"))),
        *((pa.array([dt.time(1, 0, 1)], kind), [3601]) for kind in (pa.time64("us"), pa.time64("ns"))),
        (pa.array([dt.timedelta(days=-1, seconds=1)]), [-86_399]),
    ],
)
def test_values(column, wanted):
    found = values_of(pa.chunked_array([column]))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, wanted)


def test_texts_of_categories_of_any_type():
    for values, wanted in ((["b", None], ["b", None]), ([7, None], ["7", None]), ([1.5], ["1.5"])):
        for array in (pa.array(values), pa.array(values).dictionary_encode()):
            found = texts_of(pa.chunked_array([array]))
            assert found.type == pa.large_string()
            assert found.to_pylist() == wanted


def test_misfits():
    assert first_misfits(pa.chunked_array([["1", "x", None, "", "y", "z"]])) == [1, 4, 5]
    assert first_misfits(pa.chunked_array([["1", None, "2"]])) == [0, 2]
    assert first_misfits(pa.chunked_array([[None]], pa.string())) == []


def test_moments_of_numbers_near_the_largest_and_constant_ones():
    values = np.random.default_rng(0).normal(3, 2, 1000)
    np.testing.assert_allclose(moments(values), (values.mean(), values.std()), rtol=1e-12)
    np.testing.assert_allclose(
        moments(values * 1e307), (values.mean() * 1e307, values.std() * 1e307), rtol=1e-12
    )
    assert moments(np.full(7, 0.1)) == (0.1, 0.0)
    assert moments(np.zeros(3)) == (0.0, 0.0)
