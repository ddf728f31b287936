"""The catalogue at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matweave.app.public import entries, fetch, print_list
from matweave.data.public import SETS
from matweave.errors import DownloadError


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MATWEAVE_DATA", str(tmp_path / "data"))
    return tmp_path


def test_every_set_is_listed_with_its_licence(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_list(as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [entry.name for entry in SETS]
    assert all(row["licence"] and row["here"] is None for row in rows)
    print_list(as_json=False)
    assert "matweave data get ml-1m" in capsys.readouterr().out


def test_data_of_ones_own_is_found_first(empty_home: Path) -> None:
    log = empty_home / "data" / "ml-100k" / "u.data"
    log.parent.mkdir(parents=True)
    log.write_text("1\t2\t3\t4\n")
    assert next(row["here"] for row in entries() if row["name"] == "ml-100k") == str(log)


def test_without_acceptance_nothing_is_fetched(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DownloadError, match="has not been accepted"):
        fetch("ml-1m", False)
    assert "licence" in capsys.readouterr().err  # it was shown
    assert not (empty_home / "cache").exists()
