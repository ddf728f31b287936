"""Numbers and times from bytes, exactly, in compiled loops; what is rare is left to Python (ODD).

A number is digits, a point, digits, an exponent. With m the digits as an integer below 2^64 and 10^e the scale,
|e| <= 22, m and 10^|e| give m * 10^e in float64 within two units of the last place; it is exact where m < 2^53
and the scale was one operation (Clinger 1990, "How to read floating point numbers accurately"). The float32
that is wanted, float32(float64(text)), can then only be in doubt next to the middle between two float32: there,
and for longer texts, the answer is ODD and Python's own float decides. Dates follow the proleptic Gregorian
calendar, by counting days in 400-year eras that begin on 1 March.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from matweave.data.bytes_simd import intrinsic, word

GOOD, ODD, BAD = 0, 1, 2

SECONDS, ISO, ISO_ZONED, DAY_NUMBER = 0, 1, 2, 3
"""Forms of a time: a number in some unit, ISO 8601 without and with a zone, and YYYYMMDD."""

POWERS = 10.0 ** np.arange(23)


@intrinsic
def _bits(typing, x):
    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.uint64))

    return types.uint64(types.float64), generate


@njit(nogil=True, cache=True)
def number(text, start, end):
    """(GOOD, the number as float64 whose float32 is exact) or (ODD, 0) for Python to look at."""
    at = start
    negative = False
    if at < end and text[at] == 45:  # -
        negative = True
        at += 1
    mantissa = np.uint64(0)
    digits = 0
    scale = 0
    begun = at
    while at < end:
        digit = text[at] - np.uint8(48)
        if digit > 9:
            break
        mantissa = mantissa * np.uint64(10) + np.uint64(digit)
        at += 1
    digits = at - begun
    if at < end and text[at] == 46:  # .
        at += 1
        begun = at
        while at < end:
            digit = text[at] - np.uint8(48)
            if digit > 9:
                break
            mantissa = mantissa * np.uint64(10) + np.uint64(digit)
            at += 1
        scale = begun - at
        digits += at - begun
    if digits == 0 or digits > 19:
        return ODD, 0.0
    if at < end and (text[at] == 101 or text[at] == 69):  # e, E
        at += 1
        falls = False
        if at < end and (text[at] == 45 or text[at] == 43):
            falls = text[at] == 45
            at += 1
        begun = at
        exponent = 0
        while at < end and at - begun < 4:
            digit = text[at] - np.uint8(48)
            if digit > 9:
                break
            exponent = exponent * 10 + np.int64(digit)
            at += 1
        if at == begun:
            return ODD, 0.0
        scale += -exponent if falls else exponent
    if at != end or scale > 22 or scale < -22:
        return ODD, 0.0
    found = np.float64(mantissa)
    if scale < 0:
        found /= POWERS[-scale]
    elif scale > 0:
        found *= POWERS[scale]
    if mantissa >= np.uint64(1 << 53) or scale > 0:
        # float64 has 29 bits more than float32; too near to their middle, two units decide
        rest = np.int64(_bits(found) & np.uint64(0x1FFFFFFF))
        if rest >= 0x0FFFFFF0 and rest <= 0x10000010:
            return ODD, 0.0
    if found > 3.4e38:
        return ODD, 0.0
    return GOOD, -found if negative else found


@njit(nogil=True, cache=True)
def _eight(digits):
    """The number written by the eight digits of a word, or -1 where they are not all digits.

    All eight are checked, and then added in pairs, fours and eight, within the word.
    """
    high = np.uint64(0xF0F0F0F0F0F0F0F0)
    zeros = np.uint64(0x3030303030303030)
    if digits & high != zeros or (digits + np.uint64(0x0606060606060606)) & high != zeros:
        return np.int64(-1)
    digits -= zeros
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    pair = np.uint64(0x000000FF000000FF)
    upper = (digits & pair) * np.uint64(100 + (1_000_000 << 32))
    lower = ((digits >> np.uint64(16)) & pair) * np.uint64(1 + (10_000 << 32))
    return np.int64((upper + lower) >> np.uint64(32))


@njit(nogil=True, cache=True)
def whole_number(text, start, end):
    """The number written by 1 to 16 digits, or -1 for any other text; no loop, so nothing to mispredict."""
    length = end - start
    if length < 1 or length > 16:
        return np.int64(-1)
    head = length - 8 if length > 8 else length
    left = np.uint64(8 * (8 - head))
    first = word(text, start)
    if head < 8:  # the missing digits before it are zeros
        first = (first << left) | (np.uint64(0x3030303030303030) >> (np.uint64(64) - left))
    found = _eight(first)
    if length > 8 and found >= 0:
        more = _eight(word(text, end - 8))
        found = found * 100_000_000 + more if more >= 0 else np.int64(-1)
    return found


@njit(nogil=True, cache=True)
def short_number(text, start, end):
    """5 or 3.5, as most ratings are written, as float64; -1 for any other text."""
    whole = text[start] - np.uint8(48)
    if end - start == 1 and whole <= 9:
        return np.float64(whole)
    tenths = text[start + 2] - np.uint8(48)
    if end - start == 3 and text[start + 1] == 46 and whole <= 9 and tenths <= 9:
        return (np.float64(whole) * 10.0 + np.float64(tenths)) / 10.0
    return -1.0


@njit(nogil=True, cache=True)
def _digits(text, start, count):
    """The number written by `count` digits, or -1."""
    found = 0
    for at in range(start, start + count):
        digit = text[at] - np.uint8(48)
        if digit > 9:
            return -1
        found = found * 10 + np.int64(digit)
    return found


@njit(nogil=True, cache=True)
def day_number(year, month, day):
    """Days since 1970-01-01, or -2^40 where there is no such day."""
    if month < 1 or month > 12 or day < 1 or year < 1 or year > 9999:
        return -(1 << 40)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    long = month in (1, 3, 5, 7, 8, 10, 12)
    if day > (31 if long else 30) or (month == 2 and day > (29 if leap else 28)):
        return -(1 << 40)
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@njit(nogil=True, cache=True)
def count_time(text, start, end, unit, low, high, form):
    """(GOOD, microseconds) from a number of `unit` microseconds (a negative unit divides), decimals allowed.

    BAD where its magnitude is outside low..high (another unit); zero is the same in all units.
    """
    at = start
    negative = False
    if at < end and text[at] == 45:
        negative = True
        at += 1
    whole = np.int64(0)
    begun = at
    while at < end:
        digit = text[at] - np.uint8(48)
        if digit > 9:
            break
        whole = whole * 10 + np.int64(digit)
        at += 1
    if at == begun or at - begun > 18:
        if at - begun == 19 and at == end and whole > 0:
            pass  # nanoseconds of our days have 19 digits
        else:
            return ODD, np.int64(0)
    fraction = np.int64(0)
    if at < end and text[at] == 46 and form == SECONDS and unit > 0:
        at += 1
        begun = at
        tenth = unit
        while at < end:
            digit = text[at] - np.uint8(48)
            if digit > 9:
                break
            if tenth % 10 and digit:
                return ODD, np.int64(0)  # beyond microseconds
            tenth //= 10
            fraction += np.int64(digit) * tenth
            at += 1
        if at == begun:
            return ODD, np.int64(0)
    if at != end:
        return ODD, np.int64(0)
    if form == DAY_NUMBER:
        days = day_number(whole // 10000, whole // 100 % 100, whole % 100)
        if negative or days < -(1 << 39):
            return ODD, np.int64(0)
        return GOOD, days * 86_400_000_000
    if (whole < low or whole >= high) and (whole or fraction):
        return BAD, np.int64(0)
    found = whole * unit + fraction if unit > 0 else whole // -unit
    return GOOD, -found if negative else found


@njit(nogil=True, cache=True)
def iso_time(text, start, end, form):
    """(GOOD, microseconds) from YYYY-MM-DD[THH:MM[:SS[.f]]][zone]; BAD where it lacks or has a zone against `form`."""
    odd = (ODD, np.int64(0))
    if end - start < 10:
        return odd
    dash = text[start + 4]
    if (dash != 45 and dash != 47) or text[start + 7] != dash:
        return odd
    year, month, day = _digits(text, start, 4), _digits(text, start + 5, 2), _digits(text, start + 8, 2)
    days = day_number(year, month, day)
    if year < 0 or month < 0 or day < 0 or days < -(1 << 39):
        return odd
    micros = np.int64(0)
    at = start + 10
    zoned = False
    if at < end:
        if (text[at] != 84 and text[at] != 32) or end - at < 6 or text[at + 3] != 58:
            return odd
        hour, minute, second = _digits(text, at + 1, 2), _digits(text, at + 4, 2), 0
        at += 6
        if at + 3 <= end and text[at] == 58:
            second = _digits(text, at + 1, 2)
            at += 3
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
            return odd
        micros = np.int64((hour * 60 + minute) * 60 + second) * 1_000_000
        if at < end and (text[at] == 46 or text[at] == 44):
            at += 1
            tenth = np.int64(1_000_000)
            begun = at
            while at < end and text[at] - np.uint8(48) <= 9:
                tenth //= 10
                micros += np.int64(text[at] - np.uint8(48)) * tenth
                at += 1
            if at == begun or at - begun > 6:
                return odd
        if at < end and text[at] == 90:  # Z
            zoned = True
            at += 1
        elif at + 6 == end and (text[at] == 43 or text[at] == 45) and text[at + 3] == 58:
            hours, minutes = _digits(text, at + 1, 2), _digits(text, at + 4, 2)
            if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
                return odd
            away = np.int64(hours * 60 + minutes) * 60_000_000
            micros += away if text[at] == 45 else -away
            zoned = True
            at += 6
        if at != end:
            return odd
    if zoned != (form == ISO_ZONED):
        return BAD, np.int64(0)
    return GOOD, days * 86_400_000_000 + micros
