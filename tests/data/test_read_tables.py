"""Typed columns: the same checks as for text, by row."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.read_tables import read_table
from matweave.errors import BadRows, DataError

UTC = dt.UTC
NOON = dt.datetime(2020, 1, 1, 12, tzinfo=UTC)
NOON_MICROS = 1_577_880_000_000_000


def read(on_bad_rows="error", **columns):
    n = max(len(c) for c in columns.values())
    columns = {"user": list(range(n)), "item": ["x"] * n, **columns}
    return read_table(
        pa.table(columns), {}, "a table", frame="arrow", duplicates="last", on_bad_rows=on_bad_rows
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1, 2], pa.int8()), [1.0, 2.0]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([decimal.Decimal("1.5"), decimal.Decimal("2")]), [1.5, 2.0]),
        (pa.array(["1.5", " 2e1"]), [1.5, 20.0]),
        (pa.array(["1.5", "1.5"]).dictionary_encode(), [1.5, 1.5]),
        (pa.array([0.1, 2], pa.float64()), np.array([0.1, 2], np.float32).tolist()),
    ],
)
def test_values_of_each_type(column, values):
    assert read(rating=column).values.tolist() == values


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1_577_880_000]),
        pa.array([1_577_880_000.0]),
        pa.array([1_577_880_000_000]),
        pa.array([NOON], pa.timestamp("ns", tz="Asia/Tokyo")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")),
        pa.array(["2020-01-01T12:00"]),
        pa.array(["2020-01-01T13:00+01:00"]),
        pa.array(["1577880000"]),
    ],
)
def test_times_of_each_type(column):
    log = read(time=column)
    assert log.times.tolist() == [NOON_MICROS]
    assert any("times are" in line for line in log.report)


def test_days_are_midnights():
    for column in (pa.array([dt.date(2020, 1, 1)]), pa.array([dt.date(2020, 1, 1)], pa.date64())):
        assert read(time=column).times.tolist() == [NOON_MICROS - 43_200_000_000]


def test_every_kind_of_bad_row_is_named_by_row():
    columns = dict(
        user=["a", None, " ", "b", "c", "d", "e", "f", "g"],
        item=[1.0, 1, 1, float("nan"), 1, 1, 1, 1, 1],
        rating=[1.0, 1, 1, 1, float("nan"), float("inf"), 1e39, None, 2],
        time=[1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e12],
    )
    with pytest.raises(BadRows) as error:
        read(**columns)
    text = str(error.value)
    assert "8 of 9 rows" in text
    for said in (
        "row 2: empty id in 'user': 'user=None, item=1.0, rating=1.0",
        "row 3: empty id in 'user'",
        "row 4: NaN in 'item'",
        "row 5: NaN in 'rating'",
        "row 6: infinity",
        "row 7: infinity",
        "row 8: missing value or time in 'rating'",
        "row 9: time of another form or unit in 'time'",
    ):
        assert said in text, said
    log = read(on_bad_rows="drop", **columns)
    assert log.users.to_list() == ["a"]
    assert any("8 bad rows of 9 dropped" in line for line in log.report)


def test_rows_bad_on_two_counts_are_counted_once():
    with pytest.raises(BadRows, match="1 of 2 rows"):
        read(user=[None, "a"], rating=[None, 1.0])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (dict(user=[], item=[]), "no rows"),
        (dict(time=["soon"]), "no times"),
        (dict(time=[[1]]), "type is list"),
        (dict(user=[[1]]), "cannot be ids"),
        (dict(rating=[[1]]), "not a number"),
        (dict(colour=["red"]), None),
    ],
)
def test_columns_that_cannot_be_read(columns, said):
    if said is None:
        assert "ignored: 'colour'" in read(**columns).report[0]
        return
    with pytest.raises(DataError, match=said):
        read(**columns)


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no good row"):
        read(on_bad_rows="drop", user=[None])


def test_chunks_are_put_together():
    chunks = pa.chunked_array([["b"], ["a", "b"]])
    log = read(user=chunks, item=[1, 2, 3])
    assert log.users.to_list() == ["b", "a"]
    assert log.user_codes.tolist() == [0, 1, 0]
