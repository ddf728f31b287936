"""ImplicitALS against its slow twin, on planted logs, and under every change that must not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from by_hand.implicit_als import epoch, loss
from by_hand.states import arrays_equal

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError, Diverged
from matweave.factor.implicit_als import ImplicitALS, ImplicitFold
from matweave.factor.loop import FitState, Validation
from matweave.threads import set_threads

HKV = {"alpha": 4.0, "background": "unseen", "unobserved_weight": 1.0, "regularization": 2.0}
HKV |= {"regularization_exponent": 0.0, "use_values": True}
IALS = {"unobserved_weight": 0.2, "regularization": 0.02}
BOTH = pytest.mark.parametrize("loss_settings", [IALS, HKV], ids=["iALS", "HKV"])
SOLVERS = pytest.mark.parametrize(
    "solver", [{"solver": "cg"}, {"solver": "cholesky"}, {"solver": "block", "block_size": 16}], ids=str
)


def small_log(users=24, items=18, seed=0):
    rng = np.random.default_rng(seed)
    seen = rng.random((users, items)) < 0.3
    seen[0, 0] = True
    u, i = np.nonzero(seen)
    return Interactions.from_codes(u, i, values=rng.integers(1, 6, len(u)), n_users=users, n_items=items)


def dense(log, use_values):
    matrix = log.by_user.scipy().toarray()
    return (matrix if use_values else (matrix > 0) * 1.0), matrix > 0


def by_hand(recipe):
    return {
        "alpha": recipe.alpha,
        "weight": recipe.unobserved_weight,
        "background": recipe.background,
        "regularization": recipe.regularization,
        "exponent": recipe.regularization_exponent,
    }


def products(model):
    return model.user_factors @ model.item_factors.T


@pytest.fixture(scope="module")
def planted():
    return mw.simulate_log(users=300, items=120, rank=4, interactions=9_000, seed=1).log


@BOTH
def test_exact_epochs_are_those_of_the_papers(loss_settings):
    recipe = ImplicitALS(rank=5, solver="cholesky", epochs=3, init_scale=1.0, tolerance=0.0, **loss_settings)
    log, states = small_log(), []
    recipe.fit(log, watch=lambda state, _: states.append({k: v.copy() for k, v in state.arrays.items()}))
    model = recipe.fit(log)
    confidence, seen = dense(log, recipe.use_values)
    x, y = (states[0][name].astype(np.float64) for name in ("user_factors", "item_factors"))
    for done in range(1, 3):
        x, y = epoch(confidence, seen, x, y, **by_hand(recipe))
        np.testing.assert_allclose(states[done]["user_factors"], x, atol=2e-4)
        np.testing.assert_allclose(states[done]["item_factors"], y, atol=2e-4)
        wanted = loss(confidence, seen, x, y, **by_hand(recipe))
        assert model.history.objective[done] == pytest.approx(wanted, rel=1e-5)


@BOTH
@SOLVERS
def test_the_objective_is_that_of_the_factors_and_never_rises(loss_settings, solver):
    recipe = ImplicitALS(rank=20, epochs=6, init_scale=1.0, tolerance=0.0, **loss_settings, **solver)
    log = small_log()
    model = recipe.fit(log)
    confidence, seen = dense(log, recipe.use_values)
    wanted = loss(confidence, seen, model.user_factors, model.item_factors, **by_hand(recipe))
    assert model.history.objective[-1] == pytest.approx(wanted, rel=1e-4)
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(model.history.objective))


def test_solvers_agree_where_they_converge(planted):
    found = [
        ImplicitALS(rank=4, epochs=150, regularization=0.05, tolerance=0.0, **solver).fit(planted)
        for solver in ({"solver": "cg"}, {"solver": "cholesky"}, {"solver": "block", "block_size": 16})
    ]
    values = [model.history.objective[-1] for model in found]
    assert max(values) / min(values) < 1 + 1e-4
    for model in found[1:]:
        np.testing.assert_allclose(products(model), products(found[0]), atol=0.02)


def test_hkv_is_ials_with_another_scale_where_confidences_are_equal():
    """With one confidence for all, c (1 - s)² on seen and ω s² on unseen cells is iALS for s times α / (α + ω)."""
    log, settings = small_log(), {"rank": 4, "epochs": 60, "solver": "cholesky", "tolerance": 0.0}
    settings |= {"alpha": 3.0, "unobserved_weight": 0.5, "regularization_exponent": 0.0}
    shrink = 3.0 / 3.5
    ials = ImplicitALS(**settings, regularization=0.6 * shrink).fit(log)
    hkv = ImplicitALS(**settings, regularization=0.6, background="unseen").fit(log)
    np.testing.assert_allclose(products(ials), shrink * products(hkv), atol=2e-3)


def test_planted_taste_is_found():
    made = mw.simulate_log(users=400, items=150, rank=4, interactions=16_000, seed=5)
    split = mw.split_randomly(made.log, test=0.2, valid=0.0, seed=0)
    good = ImplicitALS(rank=8, regularization=0.02, seed=0).fit(split.train)
    popular = mw.Popularity().fit(split.train)
    recall = [
        mw.evaluate(m, split.test, k=10, metrics=["recall"]).metrics["recall@10"].mean
        for m in (good, popular)
    ]
    assert recall[0] > 1.2 * recall[1]


@SOLVERS
def test_folding_in_a_training_user_gives_the_trained_vector(planted, solver):
    model = ImplicitALS(rank=16, epochs=10, regularization=0.02, **solver).fit(planted)
    rows = model.fold_in(planted.by_user.rows(np.arange(50)))
    error = np.linalg.norm(rows.factors - model.user_factors[:50]) / np.linalg.norm(rows.factors)
    assert error < (0.05 if solver["solver"] == "cg" else 1e-4)


def test_folding_in_against_a_refit(planted):
    """A stranger's scores correlate with those of a model that was trained on the history."""
    users = np.arange(planted.n_users)
    some = planted.take(np.flatnonzero(planted.user_codes >= 20))
    recipe = ImplicitALS(rank=4, epochs=20, regularization=0.05, solver="cholesky")
    whole, part = recipe.fit(planted), recipe.fit(some)
    strangers = planted.recode(planted.users, part.items).matrix.rows(users[:20])
    folded = part.scores(part.fold_in(strangers))
    refitted = whole.scores(whole.known(users[:20]))[:, whole.items.encode(part.items.to_list())[0]]
    assert np.corrcoef(folded.ravel(), refitted.ravel())[0, 1] > 0.97


