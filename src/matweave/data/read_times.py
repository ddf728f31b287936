"""Times of many forms as microseconds since 1970 UTC.

The form is decided once for a log, from its first rows: a number of seconds, milli-, micro- or nanoseconds by
its size, ISO 8601 with or without a zone, or YYYYMMDD. A row of another form or unit is a bad row: a log whose
times are in two units has no order in time. Times without a zone are taken as UTC, which is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np

from matweave.data.parse_numbers import DAY_NUMBER, ISO, ISO_ZONED, SECONDS
from matweave.data.parse_rows import MISSING, MIXED, WHEN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNITS = (  # name, microseconds in one (negative: units in a microsecond), magnitudes that it can have
    ("seconds", 1_000_000, 0, 10**11),
    ("milliseconds", 1_000, 10**11, 10**14),
    ("microseconds", 1, 10**14, 10**17),
    ("nanoseconds", -1_000, 10**17, 2**63 - 1),
)

MISSING_TEXTS = ("", "na", "n/a", "null", "none", "\\n", "nat", "-")
"""What stands for no value, whatever the case."""


class TimeForm(NamedTuple):
    """How the times of a log are written."""

    form: int
    unit: int
    low: int
    high: int
    told: str


NO_TIME = TimeForm(SECONDS, 1, 0, 0, "")


def form_of(texts: Sequence[str]) -> TimeForm | None:
    """The form that most of the sample has; None where no text of it is a time.

    >>> form_of(["978300760", "0"]).told, form_of(["2001-01-01 10:00"]).told
    ('times are seconds since 1970', 'times are ISO 8601 without a zone, taken as UTC')
    """
    votes: dict[TimeForm, int] = {}
    numbers = [n for n in (_decimal(t) for t in texts) if n is not None]
    if numbers and all(n == int(n) and _is_day(int(n)) for n in numbers):
        return TimeForm(DAY_NUMBER, 1, 0, 0, "times are days written YYYYMMDD, taken as UTC")
    for n in numbers:
        if n:
            form = number_form(abs(n))
            votes[form] = votes.get(form, 0) + 1
    for text in texts:
        when = None if _decimal(text) is not None else _iso(text)
        if when is not None:
            votes[iso_form(when.tzinfo is not None)] = votes.get(iso_form(when.tzinfo is not None), 0) + 1
    if votes:
        return max(votes, key=lambda f: votes[f])
    return number_form(Decimal(0)) if numbers else None


def number_form(size: Decimal | int) -> TimeForm:
    """The unit of a number of this size."""
    for name, unit, low, high in _UNITS:
        if size < high or high == 2**63 - 1:
            return TimeForm(SECONDS, unit, low, high, f"times are {name} since 1970")
    raise AssertionError("the last unit takes all")


def iso_form(zoned: bool) -> TimeForm:
    """ISO 8601 with or without a zone."""
    if zoned:
        return TimeForm(ISO_ZONED, 1, 0, 0, "times are ISO 8601 with a zone, kept as UTC")
    return TimeForm(ISO, 1, 0, 0, "times are ISO 8601 without a zone, taken as UTC")


def parse_time(text: str, form: TimeForm) -> tuple[int, int]:
    """(-1, microseconds), or the kind of bad row and 0: the slow and complete reading of one time."""
    text = text.strip()
    if text.casefold() in MISSING_TEXTS:
        return MISSING, 0
    number = _decimal(text)
    if number is not None:
        if form.form == DAY_NUMBER:
            if number == int(number) and _is_day(int(number)):
                return -1, _micros(datetime.strptime(str(int(number)), "%Y%m%d").replace(tzinfo=UTC))
            return WHEN, 0
        if form.form != SECONDS:
            return MIXED, 0
        if number and not form.low <= abs(number) < form.high:
            return MIXED, 0
        return -1, int(number * form.unit if form.unit > 0 else number / -form.unit)
    when = _iso(text)
    if when is None:
        return WHEN, 0
    if form.form not in (ISO, ISO_ZONED) or (when.tzinfo is not None) != (form.form == ISO_ZONED):
        return MIXED, 0
    return -1, _micros(when if when.tzinfo is not None else when.replace(tzinfo=UTC))


def count_times(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, TimeForm]:
    """Times (n,) int64 from integers or floats (n,) without NaN, a mask of those in another unit, the form."""
    sample = np.abs(numbers[numbers != 0][:1000])
    votes: dict[TimeForm, int] = {}
    for n in sample.tolist():
        form = number_form(Decimal(n))
        votes[form] = votes.get(form, 0) + 1
    form = max(votes, key=lambda f: votes[f]) if votes else number_form(0)
    size = np.abs(numbers)
    other = ((size < form.low) | (size >= form.high)) & (numbers != 0)
    safe = np.where(other, 0, numbers)
    if form.unit < 0:
        times = (safe / -form.unit if safe.dtype.kind == "f" else safe // -form.unit).astype(np.int64)
    elif safe.dtype.kind == "f":
        times = np.rint(safe * form.unit).astype(np.int64)
    else:
        times = safe.astype(np.int64) * form.unit
    return times, other, form


def _micros(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text) if "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _iso(text: str) -> datetime | None:
    text = text.strip()
    if len(text) > 9 and text[4] == text[7] == "/":
        text = text[:10].replace("/", "-") + text[10:]
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _is_day(number: int) -> bool:
    if not 19000101 <= number <= 21001231:
        return False
    try:
        datetime.strptime(str(number), "%Y%m%d")
    except ValueError:
        return False
    return True
