"""Shared options: reading a log and splitting words."""

from __future__ import annotations

from pathlib import Path

from matweave.app.options import comma, read


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