def test_a_history_of_nothing_scores_zero(planted):
    model = ImplicitALS(rank=4, epochs=2).fit(planted)
    none = Csr(indptr=np.zeros(3, np.int64), indices=np.zeros(0, np.int32), values=None, n_columns=120)
    assert not model.fold_in(none).factors.any()


@SOLVERS
def test_threads_do_not_change_a_bit(planted, solver):
    found = []
    try:
        for threads in (1, 2):
            set_threads(threads)
            found.append(ImplicitALS(rank=16, epochs=3, **solver).fit(planted))
    finally:
        set_threads(None)
    np.testing.assert_array_equal(found[0].user_factors, found[1].user_factors)
    assert found[0].history.objective == found[1].history.objective


def test_other_names_for_users_and_items_change_nothing():
    log = small_log()
    renamed = Interactions.from_codes(
        log.user_codes,
        log.item_codes,
        values=log.values,
        user_ids=[f"u{k}" for k in range(24)],
        item_ids=[f"i{k}" for k in range(18)],
    )
    recipe = ImplicitALS(rank=4, epochs=3)
    np.testing.assert_array_equal(recipe.fit(log).user_factors, recipe.fit(renamed).user_factors)


def test_rows_of_the_log_in_another_order_change_nothing():
    log = small_log()
    order = np.random.default_rng(0).permutation(len(log))
    moved = Interactions.from_codes(
        log.user_codes[order], log.item_codes[order], values=log.values[order], n_users=24, n_items=18
    )
    recipe = ImplicitALS(rank=4, epochs=3, **HKV)
    np.testing.assert_array_equal(recipe.fit(log).user_factors, recipe.fit(moved).user_factors)


