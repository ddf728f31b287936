"""`compare`: every method on the same users, failures told, p values by Holm, and JSON whose keys are stable."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from by_hand import evaluation as by_hand

import matweave as mw
from matweave.config import config
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.evaluation.comparison import Comparison, compare, plain
from matweave.evaluation.paired import sign_flip
from matweave.evaluation.sampled_protocol import draw_candidates

KEYS = [
    "method", "settings", "metrics", "p_values", "skipped", "seconds", "peak_mb", "protocol", "counts",
    "intervals", "split", "versions", "over_budget", "error",
]  # fmt: skip


@config
class Scores:
    """A recipe whose model gives each user chance scores, plus `gift` for what the test part holds."""

    gift: float = 0.0
    seed: int = 0
    test: Any = field(default=None, repr=False)

    def fit(self, train, *, validate=None, watch=None, resume=None):
        scores = np.random.default_rng(self.seed).random((train.n_users, train.n_items))
        scores += self.gift * self.test.recode(train.users, train.items).matrix.scipy().toarray()
        return by_hand.scored(train, scores)


@dataclass(frozen=True)
class Fails:
    error: BaseException

    def fit(self, train, **kwargs):
        raise self.error


@pytest.fixture(scope="module")
def split():
    log = mw.simulate_log(users=120, items=40, interactions=1600, shape="clicks", seed=0).log
    return mw.split_randomly(log, valid=0, seed=0)


@pytest.fixture(scope="module")
def found(split) -> Comparison:
    recipes = {
        "bad": Scores(gift=-1.0, test=split.test),
        "none": mw.ExplicitALS(),  # needs values, and this log has none
        "good": Scores(gift=0.9, test=split.test),
        "near": Scores(gift=0.9, seed=1, test=split.test),
        "twin": Scores(gift=0.9, test=split.test),
    }
    return compare(recipes, split, metrics=["ndcg@5", "gini@5", "novelty@5", "popularity_lift@5", "recall@5"])


def by_name(found):
    return {r.name: r for r in found.results}


def test_best_first_and_failures_last(found):
    means = [r.mean("ndcg@5") for r in found.results[:-1]]
    assert means == sorted(means, reverse=True)
    assert found.results[0].name in ("good", "near", "twin")
    assert [r.name for r in found.results[-2:]] == ["bad", "none"]
    failed = found.results[-1]
    assert failed.error is not None
    assert "has none" in failed.error
    assert failed.evaluation is None
    assert failed.model is None
    assert math.isnan(failed.mean("ndcg@5"))


def test_figures_are_those_of_evaluate(found, split):
    result = by_name(found)["near"]
    again = mw.evaluate(result.model, split.test, metrics=list(found.metrics))
    assert result.evaluation is not None
    assert result.evaluation.metrics == again.metrics


def test_p_values_are_of_pairs_with_the_best_by_holm(split):
    recipes = {f"gift {gift}": Scores(gift=gift, test=split.test) for gift in (0.5, 0.47, 0.465, 0.455, 0.45)}
    found = compare(recipes, split, metrics=["recall@5"])
    results, best = by_name(found), found.results[0]
    users = {n: r.evaluation.judged.per_user["recall@5"] for n, r in results.items()}
    others = [n for n in users if n != best.name]
    p = [sign_flip((users[best.name] - users[n])[:, None], seed=0)[0] for n in others]
    assert sum(0.001 < one < 0.5 for one in p) >= 2  # where the correction is seen
    assert {n: results[n].p_values["recall@5"] for n in others} == pytest.approx(
        dict(zip(others, by_hand.holm(p), strict=True))
    )
    assert best.p_values == {}


def test_a_method_that_is_far_behind_is_told_apart(found):
    assert by_name(found)["bad"].p_values["ndcg@5"] < 0.001


def test_identical_methods_are_not_told_apart_and_the_first_of_them_is_the_best(split):
    recipes = {name: Scores(gift=0.9, test=split.test) for name in ("one", "two", "three")}
    found = compare(recipes, split, metrics=["ndcg@5", "recall@5"])
    assert found.best("recall@5") is found.results[0]
    assert [r.p_values for r in found.results] == [{}, *[{"ndcg@5": 1.0, "recall@5": 1.0}] * 2]


def test_no_p_for_numbers_of_sets_and_no_best_where_neither_way_is_better(found):
    assert all("gini@5" not in r.p_values for r in found.results)
    assert found.best("popularity_lift@5") is None
    assert all("popularity_lift@5" not in r.p_values for r in found.results)
    lowest = min((r for r in found.results if r.evaluation), key=lambda r: r.mean("gini@5"))
    assert found.best("gini@5") is lowest


def test_the_order_of_methods_changes_no_figure(split):
    recipes = {"a": mw.Popularity(), "b": mw.ItemKNN(), "c": mw.EASE()}
    first = compare(recipes, split, metrics=["ndcg@5"])
    other = compare(dict(reversed(recipes.items())), split, metrics=["ndcg@5"])
    assert [r.name for r in first.results] == [r.name for r in other.results]
    for a, b in zip(first.results, other.results, strict=True):
        assert a.evaluation is not None
        assert b.evaluation is not None
        assert a.evaluation.metrics == b.evaluation.metrics
        assert a.p_values == b.p_values


def test_a_lower_error_is_better():
    log = mw.simulate_log(users=150, items=60, interactions=2500, seed=0).log
    split = mw.split_randomly(log, valid=0, seed=0)
    recipes = {
        "worse": mw.ExplicitALS(rank=12, epochs=8, regularization=1e-4),
        "better": mw.ExplicitALS(rank=2, epochs=8),
        "ranks": mw.EASE(),
    }
    found = compare(recipes, split, metrics=["rmse", "ndcg@5"])
    assert [r.name for r in found.results] == ["better", "worse", "ranks"]
    assert found.best("rmse").name == "better"  # type: ignore[union-attr]
    assert by_name(found)["worse"].p_values["rmse"] < 0.05
    assert "predicts no values" in by_name(found)["ranks"].evaluation.skipped["rmse"]  # type: ignore[union-attr]
    # the longest label: some lists, some ratings
    assert found.protocol == "full ranking; ratings, clipped to the training range"


def test_defaults_that_no_method_has_are_left_out():
    log = mw.simulate_log(users=100, items=40, interactions=1200, seed=0).log  # with values
    found = compare({"ease": mw.EASE()}, mw.split_randomly(log, valid=0, seed=0))
    assert "rmse" not in found.metrics
    assert "ndcg@10" in found.metrics


def test_a_validation_part_stops_fits_early():
    log = mw.simulate_log(users=150, items=60, interactions=2500, seed=0).log
    split = mw.split_randomly(log, seed=0)
    recipes = {"ranks": mw.ImplicitALS(rank=8, epochs=30), "rates": mw.ExplicitALS(rank=4, epochs=30)}
    results = by_name(compare(recipes, split, metrics=["recall@5"]))
    assert results["ranks"].model.history.validation_name == "recall@5"
    assert results["rates"].model.history.validation_name == "rmse"


def test_progress_sees_the_epochs_of_each_method(split):
    seen: list[tuple[str, int]] = []

    def progress(name):
        return lambda state, epochs: seen.append((name, state.epoch))

    compare({"als": mw.ImplicitALS(rank=2, epochs=2)}, split, metrics=["ndcg@5"], progress=progress)
    assert seen == [("als", 1), ("als", 2)]


@pytest.mark.parametrize(
    "error", [DataError("odd", where="x", mend="y"), MemoryError("full"), np.linalg.LinAlgError("singular")]
)
def test_one_failure_does_not_stop_the_others(split, error, monkeypatch):
    monkeypatch.setattr("matweave.evaluation.comparison.settings_of", lambda recipe: {})
    found = compare({"fails": Fails(error), "works": mw.Popularity()}, split, metrics=["ndcg@5"])
    assert [r.name for r in found.results] == ["works", "fails"]
    assert str(error).splitlines()[0] in found.results[1].error  # type: ignore[operator]


def test_a_mistake_in_the_program_is_not_hidden(split, monkeypatch):
    monkeypatch.setattr("matweave.evaluation.comparison.settings_of", lambda recipe: {})
    with pytest.raises(ZeroDivisionError):
        compare({"fails": Fails(ZeroDivisionError())}, split, metrics=["ndcg@5"])


def test_all_methods_may_fail(split):
    found = compare({"none": mw.ExplicitALS()}, split, metrics=["ndcg@5"])
    assert found.best("ndcg@5") is None
    assert found.protocol == "none"
    json.dumps(found.as_json(), allow_nan=False)
    assert "failed" in str(found)


def test_sampled_comparisons_are_labelled(split):
    given = draw_candidates(split.train, split.test, 5, seed=0)
    found = compare({"p": mw.Popularity(), "e": mw.EASE()}, split, candidates=given)
    assert found.protocol.startswith("sampled")
    assert found.metrics == ("hit_rate@10", "ndcg@10", "mrr@10")


def test_a_split_by_user_is_judged_by_its_known_part():
    log = mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log
    split = mw.split_by_user(log, 0.2, 0.2, seed=0)
    found = compare(
        {"knn": mw.ItemKNN(), "als": mw.ImplicitALS(rank=4, epochs=3)}, split, metrics=["recall@5"]
    )
    assert all(r.error is None and r.mean("recall@5") > 0 for r in found.results)


def test_kernels_are_compiled_by_one_epoch_alone(split, monkeypatch):
    seen: list[int] = []
    real = mw.ImplicitALS.fit

    def fit(self, train, **given):
        model = real(self, train, **given)
        seen.append(len(model.history.objective))
        return model

    monkeypatch.setattr(mw.ImplicitALS, "fit", fit)
    compare({"als": mw.ImplicitALS(rank=2, epochs=3, tolerance=0.0)}, split, metrics=["ndcg@5"])
    assert seen == [1, 3]


def test_a_budget_ends_epochs_and_is_told_where_it_cannot_end(split):
    recipes = {
        "als": mw.ImplicitALS(rank=2, epochs=5),
        "ease": mw.EASE(),
        "one": mw.ImplicitALS(rank=2, epochs=1),
    }
    found = compare(recipes, split, metrics=["ndcg@5"], budget=0.0)
    als, ease, one = (by_name(found)[name] for name in recipes)
    assert als.over == "ended by the budget of 0 s, after epoch 1 of 5"
    assert als.model.history.epoch == 1
    assert "no epoch to end after" in ease.over
    assert "no epoch to end after" in one.over
    assert all(r.mean("ndcg@5") > 0 for r in found.results)
    made = found.as_json()
    assert made["budget"] == 0.0
    assert {r["over_budget"] for r in made["results"]} == {als.over, ease.over, one.over}
    text = str(found)
    assert "each fit was given 0 s" in text
    assert (als.ended, als.label, ease.ended, ease.label) == ((1, 5), "als ‡", None, "ease")
    assert "‡ ended by the budget of 0 s, and judged as it was: als after epoch 1 of 5" in text
    assert f"ease {ease.over}" in text
    assert "interrupted" not in text
    kept = compare({"ease": mw.EASE()}, split, metrics=["ndcg@5"], budget=60.0, left_out={"bpr": "no reason"})
    assert kept.results[0].over == ""
    assert kept.as_json()["left_out"] == {"bpr": "no reason"}
    assert "bpr was left out: no reason" in str(kept)


def test_which_methods_read_the_attributes_is_kept(split):
    ids = split.train.items.to_list()
    features = {
        "item_features": mw.ItemContent.of(ids, attributes=[[n % 2] for n in range(len(ids))], names=["odd"])
    }
    recipes = {"als": mw.ImplicitALS(rank=2, epochs=2), "popularity": mw.Popularity()}
    found = compare(recipes, split, metrics=["ndcg@5"], features=features)
    assert found.as_json()["attributes"] == {"als": ["item_features"], "popularity": []}
    assert "attributes are read by als; not read by popularity" in str(found)
    assert compare(recipes, split, metrics=["ndcg@5"]).as_json()["attributes"] == {}


def test_no_methods_and_unknown_metrics_are_refused_before_any_fit(split):
    with pytest.raises(ConfigError, match="no methods"):
        compare({}, split)
    with pytest.raises(ConfigError, match="ndgc"):
        compare({"x": Fails(AssertionError("fitted"))}, split, metrics=["ndgc@5"])


def test_json_has_stable_keys_and_no_nan(found):
    text = json.dumps(found.as_json(), allow_nan=False)
    made = json.loads(text)
    assert list(made) == ["results", "metrics", "protocol", "seed", "budget", "left_out", "attributes"]
    for result in made["results"]:
        assert list(result) == KEYS
        for interval in result["metrics"].values():
            assert list(interval) == ["mean", "low", "high"]
    best = made["results"][0]
    assert set(best["metrics"]) == set(found.metrics)
    assert best["error"] is None
    assert best["seconds"] >= 0
    assert best["peak_mb"] > 10
    assert best["split"]["kind"] == "at random"
    assert "numpy" in best["versions"]
    assert made["results"][-1]["metrics"] == {}
    assert "where" in made["results"][-1]["error"]


def test_json_of_one_user_says_null():
    train = Interactions.from_codes([0, 0, 1], [0, 1, 3], n_items=4)
    test = Interactions.from_codes([0], [2], n_items=4)
    found = compare({"p": mw.Popularity()}, mw.split_given(train, test), metrics=["ndcg@2", "gini@2"])
    made = json.loads(json.dumps(found.as_json(), allow_nan=False))["results"][0]
    assert made["metrics"]["ndcg@2"]["low"] is None
    assert made["metrics"]["gini@2"]["mean"] is not None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1.5, 1.5), (math.nan, "nan"), (-math.inf, "-inf"), ((1, "a"), [1, "a"]), (None, None), (1j, "1j")],
)
def test_settings_are_what_json_can_hold(value, wanted):
    assert plain(value) == wanted


def test_ctrl_c_keeps_what_was_judged(split):
    @dataclass(frozen=True)
    class Interrupted:
        def fit(self, train, *, validate=None, watch=None, resume=None):
            if len(train) == len(split.train):  # not while kernels are compiled on a scrap
                raise KeyboardInterrupt
            return Scores(test=split.test).fit(train)

    recipes = {"first": Scores(test=split.test), "cut": Interrupted(), "never": Scores(test=split.test)}
    found = compare(recipes, split, metrics=["ndcg@10"])
    assert found.interrupted
    assert [r.name for r in found.results if r.evaluation] == ["first"]
    assert {r.error for r in found.results[1:]} == {"interrupted before it was judged"}
    with pytest.raises(KeyboardInterrupt):
        compare({"cut": Interrupted()}, split, metrics=["ndcg@10"])
