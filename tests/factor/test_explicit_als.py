"""ExplicitALS against its slow twin, on planted logs, and under every change that must not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from by_hand.explicit_als import epoch, loss
from by_hand.states import arrays_equal

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.explicit_als import ExplicitALS
from matweave.threads import set_threads

SOLVERS = pytest.mark.parametrize("solver", ["cg", "cholesky"])
NAMES = ("user_factors", "item_factors", "user_bias", "item_bias")


def small_log(users=24, items=18, seed=0):
    rng = np.random.default_rng(seed)
    seen = rng.random((users, items)) < 0.4
    seen[0, 0] = True
    u, i = np.nonzero(seen)
    return Interactions.from_codes(u, i, values=rng.integers(1, 6, len(u)), n_users=users, n_items=items)


def dense(log):
    ratings = np.full((log.n_users, log.n_items), np.nan)
    ratings[log.user_codes, log.item_codes] = log.values
    return ratings


def arrays_of(model):
    return {name: getattr(model, name) for name in NAMES}


def penalties(recipe):
    return {
        "regularization": recipe.regularization,
        "bias_regularization": recipe.bias_regularization,
        "scale_by_count": recipe.scale_by_count,
    }


def all_scores(model):
    return model.scores(model.known(np.arange(len(model.users))))


@pytest.fixture(scope="module")
def planted():
    return mw.simulate_log(users=300, items=120, rank=4, interactions=9_000, shape="ratings", seed=1).log


@pytest.mark.parametrize("scale_by_count", [True, False])
def test_exact_epochs_are_those_of_the_paper(scale_by_count):
    recipe = ExplicitALS(
        rank=5, solver="cholesky", epochs=3, init_scale=1.0, tolerance=0.0, scale_by_count=scale_by_count
    )
    log, states = small_log(), []
    model = recipe.fit(log, watch=lambda s, _: states.append({k: v.copy() for k, v in s.arrays.items()}))
    ratings, mean = dense(log), float(log.values.mean(dtype=np.float64))
    x, y, b, c = (states[0][name].astype(np.float64) for name in NAMES)
    for done in range(1, 3):
        x, y, b, c = epoch(ratings, mean, x, y, b, c, **penalties(recipe))
        for name, wanted in zip(NAMES, (x, y, b, c), strict=True):
            np.testing.assert_allclose(states[done][name], wanted, atol=1e-3)
        wanted = loss(ratings, mean, x, y, b, c, **penalties(recipe))
        assert model.history.objective[done] == pytest.approx(wanted, rel=1e-4)


@SOLVERS
@pytest.mark.parametrize("scale_by_count", [True, False])
def test_the_objective_is_that_of_the_factors_and_never_rises(solver, scale_by_count):
    recipe = ExplicitALS(rank=20, epochs=6, solver=solver, scale_by_count=scale_by_count, tolerance=0.0)
    log = small_log()
    model = recipe.fit(log)
    wanted = loss(
        dense(log),
        model.mean,
        *(arrays_of(model)[n].astype(np.float64) for n in NAMES),
        **penalties(recipe),
    )
    assert model.history.objective[-1] == pytest.approx(wanted, rel=1e-4)
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(model.history.objective))


def test_solvers_agree_where_they_converge(planted):
    found = [
        ExplicitALS(rank=4, epochs=100, regularization=0.1, solver=solver, tolerance=0.0).fit(planted)
        for solver in ("cg", "cholesky")
    ]
    assert found[0].history.objective[-1] == pytest.approx(found[1].history.objective[-1], rel=1e-4)
    np.testing.assert_allclose(all_scores(found[0]), all_scores(found[1]), atol=0.05)


def test_a_planted_low_rank_table_is_recovered():
    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(size=(80, 1)) / 2 + rng.normal(size=60) / 2
    truth = truth + rng.normal(size=(80, 3)) @ rng.normal(size=(3, 60)) / 2
    seen = rng.random(truth.shape) < 0.6
    u, i = np.nonzero(seen)
    log = Interactions.from_codes(u, i, values=truth[seen], n_users=80, n_items=60)
    model = ExplicitALS(
        rank=3, regularization=1e-4, bias_regularization=1e-4, epochs=200, tolerance=1e-7, init_scale=1.0
    ).fit(log)
    error = np.sqrt(np.mean((all_scores(model) - truth)[~seen] ** 2))
    assert error < 0.05  # of a spread of 1.1


def test_unseen_ratings_are_predicted_better_than_by_biases_alone():
    log = mw.simulate_log(users=400, items=150, rank=4, interactions=16_000, shape="ratings", seed=2).log
    split = mw.split_randomly(log, test=0.2, valid=0.0, seed=0)
    error = [
        mw.evaluate(ExplicitALS(rank=4, regularization=r).fit(split.train), split.test, metrics=["rmse"])
        .metrics["rmse"]
        .mean
        for r in (0.08, 100.0)
    ]
    assert error[0] < 0.97 * error[1]


@SOLVERS
def test_folding_in_a_training_user_gives_the_trained_row(planted, solver):
    model = ExplicitALS(rank=4, epochs=30, solver=solver).fit(planted)
    rows = model.fold_in(planted.by_user.rows(np.arange(50)))
    tight = 0.05 if solver == "cg" else 1e-3
    assert np.linalg.norm(rows.factors - model.user_factors[:50]) < tight * np.linalg.norm(rows.factors)
    assert rows.bias is not None
    np.testing.assert_allclose(rows.bias, model.user_bias[:50], atol=tight)


@SOLVERS
def test_threads_do_not_change_a_bit(planted, solver):
    found = []
    try:
        for threads in (1, 2):
            set_threads(threads)
            found.append(ExplicitALS(rank=8, epochs=3, solver=solver).fit(planted))
    finally:
        set_threads(None)
    assert arrays_equal(arrays_of(found[0]), arrays_of(found[1]))
    assert found[0].history.objective == found[1].history.objective


def test_a_constant_added_to_all_values_moves_only_the_mean():
    log, recipe = small_log(), ExplicitALS(rank=4, epochs=4)
    moved = recipe.fit(replace(log, values=log.values + 8))
    plain = recipe.fit(log)
    assert moved.mean == pytest.approx(plain.mean + 8, abs=1e-5)
    np.testing.assert_allclose(all_scores(moved), all_scores(plain) + 8, atol=1e-3)


def test_rows_of_the_log_in_another_order_change_nothing():
    log = small_log()
    order = np.random.default_rng(0).permutation(len(log))
    moved = Interactions.from_codes(
        log.user_codes[order], log.item_codes[order], values=log.values[order], n_users=24, n_items=18
    )
    recipe = ExplicitALS(rank=4, epochs=3)
    np.testing.assert_allclose(all_scores(recipe.fit(log)), all_scores(recipe.fit(moved)), atol=1e-5)


def test_a_killed_fit_resumes_to_the_same_bits(planted):
    recipe, kept = ExplicitALS(rank=8, epochs=5, tolerance=0.0), []

    def stop_after_two(state, epochs):
        kept.append(replace(state, arrays={name: array.copy() for name, array in state.arrays.items()}))
        return state.epoch == 2

    recipe.fit(planted, watch=stop_after_two)
    whole, resumed = recipe.fit(planted), recipe.fit(planted, resume=kept[-1])
    assert arrays_equal(arrays_of(whole), arrays_of(resumed))
    assert whole.history.objective == resumed.history.objective


def test_the_tolerance_ends_a_fit(planted):
    history = ExplicitALS(rank=4, epochs=200, tolerance=1e-3).fit(planted).history
    assert history.stopped == "tolerance"
    assert len(history.objective) < 100


def test_bad_logs_and_settings_are_refused():
    with pytest.raises(DataError, match="no rows"):
        ExplicitALS().fit(Interactions.from_codes([], [], values=[]))
    with pytest.raises(DataError, match="use ImplicitALS"):
        ExplicitALS().fit(replace(small_log(), values=None))
    with pytest.raises(ConfigError) as raised:
        ExplicitALS(rank=1.5, regularization=-1, solver="block")
    assert all(word in str(raised.value) for word in ("rank", "regularization", "cg, cholesky"))


@pytest.mark.data
@pytest.mark.slow
def test_ml_100k_first_fold(real_data):
    parts = [np.loadtxt(real_data / "ml-100k" / f"u1.{part}.gz", np.int64) for part in ("base", "test")]
    train, test = parts
    log = Interactions.of(users=train[:, 0], items=train[:, 1], values=train[:, 2])
    model = ExplicitALS(rank=32, regularization=0.1, seed=0).fit(log)
    users, items = model.users.encode(test[:, 0]), model.items.encode(test[:, 1])
    known = users[1] & items[1]
    rows = model.known(np.arange(len(model.users)))
    found = model.clip(model.pair_scores(rows, users[0][known], items[0][known]))
    assert np.sqrt(np.mean((found - test[known, 2]) ** 2)) < 0.96