def test_values_count_only_where_asked_for():
    log = small_log()
    plain = replace(log, values=None)
    recipe = ImplicitALS(rank=4, epochs=3)
    np.testing.assert_array_equal(recipe.fit(log).user_factors, recipe.fit(plain).user_factors)
    weighted = replace(recipe, use_values=True)
    assert not np.array_equal(weighted.fit(log).user_factors, recipe.fit(log).user_factors)
    doubled = replace(log, values=2 * log.values)
    np.testing.assert_allclose(
        products(replace(weighted, alpha=0.5).fit(doubled)), products(weighted.fit(log)), atol=1e-6
    )


def test_a_killed_fit_resumes_to_the_same_bits(planted):
    recipe, kept = ImplicitALS(rank=8, epochs=6, tolerance=0.0), []

    def stop_after_two(state, epochs):
        arrays = {name: array.copy() for name, array in state.arrays.items()}
        kept.append(replace(state, arrays=arrays))
        return state.epoch == 2

    recipe.fit(planted, watch=stop_after_two)
    assert isinstance(kept[-1], FitState)
    whole, resumed = recipe.fit(planted), recipe.fit(planted, resume=kept[-1])
    assert arrays_equal(
        {"x": whole.user_factors, "y": whole.item_factors},
        {"x": resumed.user_factors, "y": resumed.item_factors},
    )
    assert whole.history.objective == resumed.history.objective


def test_the_tolerance_and_early_stopping_end_a_fit(planted):
    model = ImplicitALS(rank=4, epochs=200, tolerance=1e-3).fit(planted)
    assert model.history.stopped == "tolerance"
    last, before = model.history.objective[-1], model.history.objective[-2]
    assert before - last <= 1e-3 * before
    falling = iter(range(100, 0, -1))
    stopped = ImplicitALS(rank=4, epochs=50, tolerance=0.0).fit(
        planted, validate=Validation(measure=lambda model: next(falling), patience=2)
    )
    assert (stopped.history.stopped, stopped.history.epoch) == ("early stopping", 1)


def test_a_fit_that_overflows_is_refused_with_the_mend():
    log = replace(small_log(), values=np.full(len(small_log()), 1e30, np.float32))
    with pytest.raises(Diverged, match="regularization"):
        ImplicitALS(rank=4, alpha=1e7, use_values=True).fit(log)


def test_bad_logs_and_settings_are_refused():
    with pytest.raises(DataError, match="no rows"):
        ImplicitALS().fit(Interactions.from_codes([], []))
    log = small_log()
    negative = replace(log, values=-log.values)
    with pytest.raises(DataError, match=f"{len(log)} values are negative"):
        ImplicitALS(use_values=True).fit(negative)
    ImplicitALS(rank=2, epochs=1).fit(negative)  # not looked at
    with pytest.raises(ConfigError) as raised:
        ImplicitALS(rank=0, solver="bloc", block_size=20)
    assert all(word in str(raised.value) for word in ("rank", "did you mean 'block'", "multiple of 16"))


def test_a_saved_model_folds_in_as_before(planted, tmp_path):
    model = ImplicitALS(rank=4, epochs=3, use_values=True, background="unseen").fit(planted)
    model.save(tmp_path / "m")
    again = mw.load(tmp_path / "m")
    assert isinstance(again.fold, ImplicitFold)
    history = planted.by_user.rows(np.arange(5))
    np.testing.assert_array_equal(again.fold_in(history).factors, model.fold_in(history).factors)
