"""Shared options: reading a log and splitting words."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from matweave.app.options import comma, read, refuse_idle, refuse_undrawn
from matweave.errors import ConfigError, MissingExtra


def test_comma_drops_blanks() -> None:
    assert comma(" a, b,,c ") == ["a", "b", "c"]
    assert comma(None) == []


def test_read_tells_what_was_chosen(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id,rating\na,x,3\nb,y,4\n")
    said: list[str] = []
    log = read(path, say=said.append)
    assert len(log) == 2
    assert "2 interactions of 2 users with 2 items" in said[0]
    assert any("user_id" in line for line in said[1:])


def test_options_that_mean_nothing_are_refused_only_where_they_were_given() -> None:
    def given(*names: str) -> SimpleNamespace:
        sources = {True: SimpleNamespace(name="COMMANDLINE"), False: SimpleNamespace(name="DEFAULT")}
        return SimpleNamespace(get_parameter_source=lambda name: sources[name in names])

    refuse_idle(given("k", "on_bad_rows"), net=False)
    refuse_idle(given("part", "size"), net=True)
    with pytest.raises(ConfigError, match="--k, --on-bad-rows are for recommenders, but this is a network"):
        refuse_idle(given("k", "on_bad_rows"), net=True)
    with pytest.raises(ConfigError, match="--part is for networks, but this is a recommender") as error:
        refuse_idle(given("part"), net=False)
    assert error.value.mend == "leave it out"


def test_a_report_that_could_not_be_drawn_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_undrawn(Path("r.html"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refuse_undrawn(None)
    with pytest.raises(MissingExtra, match="needs matplotlib") as error:
        refuse_undrawn(Path("r.html"))
    assert error.value.mend == "pip install 'matweave[report]'"


def test_a_network_is_not_asked_what_users_had() -> None:
    context = SimpleNamespace(
        get_parameter_source=lambda name: SimpleNamespace(
            name="COMMANDLINE" if name == "known" else "DEFAULT"
        )
    )
    with pytest.raises(ConfigError, match="--known is for recommenders"):
        refuse_idle(context, net=True)
