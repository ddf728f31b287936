"""The compiled heart of reading delimited files: the bytes of a piece become fields, numbers and times.

One pass. Separators and line ends are found 64 bytes at a time; the fields that matter are remembered by
role; a row is written only when its fields are as many as they should be and its numbers are good. Ids are
written as places in the text, for `id_table.encode`. What Python must look at (numbers of an odd form) is
written with a placeholder and handed back in `odd`.

`parse` returns why it stopped: at the end of the piece, for want of places in `odd`, or since it met a quote
where the piece was not cut with quotes in mind. It goes on from `at[POSITION]`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matweave.data.bytes_simd import PADDING, lowest, matches
from matweave.data.parse_numbers import GOOD, ISO, ISO_ZONED, ODD, count_time, iso_time, number

DONE, ODD_FULL, QUOTE_SEEN = 0, 1, 2
"""Why `parse` stopped."""

USER, ITEM, VALUE, TIME, OTHER = 0, 1, 2, 3, 4
"""Roles of columns."""

FIELDS, EMPTY_ID, MISSING, NAN, INFINITE, NUMBER, WHEN, MIXED, ENCODING, QUOTES = range(10)
"""Kinds of bad rows."""

POSITION, ROWS, LINES, ODDS, BAD_ROWS, SPARE = range(6)
"""Where `parse` is: byte, rows written, lines read, entries of `odd` and of `bad`, spare bytes used."""

NAMED = 10
"""Bad rows that are kept by line; the others are counted."""

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


class Layout(NamedTuple):
    """How a row looks. `roles` has one role for each field; `quoting`: 0 no quotes, 1 stop at one, 2 read them."""

    roles: np.ndarray
    separator: int
    second: int
    runs: bool
    quoting: int
    time_form: int
    time_unit: int
    time_low: int
    time_high: int
    has_value: bool
    has_time: bool


class Output(NamedTuple):
    """Where rows go. `spans` (4, rows) int32: start and end of the user, of the item; `rows` (2, rows): of the row.

    odd: row, role, start, end. bad: line, kind, role, start and end of the row.
    """

    spans: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    times: np.ndarray
    odd: np.ndarray
    bad: np.ndarray
    counts: np.ndarray


@njit(nogil=True, cache=True)
def _unquoted(text, start, spare):
    """Of the quoted field whose text begins at `start`: where its text begins and ends, the byte after its quote.

    Where quotes are doubled, the text without the doubles is written to `spare`.
    """
    at = start
    doubled = False
    while True:
        while text[at] != _QUOTE:
            at += 1
        if text[at + 1] != _QUOTE:
            break
        doubled = True
        at += 2
    if not doubled:
        return start, at, at + 1
    written = spare
    k = start
    while k < at:
        text[written] = text[k]
        written += 1
        k += 2 if text[k] == _QUOTE else 1
    return spare, written, at + 1


@njit(nogil=True, cache=True)
def parse(text, end, layout, out, at):
    """Read rows of text[at[POSITION]:end], which ends with a line end; returns why it stopped.

    The text is followed by PADDING spare bytes and, where quotes are read, by as many bytes again as it has.
    """
    separator, newline = np.uint8(layout.separator), np.uint8(_NEWLINE)
    second = np.uint8(layout.second)
    # a field of a tuple is an array with a reference count: taken once here, not in every row
    roles, runs, quoting = layout.roles, layout.runs, layout.quoting
    has_value, has_time, form = layout.has_value, layout.has_time, layout.time_form
    unit, least, most = layout.time_unit, layout.time_low, layout.time_high
    spans, places, values, times = out.spans, out.rows, out.values, out.times
    n_fields = len(roles)
    bounds = np.zeros(2 * (OTHER + 1), np.int64)
    position, rows, lines, spare = at[POSITION], at[ROWS], at[LINES], end + PADDING + at[SPARE]
    base = position
    mask = matches(text, base, separator, newline)
    why = DONE
    while position < end:
        field, fault, role_at_fault, row_lines = 0, np.int64(-1), np.int64(OTHER), 1
        start = position
        if runs:
            while text[start] == separator:
                start += 1
        blank = quoted = False
        while True:
            quoted = quoting != 0 and text[start] == _QUOTE
            first, last, resume = start, start, start
            if quoted:
                if quoting == 1:
                    break
                first, last, resume = _unquoted(text, start + 1, spare)
                if first == spare:
                    spare = last
                for k in range(start, resume):
                    row_lines += text[k] == newline
                base = resume
                mask = matches(text, base, separator, newline)
            while True:  # the next separator or line end at or after `resume`
                while mask == 0:
                    base += 64
                    mask = matches(text, base, separator, newline)
                stop = base + lowest(mask)
                mask &= mask - np.uint64(1)
                if stop >= resume and (second == 0 or text[stop] == newline or text[stop + 1] == second):
                    break
            ends = text[stop] == newline
            fall = stop - 1 if ends and stop > resume and text[stop - 1] == _RETURN else stop
            if quoted:
                if fall != resume and fault < 0:
                    fault = QUOTES
            else:
                last = fall
                if ends and last == first and (field == 0 or runs):
                    blank = field == 0  # of runs of separators, those at the end of a row hold no field
                    break
            role = roles[field] if field < n_fields else OTHER
            bounds[2 * role], bounds[2 * role + 1] = first, last
            field += 1
            if ends:
                break
            start = stop + (1 if second == 0 else 2)
            if runs:
                while text[start] == separator:
                    start += 1
        if quoted and quoting == 1:
            why = QUOTE_SEEN
            break
        if blank:
            position = stop + 1
            lines += 1
            continue
        value, time = 0.0, np.int64(0)
        odd_value = odd_time = False
        if fault < 0 and field != n_fields:
            fault = FIELDS
        if fault < 0 and bounds[2 * USER] == bounds[2 * USER + 1]:
            fault, role_at_fault = EMPTY_ID, USER
        if fault < 0 and bounds[2 * ITEM] == bounds[2 * ITEM + 1]:
            fault, role_at_fault = EMPTY_ID, ITEM
        if fault < 0 and has_value:
            low, high = bounds[2 * VALUE], bounds[2 * VALUE + 1]
            state, value = number(text, low, high)
            odd_value = state != GOOD
            if low == high:
                fault, role_at_fault = MISSING, VALUE
        if fault < 0 and has_time:
            low, high = bounds[2 * TIME], bounds[2 * TIME + 1]
            if form in (ISO, ISO_ZONED):
                state, time = iso_time(text, low, high, form)
            else:
                state, time = count_time(text, low, high, unit, least, most, form)
            odd_time = state == ODD
            if low == high:
                fault, role_at_fault = MISSING, TIME
            elif state != GOOD and not odd_time:
                fault, role_at_fault = MIXED, TIME
        if fault >= 0:
            out.counts[fault] += 1
            if at[BAD_ROWS] < NAMED:
                entry = out.bad[at[BAD_ROWS]]
                entry[0], entry[1], entry[2], entry[3], entry[4] = lines, fault, role_at_fault, position, stop
                at[BAD_ROWS] += 1
        else:
            if odd_value or odd_time:
                if at[ODDS] + 2 > len(out.odd):
                    why = ODD_FULL
                    break
                for role in (VALUE, TIME):
                    if (role == VALUE and odd_value) or (role == TIME and odd_time):
                        entry = out.odd[at[ODDS]]
                        entry[0], entry[1], entry[2], entry[3] = (
                            rows,
                            role,
                            bounds[2 * role],
                            bounds[2 * role + 1],
                        )
                        at[ODDS] += 1
            spans[0, rows], spans[1, rows] = bounds[2 * USER], bounds[2 * USER + 1]
            spans[2, rows], spans[3, rows] = bounds[2 * ITEM], bounds[2 * ITEM + 1]
            places[0, rows], places[1, rows] = position, stop
            if has_value:
                values[rows] = value
            if has_time:
                times[rows] = time
            rows += 1
        lines += row_lines
        position = stop + 1
    at[POSITION], at[ROWS], at[LINES], at[SPARE] = position, rows, lines, spare - end - PADDING
    return why


@njit(nogil=True, cache=True)
def cut(text, end, separator, state):
    """The last end of a row in text[:end], minding quotes; 0 for none.

    `state`, kept while text is appended: byte to go on from, 1 inside quotes, 1 at the beginning of a field,
    line ends passed, the line (from 0) on which the open quote stands.
    """
    at, inside, fresh, lines = state[0], state[1] == 1, state[2] == 1, state[3]
    found = 0
    while at < end:
        byte = text[at]
        lines += byte == _NEWLINE
        if inside:
            if byte == _QUOTE:
                if at + 1 >= end:
                    break  # doubled or not: the next byte will tell
                if text[at + 1] == _QUOTE:
                    at += 1
                else:
                    inside = False
        elif byte == _QUOTE and fresh:
            inside, fresh = True, False
            state[4] = lines
        elif byte == _NEWLINE:
            found, fresh = at + 1, True
        else:
            fresh = byte == separator
        at += 1
    state[0], state[1], state[2], state[3] = at, 1 if inside else 0, 1 if fresh else 0, lines
    return found
