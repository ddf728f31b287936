"""Files stay small: 250 lines is the soft limit, 400 the hard one."""

from __future__ import annotations

import warnings

import pytest
from house.rooms import ROOT, relative, sources

SOFT, HARD = 250, 400


def lines(path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_is_beyond_the_hard_limit(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {relative(path): lines(path) for path in sources()}
    assert len(sizes) > 50
    large = sorted((n, name) for name, n in sizes.items() if n > SOFT)
    with capsys.disabled(), warnings.catch_warnings():
        if large:
            print(
                f"\nbeyond the soft limit of {SOFT} lines: " + ", ".join(f"{name} {n}" for n, name in large)
            )
    assert {name: n for name, n in sizes.items() if n > HARD} == {}


def test_notes_of_decisions_are_short_and_numbered() -> None:
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert len(notes) >= 3
    for number, note in enumerate(notes, 1):
        assert note.name.startswith(f"{number:04d}-")
        assert lines(note) <= 25, note.name
        assert note.read_text(encoding="utf-8").startswith(f"# {number}. "), note.name


def test_recipes_fit_on_a_screen_or_two() -> None:
    recipes = sorted((ROOT / "recipes").glob("*.py"))
    assert recipes
    assert {r.name: lines(r) for r in recipes if lines(r) > 80} == {}
