"""Words that stand for many methods, and what a log allows of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import matweave as mw
from matweave.app import groups
from matweave.app.catalogue import METHODS, RATING_METHODS, TIMED_METHODS, recipes_of
from matweave.app.groups import Asked, asked
from matweave.errors import ConfigError, DataError, MissingExtra


def test_groups_stand_for_theirs_and_names_for_themselves() -> None:
    assert asked(["all"]).names == tuple(METHODS)
    assert set(asked(["factor"]).names) | set(asked(["neural"]).names) == set(METHODS)
    assert not set(asked(["factor"]).names) & set(asked(["neural"]).names)
    both = asked(["biased-mf", "factor"])
    assert both.names[0] == "biased_mf"
    assert len(both.names) == len(asked(["factor"]).names)
    assert "biased_mf" not in both.grouped
    with pytest.raises(ConfigError, match="did you mean 'neu_mf'"):
        asked(["neu_mff"])


def test_a_log_leaves_out_what_it_does_not_allow_but_not_what_was_named() -> None:
    log = mw.simulate_log(users=30, items=20, interactions=150, seed=0).log
    wanted = asked(["biased_mf", "all"])
    recipes = recipes_of(list(wanted.names), [], 0)
    assert wanted.allowed(recipes, log) == (recipes, {})
    kept, left = wanted.allowed(recipes, replace(log, values=None, times=None))
    assert set(left) == (RATING_METHODS | TIMED_METHODS) - {"biased_mf"}
    assert set(kept) | set(left) == set(METHODS)
    assert list(left) == [name for name in METHODS if name in left]


def test_without_torch_the_neural_ones_are_left_out_with_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "find_spec", lambda name: None)
    wanted = asked(["all"])
    assert set(wanted.left_out) == set(asked(["neural", "ease"]).left_out)
    assert all("matweave[deep]" in why for why in wanted.left_out.values())
    assert wanted.names == asked(["factor"]).names
    with pytest.raises(MissingExtra, match=r"matweave\[deep\]"):
        asked(["neural"])


def test_only_groups_have_a_budget_unsaid() -> None:
    assert asked(["ease"]).seconds(None) is None
    assert asked(["factor"]).seconds(None) == 300.0
    assert asked(["ease"]).seconds(0.5) == 30.0


def test_the_timed_methods_are_those_that_ask_for_times() -> None:
    log = replace(mw.simulate_log(users=30, items=20, interactions=150, seed=0).log, times=None)
    for name in TIMED_METHODS:
        with pytest.raises(DataError, match="time"):
            METHODS[name]().fit(log)


def csv_log(folder: Path) -> Path:
    path = folder / "log.csv"
    log = mw.simulate_log(users=60, items=30, interactions=500, seed=1).log
    rows = zip(log.user_codes, log.item_codes, strict=True)
    path.write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u, i in rows))
    return path


def test_compare_takes_a_group_and_tells_what_a_budget_ended(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Asked(
        names=("ease", "implicit_als", "sas_rec"), grouped=frozenset({"ease", "implicit_als", "sas_rec"})
    )
    monkeypatch.setattr(groups, "asked", lambda words: few)
    words = ("--split", "random", "--methods", "all", "--budget", 0.00001, "--metrics", "ndcg@5")
    assert cli("compare", csv_log(tmp_path), *words)[0] == 2  # under the least
    words = (
        *words[:5],
        0.001,
        *words[6:],
        "--set",
        "implicit_als.epochs=100000",
        "--set",
        "implicit_als.tolerance=0",
    )
    code, out, err = cli("compare", csv_log(tmp_path), *words)
    assert code == 0, err
    assert "each fit was given 0.06 s" in out
    assert "sas_rec was left out: it needs the time of each row" in out
    assert "‡ ended by the budget of 0.06 s, and judged as it was: implicit_als after epoch" in out
    assert "implicit_als ‡" in out


@pytest.mark.slow
def test_every_method_is_compared_on_a_small_log_within_its_budget(cli, tmp_path: Path) -> None:
    code, out, err = cli(
        "compare",
        csv_log(tmp_path),
        "--split",
        "random",
        "--methods",
        "all",
        "--budget",
        0.01,
        "--metrics",
        "ndcg@5",
    )
    assert code == 0, err
    assert "failed" not in out
    for name in METHODS:
        assert name in out
