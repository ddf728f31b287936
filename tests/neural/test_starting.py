"""Factors as a start: scores kept, the best cut, ids in another order, strangers, what has no factors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.factor.forms import FactorModel, ItemModel
from matweave.factor.recommender import Recommender
from matweave.neural.starting import Start, start_from

LOG = mw.simulate_log(users=50, items=30, interactions=500, seed=0).log


def table(model: Recommender) -> np.ndarray:
    return model.scores(model.known(np.arange(len(model.users))))


def scores(start: Start) -> np.ndarray:
    return start.users @ start.items.T + start.user_bias[:, None] + start.item_bias + start.mean


@pytest.fixture(scope="module")
def svd() -> FactorModel:
    return mw.PureSVD(rank=6, seed=0).fit(LOG)


@pytest.fixture(scope="module")
def biased() -> FactorModel:
    return mw.BiasedMF(rank=4, epochs=5).fit(LOG)


def close(found: np.ndarray, wanted: np.ndarray, share: float = 1e-4) -> bool:
    return bool(np.abs(found - wanted).max() <= share * wanted.std())


def test_scores_are_kept_where_the_rank_suffices(svd: FactorModel, biased: FactorModel) -> None:
    assert close(scores(start_from(svd, LOG.users, LOG.items, 6, seed=0)), table(svd))
    found = start_from(biased, LOG.users, LOG.items, 4, seed=0)
    assert close(scores(found), table(biased))
    assert found.mean == pytest.approx(biased.mean)
    als = mw.ImplicitALS(rank=40, epochs=2).fit(LOG)  # more columns than items
    assert close(scores(start_from(als, LOG.users, LOG.items, 30, seed=0)), table(als))


def test_energy_is_shared_and_in_order(svd: FactorModel) -> None:
    found = start_from(svd, LOG.users, LOG.items, 6, seed=0)
    energy = np.linalg.norm(found.users, axis=0)
    np.testing.assert_allclose(energy, np.linalg.norm(found.items, axis=0), rtol=1e-4)
    assert np.all(np.diff(energy) <= 1e-5)


def test_a_smaller_rank_is_the_best_cut(svd: FactorModel) -> None:
    found = start_from(svd, LOG.users, LOG.items, 3, seed=0)
    u, s, vt = np.linalg.svd(table(svd))
    assert close(scores(found), (u[:, :3] * s[:3]) @ vt[:3])


def test_columns_beyond_the_models_are_drawn_small(svd: FactorModel) -> None:
    found = start_from(svd, LOG.users, LOG.items, 10, seed=0)
    assert found.users.shape == (LOG.n_users, 10)
    assert close(scores(found), table(svd), 0.05)
    extra = found.items[:, 6:].std()
    assert 0 < extra < 0.02 * found.items[:, :6].std()
    again = start_from(svd, LOG.users, LOG.items, 10, seed=0)
    assert again.users.tobytes() == found.users.tobytes()
    assert start_from(svd, LOG.users, LOG.items, 10, seed=1).users.tobytes() != found.users.tobytes()


def test_ids_in_another_order_get_their_own_vectors(svd: FactorModel) -> None:
    rng = np.random.default_rng(3)
    users, items = rng.permutation(LOG.n_users), rng.permutation(30)
    found = start_from(svd, LOG.users.take(users), LOG.items.take(items), 6, seed=0)
    assert close(scores(found), table(svd)[users][:, items])


def test_strangers_get_rows_drawn_like_the_others(biased: FactorModel) -> None:
    more = Vocabulary(ids=pa.array([*LOG.items.to_list(), *[f"new {i}" for i in range(300)]]))
    found = start_from(biased, LOG.users, more, 4, seed=0)
    assert close(scores(found)[:, :30], table(biased))
    assert found.items[30:].std() == pytest.approx(found.items[:30].std(), rel=0.15)
    assert not found.item_bias[30:].any()
    fewer = start_from(biased, LOG.users.take(np.array([7])), LOG.items, 4, seed=0)
    assert close(scores(fewer), table(biased)[[7]])


def test_items_that_the_model_has_none_of_are_refused(svd: FactorModel) -> None:
    alien = Vocabulary(ids=pa.array(["x", "y"]))
    with pytest.raises(ConfigError, match="PureSVD knows none of the 2 items of this log") as error:
        start_from(svd, LOG.users, alien, 4, seed=0)
    assert error.value.where == "init"


@pytest.mark.parametrize("recipe", [mw.EASE(), mw.ItemKNN(neighbors=20)], ids=["ease", "item_knn"])
def test_an_item_model_is_taken_by_its_weights(recipe: mw.EASE | mw.ItemKNN) -> None:
    model = recipe.fit(LOG)
    assert isinstance(model, ItemModel)
    assert close(scores(start_from(model, LOG.users, LOG.items, 30, seed=0)), table(model), 1e-3)
    # of the weights themselves the cut is the best one; here by Lanczos
    cut = start_from(model, LOG.users, LOG.items, 5, seed=0)
    weights = table_of_weights(model)
    u, s, vt = np.linalg.svd(weights)
    h = replace(model.seen, values=None).scipy().toarray()
    assert close(scores(cut), h @ (u[:, :5] * s[:5]) @ vt[:5], 1e-3)


def table_of_weights(model: ItemModel) -> np.ndarray:
    one = np.arange(len(model.items))
    return model.weights.apply(Csr.from_pairs(one, one, shape=(len(one), len(one))))


def test_the_spread_of_items_is_chosen_and_scores_stay(svd: FactorModel) -> None:
    found = start_from(svd, LOG.users, LOG.items, 6, seed=0).scaled(0.02)
    assert found.items.std() == pytest.approx(0.02, rel=1e-5)
    assert close(scores(found), table(svd))


def test_a_network_with_item_vectors_is_a_start_and_popularity_is_none() -> None:
    timed = Interactions.from_codes(LOG.user_codes, LOG.item_codes, times=np.arange(len(LOG)))
    model = mw.SASRec(rank=4, length=5, epochs=1, device="cpu").fit(timed)
    assert close(scores(start_from(model, timed.users, timed.items, 4, seed=0)), table(model), 1e-3)
    with pytest.raises(ConfigError, match="Popularity has no factors") as error:
        start_from(mw.Popularity().fit(LOG), LOG.users, LOG.items, 4, seed=0)
    assert "ImplicitALS" in error.value.mend
