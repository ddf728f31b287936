"""`matweave grow` and `matweave forget` through the door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as csv
import pytest

import matweave as mw

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    log = mw.simulate_log(users=60, items=30, interactions=600, newcomers=0, shape="ratings", seed=0).log
    late = log.user_codes < 3
    csv.write_csv(log.take(late).to_frame("arrow"), tmp_path / "late.csv")
    mw.ImplicitALS(rank=4, epochs=3).fit(log.take(~late)).save(tmp_path / "old")
    return tmp_path


def test_a_model_grows_and_forgets(home: Path, cli: Cli) -> None:
    code, out, _ = cli("grow", home / "old", home / "late.csv", "--out", home / "new", "-q")
    assert code == 0
    assert out.splitlines()[-2:] == ["3 new users, 0 known users with more rows", f"model: {home / 'new'}"]
    *others, name = mw.load(home / "new").users.to_list()  # type: ignore[union-attr]
    code, out, _ = cli("recommend", home / "new", "--user", name, "-k", 2)
    assert (code, len(out.splitlines())) == (0, 3)
    code, out, _ = cli("forget", home / "new", "--user", name, "--out", home / "less")
    assert (code, out.splitlines()) == (0, [f"{len(others)} users left", f"model: {home / 'less'}"])
    code, _, err = cli("recommend", home / "less", "--user", name)
    assert code == 2
    assert name in err


def test_errors_are_one_screen(home: Path, cli: Cli) -> None:
    code, _, err = cli("forget", home / "old", "--user", "nobody", "--out", home / "less")
    assert code == 2
    assert "nobody" in err
    assert not (home / "less").exists()
