"""Columns of numbers and times from places in a text, in compiled loops.

Each loop reads one column of many rows. `faults` gets the kind of a bad row; `odd` gets the rows whose text Python
must look at, and how many they are is returned.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.data.parse_numbers import (
    GOOD,
    ISO,
    ISO_ZONED,
    ODD,
    SECONDS,
    count_time,
    iso_time,
    number,
    short_number,
    whole_number,
)
from matweave.data.parse_rows import MISSING, MIXED


@njit(nogil=True, cache=True)
def read_values(text, starts, ends, values, faults, odd):
    """values[i] = the number text[starts[i]:ends[i]]; returns how many rows are in `odd`."""
    n = 0
    for i in range(len(values)):
        start, end = np.int64(starts[i]), np.int64(ends[i])
        value = short_number(text, start, end)
        if value < 0.0:
            state, value = number(text, start, end)
            if start == end:
                faults[i] = MISSING
            elif state != GOOD:
                odd[n] = i
                n += 1
        values[i] = value
    return n


@njit(nogil=True, cache=True)
def read_times(text, starts, ends, times, faults, odd, form, unit, least, most):
    """times[i] = microseconds of the time text[starts[i]:ends[i]]; returns how many rows are in `odd`.

    form, unit, least, most: as `TimeForm` has them.
    """
    n = 0
    for i in range(len(times)):
        start, end = np.int64(starts[i]), np.int64(ends[i])
        time = np.int64(-1)
        if form == SECONDS and unit > 0:
            time = whole_number(text, start, end)
        if time >= least and time < most:
            times[i] = time * unit
            continue
        if form in (ISO, ISO_ZONED):
            state, time = iso_time(text, start, end, form)
        else:
            state, time = count_time(text, start, end, unit, least, most, form)
        times[i] = time
        if start == end:
            faults[i] = MISSING
        elif state == ODD:
            odd[n] = i
            n += 1
        elif state != GOOD:
            faults[i] = MIXED
    return n
