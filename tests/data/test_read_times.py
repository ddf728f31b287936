"""The form of times is decided once; what has another form is bad."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.parse_rows import MISSING, MIXED, WHEN
from matweave.data.read_times import count_times, form_of, number_form, parse_time


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["978300760", "0"], "seconds"),
        (["978300760000"], "milliseconds"),
        (["978300760000000"], "microseconds"),
        (["978300760000000000"], "nanoseconds"),
        (["12", "13.5"], "seconds"),
        (["2020-01-01", "x"], "ISO 8601 without a zone, taken as UTC"),
        (["2020-01-01T10:00+02:00"], "ISO 8601 with a zone"),
        (["20200101", "20211231"], "YYYYMMDD"),
        (["20200101", "20209999"], "seconds"),
        (["978300760000", "978300760", "978300760001"], "milliseconds"),
        (["0", "0"], "seconds"),
    ],
)
def test_forms_by_the_most_of_the_sample(texts, told):
    form = form_of(texts)
    assert form is not None
    assert told in form.told


def test_no_form_where_nothing_is_a_time():
    assert form_of(["soon", "", "nan", "inf"]) is None
    assert form_of([]) is None


def form(text):
    found = form_of([text])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "like", "found"),
    [
        (" 978300760 ", "1", (-1, 978_300_760_000_000)),
        ("9.7830076e8", "1", (-1, 978_300_760_000_000)),
        ("1.0000009", "1", (-1, 1_000_000)),
        ("-1.5", "1", (-1, -1_500_000)),
        ("2020-W01-1", "2020-01-01", (-1, 1_577_664_000_000_000)),
        ("2020-01-01T10:00:00+0100", "2020-01-01T10:00Z", (-1, 1_577_869_200_000_000)),
        ("20200101", "20200102", (-1, 1_577_836_800_000_000)),
        ("", "1", (MISSING, 0)),
        ("NaT", "2020-01-01", (MISSING, 0)),
        ("nan", "1", (WHEN, 0)),
        ("soon", "1", (WHEN, 0)),
        ("01/02/2020", "2020-01-01", (WHEN, 0)),
        ("1600000000000", "1", (MIXED, 0)),
        ("2020-01-01", "1", (MIXED, 0)),
        ("5", "2020-01-01", (MIXED, 0)),
        ("2020-01-01T10:00Z", "2020-01-01", (MIXED, 0)),
        ("2020-01-01", "2020-01-01T10:00Z", (MIXED, 0)),
        ("7", "20200102", (WHEN, 0)),
        ("1_000", "1", (WHEN, 0)),
    ],
)
def test_one_time_read_slowly(text, like, found):
    assert parse_time(text, form(like)) == found


def test_columns_of_numbers():
    times, other, form = count_times(np.array([978300760000, 0, 978300760, -978300760001]))
    assert times.tolist()[:2] == [978_300_760_000_000, 0]
    assert other.tolist() == [False, False, True, False]
    assert times[3] == -978_300_760_001_000
    assert "milliseconds" in form.told
    assert count_times(np.array([1.25, 2.0]))[0].tolist() == [1_250_000, 2_000_000]
    assert count_times(np.array([10**18 + 999]))[0].tolist() == [10**15]
    assert count_times(np.array([0]))[0].tolist() == [0]


def test_units_by_size():
    assert [number_form(n).unit for n in (1, 10**11, 10**14, 10**17, 10**30)] == [
        1_000_000,
        1000,
        1,
        -1000,
        -1000,
    ]
