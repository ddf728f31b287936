"""The variance of alternating least squares: dense inverses, numerical Hessians, left-out residuals, and intervals that cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from by_hand import explicit_als as by_hand_als
from by_hand import laplace as by_hand

import matweave as mw
from matweave.data.csr import Csr
from matweave.errors import ConfigError
from matweave.factor import laplace as module
from matweave.factor.forms import FactorModel
from matweave.factor.laplace import RatingLaplace, _spaced, _thinned
from matweave.metrics.uncertainty import LEVELS


@pytest.fixture(scope="module")
def log():
    return mw.simulate_log(users=40, items=25, rank=3, interactions=300, newcomers=0, seed=4).log


def everybody(model: FactorModel) -> np.ndarray:
    return np.arange(len(model.users))


def dense(model: FactorModel) -> np.ndarray:
    ratings = np.full((len(model.users), len(model.items)), np.nan)
    at = np.repeat(np.arange(len(model.users)), model.seen.counts)
    ratings[at, model.seen.indices] = model.seen.weights()
    return ratings


def parts(model: FactorModel) -> tuple:
    sides = (model.user_factors, model.item_factors, model.user_bias, model.item_bias)
    return dense(model), model.mean, *(np.asarray(side, np.float64) for side in sides)


@pytest.fixture(scope="module", params=[True, False], ids=["by count", "flat"])
def rated(request, log):
    lam = 0.1 if request.param else 2.0
    recipe = mw.ExplicitALS(
        rank=4, epochs=30, solver="cholesky", regularization=lam, bias_regularization=lam / 2,
        scale_by_count=request.param,
    )  # fmt: skip
    return recipe, recipe.fit(log)


def settings(recipe) -> dict:
    return {n: getattr(recipe, n) for n in ("regularization", "bias_regularization", "scale_by_count")}


def test_the_variance_of_ratings_is_that_of_the_slow_twin(rated):
    recipe, model = rated
    wanted = by_hand.rating_variance(*parts(model), **settings(recipe))
    assert model.spread(model.seen, everybody(model)).noise == pytest.approx(wanted, rel=1e-3)


def test_deviations_are_those_of_the_dense_inverse(rated):
    recipe, model = rated
    spread = model.spread(model.seen, everybody(model))
    ratings, _, _, y, _, _ = parts(model)
    design = np.column_stack([y, np.ones(len(y))])
    for u in (0, 11, 30):
        row = ~np.isnan(ratings[u])
        penalty = np.array([recipe.regularization] * 4 + [recipe.bias_regularization])
        penalty *= row.sum() if recipe.scale_by_count else 1
        inverse = np.linalg.inv(by_hand.precision(design[row], np.ones(row.sum()), penalty))
        wanted = np.sqrt(spread.noise * np.einsum("nd,de,ne->n", design, inverse, design))
        np.testing.assert_allclose(spread[u : u + 1].deviations()[0], wanted, rtol=1e-3)


def test_the_precision_is_half_the_hessian_of_the_objective(rated):
    """By second differences of the slow twin's objective in the unknowns of one user."""
    recipe, model = rated
    ratings, mean, x, y, b, c = parts(model)
    user, step = 7, 1e-3

    def value(move: np.ndarray) -> float:
        moved_x, moved_b = x.copy(), b.copy()
        moved_x[user] += move[:4]
        moved_b[user] += move[4]
        return by_hand_als.loss(ratings, mean, moved_x, y, moved_b, c, **settings(recipe))

    hessian = np.empty((5, 5))
    for i in range(5):
        for j in range(5):
            a, o = step * np.eye(5)[i], step * np.eye(5)[j]
            hessian[i, j] = (value(a + o) - value(a - o) - value(o - a) + value(-a - o)) / (4 * step**2)
    codes = np.array([user])
    laplace = model.fold.laplace(model)
    assert laplace is not None
    found = laplace.precisions(replace(model.seen.rows(codes), values=None))
    design = np.column_stack([y, np.ones(len(y))])
    wanted = np.einsum("nd,de,ne->n", design, np.linalg.inv(hessian / 2), design)
    np.testing.assert_allclose(found.variances()[0], wanted, rtol=1e-3)


def test_a_residual_over_what_is_free_is_that_of_the_regression_without_the_value():
    rng = np.random.default_rng(0)
    design, targets, penalty = rng.normal(size=(12, 4)), rng.normal(size=12), np.full(4, 0.7)
    a = by_hand.precision(design, np.ones(12), penalty)
    solved = np.linalg.solve(a, design.T @ targets)
    for at in range(12):
        free = 1 - by_hand.leverage(design, np.ones(12), penalty, design[at])
        left = (targets[at] - design[at] @ solved) / free
        assert left == pytest.approx(by_hand.left_out_residual(design, targets, penalty, at))


@pytest.mark.parametrize("background", ["all", "unseen"])
def test_the_variance_of_lists_is_that_of_the_slow_twin(log, background):
    recipe = mw.ImplicitALS(rank=3, epochs=10, solver="cholesky", background=background, alpha=2.0)
    model = recipe.fit(log)
    seen = (~np.isnan(dense(model))).astype(float)
    x, y = (np.asarray(f, np.float64) for f in (model.user_factors, model.item_factors))
    ridge = recipe.ridge(seen.sum(axis=1), len(model.items))
    pull = recipe.unobserved_weight if background == "unseen" else 0.0
    variance = by_hand.implicit_variance(
        seen, x, y, alpha=2.0, pull=pull, background=recipe.unobserved_weight, ridge=ridge
    )
    spread = model.spread(model.seen, everybody(model))
    assert spread.noise == 0
    user = 5
    a = by_hand.precision(
        y[seen[user] > 0],
        np.full(int(seen[user].sum()), 2.0),
        np.full(3, ridge[user]),
        recipe.unobserved_weight * y.T @ y,
    )
    wanted = np.sqrt(variance * np.einsum("nd,de,ne->n", y, np.linalg.inv(a), y))
    np.testing.assert_allclose(spread.deviations()[user], wanted, rtol=1e-3)


