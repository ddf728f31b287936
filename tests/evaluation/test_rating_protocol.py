"""RMSE and MAE by hand: clipped, with the fallback to what is left of the model; and reasons where there are none.
Intervals against what `predict` gives."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import evaluation as by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.evaluation.rating_protocol import OF_INTERVALS, predicted_ratings, rating_errors
from matweave.metrics.table import parse_all
from matweave.metrics.uncertainty import LEVELS, crps

TRAIN = Interactions.from_codes([0, 1], [0, 1], [1.0, 5.0], user_ids=["a", "b"], item_ids=["x", "y"])
TEST = Interactions.from_codes(
    [0, 0, 0, 1, 2, 2],
    [0, 1, 2, 0, 0, 2],
    [2.0, 4.0, 3.0, 5.0, 1.0, 4.0],
    user_ids=["a", "b", "stranger"],
    item_ids=["y", "x", "new"],
)
ASKED = parse_all(["rmse", "mae"])


def model(limits=(1.0, 5.0)):
    return by_hand.scored(
        TRAIN,
        [[0.5, 0.25], [0.0, 4.0]],
        limits=limits,
        mean=3.0,
        user_bias=np.array([0.5, -0.5], np.float32),
        item_bias=np.array([0.125, -0.25], np.float32),
    )


def test_predictions_fall_back_to_what_is_known_and_are_clipped():
    found, fallen = predicted_ratings(model(), TEST)
    assert found.tolist() == [
        3 + 0.5 - 0.25 + 0.25,  # a, y
        3 + 0.5 + 0.125 + 0.5,  # a, x
        3 + 0.5,  # a, an item that training lacks
        5.0,  # b, y: 6.25, clipped
        3 - 0.25,  # a stranger, y
        3.0,  # a stranger, an item that training lacks: the mean
    ]
    assert fallen == 3


def test_without_biases_the_fallback_is_the_mean():
    plain = by_hand.scored(TRAIN, [[0.5, 0.25], [0.0, 4.0]], limits=(1.0, 5.0), mean=2.0)
    found, fallen = predicted_ratings(plain, TEST)
    assert found.tolist() == [2.25, 2.5, 2.0, 5.0, 2.0, 2.0]
    assert fallen == 3


LATE = mw.simulate_log(users=80, items=40, interactions=1000, shape="ratings", newcomers=0, seed=4).log
HELD = (LATE.user_codes < 8) | (LATE.item_codes < 4)


@pytest.mark.parametrize(
    "recipe",
    [
        mw.BayesianMF(rank=2, burn_in=10, samples=20, thinning=1),
        mw.FactorizationMachine(rank=2, burn_in=10, samples=20, thinning=1),
        mw.FactorizationMachine(rank=2, solver="als"),
        mw.BiasedMF(rank=2),
        mw.SVDpp(rank=2),
        mw.NMF(rank=2, missing="masked"),
        mw.ProbabilisticMF(rank=2, use_mean=False),
    ],
    ids=lambda r: f"{type(r).__name__} {getattr(r, 'solver', '')}".strip(),
)
def test_a_side_that_is_lacking_is_what_the_method_makes_of_no_rows(recipe):
    train, test = (LATE.take(rows) for rows in (~HELD, HELD))
    train = mw.read_interactions(train.to_frame())
    fitted = recipe.fit(train)
    found, fallen = predicted_ratings(fitted, test)
    assert fallen > 0.9 * len(test)
    error = np.sqrt(np.mean((found - test.values) ** 2))
    assert error < 1.02 * np.sqrt(np.mean((test.values - train.values.mean()) ** 2))
    if isinstance(
        recipe, (mw.BayesianMF, mw.FactorizationMachine, mw.BiasedMF)
    ):  # the known side's bias counts
        users = test.user_codes >= 8
        assert len(np.unique(found[users])) > 40


def test_errors_are_summed_by_user():
    judged = rating_errors(model(), TEST, ASKED)
    errors = [[1.5, 0.125, 0.5], [0.0], [1.75, -1.0]]
    assert judged.ratios["rmse"][0].tolist() == [sum(e * e for e in user) for user in errors]
    assert judged.ratios["mae"][0].tolist() == [sum(abs(e) for e in user) for user in errors]
    assert judged.ratios["mae"][1].tolist() == [3, 1, 2]
    assert judged.counts == {"ratings judged": 6, "ratings of unknown users or items": 3}
    assert not judged.skipped


def test_the_numbers_are_those_of_the_formula():
    found = mw.evaluate(model(), TEST, metrics=["rmse", "mae"])
    errors = np.array([1.5, 0.125, 0.5, 0.0, 1.75, -1.0])
    assert found.metrics["rmse"].mean == pytest.approx(np.sqrt((errors**2).mean()))
    assert found.metrics["mae"].mean == pytest.approx(np.abs(errors).mean())
    assert found.metrics["rmse"].low < found.metrics["rmse"].mean < found.metrics["rmse"].high


def test_the_order_of_rows_changes_nothing():
    other = TEST.take(np.array([5, 2, 0, 4, 1, 3]))
    a, b = (mw.evaluate(model(), t, metrics=["rmse"]).metrics["rmse"].mean for t in (TEST, other))
    assert a == pytest.approx(b)


def test_strangers_with_a_history_are_folded_in():
    log = mw.simulate_log(users=200, items=50, interactions=3000, seed=0).log
    split = mw.split_by_user(log, 0.3, 0, seed=0)
    fitted = mw.ExplicitALS(rank=2, epochs=5).fit(split.train)
    folded = rating_errors(fitted, split.test, ASKED, known=split.test_known)
    strange = rating_errors(fitted, split.test, ASKED)
    assert folded.counts["ratings of unknown users or items"] < len(split.test) / 10
    assert strange.counts["ratings of unknown users or items"] == len(split.test)
    assert folded.ratios["rmse"][0].sum() < 0.95 * strange.ratios["rmse"][0].sum()


def test_a_model_that_ranks_has_a_reason_instead():
    judged = rating_errors(model(limits=None), TEST, ASKED)
    assert judged.skipped == dict.fromkeys(("rmse", "mae"), "Scored ranks, and predicts no values")
    assert not judged.ratios


def test_a_log_without_values_has_a_reason_instead():
    clicks = Interactions.from_codes([0], [0], user_ids=["a"], item_ids=["x"])
    assert rating_errors(model(), clicks, ASKED).skipped["rmse"] == "the test log has no values"


@pytest.fixture(scope="module")
def sure():
    log = mw.simulate_log(users=200, items=50, interactions=3000, seed=0).log
    split = mw.split_randomly(log, test=0.2, valid=0, seed=0)
    return mw.ExplicitALS(rank=3, epochs=8).fit(split.train), split


def test_intervals_are_those_that_predict_gives(sure):
    fitted, split = sure
    test = split.test
    judged = rating_errors(fitted, test, parse_all(OF_INTERVALS))
    _, there = fitted.users.encode(test.users.ids)
    _, known = fitted.items.encode(test.items.ids)
    full = there[test.user_codes] & known[test.item_codes]
    pairs = test.users.decode(test.user_codes[full]), test.items.decode(test.item_codes[full])
    found = fitted.predict(*pairs, interval=0.9)
    lower, upper = np.array(found["lower"]), np.array(found["upper"])
    values = test.values[full]
    rows = full.sum()
    assert judged.counts["intervals judged"] == rows
    held, mass = judged.ratios["interval_coverage"]
    assert held.sum() == ((lower <= values) & (values <= upper)).sum()
    assert mass.sum() == rows
    assert judged.ratios["interval_width"][0].sum() == pytest.approx((upper - lower).sum(), rel=1e-5)
    noise = fitted.spread(fitted.seen, np.arange(len(fitted.users))).noise
    wide = np.sqrt(np.array(found["deviation"]) ** 2 + noise)
    wanted = crps(np.array(found["score"]), wide, values)
    assert judged.ratios["crps"][0].sum() / rows == pytest.approx(wanted, rel=1e-4)
    assert judged.inside is not None
    assert judged.inside[LEVELS.index(0.9)] == pytest.approx(held.sum() / rows)
    assert (np.diff(judged.inside) >= 0).all()


def test_a_number_that_is_not_asked_for_is_not_made(sure):
    fitted, split = sure
    judged = rating_errors(fitted, split.test, parse_all(["mae"]))
    assert list(judged.ratios) == ["mae"]
    assert judged.inside is None
    assert "intervals judged" not in judged.counts


def test_strangers_with_a_history_have_intervals_too():
    log = mw.simulate_log(users=200, items=50, interactions=3000, seed=0).log
    split = mw.split_by_user(log, 0.3, 0, seed=0)
    fitted = mw.ExplicitALS(rank=2, epochs=5).fit(split.train)
    asked = parse_all(["interval_coverage"])
    folded = rating_errors(fitted, split.test, asked, known=split.test_known)
    held, rows = folded.ratios["interval_coverage"]
    assert 0.8 < held.sum() / rows.sum() < 1
    strange = rating_errors(fitted, split.test, asked)
    assert strange.counts["intervals judged"] == 0
    assert strange.ratios["interval_coverage"][1].sum() == 0


def test_a_model_without_a_variance_has_a_reason_instead():
    judged = rating_errors(model(), TEST, parse_all(["rmse", "crps"]))
    assert list(judged.ratios) == ["rmse"]
    assert judged.skipped == {"crps": "Scored has no variance"}
