import gzip

import numpy as np
import pytest
from by_hand.states import arrays_equal

from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.errors import ConfigError, DataError, Diverged
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.loop import FitState, Validation
from matweave.threads import set_threads

N_USERS, N_ITEMS = 80, 60


def planted(seed=0, rank=2, noise=0.0, density=0.5):
    """A log whose full truth is known, and that truth."""
    random = np.random.default_rng(seed)
    truth = (
        3.5
        + 0.5 * random.standard_normal((N_USERS, 1))
        + 0.5 * random.standard_normal(N_ITEMS)
        + random.standard_normal((N_USERS, rank)) @ random.standard_normal((rank, N_ITEMS)) / rank
    )
    users, items = np.nonzero(random.random(truth.shape) < density)
    values = truth[users, items] + noise * random.standard_normal(len(users))
    log = Interactions.from_codes(users, items, values=values, n_users=N_USERS, n_items=N_ITEMS)
    return log, truth


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


def error_off_log(model, log, truth):
    unseen = np.ones(truth.shape, bool)
    unseen[log.user_codes, log.item_codes] = False
    return float(np.sqrt(np.mean((everything(model) - truth)[unseen] ** 2)))


FREE = {"rank": 2, "regularization": 0.0, "bias_regularization": 0.0, "init_scale": 0.1}


@pytest.mark.parametrize("settings", [{"epochs": 150}, {"optimizer": "gd", "epochs": 300}])
def test_noise_free_low_rank_data_are_recovered(settings):
    log, truth = planted()
    model = BiasedMF(**FREE, **settings).fit(log)
    assert error_off_log(model, log, truth) < 0.03
    assert model.history.objective[-1] < 1e-3 * model.history.objective[0]


@pytest.mark.parametrize("optimizer", ["sgd", "gd"])
def test_regularization_and_biases_beat_the_mean_on_noisy_data(optimizer):
    log, truth = planted(1, noise=0.5, density=0.3)
    epochs = 30 if optimizer == "sgd" else 60
    model = BiasedMF(rank=4, regularization=0.1, optimizer=optimizer, epochs=epochs).fit(log)
    assert error_off_log(model, log, truth) < 0.7 * float(truth.std())


def test_the_history_holds_the_exact_objective():
    log, _ = planted(2)
    model = BiasedMF(rank=3, epochs=4).fit(log)
    deviation = log.values.std(dtype=np.float64)
    error = everything(model)[log.user_codes, log.item_codes] - log.values
    users, items = np.bincount(log.user_codes), np.bincount(log.item_codes)
    expected = ((error / deviation).astype(np.float64) ** 2).sum()
    sizes = users @ (model.user_factors**2).sum(axis=1) + items @ (model.item_factors**2).sum(axis=1)
    biases = users @ model.user_bias**2 + items @ model.item_bias**2
    expected += 0.034 * sizes / deviation + 0.01 * biases / deviation**2
    assert len(model.history.objective) == 4
    assert model.history.objective[-1] == pytest.approx(expected, rel=1e-5)


def test_gradient_descent_never_raises_the_objective_and_ends_at_the_tolerance():
    model = BiasedMF(rank=2, optimizer="gd", epochs=5000, tolerance=1e-4).fit(planted(3)[0])
    objective = model.history.objective
    assert model.history.stopped == "tolerance"
    assert len(objective) < 5000
    assert (np.diff(objective) <= 0).all()


@pytest.mark.parametrize("optimizer", ["sgd", "gd"])
def test_same_bits_for_any_number_of_threads(optimizer):
    log, _ = planted(4)
    models = []
    for count in (1, 2):
        set_threads(count)
        models.append(BiasedMF(rank=5, epochs=5, optimizer=optimizer).fit(log))
    set_threads(None)
    assert np.array_equal(everything(models[0]), everything(models[1]))
    assert models[0].history.objective == models[1].history.objective


@pytest.mark.parametrize("optimizer", ["sgd", "gd"])
def test_a_killed_fit_resumes_to_the_same_bits(optimizer):
    log, _ = planted(5)
    recipe = BiasedMF(rank=5, epochs=7, optimizer=optimizer)
    kept: list[FitState] = []

    def stop(state, epochs):
        arrays = {name: array.copy() for name, array in state.arrays.items()}
        kept.append(FitState(**{**vars(state), "arrays": arrays}))
        return state.epoch == 3

    partial = recipe.fit(log, watch=stop)
    assert partial.history.stopped == "interrupted"
    whole, resumed = recipe.fit(log), recipe.fit(log, resume=kept[-1])
    assert whole.history.objective == resumed.history.objective
    assert arrays_equal(
        *({"x": m.user_factors, "y": m.item_factors, "b": m.user_bias} for m in (whole, resumed))
    )
    assert not np.array_equal(partial.user_factors, whole.user_factors)


