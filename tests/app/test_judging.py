"""The judging verbs: one log or given files, never both; JSON of one shape."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import matweave as mw
from matweave.app import judging
from matweave.app.catalogue import recipes_of
from matweave.errors import ConfigError, MatweaveError

COLUMNS: dict[str, None] = {}


@pytest.fixture
def csv_log(tmp_path: Path) -> Path:
    log = mw.simulate_log(users=120, items=40, interactions=1_400, seed=5).log
    users, items = log.users.decode(log.user_codes), log.items.decode(log.item_codes)
    assert log.values is not None
    assert log.times is not None
    rows = zip(users.to_pylist(), items.to_pylist(), log.values, log.times // 1_000_000, strict=True)
    path = tmp_path / "log.csv"
    path.write_text("user,item,rating,timestamp\n" + "".join(f"{u},{i},{v},{t}\n" for u, i, v, t in rows))
    return path


def parts(log: Path | None, train: Path | None, test: Path | None) -> mw.Split:
    share = 0.2 if train is None and test is None else None
    return judging.parts(log, train, test, None, None, share, 0, COLUMNS, say=None)


def test_one_log_is_split_and_given_files_are_kept(csv_log: Path) -> None:
    assert parts(csv_log, None, None).kind.startswith("by time")
    given = parts(None, csv_log, csv_log)
    assert len(given.train) == len(given.test)


@pytest.mark.parametrize("which", [(0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, 0)])
def test_half_or_double_sources_are_refused(csv_log: Path, which: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="either one LOG"):
        parts(*(csv_log if w else None for w in which))


def test_unknown_metrics_fail_before_anything_is_fitted(csv_log: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'ndcg'"):
        judging.compare(
            recipes_of(["ease"], [], 0),
            parts(csv_log, None, None),
            k=5,
            metrics=["ngcd"],
            negatives=None,
            seed=0,
        )


def test_evaluation_and_comparison_write_results_of_the_same_keys(csv_log: Path) -> None:
    split = parts(csv_log, None, None)
    found = judging.compare(
        recipes_of(["popularity"], [], 0), split, k=5, metrics=["ndcg"], negatives=None, seed=0, quiet=True
    )
    model = found.results[0].model
    assert model is not None
    one = judging.evaluate(model, split.test, k=5, metrics=["ndcg"], negatives=None, seed=0)
    compared, evaluated = found.as_json(), judging.evaluation_json(one, model)
    assert compared["results"][0].keys() == evaluated["results"][0].keys()
    assert compared["results"][0]["metrics"] == evaluated["results"][0]["metrics"]
    json.dumps([compared, evaluated], allow_nan=False)


def test_options_without_effect_and_unknown_splits_are_refused_before_reading(tmp_path: Path) -> None:
    log = tmp_path / "there-is-no.csv"
    for kind, share, train, message in (
        ("leave-last", 0.2, None, "--test-share has no effect on leave-last"),
        ("time", None, log, "--split has no effect"),
        (None, 0.2, log, "--test-share has no effect"),
        ("tim", None, None, "did you mean 'time'"),
    ):
        with pytest.raises(ConfigError, match=message):
            judging.parts(None if train else log, train, train, None, kind, share, 0, COLUMNS, say=None)


def test_a_comparison_in_which_all_fail_is_an_error_after_it_was_delivered(
    csv_log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = parts(csv_log, None, None)
    recipes = recipes_of(["popularity"], ["popularity.half_life_days=1"], 0)
    untimed = replace(split, train=replace(split.train, times=None))
    found = judging.compare(recipes, untimed, k=5, metrics=["ndcg"], negatives=None, seed=0, quiet=True)
    written: list[str] = []
    with pytest.raises(MatweaveError, match="every method failed"):
        judging.deliver(
            found, split, json_to="x", report=None, write_json=lambda value, to: written.append(to)
        )
    assert written == ["x"]
    assert "popularity failed" in capsys.readouterr().out


def test_a_terminal_gets_a_leaderboard_no_wider_than_itself(
    csv_log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = ["ndcg", "recall", "precision", "mrr", "coverage"]
    found = judging.compare(
        recipes_of(["popularity"], [], 0),
        parts(csv_log, None, None),
        k=10,
        metrics=metrics,
        negatives=None,
        seed=0,
        quiet=True,
    )

    def widest() -> int:
        judging.show(found)
        plain = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
        return max(len(line) for line in plain.splitlines() if line.startswith("method"))

    assert widest() > 80
    monkeypatch.setattr(judging.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert widest() <= 80
