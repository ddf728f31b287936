"""The demo, small: what it prints and leaves, and that it finds what was planted."""

from __future__ import annotations

from pathlib import Path

import pytest

import matweave as mw
from matweave.app.catalogue import recipes_of
from matweave.app.demo import beside_planted, run
from matweave.app.judging import compare


def test_demo_prints_a_leaderboard_and_leaves_model_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "out", users=400, items=150, interactions=10_000)
    out = capsys.readouterr().out
    assert out.count("likes") == 5
    assert "±" in out
    assert mw.load(tmp_path / "out" / "model").users.to_list()
    assert (tmp_path / "out" / "report.html").read_text().lower().startswith("<!doctype html")


def test_most_of_what_is_recommended_was_planted() -> None:
    world = mw.simulate_log(
        users=1_500,
        items=400,
        interactions=40_000,
        shape="clicks",
        attraction=3.0,
        bar=4.0,
        drift=0.0,
        seed=2,
    )
    split = mw.split_by_time(world.log, test=0.1, valid=0.0)
    found = compare(
        recipes_of(["ease"], [], 0), split, k=5, metrics=["ndcg@5"], negatives=None, seed=0, quiet=True
    )
    rows = beside_planted(found, world, count=40)
    right = sum(item.endswith("*") for row in rows for item in row["recommended"])
    genres_liked, genres = 2, 8
    assert right / (5 * 40) > 2 * genres_liked / genres  # chance gives a quarter
    assert rows[0]["hits"].startswith(f"{sum(i.endswith('*') for i in rows[0]['recommended'])} of 5")
