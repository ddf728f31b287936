"""TwoTower: planted words found for new items, ids alone beat popularity, new items in histories, init, storage."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.cold_items import planted, share_of_own_kind

import matweave as mw
from matweave.errors import ConfigError, DataError
from matweave.factor.loop import Validation

LOG, CONTENT, COLD, KINDS, TASTES = planted()
SMALL = dict(rank=8, hidden=16, width=16, epochs=12, batch_size=256, learning_rate=0.01, device="cpu")


@pytest.mark.parametrize("temperature", [None, 0.2])
def test_new_items_are_for_those_who_like_their_words(temperature):
    model = mw.TwoTower(**SMALL, temperature=temperature).fit(LOG, content=CONTENT)
    assert share_of_own_kind(model, COLD, KINDS, TASTES) > 0.9
    found = model.recommend_for([COLD[0]], k=6)["item"].to_pylist()  # a history of new items alone
    assert np.mean(KINDS[found] == KINDS[COLD[0]]) > 0.6


def test_ids_alone_beat_popularity():
    log = mw.simulate_log(users=300, items=80, rank=4, interactions=6000, seed=0).log
    split = mw.split_randomly(log, seed=0)
    recipe = mw.TwoTower(rank=8, hidden=32, epochs=30, batch_size=512, device="cpu")

    def ndcg(model):
        return mw.evaluate(model, split.test, metrics=["ndcg@10"]).metrics["ndcg@10"].mean

    assert ndcg(recipe.fit(split.train)) > 1.1 * ndcg(mw.Popularity().fit(split.train))


def test_init_starts_the_id_vectors():
    base = mw.ImplicitALS(rank=8, seed=0).fit(LOG)
    recipe = mw.TwoTower(**{**SMALL, "epochs": 1, "learning_rate": 1e-9}, dropout=0.0)
    started = recipe.fit(LOG, init=base)
    cosine = started.item_factors @ started.item_factors.T
    wanted = base.item_factors @ base.item_factors.T
    assert np.corrcoef(cosine.ravel(), wanted.ravel())[0, 1] > 0.9
    plain = recipe.fit(LOG)
    assert np.corrcoef((plain.item_factors @ plain.item_factors.T).ravel(), wanted.ravel())[0, 1] < 0.9


def test_a_saved_model_says_the_same_bits_with_content_and_is_resumed(tmp_path):
    recipe = mw.TwoTower(**{**SMALL, "epochs": 4})
    model, states = recipe.fit(LOG, content=CONTENT), []
    model.save(tmp_path / "model")
    assert mw.load(tmp_path / "model").recommend(k=9).equals(model.recommend(k=9))
    recipe.fit(LOG, content=CONTENT, watch=lambda s, _: states.append(s) or s.epoch == 2)
    back = recipe.fit(LOG, content=CONTENT, resume=states[-1])
    assert back.item_factors.tobytes() == model.item_factors.tobytes()
    assert back.weights.keys() == model.weights.keys()
    assert "table" not in model.weights


def test_validation_sees_the_epochs_and_keeps_the_best():
    looks = []

    def measure(model):
        looks.append(model.scores(model.known(np.arange(5))))
        return -abs(len(looks) - 2)

    recipe = mw.TwoTower(**SMALL)
    model = recipe.fit(LOG, content=CONTENT, validate=Validation(measure=measure, patience=1))
    assert model.history.epoch == 2
    np.testing.assert_allclose(model.scores(model.known(np.arange(5))), looks[1], rtol=1e-5)


def test_what_is_wrong_is_told():
    with pytest.raises(DataError, match="no item with rows has any content"):
        mw.TwoTower(**SMALL).fit(LOG, content=mw.ItemContent.of([0, 999], texts=[None, "a"]))
    with pytest.raises(ConfigError, match="temperature is 0"):
        mw.TwoTower(temperature=0)
    with pytest.raises(ConfigError, match="embedding_rank is 8"):
        mw.TwoTower(**SMALL, embedding_rank=8).fit(LOG)
