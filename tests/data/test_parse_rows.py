"""The row parser against a splitter of one line, and the cutter of quoted text against the csv module."""

from __future__ import annotations

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matweave.data import parse_rows as p
from matweave.data.bad_rows import KINDS
from matweave.data.bytes_simd import PADDING


def layout(roles=(p.USER, p.ITEM), separator=",", quoting=0, runs=False):
    return p.Layout(
        roles=np.array(roles, np.int64),
        separator=ord(separator[0]),
        second=ord(separator[1]) if len(separator) > 1 else 0,
        runs=runs,
        quoting=quoting,
        time_form=0,
        time_unit=1_000_000,
        time_low=0,
        time_high=10**11,
        has_value=p.VALUE in roles,
        has_time=p.TIME in roles,
    )


def parsed(text, form, odd=4):
    """(user, item, value, time) of each row, the state, and the outputs."""
    letters = np.zeros(2 * len(text) + 2 * PADDING, np.uint8)
    letters[: len(text)] = np.frombuffer(text, np.uint8)
    n = len(text)
    out = p.Output(
        spans=np.empty((4, n), np.int32),
        rows=np.empty((2, n), np.int32),
        values=np.empty(n, np.float32),
        times=np.empty(n, np.int64),
        odd=np.empty((odd, 4), np.int64),
        bad=np.empty((p.NAMED, 5), np.int64),
        counts=np.zeros(len(KINDS), np.int64),
    )
    at = np.zeros(6, np.int64)
    why = p.parse(letters, len(text), form, out, at)
    raw = letters.tobytes()
    rows = [
        (raw[out.spans[0, r] : out.spans[1, r]], raw[out.spans[2, r] : out.spans[3, r]])
        for r in range(at[p.ROWS])
    ]
    return rows, why, at, out


FIELD = st.text(st.sampled_from("abc'\" x"), max_size=70)


@given(
    st.lists(st.lists(FIELD, min_size=1, max_size=4), max_size=12),
    st.sampled_from([",", "::", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_rows_are_those_of_a_split(rows, separator, end):
    text = "".join(separator.join(row) + end for row in rows).encode()
    found, why, at, out = parsed(text or b"\n", layout(separator=separator))
    good = [tuple(f.encode() for f in row) for row in rows if len(row) == 2 and all(row)]
    kept = [row for row in rows if row != [""]]
    assert found == good
    assert why == p.DONE
    assert at[p.LINES] == max(len(rows), 1)
    assert out.counts[p.FIELDS] == sum(len(row) != 2 for row in kept)
    assert out.counts[p.EMPTY_ID] == sum(len(row) == 2 and not all(row) for row in kept)


@given(
    st.lists(
        st.lists(st.text(st.sampled_from("ab"), min_size=1, max_size=9), min_size=2, max_size=3),
        min_size=1,
        max_size=9,
    ),
    st.integers(0, 3),
)
def test_runs_of_blanks_are_one_separator(rows, blanks):
    text = "".join(
        " " * blanks + ("  " * (blanks + 1)).join(row) + " " * blanks + "\n" for row in rows
    ).encode()
    found, *_, out = parsed(text, layout(separator=" ", runs=True))
    assert found == [tuple(f.encode() for f in row) for row in rows if len(row) == 2]
    assert out.counts[p.FIELDS] == sum(len(row) != 2 for row in rows)


QUOTED = st.text(st.sampled_from('ab",\n'), min_size=1, max_size=70)


@given(st.lists(st.tuples(QUOTED, QUOTED), min_size=1, max_size=9))
def test_quoted_fields_are_those_of_the_csv_module(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    found, why, at, out = parsed(content, layout(quoting=2))
    assert found == [(a.encode(), b.encode()) for a, b in rows]
    assert why == p.DONE
    assert at[p.LINES] == content.count(b"\n")
    assert out.counts.sum() == 0


def test_a_quote_stops_the_parser_where_it_was_not_expected():
    rows, why, at, _ = parsed(b'a,b\nc,"d"\n', layout(quoting=1))
    assert (rows, why, at[p.POSITION]) == ([(b"a", b"b")], p.QUOTE_SEEN, 4)
    assert parsed(b'a,b"\n', layout(quoting=1))[1] == p.DONE


def test_text_after_a_closing_quote_is_a_bad_row():
    rows, *_, out = parsed(b'"a"x,b\n"c","d"\n"e","f"x\n', layout(quoting=2))
    assert rows == [(b"c", b"d")]
    assert out.counts[p.QUOTES] == 2


def test_odd_numbers_are_handed_back_and_the_parser_goes_on():
    text = b"a,b,1,5\nc,d, 2,6\ne,f,3,x\ng,h,nan,nan\n"
    roles = (p.USER, p.ITEM, p.VALUE, p.TIME)
    _, why, at, out = parsed(text, layout(roles))
    assert (why, at[p.ROWS], at[p.ODDS]) == (p.DONE, 4, 4)
    assert out.odd[:, :2].tolist() == [[1, p.VALUE], [2, p.TIME], [3, p.VALUE], [3, p.TIME]]
    assert [text[a:b] for _, _, a, b in out.odd.tolist()] == [b" 2", b"x", b"nan", b"nan"]
    assert (out.values[0], out.times[0]) == (1.0, 5_000_000)
    _, why, at, _ = parsed(text, layout(roles), odd=3)
    assert (why, at[p.ROWS], at[p.POSITION]) == (p.ODD_FULL, 3, text.index(b"g"))


def test_the_first_ten_bad_rows_have_their_place():
    text = b"".join(b"a\n" for _ in range(25))
    *_, at, out = parsed(text, layout())
    assert at[p.BAD_ROWS] == p.NAMED
    assert out.counts[p.FIELDS] == 25
    assert out.bad[3].tolist() == [3, p.FIELDS, p.OTHER, 6, 7]


@given(st.lists(st.tuples(QUOTED, QUOTED), min_size=1, max_size=6), st.integers(1, 20))
def test_cuts_fall_between_rows_however_the_text_arrives(rows, step):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    letters = np.frombuffer(text.getvalue().encode(), np.uint8)
    state = np.array([0, 0, 1, 0, 0], np.int64)
    begin, pieces = 0, []
    for end in [*range(step, len(letters), step), len(letters)]:
        cut = p.cut(letters[begin:end], end - begin, ord(","), state)
        if cut:
            pieces.append(letters[begin : begin + cut].tobytes().decode())
            state[0] -= cut
            begin += cut
    assert begin == len(letters)
    assert [tuple(r) for piece in pieces for r in csv.reader(io.StringIO(piece, newline=""))] == rows
    assert state[3] == text.getvalue().count("\n")
