from itertools import pairwise

import numpy as np
import pytest
from by_hand import probabilistic_mf as slow

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.loop import FitState
from matweave.factor.probabilistic_mf import ProbabilisticMF

N_USERS, N_ITEMS = 40, 25
WAYS = [
    {"priors": priors, "constrained": constrained}
    for priors in ("fixed", "adaptive")
    for constrained in (False, True)
]


def planted(seed=0, noise=0.4, density=0.4, users=N_USERS, items=N_ITEMS):
    random = np.random.default_rng(seed)
    x, y = (random.standard_normal((n, 2)) for n in (users, items))
    x[:, 0] += 0.5
    truth = 3 + x @ y.T
    at = np.nonzero(random.random(truth.shape) < density)
    values = truth[at] + noise * random.standard_normal(len(at[0]))
    return Interactions.from_codes(*at, values, n_users=users, n_items=items), truth


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


def run(recipe, log):
    """The state after each epoch."""
    seen: list[FitState] = []
    model = recipe.fit(log, watch=lambda state, _: seen.append(state) and False)
    return model, seen


def rows_of(log):
    values = log.values.astype(np.float64)
    standard = (values - values.mean()) / values.std()
    return list(zip(log.user_codes.tolist(), log.item_codes.tolist(), standard, strict=True))


def parts(state):
    a = {name: array.astype(np.float64) for name, array in state.arrays.items()}
    history = a.get("item_history", np.zeros_like(a["item_factors"]))
    p = a["priors"]
    return a["user_factors"], a["item_factors"], a["noise"][0], (p[0], p[1]), (p[2], p[3]), history


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_an_epoch_is_that_of_the_slow_twin(way: dict) -> None:
    """With enough steps for the histories, whose minimum the twin takes at once."""
    log, _ = planted()
    recipe = ProbabilisticMF(
        rank=3, epochs=4, fixed_epochs=2, regularization=4.0, history_steps=200, tolerance=0.0, **way
    )
    model, seen = run(recipe, log)
    rows, share = rows_of(log), 0.5 if way["priors"] == "adaptive" else None
    settings = {"regularization": 4.0, "history": 1.0, "share": share}
    for number, (before, after) in enumerate(pairwise(seen), 1):
        x, y, alpha, users, items, history = parts(before)
        s = slow.shares(rows, N_USERS, N_ITEMS)
        if share is not None and number >= 2:
            users = slow.learned(rows, 0, x, s @ history, 4.0, share)
            items = slow.learned(rows, 1, y, np.zeros_like(y), 4.0, share)
            alpha = len(rows) * (1 + share) / (slow.squared_error(rows, x, y) + share * len(rows))
        if way["constrained"]:
            history = slow.history(rows, x, users, N_ITEMS, 1.0)
        y = slow.rows(rows, 1, x, items, alpha, np.zeros_like(y))
        x = slow.rows(rows, 0, y, users, alpha, s @ history)
        for found, wanted in zip(parts(after), (x, y, alpha, users, items, history), strict=True):
            np.testing.assert_allclose(found, wanted, atol=2e-3)
        value = slow.objective(rows, *parts(after), settings)
        assert after.objective[-1] == pytest.approx(value, rel=1e-5, abs=1e-3)
    assert model.history.epoch == 4


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_objective_falls_to_a_point_without_a_slope(way: dict) -> None:
    log, _ = planted(1)
    recipe = ProbabilisticMF(rank=2, epochs=120, regularization=4.0, tolerance=0.0, history_steps=8, **way)
    _, seen = run(recipe, log)
    objective = np.array(seen[-1].objective)
    assert np.diff(objective).max() <= 1e-6 * abs(objective[0])
    rows, at = rows_of(log), list(parts(seen[-1]))
    share = 0.5 if way["priors"] == "adaptive" else None
    settings = {"regularization": 4.0, "history": 1.0, "share": share}
    for part in (0, 1, 5) if way["constrained"] else (0, 1):
        for place in list(np.ndindex(at[part].shape))[::23]:
            sides = []
            for move in (1e-4, -1e-4):
                moved = [np.array(a, dtype=np.float64) for a in at]
                moved[part][place] += move
                sides.append(slow.objective(rows, *moved, settings))
            assert abs(sides[0] - sides[1]) / 2e-4 < 0.05


