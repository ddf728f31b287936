"""Where rows begin, against Python's csv reader."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.quoted_rows import row_starts
from matweave.errors import DataError


@given(
    rows=st.lists(
        st.lists(st.text(alphabet='ab,"\n', max_size=5), min_size=2, max_size=3), min_size=1, max_size=6
    ),
    ends=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
)
def test_rows_of_written_csv_begin_where_its_reader_begins_them(rows, ends, blank):
    texts = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, lineterminator=ends).writerow(row)
        texts.append(out.getvalue())
    gap = ends if blank else ""
    wanted_lines, wanted_starts, line, byte = [], [], 1, 0
    for text in texts:
        wanted_lines.append(line)
        wanted_starts.append(byte)
        line += (text + gap).count("\n")
        byte += len((text + gap).encode())
    lines, starts = row_starts("".join(t + gap for t in texts).encode(), ",", True, "x")
    assert lines.tolist() == wanted_lines
    assert starts.tolist() == wanted_starts


def test_without_quotes_every_line_that_is_not_blank_is_a_row():
    data = b'\n"a\n\r\nb"\nc'
    assert row_starts(data, "\t", False, "x")[0].tolist() == [2, 4, 5]
    assert row_starts(data, "\t", True, "x")[0].tolist() == [2, 5]


def test_a_quote_within_a_field_is_a_letter():
    assert row_starts(b'5" pipe,a\nb,c"\n', ",", True, "x")[0].tolist() == [1, 2]


def test_two_open_fields_in_one_row():
    assert row_starts(b'"a\nb","c\nd"\ne,f\n', ",", True, "x")[0].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'a,b\n1,"x\n2,y\n3,z\n', "never closed: line 2"),
        (b'a,b\n"x"y,1\n"z" ,2\n', "after a closing quote: lines 2, 3"),
        (b'a,b\n"x"y,"z\n', "never closed: line 2"),
        (b'a,b\n"x\ny","z\n', "never closed: line 3"),
    ],
)
def test_broken_quotes_are_named(data, said):
    with pytest.raises(DataError, match=said):
        row_starts(data, ",", True, "x")
