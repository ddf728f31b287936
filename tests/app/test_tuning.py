"""The search: seeded, on validation data, never worse than the defaults it starts from."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import matweave as mw
from matweave.app.catalogue import METHODS
from matweave.app.tuning import ALIKE, fit_line, refuse_unmeasured, search, searched
from matweave.app.verbs import held_out
from matweave.config import Span, names
from matweave.errors import ConfigError, DataError, Diverged, MissingExtra


@pytest.fixture(scope="module")
def log() -> mw.Interactions:
    return mw.simulate_log(users=160, items=60, interactions=3_000, seed=6).log


def tuned(log: mw.Interactions, name: str, fixed: list[str], trials: int) -> dict:
    return search(
        name, log, fixed=fixed, trials=trials, minutes=5, metric=None, valid=0.2, seed=1, quiet=True
    )


def test_every_method_has_a_space_of_its_own_settings() -> None:
    for recipe in METHODS.values():
        assert recipe.space
        for setting, span in recipe.space.items():
            assert setting in names(recipe)
            ends = (span.low, span.high) if isinstance(span, Span) else span
            whole = isinstance(span, Span) and span.whole
            for end in ends:  # both ends are settings the recipe accepts
                recipe(**{setting: int(end) if whole else end})


def test_same_seed_same_search_and_no_worse_than_the_defaults(log: mw.Interactions) -> None:
    first, second = (tuned(log, "ease", [], 5) for _ in range(2))
    for found in (first, second):
        for row in found["history"]:
            del row["seconds"]
    assert first == second
    assert first["history"][0]["settings"] == {"regularization": mw.EASE().regularization}
    assert first["value"] >= first["history"][0]["value"]
    assert first["metric"] == "ndcg@10"


def test_rating_methods_are_tuned_by_rmse_downwards(log: mw.Interactions) -> None:
    found = tuned(log, "explicit_als", ["epochs=3", "rank=8"], 3)
    assert found["metric"] == "rmse"
    assert found["value"] == min(row["value"] for row in found["history"])
    assert found["settings"]["rank"] == 8
    assert "rank" not in found["history"][0]["settings"]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_tuned(log: mw.Interactions, name: str) -> None:
    few = ["epochs=2"] if "epochs" in names(METHODS[name]) else []
    found = tuned(log, name, few, 3)
    assert (found["trials"], found["failed"]) == (3, 0)
    assert found["value"] == found["value"]  # a number
    assert (found["valid"] is None) == (METHODS.room(name) == "factor")


def test_a_search_with_nothing_to_search_is_refused(log: mw.Interactions) -> None:
    with pytest.raises(ConfigError, match="fixed by --set"):
        tuned(log, "ease", ["regularization=3"], 2)


def test_without_optuna_the_pip_line_is_given(log: mw.Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"matweave\[tune\]"):
        tuned(log, "ease", [], 1)


def test_ctrl_c_in_a_fit_ends_the_search_with_the_best_so_far(
    log: mw.Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fits = mw.ImplicitALS.fit, []

    def cut_the_third(self: mw.ImplicitALS, train: mw.Interactions, **given: object) -> object:
        fits.append(self)
        return real(self, train, watch=lambda state, total: len(fits) == 3)

    monkeypatch.setattr(mw.ImplicitALS, "fit", cut_the_third)
    found = tuned(log, "implicit_als", ["epochs=2"], 9)
    assert found["trials"] == 2
    fits[:] = [None, None]  # the very first fit is cut
    with pytest.raises(KeyboardInterrupt):
        tuned(log, "implicit_als", ["epochs=2"], 9)


def test_the_line_printed_fits_with_what_was_found(tmp_path: Path) -> None:
    found = {"method": "ease", "settings": {"regularization": 2.5}, "valid": None}
    columns = {"user": "u id", "item": None, "on_bad_rows": "drop"}
    line = fit_line(found, tmp_path / "a log.csv", **columns)
    assert shlex.split(line) == [
        "matweave", "fit", "ease", str(tmp_path / "a log.csv"),
        "--user", "u id", "--on-bad-rows", "drop", "--set", "regularization=2.5", "--out", "DIR",
    ]  # fmt: skip


def test_a_network_is_tuned_and_its_line_stops_as_early(log: mw.Interactions) -> None:
    found = tuned(log, "light_gcn", ["epochs=40", "rank=8", "device=cpu"], 2)
    assert (found["trials"], found["failed"]) == (2, 0)
    assert fit_line(found, Path("log.csv")).endswith("--valid 0.2 --metric ndcg@10 --out DIR")
    train, check = held_out(log, 0.2, "light_gcn", "ndcg@10")
    again = mw.LightGCN(**found["settings"], seed=1).fit(train, validate=check)
    assert again.history.epoch < 40
    assert check.measure(again) == found["value"]
    assert found["history"][0]["settings"]["learning_rate"] == mw.LightGCN().learning_rate


@pytest.mark.parametrize("metric", ["rmse", "crps"])
def test_a_metric_of_values_is_refused_before_a_fit_where_there_are_none(
    log: mw.Interactions, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mw.EASE, "fit", lambda *given, **more: pytest.fail("it was tried"))
    how: dict[str, Any] = dict(fixed=[], trials=50, minutes=5, metric=metric, valid=0.2, seed=1, quiet=True)
    with pytest.raises(ConfigError, match=f"{metric}: EASE ranks, and predicts no values") as caught:
        search("ease", log, **how)
    assert "ndcg@10" in caught.value.mend
    with pytest.raises(ConfigError, match="the log has no values"):
        search("biased_mf", replace(log, values=None), **how)
    with pytest.raises(ConfigError, match="NMF ranks") as caught:
        refuse_unmeasured(mw.NMF(), log, metric)
    assert "--set missing=masked" in caught.value.mend
    refuse_unmeasured(mw.BayesianMF(), log, metric)
    if metric == "rmse":
        refuse_unmeasured(mw.NMF(missing="masked"), log, metric)
        return
    for recipe in (mw.NMF(missing="masked"), mw.BiasedMF()):
        with pytest.raises(ConfigError, match="has no variance"):
            refuse_unmeasured(recipe, log, metric)


def failing(*errors: Exception | None, trials: int = 50) -> tuple[list[int], Any]:
    """Trials that end as told, the last one for good; which were tried, and what the search gave."""
    tried: list[int] = []

    def one(recipe: Any) -> float:
        tried.append(len(tried))
        error = errors[min(len(tried), len(errors)) - 1]
        if error is not None:
            raise error
        return 1.0

    how: dict[str, Any] = dict(metric="ndcg@10", trials=trials, minutes=5, seed=0, quiet=True)
    try:
        return tried, searched("ease", mw.EASE(), mw.EASE.space, one, **how)
    except ConfigError as error:
        return tried, error


def test_a_search_ends_where_its_first_trials_fail_alike() -> None:
    same = DataError("no user has a value", where="x", mend="add some")
    other = DataError("another", where="x", mend="y")
    tried, error = failing(same)
    assert len(tried) == ALIKE == 3
    assert (
        error.what == "the first 3 trials of ease failed alike, whatever their settings: no user has a value"
    )
    assert error.mend == "add some"
    for errors in ((same, same, other, None), (None, same)):  # not all alike, or not from the start
        tried, (best, history) = failing(*errors, trials=6)
        assert (len(tried), len(history), best["value"]) == (6, 6, 1.0)
    tried, error = failing(
        Diverged("too large", where="x", mend="y"), trials=5
    )  # of the settings that were drawn
    assert len(tried) == 5
    assert error.what == "no trial of ease ended well: too large"
