"""Numbers and times from bytes against float, Decimal and datetime."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matweave.data.bytes_simd import PADDING
from matweave.data.parse_numbers import (
    BAD,
    DAY_NUMBER,
    GOOD,
    ISO,
    ISO_ZONED,
    ODD,
    SECONDS,
    count_time,
    day_number,
    iso_time,
    number,
    short_number,
    whole_number,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(function, text, *more):
    """Call a parser on text that stands between other digits, which it must not read."""
    letters = np.frombuffer(b"9" + text.encode() + b"9" * PADDING, np.uint8).copy()
    return function(letters, 1, 1 + len(text.encode()), *more)


@settings(max_examples=300)
@given(
    st.one_of(
        st.from_regex(r"-?[0-9]{0,12}(\.[0-9]{0,14})?([eE][-+]?[0-9]{1,2})?", fullmatch=True),
        st.floats().map(repr),
    )
)
@example("3.5")
@example("0.0")
@example("9007199254740993")
@example("1.00000005960464477539")
def test_a_good_number_has_the_float32_of_pythons_float(text):
    state, found = at(number, text)
    if state == GOOD:
        assert np.float32(found) == np.float32(float(text))
        assert np.signbit(found) == text.startswith("-")


def test_common_numbers_are_read_at_once_and_others_are_left():
    for text in (
        "5",
        "3.5",
        "0.25",
        "-1",
        "10",
        "1e3",
        "2.5E-2",
        "12345.678",
        "0.30000000000000004",
        "1" * 19,
    ):
        assert at(number, text)[0] == GOOD, text
    for text in (
        "",
        "-",
        ".",
        "e5",
        "1e",
        "nan",
        "inf",
        "1_0",
        " 1",
        "1 ",
        "0x1",
        "1" * 20,
        "1e23",
        "1e99",
        "--1",
        "1.2.3",
        "a.5",
        "3.x",
    ):
        assert at(number, text)[0] == ODD, text


def test_every_day_of_four_centuries():
    day, n = date(1899, 1, 1), -25932
    assert (day - date(1970, 1, 1)).days == n
    for _ in range(400 * 366):
        assert day_number(day.year, day.month, day.day) == n
        day, n = day + timedelta(days=1), n + 1
        if day.year > 2110:
            break
    for y, m, d in [
        (2023, 2, 29),
        (2100, 2, 29),
        (2023, 4, 31),
        (2023, 13, 1),
        (2023, 0, 1),
        (2023, 1, 0),
        (0, 1, 1),
    ]:
        assert day_number(y, m, d) < -(1 << 39)
    assert day_number(2000, 2, 29) == (date(2000, 2, 29) - date(1970, 1, 1)).days
    assert day_number(1, 1, 1) == (date(1, 1, 1) - date(1970, 1, 1)).days


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["T", " "]),
    st.integers(0, 6),
)
def test_iso_times_are_those_of_datetime(when, minutes, between, digits):
    when = when.replace(microsecond=when.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    micros = (when - EPOCH) // timedelta(microseconds=1)
    fraction = f".{when.microsecond:06d}"[: digits + 1] if digits else ""
    text = when.strftime(f"{when.year:04d}-%m-%d{between}%H:%M:%S") + fraction
    assert at(iso_time, text, ISO) == (GOOD, micros)
    assert at(iso_time, text + "Z", ISO_ZONED) == (GOOD, micros)
    sign = "+" if minutes >= 0 else "-"
    zone = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert at(iso_time, text + zone, ISO_ZONED) == (GOOD, micros - minutes * 60_000_000)
    assert at(iso_time, text, ISO_ZONED)[0] == BAD
    assert at(iso_time, text + "Z", ISO)[0] == BAD


def test_what_is_no_iso_time_is_left():
    for text in ("", "2020-01-0", "2020-13-01", "2020-02-30", "2020-01-01T", "2020-01-01T25:00", "2020-01-01T10:60", "2020-01-01T10:00:61",
                 "2020-01-01T10:00x", "2020-01/01", "20-01-2020xx", "2020-01-01T10:00:00.", "2020-01-01T10:00:00.1234567", "2020-01-01+01:0"):  # fmt: skip
        assert at(iso_time, text, ISO)[0] == ODD, text


@given(st.integers(-(10**11) + 1, 10**11 - 1), st.integers(0, 6), st.integers(0, 999_999))
def test_seconds_with_and_without_decimals(whole, digits, micros):
    micros = micros // 10 ** (6 - digits) * 10 ** (6 - digits)
    text = f"{whole}." + f"{micros:06d}"[:digits] if digits else str(whole)
    wanted = abs(whole) * 1_000_000 + (micros if digits else 0)
    wanted = -wanted if text.startswith("-") else wanted
    assert at(count_time, text, 1_000_000, 0, 10**11, SECONDS) == (GOOD, wanted)


def test_times_of_other_units_are_bad_and_zero_never_is():
    assert at(count_time, "1600000000", 1000, 10**11, 10**14, SECONDS)[0] == BAD
    assert at(count_time, "0", 1000, 10**11, 10**14, SECONDS) == (GOOD, 0)
    assert at(count_time, "1600000000000", 1000, 10**11, 10**14, SECONDS) == (GOOD, 1_600_000_000_000_000)
    assert at(count_time, "1600000000123456789", -1000, 10**17, 2**63 - 1, SECONDS) == (
        GOOD,
        1_600_000_000_123_456,
    )
    for text in ("", "-", "12x", "1e9", " 1", "99999999999999999999", "1.2345678"):
        assert at(count_time, text, 1_000_000, 0, 10**11, SECONDS)[0] == ODD, text


def test_day_numbers():
    assert at(count_time, "20200229", 1, 0, 0, DAY_NUMBER) == (
        GOOD,
        (date(2020, 2, 29) - date(1970, 1, 1)).days * 86_400_000_000,
    )
    for text in ("20200230", "2020022", "-20200229", "20200229.5"):
        assert at(count_time, text, 1, 0, 0, DAY_NUMBER)[0] == ODD


@given(st.text(st.sampled_from("0123456789/:x."), max_size=18))
@example("0" * 16)
@example("99999999")
def test_whole_numbers_without_loops(text):
    plain = text.isdigit() and len(text) <= 16
    assert at(whole_number, text) == (int(text) if plain else -1)


@given(st.text(st.sampled_from("0123456789/:x."), min_size=1, max_size=4))
def test_short_numbers(text):
    plain = (text.isdigit() and len(text) == 1) or (
        len(text) == 3 and text[1] == "." and (text[0] + text[2]).isdigit()
    )
    assert at(short_number, text) == (float(text) if plain else -1.0)