def test_early_stopping_keeps_the_best_epoch():
    log, truth = planted(6, noise=0.7, density=0.3)
    looks = []

    def measure(model):
        looks.append(-error_off_log(model, log, truth))
        return looks[-1]

    recipe = BiasedMF(rank=16, regularization=0.0, epochs=200, init_scale=0.1)
    model = recipe.fit(log, validate=Validation(measure=measure, patience=3, name="rmse"))
    assert model.history.stopped == "early stopping"
    assert model.history.epoch == 1 + int(np.argmax(looks))
    assert -error_off_log(model, log, truth) == max(looks)


def test_divergence_is_told_with_the_mend():
    with pytest.raises(Diverged) as caught:
        BiasedMF(learning_rate=30.0, epochs=20).fit(planted(7)[0])
    assert "learning_rate" in caught.value.mend


def test_shifted_values_shift_the_predictions_only():
    log, _ = planted(8)
    moved = Interactions.from_codes(log.user_codes, log.item_codes, values=log.values + 10)
    a, b = (everything(BiasedMF(rank=3, epochs=10).fit(x)) for x in (log, moved))
    np.testing.assert_allclose(a + 10, b, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "gd"])
def test_scaled_values_scale_the_predictions_to_the_bit(optimizer):
    """Four is a square and a power of two, so that nothing is rounded on the way."""
    log, _ = planted(9)
    scaled = Interactions.from_codes(log.user_codes, log.item_codes, values=4 * log.values)
    a, b = (BiasedMF(rank=3, epochs=8, optimizer=optimizer).fit(x) for x in (log, scaled))
    np.testing.assert_array_equal(4 * everything(a), everything(b))
    assert a.history.objective == b.history.objective
    folded = [m.scores(m.fold_in(x.by_user)) for m, x in ((a, log), (b, scaled))]
    np.testing.assert_allclose(4 * folded[0], folded[1], rtol=1e-4)


def test_a_log_of_equal_values_predicts_that_value():
    log = Interactions.from_codes([0, 0, 1], [0, 1, 1], values=[3, 3, 3])
    np.testing.assert_allclose(everything(BiasedMF(rank=2).fit(log)), 3, atol=1e-3)


def test_fold_in_is_near_a_refit():
    """A stranger's row by ridge, against the row the model would have if trained with the stranger."""
    log, truth = planted(10, noise=0.3)
    strangers = np.arange(10)
    rest = log.take(np.flatnonzero(log.user_codes >= 10))
    recipe = BiasedMF(rank=2, epochs=60, regularization=0.02, init_scale=0.1)
    whole, without = recipe.fit(log), recipe.fit(rest)
    assert without.items.to_list() == list(range(N_ITEMS))
    folded = without.scores(without.fold_in(log.by_user.rows(strangers)))
    refit = whole.scores(whole.known(strangers))
    by_fold, by_refit = (float(np.sqrt(np.mean((s - truth[:10]) ** 2))) for s in (folded, refit))
    assert np.sqrt(np.mean((folded - refit) ** 2)) < 0.15
    assert by_fold < by_refit + 0.05
    assert by_fold < 0.4 * truth[:10].std()


def test_predictions_are_held_to_the_range_of_the_ratings():
    model = BiasedMF(rank=2, epochs=3).fit(planted(11)[0])
    low, high = model.limits
    scores = model.predict([0] * N_ITEMS, list(range(N_ITEMS)))["score"].to_numpy()
    assert scores.min() >= low
    assert scores.max() <= high


def test_a_log_without_values_is_refused_with_the_mend():
    with pytest.raises(DataError) as caught:
        BiasedMF().fit(Interactions.from_codes([0], [0]))
    assert "ImplicitALS" in caught.value.mend


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        BiasedMF(rank=0, optimizer="adam", learning_rate=-1)
    assert all(part in caught.value.what for part in ("rank is 0", "one of sgd, gd", "learning_rate is -1"))


@pytest.mark.data
def test_ml_100k_fold_1(real_data):
    """0.934 is published for Surprise's SVD over random folds; this fold is the hardest of the five official ones."""
    parts = {}
    for part in ("base", "test"):
        with gzip.open(real_data / "ml-100k" / f"u1.{part}.gz") as file:
            parts[part] = np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)
    base, test = parts["base"], parts["test"]
    log = Interactions.from_codes(
        base[:, 0] - 1, base[:, 1] - 1, values=base[:, 2], n_users=943, n_items=1682
    )
    model = BiasedMF().fit(log)
    guess = model.clip(model.pair_scores(model.known(np.arange(943)), test[:, 0] - 1, test[:, 1] - 1))
    assert np.sqrt(np.mean((guess - test[:, 2]) ** 2)) < 0.925


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4])
def test_gd_with_a_tolerance_ends_near_where_it_would_end_without(tolerance: float) -> None:
    log = simulate_log(users=600, items=200, interactions=25_000, shape="ratings", seed=1).log
    whole = BiasedMF(rank=8, optimizer="gd", epochs=300).fit(log).history
    found = BiasedMF(rank=8, optimizer="gd", epochs=300, tolerance=tolerance).fit(log).history
    assert found.stopped == "tolerance"
    assert found.epoch < whole.epoch
    assert found.objective[-1] < 1.01 * whole.objective[-1]
