"""What content models must beat, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.cold_items import planted, share_of_own_kind

import matweave as mw
from matweave.data.content_preparation import ContentPreparation
from matweave.data.item_content import ItemContent
from matweave.errors import DataError, TooBig
from matweave.factor import content_baselines
from matweave.factor.content_baselines import attribute_popularity, nearest_text


def test_popularity_of_an_item_without_rows_is_that_of_its_attributes():
    log = mw.Interactions.from_codes([0, 1, 2, 0, 0], [0, 0, 0, 1, 2], n_items=3)
    content = ItemContent.of(
        [0, 1, 2, 3, 4, 5], attributes=[[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [np.nan] * 3]
    )
    found = attribute_popularity(log, content).item_bias
    assert found is not None
    # attribute 1: (3 + 1) / 2, attribute 2: (1 + 1) / 2, attribute 3: no warm item has it; the mean of all: 5 / 3
    np.testing.assert_allclose(found, [3, 1, 1, (2 + 1) / 2, 5 / 3, 5 / 3])


def test_nearest_text_orders_items_by_the_cosine_to_the_mean_of_the_history():
    log, content, cold, kinds, tastes = planted()
    model = nearest_text(log, content)
    laid = content.over(model.items)
    t = ContentPreparation.fit(laid.take(np.arange(log.n_items))).weights(laid).scipy().toarray()
    scores = model.scores(model.known(np.arange(5)))
    for user in range(5):
        profile = t[log.by_user.row(user)[0]].mean(0)
        cosine = t @ profile / (np.linalg.norm(profile) * np.linalg.norm(t, axis=1))
        codes = model.items.encode(cold)[0]
        assert np.corrcoef(scores[user, codes], cosine[codes])[0, 1] == pytest.approx(1, abs=1e-5)
    assert share_of_own_kind(model, cold, kinds, tastes) > 0.9


def test_they_are_models_like_others(tmp_path):
    log, content, *_ = planted()
    for model in (attribute_popularity(log, content), nearest_text(log, content)):
        model.save(tmp_path / model.method)
        back = mw.load(tmp_path / model.method)
        assert isinstance(back, mw.ItemModel)
        assert back.recommend([0], k=3).equals(model.recommend([0], k=3))


def test_what_is_missing_is_told(monkeypatch):
    log, content, *_ = planted()
    with pytest.raises(DataError, match="no attributes"):
        attribute_popularity(log, ItemContent.of([0], texts=["a"]))
    with pytest.raises(DataError, match="no text"):
        nearest_text(log, ItemContent.of([0], attributes=[[1.0]]))
    monkeypatch.setattr(content_baselines, "LARGEST", 10)
    with pytest.raises(TooBig):
        nearest_text(log, content)
