"""What a file looks like is found from its beginning."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.read_sniff import by_place, look, rows_of
from matweave.errors import ConfigError, DataError


def seen(text, whole=True, **given_):
    return look(text.encode() if isinstance(text, str) else text, whole, "log", **given_)


@pytest.mark.parametrize(
    ("text", "separator", "header"),
    [
        ("user,item,rating\na,b,1\n", ",", True),
        ("1::1193::5::978300760\n1::661::3::978302109\n", "::", False),
        ("196\t242\t3\t881250949\n", "\t", False),
        ('"User-ID";"ISBN";"Book-Rating"\n"1";"034,5";"0"\n', ";", True),
        ("1 2\n1 3\n", " ", False),
        ("u,t\nann,2020-01-01 10:00:00\n", ",", True),
        ("id\ttitle\nann\tA, B and C\nbob\tD\n", "\t", False),
        ("user\ttitle\nann\tA, B and C\nbob\tD\n", "\t", True),
        ("ann,jazz\nbob,rock\n", ",", False),
        ("who,what,when\nann,jazz,5\n", ",", True),
        ("who,what,what\nann,jazz,5\n", ",", False),
        ("user_id|item_id\na|b\n", "|", True),
    ],
)
def test_separators_and_headers(text, separator, header):
    found = seen(text)
    assert (found.separator, found.header) == (separator, header)
    assert len(found.rows) == text.count("\n") - header


def test_what_is_said_is_not_guessed():
    text = "a;b,c\nd;e,f\n"
    assert seen(text, separator=";").names == ("1", "2")
    assert seen(text, separator="tab", header=False, columns=["x"]).names == ("x",)
    assert seen(text, separator=",", header=True).names == ("a;b", "c")
    assert seen("x,y\n1,2\n", said=["y"]).header
    assert not seen("1,2\n3,4\n", said=["1"]).header
    assert seen("x,y\n1,2\n", columns=["user", "item"], header=True).names == ("user", "item")


def test_places_in_bytes_and_lines():
    found = seen('\ufeff\n"üser",item\nann,b\n')
    assert (found.names, found.skip, found.lines) == (("üser", "item"), 17, 2)
    assert found.rows == (("ann", "b"),)
    assert seen('"a\nb",rating\nx,1\n').lines == 2


def test_quotes_in_tab_separated_text_are_letters_unless_they_wrap_fields():
    assert not seen('user\titem\nann\t"weird al" x\n').quoted
    assert seen('"user"\t"item"\nann\t"b"\n').quoted
    assert seen('user\titem\nann\t"b"\n', quoted=True).quoted
    assert seen("user,item\na,b\n").quoted


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("1::2::5::978300760\n", dict(user=0, item=1, value=2, time=3)),
        ("1 2\n", dict(user=0, item=1)),
        ("1,2,5\n", dict(user=0, item=1, value=2)),
        ("1,2,978300760\n", dict(user=0, item=1, time=2)),
        ("1,2,2020-01-01,4\n", dict(user=0, item=1, value=3, time=2)),
        ("1,2,3,7\n", dict(user=0, item=1, value=2, time=3)),
        ("1,2,3,good\n", dict(user=0, item=1, value=2)),
    ],
)
def test_roles_by_place(text, roles):
    assert by_place(seen(text, header=False)) == roles


def test_what_has_no_look_is_refused():
    for text, said in (
        ("", "empty"),
        (" \n\n", "empty"),
        ("abc\ndef\n", "no separator"),
        (b"a,b", "longer than"),
    ):
        with pytest.raises(DataError, match=said):
            seen(text, whole=text != b"a,b")
    with pytest.raises(DataError, match="1 columns are named, but the first row has 2"):
        seen("a,b\n", columns=["x"])
    with pytest.raises(ConfigError, match="separator"):
        seen("a,b\n", separator="")


FIELD = st.text(st.sampled_from('ab,"\né'), max_size=6)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=3), min_size=1, max_size=6))
def test_rows_are_those_of_the_csv_module(rows):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode().decode("latin-1")
    found = list(rows_of(content, ",", True))
    assert [list(row) for row, *_ in found] == rows
    assert found[-1][1:] == (len(content), content.count("\n"))
