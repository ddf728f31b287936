"""Tables as text and as JSON."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pyarrow as pa
import pytest

import matweave as mw
from matweave.app.tables import LONGEST, doctor_table, print_fit, print_table

TABLE = pa.table({"user": ["a", "a"], "item": ["[b]x[/b]", "y"], "score": [0.25, 0.125], "rank": [1, 2]})


def test_text_keeps_ids_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["user", "item", "score", "rank"]
    assert lines[1].split() == ["a", "[b]x[/b]", "0.2500", "1"]


def test_json_is_a_list_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(TABLE, as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {"user": "a", "item": "y", "score": 0.125, "rank": 2}


def test_a_long_table_written_to_a_file_is_shown_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    long = pa.table({"item": [str(i) for i in range(100)]})
    print_table(long, to_file=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + LONGEST + 1
    assert lines[-1] == "... 60 more rows in the file"


def test_doctor_marks_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    env = dict.fromkeys(
        ("platform", "executable", "cores_allowed", "cores_present", "threads", "memory_gb", "gpu"), "?"
    )
    tests = [
        {"test": "adds", "ok": True, "seconds": 0.1, "note": ""},
        {"test": "fits", "ok": False, "seconds": 0.2, "note": "ValueError: x"},
    ]
    found = {
        "environment": {**env, "versions": {}, "blas": [], "extras": {}, "variables": {}},
        "self_test": tests,
    }
    doctor_table(found)
    out = capsys.readouterr().out
    assert "adds: ok (0.10 s)" in out
    assert "fits: FAILED ValueError: x (0.20 s)" in out


def test_a_fit_says_how_it_ended_and_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    log = mw.simulate_log(users=30, items=20, interactions=200, seed=0).log
    for recipe, pattern in (
        (mw.Popularity(), r"Popularity: closed form, \d+\.\d\d s"),
        (mw.ImplicitALS(rank=2, epochs=2), r"ImplicitALS: epochs, epoch 2, \d+\.\d\d s, objective \d[\d.]*"),
    ):
        print_fit(SimpleNamespace(model=recipe.fit(log), folder="there"))
        first, second = capsys.readouterr().out.splitlines()
        assert re.fullmatch(pattern, first), first
        assert second == "model: there"
