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


def layout(separator=",", quoting=0, runs=False, roles=(p.USER, p.ITEM)):
    return p.Layout(
        roles=np.array(roles, np.int64),
        separator=ord(separator[0]),
        second=ord(separator[1]) if len(separator) > 1 else 0,
        runs=runs,
        quoting=quoting,
    )


def split(text, form):
    """The fields of each row by role, why it stopped, what was found, and the outputs."""
    letters = np.zeros(2 * len(text) + 2 * PADDING, np.uint8)
    letters[: len(text)] = np.frombuffer(text, np.uint8)
    n = len(text)
    out = p.Output(
        spans=np.empty((8, n), np.int32),
        rows=np.empty((2, n), np.int32),
        bad=np.empty((p.NAMED, 4), np.int64),
        counts=np.zeros(len(KINDS), np.int64),
    )
    found = np.zeros(3, np.int64)
    why = p.split(letters, 0, len(text), form, out, found)
    raw = letters.tobytes()
    roles = [r for r in form.roles if r != p.OTHER]
    rows = [
        tuple(raw[out.spans[2 * r, k] : out.spans[2 * r + 1, k]] for r in roles) for k in range(found[p.ROWS])
    ]
    return rows, why, found, out


FIELD = st.text(st.sampled_from("abc'\" x"), max_size=70)


@given(
    st.lists(st.lists(FIELD, min_size=1, max_size=4), max_size=12),
    st.sampled_from([",", "::", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_rows_are_those_of_a_split(rows, separator, end):
    text = "".join(separator.join(row) + end for row in rows).encode()
    found, why, state, out = split(text or b"\n", layout(separator=separator))
    good = [tuple(f.encode() for f in row) for row in rows if len(row) == 2]
    kept = [row for row in rows if row != [""]]
    assert found == good
    assert why == p.DONE
    assert state[p.LINES] == max(len(rows), 1)
    assert out.counts[p.FIELDS] == sum(len(row) != 2 for row in kept)


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
    found, *_, out = split(text, layout(separator=" ", runs=True))
    assert found == [tuple(f.encode() for f in row) for row in rows if len(row) == 2]
    assert out.counts[p.FIELDS] == sum(len(row) != 2 for row in rows)


QUOTED = st.text(st.sampled_from('ab",\n'), min_size=1, max_size=70)


@given(st.lists(st.tuples(QUOTED, QUOTED), min_size=1, max_size=9))
def test_quoted_fields_are_those_of_the_csv_module(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    found, why, state, out = split(content, layout(quoting=2))
    assert found == [(a.encode(), b.encode()) for a, b in rows]
    assert why == p.DONE
    assert state[p.LINES] == content.count(b"\n")
    assert out.counts.sum() == 0


def test_a_quote_at_the_beginning_of_a_field_stops_the_splitter_where_it_was_not_expected():
    assert split(b'a,b\nc,"d"\n', layout(quoting=1))[1] == p.QUOTE_SEEN
    assert split(b'a,b"\n', layout(quoting=1))[:2] == ([(b"a", b'b"')], p.DONE)


def test_text_after_a_closing_quote_is_a_bad_row():
    rows, *_, out = split(b'"a"x,b\n"c","d"\n"e","f"x\n', layout(quoting=2))
    assert rows == [(b"c", b"d")]
    assert out.counts[p.QUOTES] == 2


def test_fields_go_by_role_in_any_order_and_others_are_passed_over():
    form = layout(roles=(p.TIME, p.OTHER, p.ITEM, p.USER, p.OTHER, p.VALUE))
    rows, *_, out = split(b"1,2,3,4,5,6\n1,2,3,4,5,6,7\n", form)
    assert rows == [(b"1", b"3", b"4", b"6")]
    assert out.spans[:, 0].tolist() == [6, 7, 4, 5, 10, 11, 0, 1]
    assert out.rows[:, 0].tolist() == [0, 11]


def test_the_first_ten_bad_rows_have_their_place():
    text = b"".join(b"a\n" for _ in range(25))
    *_, found, out = split(text, layout())
    assert found[p.BAD_ROWS] == p.NAMED
    assert out.counts[p.FIELDS] == 25
    assert out.bad[3].tolist() == [3, p.FIELDS, 6, 7]


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