def test_planted_factors_are_found_and_precisions_learned() -> None:
    log, truth = planted(2, users=150, items=80, noise=0.3)
    unseen = np.ones(truth.shape, bool)
    unseen[log.user_codes, log.item_codes] = False
    errors = {}
    for priors in ("fixed", "adaptive"):
        model = ProbabilisticMF(rank=6, priors=priors, regularization=4.0, epochs=80).fit(log)
        errors[priors] = float(np.sqrt(np.mean((everything(model) - truth)[unseen] ** 2)))
    assert errors["adaptive"] < errors["fixed"]
    assert errors["adaptive"] < 0.35
    ridge = np.sort(model.fold.ridge)
    assert ridge[2:].min() > 2 * ridge[:2].max()  # two coordinates are used, the others are held at zero


def test_a_user_is_told_from_the_history_alone_where_constrained() -> None:
    """The prior mean of a user: a row of ratings without a value to tell stands there."""
    log, _ = planted(3)
    model = ProbabilisticMF(rank=2, constrained=True, regularization=4.0, epochs=10).fit(log)
    rows = model.fold_in(log.by_user.rows(np.array([0, 1])))
    fold, seen = model.fold, log.by_user
    for u in (0, 1):
        items, values = seen.row(u)
        y = model.item_factors[items].astype(np.float64)
        centre = fold.mean + fold.history[items].mean(axis=0)
        left = values - model.mean - y @ centre
        wanted = centre + np.linalg.solve(y.T @ y + np.diag(fold.ridge), y.T @ left)
        np.testing.assert_allclose(rows.factors[u], wanted, atol=1e-4)


def test_scaled_values_scale_the_predictions_and_without_a_mean_a_shift_tells() -> None:
    log, _ = planted(4)
    scaled = Interactions.from_codes(log.user_codes, log.item_codes, 4 * log.values)
    for way in WAYS:
        recipe = ProbabilisticMF(rank=2, epochs=5, regularization=2.0, **way)
        a, b = (everything(recipe.fit(one)) for one in (log, scaled))
        np.testing.assert_allclose(4 * a, b, rtol=1e-3, atol=1e-3)
    model = ProbabilisticMF(rank=2, epochs=8, regularization=2.0, use_mean=False).fit(log)
    assert model.mean == 0.0
    assert everything(model).mean() > 1


def test_it_is_sure_of_what_it_says_where_priors_are_fixed() -> None:
    log, truth = planted(5, users=120, items=60)
    model = ProbabilisticMF(rank=2, regularization=2.0, epochs=60).fit(log)
    spread = model.spread(model.seen, np.arange(120))
    wide = np.sqrt(spread.deviations() ** 2 + spread.noise)
    unseen = np.ones(truth.shape, bool)
    unseen[log.user_codes, log.item_codes] = False
    values = truth + 0.4 * np.random.default_rng(9).standard_normal(truth.shape)
    inside = np.abs(values - everything(model)) < 1.645 * wide
    assert 0.8 < inside[unseen].mean() < 0.97
    with pytest.raises(ConfigError, match="how sure"):
        ProbabilisticMF(rank=2, priors="adaptive").fit(log).spread(model.seen, None)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(DataError, match="none"):
        ProbabilisticMF().fit(Interactions.from_codes([0], [0]))
    with pytest.raises(ConfigError) as caught:
        ProbabilisticMF(rank=0, priors="flat", prior_share=0, regularization=0)
    assert all(
        p in caught.value.what for p in ("rank is 0", "priors is", "prior_share is 0", "regularization is 0")
    )


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_grows_by_items_and_forgets_users(way: dict) -> None:
    log, truth = planted(6)
    recipe = ProbabilisticMF(rank=2, regularization=2.0, epochs=20, **way)
    grown = recipe.fit(log.take(log.item_codes != 7)).with_items(log.take(log.item_codes == 7))
    assert grown.items.to_list()[-1] == 7
    assert grown.recommend_for([7, 3], values=[5, 1], k=3).num_rows == 3
    found = everything(grown)[:, -1]
    assert np.sqrt(np.mean((found - truth[:, 7]) ** 2)) < 0.8 * truth[:, 7].std()
    left, refit = recipe.fit(log).without_users([4]), recipe.fit(log.take(log.user_codes != 4))
    np.testing.assert_array_equal(everything(left), everything(refit))
