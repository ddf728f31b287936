"""The compiled heart of reading delimited files: a piece of bytes becomes codes, values and times.

One pass over the bytes. Separators and line ends are found 64 bytes at a time; the fields that matter are
remembered by role; a row is written only when all of it is good, and only then do its ids enter the tables.
What Python must look at (numbers of an odd form) is written with a placeholder and handed back in `odd`.

`parse` returns why it stopped: at the end of the piece, for want of room in a table, or of place in `odd`;
or since it met a quote where the piece was not cut with quotes in mind. It goes on from `at[POSITION]`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matweave.data.bytes_simd import PADDING, lowest, matches
from matweave.data.id_table import NEW, find, has_room, insert, key_of
from matweave.data.parse_numbers import GOOD, ISO, ISO_ZONED, ODD, count_time, iso_time, number

DONE, USERS_FULL, ITEMS_FULL, ODD_FULL, QUOTE_SEEN = 0, 1, 2, 3, 4
"""Why `parse` stopped."""

USER, ITEM, VALUE, TIME, OTHER = 0, 1, 2, 3, 4
"""Roles of columns."""

FIELDS, EMPTY_ID, MISSING, NAN, INFINITE, NUMBER, WHEN, MIXED, ENCODING, QUOTES = range(10)
"""Kinds of bad rows."""

POSITION, ROWS, LINES, ODDS, BAD_ROWS = range(5)
"""Where `parse` is: byte, rows written, lines read, entries of `odd` and of `bad`."""

NAMED = 10
"""Bad rows that are kept by line; the others are counted."""

_NEWLINE, _RETURN, _QUOTE, _SPACE = 10, 13, 34, 32


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
    """Where rows go: codes, values, times; odd (row, role, start, end, line) and bad (line, kind, role, start, end)."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    times: np.ndarray
    odd: np.ndarray
    bad: np.ndarray
    counts: np.ndarray


@njit(nogil=True, cache=True)
def _utf8(text, start, end):
    """True for well-formed UTF-8 (Unicode 15, table 3-7)."""
    at = start
    while at < end:
        byte = text[at]
        if byte < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low, high = (0xA0 if byte == 0xE0 else 0x80), (0x9F if byte == 0xED else 0xBF)
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low, high = (0x90 if byte == 0xF0 else 0x80), (0x8F if byte == 0xF4 else 0xBF)
        else:
            return False
        if at + more > end - 1:
            return False
        for k in range(1, more + 1):
            if text[at + k] < low or text[at + k] > high:
                return False
            low, high = 0x80, 0xBF
        at += more + 1
    return True


