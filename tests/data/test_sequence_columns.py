"""Which columns are what: headers, layouts, roles, and what cannot be told."""

from __future__ import annotations

import pytest

from matweave.data.delimited_text import DelimitedText
from matweave.data.sequence_columns import Asked, check_asked, choose_columns, plain
from matweave.errors import ConfigError, DataError


@pytest.fixture
def choose(tmp_path):
    def write(text, /, **said):
        path = tmp_path / "a.csv"
        path.write_text(text)
        return choose_columns(DelimitedText.open(path), Asked(**said))

    return write


@pytest.mark.parametrize(
    ("text", "header", "skip"),
    [
        ("label,a,b\n1,2,3\n1,2,3\n", True, 0),
        ("label,0,1\n1,2,3\n1,2,3\n", True, 0),
        ("1,2,3\n1,2,3\n", False, 0),
        ("0,1,2\n1,2,3\n1,2,3\n", False, 1),
        ("up,1.5,2\ndown,2,3\nup,2,3\n", False, 0),
        ("up,1.5,2\ndown,2,3\n", False, 0),
        ("y,1,2\nn,2,3\ny,2,3\n", False, 0),
        ("y,1.5\ny,2\n", False, 0),
        ("1,2,\n1,2,3\n", False, 0),
        ("Polish,Łuk\nPolish,Ann\n", False, 0),
    ],
)
def test_headers_are_told_from_data(choose, text, header, skip):
    found = choose(text)
    assert (found.header, found.skip) == (header, skip)
    if not header:
        assert found.names == tuple(str(i) for i in range(len(found.names)))


@pytest.mark.parametrize("counts", ["0,1,2", "1,2,3"])
def test_a_text_before_numbers_that_count_is_a_header(choose, counts):
    with pytest.raises(DataError, match="these hold text: 'kind'"):
        choose(f"kind,{counts}\nup,2,3,1\nup,2,3,1\n")
    assert not choose(f"up,{counts}\nup,2,3,1\nup,2,3,1\n").header


def test_a_name_that_is_said_makes_a_header(choose):
    assert choose("kind,w\nup,1\nup,w\n", target="kind").header


@pytest.mark.parametrize(
    ("text", "said", "layout", "roles", "values"),
    [
        ("label,a,b\n1,2,3\n", {}, "wide", ("label", None, None), ("a", "b")),
        ("a,b,Class\n1,2,3\n", {}, "wide", ("Class", None, None), ("a", "b")),
        ("a,b,c\n1,2,3\n", {}, "wide", (None, None, None), ("a", "b", "c")),
        ("a,b,c\n1,2,3\n", {"target": "c"}, "wide", ("c", None, None), ("a", "b")),
        ("label,a,b\n1,2,3\n", {"target": "-"}, "wide", (None, None, None), ("label", "a", "b")),
        ("1,2,3\n1,2,4\n", {}, "wide", ("0", None, None), ("1", "2")),
        ("1,2,3\n1,2,4\n", {"target": "2"}, "wide", ("2", None, None), ("0", "1")),
        ("1,2,3\n1,2,4\n", {"target": "-"}, "wide", (None, None, None), ("0", "1", "2")),
        ("id,label,a\n1,2,3\n2,2,3\n", {}, "wide", ("label", "id", None), ("a",)),
        ("id,label,a\n1,2,3\n1,2,3\n", {}, "long", ("label", "id", None), ("a",)),
        ("id,label,a\n1,2,3\n1,2,3\n", {"layout": "wide"}, "wide", ("label", "id", None), ("a",)),
        ("id,label,a\n1,2,3\n1,2,3\n", {"id": "-"}, "wide", ("label", None, None), ("id", "a")),
        ("who,label,a\n1,2,3\n2,2,3\n", {"id": "who"}, "long", ("label", "who", None), ("a",)),
        ("id,t,label,a\n1,2,3,1\n1,3,3,1\n", {}, "long", ("label", "id", "t"), ("a",)),
        ("id,t,label,a\n1,2,3,1\n1,3,3,1\n", {"time": "-"}, "long", ("label", "id", None), ("t", "a")),
        (
            "series_id,when,a,note\n1,2,3,x\n1,3,3,y\n",
            {"time": "when"},
            "long",
            (None, "series_id", "when"),
            ("a",),
        ),
        ("1,5,2\n1,6,3\n", {"id": "0", "time": "1"}, "long", (None, "0", "1"), ("2",)),
        ("text,label\nabc,1\n", {}, "text", ("label", None, None), ("text",)),
        ("Text,source,label\nabc,web,1\n", {}, "text", ("label", None, None), ("Text",)),
        ("name,label\nabc,1\n", {}, "text", ("label", None, None), ("name",)),
        ("id,name,label\n1,abc,1\n2,b,1\n", {}, "text", ("label", "id", None), ("name",)),
        ("language\tname\na\tb\n", {"target": "language"}, "text", ("language", None, None), ("name",)),
        ("language\tname\na\tb\n", {"text": "name"}, "text", ("language", None, None), ("name",)),
        ("language\tname\na\tb\n", {"text": "name", "target": "-"}, "text", (None, None, None), ("name",)),
        ("a\tb\tname\n1\tx\tb\n", {"text": "name"}, "text", (None, None, None), ("name",)),
        ("Polish,Łuk\nPolish,Ann\n", {}, "text", ("0", None, None), ("1",)),
        ("Łuk,Polish\nAnn,Polish\n", {"text": "0"}, "text", ("1", None, None), ("0",)),
        ("up,1.5\nup,2\n", {"text": "0"}, "text", ("1", None, None), ("0",)),
        ("name\nAnn\n", {}, "text", (None, None, None), ("name",)),
    ],
)
def test_layouts_and_roles(choose, text, said, layout, roles, values):
    found = choose(text, **said)
    assert found.layout == layout
    assert (found.target, found.id, found.time) == roles
    assert found.values == values


