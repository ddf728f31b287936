"""`matweave data list|get` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matweave.data.public import SETS


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MATWEAVE_DATA", str(tmp_path / "data"))


def test_the_list_as_json_and_as_text(cli) -> None:
    code, out, _ = cli("data", "list", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == [entry.name for entry in SETS]
    code, out, _ = cli("data", "list")
    assert code == 0
    assert all(entry.name in out for entry in SETS)


def test_an_unknown_set_is_named_with_the_nearest(cli, tmp_path: Path) -> None:
    code, out, err = cli("data", "get", "ml-1n")
    assert (code, out) == (2, "")
    assert "did you mean 'ml-1m'" in err
    assert "mend:" in err
    assert list(tmp_path.iterdir()) == []


def test_without_an_accepted_licence_nothing_is_fetched(cli, tmp_path: Path) -> None:
    code, out, err = cli("data", "get", "ml-100k")
    assert (code, out) == (2, "")
    assert "has not been accepted" in err
    assert "licence" in err
    assert list(tmp_path.rglob("*.zip")) == []


def test_no_command_shows_the_help(cli) -> None:
    _, out, err = cli("data")
    assert "list" in out + err
    assert "get" in out + err
