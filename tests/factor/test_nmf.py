import itertools

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.nmf import NMF
from matweave.linalg.nonnegative import LOSSES, MISSING, SOLVERS

N_USERS, N_ITEMS = 60, 40


def parts(seed=0, rank=3, share=0.9):
    """Values that are exactly sums of `rank` nonnegative parts, on a share of the cells."""
    random = np.random.default_rng(seed)
    u = random.gamma(0.6, size=(N_USERS, rank))
    f = random.gamma(0.6, size=(N_ITEMS, rank))
    truth = u @ f.T + 0.01
    users, items = np.nonzero(random.random(truth.shape) < share)
    log = Interactions.from_codes(users, items, truth[users, items], n_users=N_USERS, n_items=N_ITEMS)
    return log, truth


def everything(model):
    return model.scores(model.known(np.arange(len(model.users))))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_parts_are_recovered_from_the_seen_cells_alone(loss: str, solver: str) -> None:
    log, truth = parts(share=0.5)
    epochs = 150 if solver == "coordinate" else 800
    model = NMF(
        rank=3, loss=loss, solver=solver, missing="masked", regularization=0.003, epochs=epochs, tolerance=0
    ).fit(log)
    away = np.sqrt(np.mean((everything(model) - truth) ** 2)) / truth.std()
    assert away < 0.1
    assert model.limits == (float(log.values.min()), float(log.values.max()))


def test_zeros_and_masked_are_the_same_model_where_every_cell_has_a_value() -> None:
    log, truth = parts(1, share=2.0)
    settings = {"rank": 3, "epochs": 60, "regularization": 0.0, "tolerance": 0.0, "sweeps": 1}
    zeros = NMF(**settings, use_values=True).fit(log)
    masked = NMF(**settings, missing="masked").fit(log)
    np.testing.assert_allclose(everything(zeros), everything(masked), atol=0.05)
    np.testing.assert_allclose(everything(zeros), truth, atol=0.3)
    assert zeros.limits is None


@pytest.mark.parametrize(("loss", "solver", "missing"), [*itertools.product(LOSSES, SOLVERS, MISSING)])
def test_the_objective_falls_and_factors_stay_nonnegative(loss: str, solver: str, missing: str) -> None:
    log, _ = parts(2, share=0.4)
    model = NMF(
        rank=4,
        loss=loss,
        solver=solver,
        missing=missing,
        use_values=True,
        sparsity=0.01,
        epochs=25,
        tolerance=0.0,
    ).fit(log)
    assert (model.user_factors >= 0).all()
    assert (model.item_factors >= 0).all()
    objective = np.array(model.history.objective)
    assert np.diff(objective).max() <= 1e-6 * objective[0]


def test_the_history_holds_the_exact_objective() -> None:
    log, _ = parts(3, share=0.4)
    x = log.by_user.scipy().toarray().astype(np.float64)
    model = NMF(rank=3, regularization=0.3, sparsity=0.1, use_values=True, epochs=5).fit(log)
    wanted = 0.5 * ((x - everything(model)) ** 2).sum()
    for side in (model.user_factors, model.item_factors):
        wanted += 0.1 * side.sum() + 0.15 * (side**2).sum()
    assert model.history.objective[-1] == pytest.approx(wanted, rel=1e-5)
    kl = NMF(rank=3, loss="kl", regularization=0.3, sparsity=0.1, use_values=True, epochs=5).fit(log)
    s = everything(kl)
    wanted = s.sum() + (x[x > 0] * np.log(x[x > 0] / s[x > 0]) - x[x > 0]).sum()
    for side in (kl.user_factors, kl.item_factors):
        wanted += 0.1 * side.sum() + 0.15 * (side**2).sum()
    assert kl.history.objective[-1] == pytest.approx(wanted, rel=1e-5)


def test_sparsity_makes_zeros() -> None:
    log, _ = parts(4)
    settings = {"rank": 8, "use_values": True, "epochs": 60, "regularization": 0.0}
    shares = [np.mean(NMF(**settings, sparsity=s).fit(log).item_factors == 0) for s in (0.0, 2.0)]
    assert shares[1] > shares[0] + 0.1


def test_scaled_values_scale_the_predictions() -> None:
    log, _ = parts(5)
    scaled = Interactions.from_codes(
        log.user_codes, log.item_codes, 4 * log.values, n_users=N_USERS, n_items=N_ITEMS
    )
    for loss in LOSSES:
        recipe = NMF(rank=3, loss=loss, missing="masked", regularization=0.0, epochs=10)
        a, b = (everything(recipe.fit(one)) for one in (log, scaled))
        np.testing.assert_allclose(4 * a, b, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize(("loss", "missing"), [*itertools.product(LOSSES, MISSING)])
def test_fold_in_is_the_minimum_and_the_start_does_not_matter(loss: str, missing: str) -> None:
    log, _ = parts(6, share=0.4)
    model = NMF(
        rank=3, loss=loss, missing=missing, use_values=True, regularization=0.1, epochs=300, tolerance=0
    ).fit(log)
    trained, folded = everything(model), model.scores(model.fold_in(log.by_user))
    np.testing.assert_allclose(folded, trained, atol=2e-3 * trained.max())


def test_a_masked_row_without_ratings_is_the_mean_row() -> None:
    log, _ = parts(7, share=0.4)
    wider = Interactions.from_codes(
        log.user_codes, log.item_codes, log.values, n_users=N_USERS + 1, n_items=N_ITEMS + 1
    )
    model = NMF(rank=3, missing="masked", epochs=10).fit(wider)
    np.testing.assert_allclose(model.user_factors[-1], model.user_factors[:-1].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.item_factors[-1], model.item_factors[:-1].mean(axis=0), rtol=1e-5)
    none = Csr.from_pairs([], [], [], shape=(1, N_ITEMS + 1))
    np.testing.assert_array_equal(model.fold_in(none).factors[0], model.user_factors[-1])


def test_values_below_zero_are_refused_where_they_are_used() -> None:
    log = Interactions.from_codes([0, 0], [0, 1], [-1, 2])
    assert NMF(rank=1, epochs=2).fit(log).limits is None
    for settings in ({"use_values": True}, {"missing": "masked"}):
        with pytest.raises(DataError, match="1 values are below zero"):
            NMF(rank=1, **settings).fit(log)


def test_settings_are_checked_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        NMF(loss="l1", solver="sgd", missing="nan", sweeps=0)
    assert all(part in caught.value.what for part in ("loss is", "solver is", "missing is", "sweeps is 0"))


@pytest.mark.parametrize("missing", MISSING)
def test_it_grows_by_items_and_forgets_users(missing: str) -> None:
    log, truth = parts(8, share=0.6)
    recipe = NMF(rank=3, missing=missing, use_values=True, epochs=60, regularization=0.01)
    grown = recipe.fit(log.take(log.item_codes != 7)).with_items(log.take(log.item_codes == 7))
    assert grown.items.to_list()[-1] == 7
    assert (grown.item_factors >= 0).all()
    if missing == "masked":
        found = everything(grown)[:, -1]
        assert np.sqrt(np.mean((found - truth[:, 7]) ** 2)) < 0.5 * truth[:, 7].std()
    left, refit = recipe.fit(log).without_users([4]), recipe.fit(log.take(log.user_codes != 4))
    np.testing.assert_array_equal(everything(left), everything(refit))
