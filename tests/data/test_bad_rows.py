"""Bad rows are counted by kind, the first ten are named, in one error or in the report."""

from __future__ import annotations

import pytest

from matweave.data.bad_rows import KINDS, BadRow, BadRowList, check_policy, shortened
from matweave.errors import BadRows, ConfigError


def many(n):
    bad = BadRowList()
    for line in range(n, 0, -1):
        bad.add(BadRow(line, line % 2, "user" if line % 2 else "", f"text {line}"))
    return bad


def test_the_first_ten_by_line_are_named_whatever_the_order():
    with pytest.raises(BadRows) as error:
        many(1000).settle("error", "log.csv", 5000)
    text = str(error.value)
    assert "1,000 of 5,000 rows cannot be used: 500 wrong number of fields; 500 empty id" in text
    assert [f"line {k}:" in text for k in range(1, 13)] == [True] * 10 + [False] * 2
    assert "line 1: empty id in 'user': 'text 1'" in text
    assert "and 990 more" in text
    assert "where: log.csv" in text


def test_dropping_tells_the_same_in_lines():
    told = many(3).settle("drop", "log.csv", 9)
    assert told[0] == "3 bad rows of 9 dropped: 1 wrong number of fields; 2 empty id"
    assert told[1:] == [
        "line 1: empty id in 'user': 'text 1'",
        "line 2: wrong number of fields: 'text 2'",
        "line 3: empty id in 'user': 'text 3'",
    ]
    assert BadRowList().settle("error", "log.csv", 9) == []


def test_counted_and_shifted():
    bad = BadRowList(unit="row")
    bad.count([1] + [0] * (len(KINDS) - 1))
    bad.note(BadRow(4, 0, "", "x"))
    bad.shift(2)
    assert bad.total == 1
    assert bad.lines()[1].startswith("row 6:")


def test_long_texts_are_cut_and_unknown_policies_refused():
    assert shortened("a" * 500).count("a") == 77
    assert shortened("a\n") == r"'a\n'"
    check_policy("drop")
    with pytest.raises(ConfigError, match="did you mean 'drop'"):
        check_policy("dorp")
