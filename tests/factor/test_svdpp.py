import numpy as np
import pytest
from by_hand.svdpp import history_sum

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError, Diverged
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.svdpp import SVDpp

N_USERS, N_ITEMS = 150, 60


def planted(seed=0, noise=0.3):
    """Ratings whose taste is told by which items somebody rated: y_j·|N(u)|^-1/2 Σ z_i, and nothing else."""
    random = np.random.default_rng(seed)
    z, y = random.standard_normal((2, N_ITEMS, 2))
    # people rate what their taste leads them to: the sums point somewhere
    taste = random.standard_normal((N_USERS, 2))
    chosen = random.random((N_USERS, N_ITEMS)) < 0.3 / (1 + np.exp(-2 * taste @ z.T))
    own = (chosen @ z) / np.sqrt(np.maximum(1, chosen.sum(axis=1, keepdims=True)))
    truth = 3.5 + 0.4 * random.standard_normal(N_ITEMS) + own @ y.T * 0.5
    users, items = np.nonzero(chosen)
    values = truth[users, items] + noise * random.standard_normal(len(users))
    return Interactions.from_codes(users, items, values, n_users=N_USERS, n_items=N_ITEMS), truth


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


def error(model, log, truth):
    unseen = np.ones(truth.shape, bool)
    unseen[log.user_codes, log.item_codes] = False
    return float(np.sqrt(np.mean((everything(model) - truth)[unseen] ** 2)))


SETTINGS = {"rank": 2, "regularization": 0.03, "init_scale": 0.05}


def test_what_histories_tell_is_found_where_factors_alone_cannot_see_it() -> None:
    log, truth = planted()
    found = error(SVDpp(**SETTINGS, epochs=80, implicit_rate=0.3).fit(log), log, truth)
    without = error(BiasedMF(**SETTINGS, epochs=80).fit(log), log, truth)
    assert found < 0.82 * without


def test_user_factors_are_own_factors_and_the_sum_over_the_history() -> None:
    log, _ = planted(1)
    model = SVDpp(**SETTINGS, epochs=5).fit(log)
    z = model.fold.implicit_factors.astype(np.float64)
    sums = np.array([history_sum(log.by_user.row(u)[0], z) for u in range(N_USERS)])
    own = model.user_factors - sums
    deviation = float(log.values.std(dtype=np.float64))
    errors = (everything(model)[log.user_codes, log.item_codes] - log.values) / deviation
    users, items = np.bincount(log.user_codes, minlength=N_USERS), np.bincount(log.item_codes)
    wanted = (errors.astype(np.float64) ** 2).sum()
    wanted += 0.03 / deviation * (users @ (own**2).sum(axis=1) + items @ (model.item_factors**2).sum(axis=1))
    wanted += 0.01 / deviation**2 * (users @ model.user_bias**2 + items @ model.item_bias**2)
    wanted += 0.1 / deviation * items @ (z**2).sum(axis=1)
    assert model.history.objective[-1] == pytest.approx(wanted, rel=1e-4)


def test_the_folded_row_is_the_minimum_of_its_part_of_the_objective() -> None:
    log, _ = planted(2)
    model = SVDpp(**SETTINGS, epochs=20).fit(log)
    row = model.fold_in(log.by_user.rows(np.array([3])))
    items, values = log.by_user.row(3)
    y, z = model.item_factors.astype(np.float64), model.fold.implicit_factors.astype(np.float64)
    s, n = history_sum(items, z), len(items)
    left = values - model.mean - model.item_bias[items] - y[items] @ s
    design = np.column_stack([np.ones(n), y[items]])
    penalty = n * np.diag([0.01, *[0.03 * float(log.values.std(dtype=np.float64))] * 2])
    wanted = np.linalg.solve(design.T @ design + penalty, design.T @ left)
    np.testing.assert_allclose(row.bias[0], wanted[0], atol=1e-4)
    np.testing.assert_allclose(row.factors[0], wanted[1:] + s, atol=1e-4)


def test_fold_in_is_near_a_refit() -> None:
    log, truth = planted(3)
    rest = log.take(np.flatnonzero(log.user_codes >= 15))
    recipe = SVDpp(**SETTINGS, epochs=60, implicit_rate=0.3)
    whole, without = recipe.fit(log), recipe.fit(rest)
    assert without.items.to_list() == list(range(N_ITEMS))
    folded = without.scores(without.fold_in(log.by_user.rows(np.arange(15))))
    refit = whole.scores(whole.known(np.arange(15)))
    by_fold, by_refit = (float(np.sqrt(np.mean((s - truth[:15]) ** 2))) for s in (folded, refit))
    assert np.sqrt(np.mean((folded - refit) ** 2)) < 0.25
    assert by_fold < by_refit + 0.05


def test_a_stranger_without_values_is_told_what_is_missing() -> None:
    model = SVDpp(rank=2, epochs=2).fit(planted()[0])
    with pytest.raises(DataError, match="values=\\["):
        model.recommend_for([0, 1])


def test_scaled_values_scale_the_predictions_to_the_bit() -> None:
    log, _ = planted(4)
    scaled = Interactions.from_codes(
        log.user_codes, log.item_codes, 4 * log.values, n_users=N_USERS, n_items=N_ITEMS
    )
    a, b = (SVDpp(**SETTINGS, epochs=6).fit(one) for one in (log, scaled))
    np.testing.assert_array_equal(4 * everything(a), everything(b))


def test_divergence_is_told_with_the_mend() -> None:
    with pytest.raises(Diverged) as caught:
        SVDpp(learning_rate=30.0).fit(planted()[0])
    assert "implicit_rate" in caught.value.mend


def test_settings_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SVDpp(rank=0, implicit_rate=-1, init_scale=0)
    assert all(part in caught.value.what for part in ("rank is 0", "implicit_rate is -1", "init_scale is 0"))


def test_it_grows_by_items_and_forgets_users() -> None:
    log, _ = planted(5)
    recipe = SVDpp(**SETTINGS, epochs=20)
    grown = recipe.fit(log.take(log.item_codes != 7)).with_items(log.take(log.item_codes == 7))
    assert grown.items.to_list()[-1] == 7
    assert grown.recommend_for([7, 3], values=[5, 1], k=3).num_rows == 3
    left, refit = recipe.fit(log).without_users([4]), recipe.fit(log.take(log.user_codes != 4))
    np.testing.assert_array_equal(everything(left), everything(refit))