@njit(nogil=True, cache=True)
def _fault_of_id(text, start, end):
    """-1 for the bytes of a good id; EMPTY_ID where all are blank; ENCODING."""
    at = start
    while at < end and text[at] == _SPACE:
        at += 1
    if at == end:
        return EMPTY_ID
    return -1 if _utf8(text, start, end) else ENCODING


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
def parse(text, end, place, layout, users, items, out, at):
    """Read rows of text[at[POSITION]:end], which ends with a line end; returns why it stopped.

    `place` is added to a row's number to say where an id was first seen. The text is followed by
    PADDING spare bytes and, where quotes are read, by room for its longest row again.
    """
    separator, newline = np.uint8(layout.separator), np.uint8(_NEWLINE)
    second = np.uint8(layout.second)
    n_fields = len(layout.roles)
    bounds = np.zeros(2 * (OTHER + 1), np.int64)
    position, rows, lines = at[POSITION], at[ROWS], at[LINES]
    base = position
    mask = matches(text, base, separator, newline)
    why = DONE
    while position < end:
        field, fault, role_at_fault, row_lines = 0, np.int64(-1), np.int64(OTHER), 1
        spare = end + PADDING
        start = position
        if layout.runs:
            while text[start] == separator:
                start += 1
        blank = False
        while True:
            quoted = layout.quoting != 0 and text[start] == _QUOTE
            first, last, resume = start, start, start
            if quoted:
                if layout.quoting == 1:
                    break
                first, last, resume = _unquoted(text, start + 1, spare)
                if first == spare:
                    spare = last
                for k in range(start, resume):
                    if text[k] == newline:
                        row_lines += 1
                base = resume
                mask = matches(text, base, separator, newline)
            while True:  # the next separator or line end at or after `resume`
                while mask == 0:
                    base += 64
                    mask = matches(text, base, separator, newline)
                stop = base + lowest(mask)
                mask &= mask - np.uint64(1)
                if stop < resume:
                    continue
                if second == 0 or text[stop] == newline or text[stop + 1] == second:
                    break
            ends = text[stop] == newline
            fall = stop - 1 if ends and stop > resume and text[stop - 1] == _RETURN else stop
            if quoted:
                if fall != resume and fault < 0:
                    fault = QUOTES
            else:
                last = fall
                if ends and last == first and (field == 0 or layout.runs):
                    blank = field == 0  # of runs of separators, those at the end of a row hold no field
                    break
            role = layout.roles[field] if field < n_fields else OTHER
            bounds[2 * role], bounds[2 * role + 1] = first, last
            field += 1
            if ends:
                break
            start = stop + (1 if second == 0 else 2)
            if layout.runs:
                while text[start] == separator:
                    start += 1
        if quoted and layout.quoting == 1:
            why = QUOTE_SEEN
            break
        after = stop + 1
        if blank:
            position = after
            lines += 1
            continue
        user_start, user_end = bounds[2 * USER], bounds[2 * USER + 1]
        item_start, item_end = bounds[2 * ITEM], bounds[2 * ITEM + 1]
        value, time = 0.0, np.int64(0)
        odd_value = odd_time = False
        if fault < 0 and field != n_fields:
            fault = FIELDS
        if fault < 0 and user_start == user_end:
            fault, role_at_fault = EMPTY_ID, USER
        if fault < 0 and item_start == item_end:
            fault, role_at_fault = EMPTY_ID, ITEM
        if fault < 0 and layout.has_value:
            low, high = bounds[2 * VALUE], bounds[2 * VALUE + 1]
            state, value = number(text, low, high)
            odd_value = state != GOOD
            if low == high:
                fault, role_at_fault = MISSING, VALUE
        if fault < 0 and layout.has_time:
            low, high = bounds[2 * TIME], bounds[2 * TIME + 1]
            if layout.time_form == ISO or layout.time_form == ISO_ZONED:
                state, time = iso_time(text, low, high, layout.time_form)
            else:
                state, time = count_time(
                    text, low, high, layout.time_unit, layout.time_low, layout.time_high, layout.time_form
                )
            if low == high:
                fault, role_at_fault = MISSING, TIME
            elif state == ODD:
                odd_time = True
            elif state != GOOD:
                fault, role_at_fault = MIXED, TIME
        user, item = np.int64(0), np.int64(0)
        if fault < 0:
            user_low, user_high, mix = key_of(text, user_start, user_end)
            user_state, user = find(users, text, user_start, user_end, user_low, user_high, mix)
            item_low, item_high, mix = key_of(text, item_start, item_end)
            item_state, item = find(items, text, item_start, item_end, item_low, item_high, mix)
            if user_state == NEW:
                fault, role_at_fault = _fault_of_id(text, user_start, user_end), USER
                if fault < 0 and not has_room(users, user_end - user_start):
                    why = USERS_FULL
                    break
            if fault < 0 and item_state == NEW:
                fault, role_at_fault = _fault_of_id(text, item_start, item_end), ITEM
                if fault < 0 and not has_room(items, item_end - item_start):
                    why = ITEMS_FULL
                    break
            if fault < 0:
                if (odd_value or odd_time) and at[ODDS] + 2 > len(out.odd):
                    why = ODD_FULL
                    break
                if user_state == NEW:
                    user = insert(
                        users, user, text, user_start, user_end, user_low, user_high, place + rows
                    )
                if item_state == NEW:
                    item = insert(
                        items, item, text, item_start, item_end, item_low, item_high, place + rows
                    )
        if fault >= 0:
            out.counts[fault] += 1
            if at[BAD_ROWS] < NAMED:
                entry = out.bad[at[BAD_ROWS]]
                entry[0], entry[1], entry[2], entry[3], entry[4] = (
                    lines,
                    fault,
                    role_at_fault,
                    position,
                    stop,
                )
                at[BAD_ROWS] += 1
        else:
            out.users[rows], out.items[rows] = user, item
            if layout.has_value:
                out.values[rows] = value
            if layout.has_time:
                out.times[rows] = time
            for role in (VALUE, TIME):
                if (role == VALUE and odd_value) or (role == TIME and odd_time):
                    entry = out.odd[at[ODDS]]
                    entry[0], entry[1], entry[2], entry[3] = (
                        rows,
                        role,
                        bounds[2 * role],
                        bounds[2 * role + 1],
                    )
                    entry[4], entry[5], entry[6] = lines, position, stop
                    at[ODDS] += 1
            rows += 1
        lines += row_lines
        position = after
    at[POSITION], at[ROWS], at[LINES] = position, rows, lines
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
