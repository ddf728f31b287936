"""`evaluate`: the numbers of the protocols with intervals, the defaults, and measures for early stopping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from by_hand import evaluation as by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.evaluation.evaluate import BASIC, RATINGS, SAMPLED, asked_for
from matweave.evaluation.sampled_protocol import draw_candidates
from matweave.factor.forms import FactorModel


@pytest.fixture(scope="module")
def split():
    log = mw.simulate_log(users=150, items=40, interactions=2000, seed=0).log
    return mw.split_randomly(log, seed=0)


@pytest.fixture(scope="module")
def model(split):
    return mw.ExplicitALS(rank=3, epochs=3).fit(split.train)


def test_means_are_those_by_hand():
    rng = np.random.default_rng(0)
    train = Interactions.from_codes(
        np.repeat(np.arange(25), 4),
        rng.permuted(np.tile(np.arange(12), (25, 1)), axis=1)[:, :4].ravel(),
        n_items=12,
    )
    test = Interactions.from_codes(rng.integers(0, 25, 60), rng.integers(0, 12, 60), n_users=25, n_items=12)
    model = by_hand.scored(train, rng.normal(size=(25, 12)))
    found = mw.evaluate(model, test, k=3, metrics=["ndcg", "recall@2"])
    for name, k in (("ndcg", 3), ("recall", 2)):
        wanted = by_hand.judge(name, model, train, test, k)
        interval = found.metrics[f"{name}@{k}"]
        assert interval.mean == pytest.approx(np.mean(list(wanted.values())))
        assert interval.low < interval.mean < interval.high
    assert found.method == "Scored"
    assert found.counts["users judged"] == len(wanted)


def test_the_defaults_are_lists_and_ratings_where_the_model_predicts_them(split, model):
    found = mw.evaluate(model, split.test)
    assert list(found.metrics) == [*(f"{name}@10" for name in BASIC), *RATINGS]
    assert found.protocol == "full ranking; ratings, clipped to the training range"
    assert not found.skipped
    biased = mw.evaluate(mw.BiasedMF(rank=2, epochs=2).fit(split.train), split.test)  # has no variance
    assert list(biased.metrics) == [*(f"{name}@10" for name in BASIC), "rmse", "mae"]
    ranked = mw.evaluate(mw.Popularity().fit(split.train), split.test, k=3)
    assert list(ranked.metrics) == [f"{name}@3" for name in BASIC]
    assert ranked.protocol == "full ranking"


def test_lists_and_ratings_of_one_model_stand_together(split, model):
    both = mw.evaluate(model, split.test, metrics=["rmse", "ndcg@5"])
    assert list(both.metrics) == ["rmse", "ndcg@5"]  # as asked
    for metric in both.metrics:
        assert mw.evaluate(model, split.test, metrics=[metric]).metrics[metric] == both.metrics[metric]


def test_a_number_that_a_model_lacks_is_told(split):
    found = mw.evaluate(mw.EASE().fit(split.train), split.test, metrics=["rmse", "recall@5"])
    assert list(found.metrics) == ["recall@5"]
    assert "predicts no values" in found.skipped["rmse"]
    assert "rmse" in str(found)
    only = mw.evaluate(mw.EASE().fit(split.train), split.test, metrics=["rmse"])
    assert not only.metrics
    assert only.skipped


def test_seed_and_resamples_move_intervals_only(split, model):
    first, second, rough = (
        mw.evaluate(model, split.test, metrics=["ndcg@5"], seed=s, resamples=r).metrics["ndcg@5"]
        for s, r in ((0, 1000), (1, 1000), (0, 100))
    )
    assert first.mean == second.mean == rough.mean
    assert first.low != second.low
    assert first.high - first.low == pytest.approx(second.high - second.low, rel=0.25)


def test_intervals_narrow_with_more_users():
    widths = []
    for users in (100, 1600):
        split = mw.split_randomly(
            mw.simulate_log(users=users, items=40, interactions=10 * users, seed=0).log, valid=0, seed=0
        )
        interval = mw.evaluate(mw.Popularity().fit(split.train), split.test, metrics=["ndcg@5"]).metrics[
            "ndcg@5"
        ]
        widths.append(interval.high - interval.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)


def test_candidates_make_it_sampled_and_labelled_so(split):
    model = mw.Popularity().fit(split.train)
    given = draw_candidates(split.train, split.test, 5, seed=0)
    found = mw.evaluate(model, split.test, k=3, candidates=given)
    assert list(found.metrics) == [f"{name}@3" for name in SAMPLED]
    assert found.protocol.startswith("sampled (5 negatives")
    assert "sampled" in str(found)


def test_a_split_by_user_needs_its_known_part():
    log = mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log
    split = mw.split_by_user(log, 0.3, 0, seed=0)
    model = mw.EASE().fit(split.train)
    found = mw.evaluate(model, split.test, metrics=["recall@5"], known=split.test_known)
    assert 0 < found.metrics["recall@5"].mean < 1
    with pytest.raises(DataError, match="no test user"):
        mw.evaluate(model, split.test, metrics=["recall@5"])


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "10"])
def test_k_must_be_a_whole_number(split, model, k):
    with pytest.raises(ConfigError, match="must be an integer"):
        mw.evaluate(model, split.test, k=k)


def test_all_unknown_metrics_are_told_at_once(split, model):
    with pytest.raises(ConfigError, match=r"(?s)ndgc.*recal"):
        mw.evaluate(model, split.test, metrics=["ndgc@10", "recal", "mrr"])


def test_asked_for_names_a_metric_once(split):
    assert [a.name for a in asked_for(["ndcg", "ndcg@10", "hr@5"], None, split.test, None, 10)] == [
        "ndcg@10",
        "hit_rate@5",
    ]


@pytest.mark.parametrize(
    ("metric", "sign"), [("ndcg@5", 1), ("coverage@5", 1), ("gini@5", -1), ("rmse", -1), ("mae", -1)]
)
def test_validation_is_higher_for_better(split, model, metric, sign):
    measure = mw.validation(split.test, metric=metric)
    wanted = mw.evaluate(model, split.test, metrics=[metric]).metrics[metric].mean
    assert measure.name == metric
    assert measure.measure(model) == pytest.approx(sign * wanted)


def test_validation_of_unseen_users_folds_them_in():
    log = mw.simulate_log(users=150, items=40, interactions=2000, shape="clicks", seed=0).log
    split = mw.split_by_user(log, 0.2, 0.2, seed=0)
    measure = mw.validation(split.valid, metric="recall@5", known=split.valid_known)
    assert 0 < measure.measure(mw.ItemKNN().fit(split.train)) < 1


def test_validation_stops_a_fit_early_and_keeps_the_best(split):
    model = mw.BiasedMF(rank=8, epochs=60, learning_rate=0.05, regularization=0.0).fit(
        split.train, validate=mw.validation(split.valid, metric="rmse", patience=2)
    )
    assert isinstance(model, FactorModel)
    values = dict(model.history.validation)
    assert model.history.stopped == "early stopping"
    assert values[model.history.epoch] == max(values.values())
    assert mw.validation(split.valid, metric="rmse").measure(model) == pytest.approx(max(values.values()))


def test_validation_says_what_cannot_be(split):
    with pytest.raises(DataError, match="no validation part"):
        mw.validation(None)
    with pytest.raises(ConfigError, match="neither better"):
        mw.validation(split.valid, metric="popularity_lift@5")
    with pytest.raises(ConfigError, match="predicts no values"):
        mw.validation(split.valid, metric="rmse").measure(mw.EASE().fit(split.train))
    with pytest.raises(ConfigError, match="no user"):  # a list of one item has no diversity
        mw.validation(split.valid, metric="diversity@1").measure(mw.EASE().fit(split.train))


def test_one_user_has_a_mean_and_no_interval():
    train = Interactions.from_codes([0, 0], [0, 1], n_items=4)
    test = Interactions.from_codes([0], [2], n_items=4)
    found = mw.evaluate(by_hand.scored(train, [[1, 1, 3, 2]]), test, metrics=["ndcg@2", "gini@2"])
    assert found.metrics["ndcg@2"].mean == 1.0
    assert math.isnan(found.metrics["ndcg@2"].low)
    assert math.isnan(found.metrics["gini@2"].high)
    assert "nan" not in str(found)


def test_a_threshold_holds_for_evaluation_and_validation(split, model):
    all_rows, high = (
        mw.evaluate(model, split.test, metrics=["recall@5"], threshold=t).metrics["recall@5"].mean
        for t in (None, 4)
    )
    assert all_rows != high
    measures = [mw.validation(split.test, metric="recall@5", threshold=t).measure(model) for t in (None, 4)]
    assert measures == pytest.approx([all_rows, high])


def test_a_threshold_is_refused_where_candidates_are_given(split):
    model = mw.Popularity().fit(split.train)
    given = draw_candidates(split.train, split.test, 5, seed=0)
    with pytest.raises(ConfigError, match="threshold has no meaning"):
        mw.evaluate(model, split.test, k=3, candidates=given, threshold=3.0)
