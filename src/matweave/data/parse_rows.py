"""The compiled splitter of delimited text: the bytes of a piece become rows, as places of their fields.

One pass. Separators and line ends are found 64 bytes at a time; of each row, the fields that matter are
written as places in the text, by role. What they hold is read column by column (`parse_columns`, `id_table`):
loops that do one thing let the processor work at many rows at once, which halved the time.

`split` returns why it stopped: at the end of the piece, or since it met a quote where the piece was not cut with
quotes in mind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matweave.data.bytes_simd import PADDING, lowest, matches

DONE, QUOTE_SEEN = 0, 1
"""Why `split` stopped."""

USER, ITEM, VALUE, TIME, OTHER = 0, 1, 2, 3, 4
"""Roles of columns."""

FIELDS, EMPTY_ID, MISSING, NAN, INFINITE, NUMBER, WHEN, MIXED, ENCODING, QUOTES = range(10)
"""Kinds of bad rows."""

ROWS, LINES, BAD_ROWS = range(3)
"""What `split` has found: rows written, lines read, entries of `bad`."""

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


class Output(NamedTuple):
    """Where rows go. `spans` (8, rows) int32: start and end of the user, item, value, time; `rows` (2, rows): of the row.

    bad: line, kind, start and end of the row.
    """

    spans: np.ndarray
    rows: np.ndarray
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
def split(text, position, end, layout, out, found):
    """Split the rows of text[position:end], which ends with a line end; returns why it stopped.

    The text is followed by PADDING spare bytes and, where quotes are read, by as many bytes again as it has.
    """
    separator, newline = np.uint8(layout.separator), np.uint8(_NEWLINE)
    second = np.uint8(layout.second)
    # a field of a tuple is an array with a reference count: taken once here, not in every row
    roles, runs, quoting, spans, places = layout.roles, layout.runs, layout.quoting, out.spans, out.rows
    n_fields = len(roles)
    bounds = np.zeros(2 * (OTHER + 1), np.int64)
    rows = lines = 0
    spare = end + PADDING
    base = position
    mask = matches(text, base, separator, newline)
    while position < end:
        field, fault, row_lines = 0, np.int64(-1), 1
        start = position
        if runs:
            while text[start] == separator:
                start += 1
        blank = False
        while True:
            quoted = quoting != 0 and text[start] == _QUOTE
            first, last, resume = start, start, start
            if quoted:
                if quoting == 1:
                    return QUOTE_SEEN
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
                if fall != resume:
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
        if blank:
            pass
        elif fault >= 0 or field != n_fields:
            fault = QUOTES if fault >= 0 else FIELDS
            out.counts[fault] += 1
            if found[BAD_ROWS] < NAMED:
                entry = out.bad[found[BAD_ROWS]]
                entry[0], entry[1], entry[2], entry[3] = lines, fault, position, stop
                found[BAD_ROWS] += 1
        else:
            for k in range(8):
                spans[k, rows] = bounds[k]
            places[0, rows], places[1, rows] = position, stop
            rows += 1
        lines += row_lines
        position = stop + 1
    found[ROWS], found[LINES] = rows, lines
    return DONE


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
