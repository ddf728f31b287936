import numpy as np
import pytest
from by_hand import logistic_mf as slow
from scipy.optimize import minimize

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.logistic_mf import LogisticMF


def planted(seed=0, users=150, items=100):
    """Cells seen with the chances of a planted model of rank 2, and those chances."""
    random = np.random.default_rng(seed)
    scores = (
        1.5 * random.normal(size=(users, 2)) @ random.normal(size=(2, items))
        - 1.5
        + random.normal(size=items)
    )
    chances = 1 / (1 + np.exp(-scores))
    met = random.random(chances.shape) < chances
    return Interactions.from_codes(*np.nonzero(met), n_users=users, n_items=items), chances


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


def small(seed=0):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((9, 7)) < 0.4)
    return Interactions.from_codes(users, items, random.integers(1, 6, len(users)), n_users=9, n_items=7)


def state_of(arrays, rank):
    names = {
        "x": ("users", slice(rank)),
        "b": ("users", rank),
        "y": ("items", slice(rank)),
        "c": ("items", rank),
    }
    return {
        name + more: arrays[side + more][:, part].astype(np.float64)
        for name, (side, part) in names.items()
        for more in ("", "_squares")
    }


@pytest.mark.parametrize("use_values", [False, True])
def test_epochs_equal_the_slow_twin(use_values):
    log = small()
    settings = dict(alpha=1.7, regularization=0.3, bias_regularization=0.2, learning_rate=0.2)
    recipe, states = LogisticMF(rank=3, epochs=4, use_values=use_values, **settings), []
    recipe.fit(
        log, watch=lambda state, _: states.append((state_of(state.arrays, 3), state.objective)) and None
    )
    weights = np.zeros((9, 7))
    weights[log.user_codes, log.item_codes] = 1.7 * (log.values if use_values else 1.0)
    at = {name: part.copy() for name, part in states[0][0].items()}
    rest = dict(regularization=0.3, bias_regularization=0.2)
    for there, objective in states[1:]:
        before = {name: at[name].copy() for name in "xb"}
        slow.epoch(weights, at, rate=0.2, **rest)
        for name in there:
            np.testing.assert_allclose(there[name], at[name], rtol=1e-4, atol=1e-4)
        # the history's value is that of the epoch's items with the users of before
        wanted = slow.objective(weights, before["x"], before["b"], at["y"], at["c"], 0.3, 0.2)
        assert objective[-1] == pytest.approx(wanted, rel=1e-5)


def test_the_slope_is_the_numerical_gradient():
    random = np.random.default_rng(0)
    weights = random.random((5, 4)) * (random.random((5, 4)) < 0.5)
    at = [random.normal(size=shape) for shape in ((5, 2), 5, (4, 2), 4)]
    for which, found in enumerate(slow.slope(weights, *at, 0.3, 0.2)):
        for place in np.ndindex(at[which].shape):
            ends = []
            for shift in (1e-6, -1e-6):
                tried = [part.copy() for part in at]
                tried[which][place] += shift
                ends.append(slow.objective(weights, *tried, 0.3, 0.2))
            assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_planted_chances_are_recovered():
    """α = 1 counts a seen cell as seen once and unseen once: chance p becomes p / (1 + p)."""
    log, chances = planted()
    model = LogisticMF(rank=2, alpha=1.0, epochs=150, regularization=2.0).fit(log)
    found = 1 / (1 + np.exp(-everything(model)))
    wanted = chances / (1 + chances)
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.06
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.9


def test_a_stranger_is_served_nearly_as_by_a_refit():
    log, _ = planted()
    known = log.user_codes >= 15
    rest = Interactions.from_codes(
        log.user_codes[known] - 15, log.item_codes[known], n_users=135, n_items=100
    )
    recipe, strangers = (
        LogisticMF(rank=2, alpha=1.0, epochs=150, regularization=2.0),
        log.by_user.rows(np.arange(15)),
    )
    without = recipe.fit(rest)
    folded = without.scores(without.fold_in(strangers))
    refitted = everything(recipe.fit(log))[:15]
    assert np.sqrt(np.mean((folded - refitted) ** 2)) < 0.15 * refitted.std()


def test_a_stranger_without_items_is_the_middle():
    model = LogisticMF(rank=2, alpha=1.0, epochs=3).fit(small())
    row = model.fold_in(small().by_user.rows(np.zeros(0, int)))
    assert len(row) == 0
    empty = Interactions.from_codes([1], [0], n_users=2, n_items=7).by_user
    row = model.fold_in(empty)
    assert not row.factors[0].any()
    assert row.bias[0] == 0
    assert row.bias[1] < 0  # one of seven is less than half


@pytest.mark.parametrize("use_values", [False, True])
def test_a_new_item_is_the_least_of_its_cells_with_the_users_as_they_are(use_values):
    """(y, c) of the slow twin's objective, b as offsets; nothing else moves."""
    random = np.random.default_rng(1)
    settings = dict(alpha=1.7, use_values=use_values, regularization=0.3, bias_regularization=0.2)
    model = LogisticMF(rank=3, epochs=20, **settings).fit(small())
    met = np.array([1, 4, 5, 8])
    values = random.integers(1, 6, 4).astype(np.float32)
    late = Interactions.from_codes(met, np.zeros(4, int), values, n_users=9, item_ids=[7])
    grown = model.with_items(late)
    a = np.zeros((9, 1))
    a[met, 0] = 1.7 * (values if use_values else 1.0)
    x, b = (part.astype(np.float64) for part in (model.user_factors, model.user_bias))

    def value(row):
        return slow.objective(a, x, b, row[None, :3], row[3:], 0.3, 0.2)

    best = minimize(value, np.zeros(4), tol=1e-10).x
    assert b.std() > 0.01  # so that a bias of the wrong side is seen
    np.testing.assert_allclose(grown.item_factors[-1], best[:3], atol=1e-4)
    assert grown.item_bias[-1] == pytest.approx(best[3], abs=1e-4)
    np.testing.assert_array_equal(grown.item_factors[:-1], model.item_factors)
    np.testing.assert_array_equal(grown.item_bias[:-1], model.item_bias)
    np.testing.assert_array_equal(grown.user_bias, model.user_bias)


def test_a_new_item_is_served_nearly_as_by_a_refit():
    log, _ = planted()
    few, late = (log.take((log.item_codes < 10) == side) for side in (False, True))
    recipe = LogisticMF(rank=2, alpha=1.0, epochs=150, regularization=2.0)
    grown, refit = recipe.fit(few).with_items(late), recipe.fit(log)
    order = grown.items.encode(refit.items.ids)[0]
    found, wanted = everything(grown)[:, order][:, :10], everything(refit)[:, :10]
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.15 * wanted.std()


def test_negative_values_are_refused_with_the_mend():
    log = Interactions.from_codes([0, 1], [0, 1], values=[1, -2])
    with pytest.raises(DataError, match="1 values are negative") as caught:
        LogisticMF(use_values=True).fit(log)
    assert "use_values=False" in caught.value.mend
    LogisticMF(rank=1, epochs=1).fit(log)


def test_a_log_of_one_row_has_its_own_weight():
    log = Interactions.from_codes([0], [0], values=[4.0], n_users=2, n_items=2)
    a, b = (
        LogisticMF(rank=1, epochs=3, **s).fit(log)
        for s in ({"alpha": 1.0, "use_values": True}, {"alpha": 4.0})
    )
    assert np.array_equal(everything(a), everything(b))


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        LogisticMF(rank=0, alpha=0, learning_rate=0)
    assert all(part in caught.value.what for part in ("rank is 0", "alpha is 0", "learning_rate is 0"))