def test_confidences_are_weights(log):
    plain = mw.ImplicitALS(rank=3, epochs=5, solver="cholesky", use_values=True)
    ones = replace(log, values=np.ones(len(log), np.float32))
    by_values = plain.fit(ones)
    without = replace(plain, use_values=False).fit(ones)
    a, b = (m.spread(m.seen, everybody(m)).deviations() for m in (by_values, without))
    np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize("scale", [(1.0, 5.0, 1.0), (0.0, 10.0, 0.01)], ids=["stars", "fine"])
def test_intervals_cover_what_they_say(scale):
    log = mw.simulate_log(users=400, items=200, interactions=12_000, newcomers=0, scale=scale, seed=2).log
    split = mw.split_randomly(log, test=0.2, valid=0, seed=0)
    for recipe in (mw.ExplicitALS(rank=8), mw.ExplicitALS(rank=16, regularization=0.1)):
        found = mw.evaluate(recipe.fit(split.train), split.test, metrics=["interval_coverage", "rmse"])
        assert 0.87 <= found.metrics["interval_coverage"].mean <= 0.93
        assert found.judged.inside is not None
        assert np.abs(found.judged.inside - np.array(LEVELS)).max() < 0.06


def test_who_rated_little_is_less_sure(log):
    model = mw.ExplicitALS(rank=4).fit(log)
    wide = model.spread(model.seen, everybody(model)).deviations().mean(axis=1)
    counts = model.seen.counts
    assert wide[np.argmin(counts)] > 1.5 * wide[np.argmax(counts)]


def test_strangers_are_as_sure_as_users_with_that_history(log):
    model = mw.ExplicitALS(rank=4, epochs=30, solver="cholesky").fit(log)
    known, folded = model.spread(model.seen, everybody(model)), model.spread(model.seen, None)
    assert folded.deviations().tobytes() == known.deviations().tobytes()


def test_draws_spread_as_the_deviations_say(log):
    model = mw.ExplicitALS(rank=4).fit(log)
    spread = model.spread(model.seen, everybody(model))
    tables = np.stack([model.scores(spread.draw(seed)) for seed in range(200)]).astype(np.float64)
    ratio = tables.std(axis=0) / spread.deviations()
    assert 0.65 < ratio.min() < ratio.max() < 1.35  # 200 draws: 5 % each
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    centre = model.scores(model.known(everybody(model)))
    assert np.abs((tables.mean(axis=0) - centre) / spread.deviations()).max() < 5 / np.sqrt(200)
    assert np.array_equal(spread.draw(3).factors, spread.draw(3).factors)


def test_few_values_and_users_tell_the_variance_of_all(monkeypatch):
    log = mw.simulate_log(users=300, items=100, interactions=6000, newcomers=0, seed=1).log
    whole = [r.fit(log).spread(Csr.from_pairs([], [], [], (0, 100)), None) for r in [mw.ExplicitALS(rank=8)]]
    monkeypatch.setattr(module, "VALUES", 1500)
    monkeypatch.setattr(module, "_LONGEST", 40)
    monkeypatch.setattr(module, "USERS", 100)
    part = mw.ExplicitALS(rank=8).fit(log).spread(Csr.from_pairs([], [], [], (0, 100)), None)
    assert part.noise == pytest.approx(whole[0].noise, rel=0.12)
    assert part.noise != whole[0].noise


def test_a_thinned_row_weighs_as_much_and_a_short_one_is_as_it_was():
    rows = Csr.from_pairs([0] * 7 + [2] * 3, [*range(7), 1, 4, 6], None, (3, 8))
    few = _thinned(rows, 3)
    assert few.counts.tolist() == [3, 0, 3]
    assert few.row(0)[0].tolist() == [0, 2, 4]
    assert few.row(2)[0].tolist() == [1, 4, 6]
    assert few.values is not None
    assert few.values.sum() == pytest.approx(10)
    assert _spaced(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert _spaced(3, 5).tolist() == [0, 1, 2]


def test_a_row_of_one_value_without_a_ridge_says_nothing_and_breaks_nothing():
    log = mw.Interactions.from_codes([0, 1, 1], [0, 0, 1], [3.0, 4.0, 2.0])
    model = mw.ExplicitALS(rank=2, regularization=0.0, bias_regularization=0.0).fit(log)
    spread = model.spread(model.seen, np.arange(2))
    assert np.isfinite(spread.noise)
    assert np.isfinite(spread.deviations()).all()


def test_other_rating_models_have_no_variance_and_turned_ones_do(log):
    biased = mw.BiasedMF(rank=2, epochs=2).fit(log)
    with pytest.raises(ConfigError, match="how sure"):
        biased.spread(biased.seen, everybody(biased))
    model = mw.ExplicitALS(rank=2).fit(log)
    turned = model.turned()
    assert isinstance(turned.fold.laplace(turned), RatingLaplace)
