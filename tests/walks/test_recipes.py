"""Every recipe runs as a user would run it, small, and says what it promises; none is over 80 lines."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.py"))
SAYS = {
    "compare_methods": "implicit_als",
    "log_to_recommendations": "saved and loaded: ImplicitALS",
    "ratings_by_three_solvers": "alternating least squares",
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipe_runs(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert SAYS[path.stem] in capsys.readouterr().out


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipe_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf8").splitlines()) <= 80
