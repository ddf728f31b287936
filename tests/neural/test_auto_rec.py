"""AutoRec: its objective by hand, both sides, the fold, its start, and a figure on ml-1m."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from by_hand import auto_rec as by_hand

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState
from matweave.neural.auto_rec import AutoRec
from matweave.neural.forms import EncoderModel
from matweave.neural.starting import start_from

SMALL = {"hidden": 6, "batch_size": 1000, "device": "cpu"}


@pytest.fixture(scope="module")
def log():
    return mw.simulate_log(users=100, items=40, interactions=1300, rank=3, seed=0).log


def weights(state: FitState) -> dict[str, np.ndarray]:
    return {n: state.arrays[f"module/{n}"].astype(np.float64) for n in ("into", "bias", "out", "out_bias")}


@pytest.mark.parametrize("side", ["items", "users"])
@pytest.mark.parametrize("into", [None, 0.5])
def test_the_loss_of_a_whole_step_is_the_papers_objective_over_the_ratings(log, side, into):
    states: list[FitState] = []
    recipe = AutoRec(side=side, epochs=2, regularization=4.0, input_regularization=into, **SMALL)
    recipe.fit(log, watch=lambda state, _: states.append(state) or False)
    w = weights(states[0])
    rows = (log.by_item if side == "items" else log.by_user).scipy().toarray().astype(np.float64)
    mean = log.values.mean(dtype=np.float64)
    output = by_hand.outputs(rows, w["into"].T, w["bias"], w["out"], w["out_bias"]) + mean
    errors = np.where(rows > 0, rows - output, 0.0)
    penalty = 2.0 * (w["out"] ** 2).sum() + (4.0 if into is None else into) / 2 * (w["into"] ** 2).sum()
    assert states[1].objective[1] == pytest.approx(((errors**2).sum() + penalty) / len(log), rel=1e-4)


def test_a_batch_of_all_rows_is_what_smaller_batches_are_in_the_mean(log):
    whole, parts = (
        AutoRec(epochs=1, regularization=4.0, **{**SMALL, "batch_size": size, "learning_rate": 1e-12}).fit(
            log
        )
        for size in (40, 8)
    )
    assert whole.history.objective[0] == pytest.approx(parts.history.objective[0], rel=1e-4)


def test_items_side_is_a_factor_model_whose_items_come_out_of_the_network(log):
    states: list[FitState] = []
    model = AutoRec(epochs=3, **SMALL).fit(log, watch=lambda state, _: states.append(state) or False)
    assert isinstance(model, FactorModel)
    w = weights(states[-1])
    hidden = by_hand.sigmoid(log.by_item.scipy().toarray() @ w["into"] + w["bias"])
    np.testing.assert_allclose(model.item_factors, hidden, atol=1e-5)
    np.testing.assert_allclose(model.user_factors, w["out"], atol=1e-6)
    assert model.limits == (float(log.values.min()), float(log.values.max()))
    assert model.mean == pytest.approx(float(log.values.mean()), rel=1e-5)


def test_users_side_is_encoded_from_the_history(log):
    model = AutoRec(side="users", epochs=3, **SMALL).fit(log)
    assert isinstance(model, EncoderModel)
    w = {n: a.astype(np.float64) for n, a in model.weights.items()}
    hidden = by_hand.sigmoid(log.by_user.scipy().toarray() @ w["into"] + w["bias"])
    np.testing.assert_allclose(model.known(np.arange(100)).factors, hidden, atol=1e-5)
    with pytest.raises(DataError, match=r"values=\["):
        model.recommend_for(log.items.to_list()[:2], k=2)


def test_the_fold_is_the_minimum_of_the_rows_own_part_of_the_loss(log):
    model = AutoRec(epochs=30, regularization=4.0, learning_rate=0.01, **SMALL).fit(log)
    assert isinstance(model, FactorModel)
    rows = model.fold_in(log.by_user)
    assert rows.bias is not None

    def part(u: int, x: np.ndarray, bias: float) -> float:
        items, values = log.by_user.row(u)
        errors = values - model.mean - bias - model.item_factors[items] @ x
        return float(errors @ errors + 2.0 * (x @ x))  # λ/2 |w|²

    rng = np.random.default_rng(0)
    for u in range(5):
        x, b = rows.factors[u].astype(np.float64), float(rows.bias[u])
        least = part(u, x, b)
        assert least <= part(u, model.user_factors[u].astype(np.float64), float(model.user_bias[u])) + 1e-6
        for _ in range(5):
            assert least < part(u, x + rng.normal(size=6) * 0.01, b + rng.normal() * 0.01)


def test_training_to_its_end_brings_trained_rows_to_the_fold(log):
    away = []
    for epochs in (20, 1500):
        model = AutoRec(epochs=epochs, regularization=4.0, learning_rate=0.01, **SMALL).fit(log)
        folded = model.scores(model.fold_in(log.by_user))
        trained = model.scores(model.known(np.arange(100)))
        away.append(np.sqrt(np.mean((folded - trained) ** 2)) / trained.std())
    assert away[1] < 0.05
    assert away[1] < away[0]


@pytest.mark.parametrize("side", ["items", "users"])
def test_it_predicts_better_than_biases(side):
    made = mw.simulate_log(users=300, items=100, interactions=9000, rank=2, noise=0.2, seed=1).log
    split = mw.split_randomly(made, valid=0, seed=0)
    found = AutoRec(
        side=side, hidden=20, epochs=150, batch_size=50, learning_rate=0.005, regularization=5.0, device="cpu"
    ).fit(split.train)
    biases = mw.BiasedMF(rank=1, epochs=30, regularization=10.0).fit(split.train)
    errors = [mw.evaluate(m, split.test, metrics=["rmse"]).metrics["rmse"].mean for m in (found, biases)]
    assert errors[0] < 0.95 * errors[1]


def test_users_without_ratings_are_given_what_is_usual(log):
    wider = Interactions.from_codes(log.user_codes, log.item_codes, log.values, n_users=log.n_users + 1)
    model = AutoRec(epochs=3, **SMALL).fit(wider)
    assert np.all(model.user_factors[-1] == 0)
    np.testing.assert_allclose(model.scores(model.known(np.array([log.n_users]))), model.mean, rtol=1e-6)


@pytest.mark.parametrize("side", ["items", "users"])
def test_both_tables_start_from_the_factors_of_another_model(log, side):
    init = mw.BiasedMF(rank=4, epochs=5).fit(log)
    states: list[FitState] = []
    AutoRec(side=side, epochs=1, **{**SMALL, "learning_rate": 1e-12}).fit(
        log, init=init, watch=lambda state, _: states.append(state) or False
    )
    start = start_from(init, log.users, log.items, 6, seed=0)
    wanted = start.users if side == "items" else start.items
    for name in ("into", "out"):
        found = weights(states[0])[name]
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.999, name


@pytest.mark.slow
def test_ml_1m():
    """A tenth of the ratings held out; the benchmark with 500 hidden units is benchmarks/quality/autoencoders.py."""
    with gzip.open(Path(os.environ["MATWEAVE_DATA"]) / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1] for c in (0, 1))
    split = mw.split_randomly(Interactions.from_codes(users, items, rows[:, 2]), valid=0, seed=0)
    model = AutoRec(hidden=100, epochs=30, device="cpu").fit(split.train)
    assert mw.evaluate(model, split.test, metrics=["rmse"]).metrics["rmse"].mean < 0.87