def test_what_was_chosen_and_left_out_is_told(choose):
    told = choose("id,t,label,a,note\n1,2,3,1,x\n1,3,3,1,y\n").report
    assert told == (
        "long: each row is a step, for 'id' repeats",
        "target 'label', id 'id', time 't'",
        "1 column of values",
        "columns left out: 'note'",
    )
    assert "columns left out: 'source'" in choose("text,source,label\nabc,web,1\n").report
    assert choose("1,2,3\n1,2,4\n").report[0] == "no header"


@pytest.mark.parametrize(
    ("text", "said", "what"),
    [
        ("label,a\n1,2\n", {"target": "lable"}, "no column 'lable' for the target; did you mean 'label'?"),
        ("label,a\n1,2\n", {"layout": "long"}, "no column is named like the id"),
        ("label,a\n1,2\n", {"time": "a"}, "time= is said, but no column is the id"),
        ("label,a,note\n1,2,x\n", {}, "must hold numbers, but these hold text: 'note'"),
        ("language\tname\na\tb\n", {}, "more than one column may be the text: 'language', 'name'"),
        ("label,a\n1,2\n", {"id": "label", "target": "label"}, "'label' cannot be the target and the id"),
        (
            "id,t,a\n1,2,3\n",
            {"id": "id", "time": "a", "target": "a"},
            "'a' cannot be the target and the time",
        ),
        ("id,label\n1,2\n", {"id": "id"}, "no column of"),
        ("label,a,a\n1,2,2\n", {}, "'a' (2 times)"),
        ("label,a\n", {}, "a header, but no row"),
    ],
)
def test_what_cannot_be_told_is_refused(choose, text, said, what):
    with pytest.raises(DataError) as error:
        choose(text, **said)
    assert what in error.value.what


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"layout": "lang"}, "did you mean 'long'"),
        ({"text": "a", "layout": "wide"}, "layout and time are not for it"),
        ({"text": "a", "time": "b"}, "layout and time are not for it"),
        ({"time": "b", "layout": "wide"}, "time= is for the long layout"),
        ({"text": "-"}, "must be the name of a column"),
    ],
)
def test_settings_that_cannot_go_together(said, what):
    with pytest.raises(ConfigError, match=what):
        check_asked(Asked(**said))


def test_names_are_compared_without_case_and_punctuation():
    assert plain("Sequence-ID ") == plain("sequence_id") == "sequenceid"
