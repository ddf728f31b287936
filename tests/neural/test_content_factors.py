"""Factors from content: the loss by hand, warm scores as they were, new items served, planted words found."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from by_hand.cold_items import planted, share_of_own_kind

import matweave as mw
from matweave.config import settings_of
from matweave.deep import torch
from matweave.errors import ConfigError, DataError
from matweave.factor.content_items import with_items_of
from matweave.factor.loop import Validation
from matweave.neural.content_factors import _Fit, _Weighted

SMALL = mw.ContentFactors(rank=6, width=16, epochs=15, batch_size=16, learning_rate=0.01, device="cpu")
LOG, CONTENT, COLD, KINDS, TASTES = planted()
BASE = mw.ImplicitALS(rank=6, seed=0).fit(LOG)


def test_new_items_are_for_those_who_like_their_words():
    for encoder in ("bag", "words"):
        recipe = mw.ContentFactors(**{**settings(), "encoder": encoder})
        model = recipe.fit(LOG, content=CONTENT, init=BASE)
        assert share_of_own_kind(model, COLD, KINDS, TASTES) > 0.9, encoder


def settings():
    return settings_of(SMALL)


def test_warm_items_keep_the_factor_models_scores_for_users_and_strangers():
    model = SMALL.fit(LOG, content=CONTENT, init=BASE)
    n = LOG.n_items
    users = np.arange(len(TASTES))
    assert model.scores(model.known(users))[:, :n].tobytes() == BASE.scores(BASE.known(users)).tobytes()
    history = LOG.items.to_list()[:4]
    wide = dict(
        zip(*model.recommend_for(history, k=99).select(["item", "score"]).to_pydict().values(), strict=True)
    )
    for item, score in zip(
        *BASE.recommend_for(history, k=99).select(["item", "score"]).to_pydict().values(), strict=True
    ):
        assert wide[item] == pytest.approx(score, abs=1e-6)
    assert set(COLD) < set(wide)
    assert model.recommend_for([COLD[0]], k=3).num_rows == 3


def test_the_loss_is_the_weighted_squared_error_by_hand():
    wide, laid = with_items_of(LOG, CONTENT)
    fit = _Fit(SMALL, BASE, wide, laid)
    batch = fit.batches.batch(0, 0)
    module = _Weighted(fit.encoder).eval()
    found = module(*batch).item()
    *parts, targets, weights = batch
    with torch.no_grad():
        f = fit.encoder(*parts).double().numpy()
    t, w = targets.double().numpy(), weights.double().numpy()
    assert found == pytest.approx(float((w * ((f - t) ** 2).mean(1)).sum() / w.sum()), rel=1e-5)
    rows = np.bincount(LOG.item_codes, minlength=LOG.n_items)
    weight = rows / (rows + SMALL.shrink)
    mean = (weight[:, None] * BASE.item_factors).sum(0) / weight.sum()
    np.testing.assert_allclose(fit.mean, mean, rtol=1e-5)
    assert np.isin(w.astype(np.float32), weight.astype(np.float32)).all()
    spread = np.sqrt((weight[:, None] * (BASE.item_factors - mean) ** 2).sum() / weight.sum() / 6)
    assert fit.spread == pytest.approx(spread, rel=1e-5)


def test_items_of_few_rows_may_take_their_contents_vectors():
    rows = np.bincount(LOG.item_codes, minlength=LOG.n_items)
    least = int(np.median(rows))
    model = mw.ContentFactors(**{**settings(), "own_from": least}).fit(LOG, content=CONTENT, init=BASE)
    kept = (model.item_factors[: LOG.n_items] == BASE.item_factors).all(1)
    np.testing.assert_array_equal(kept, rows >= least)


def test_biases_come_from_content_too():
    log = mw.Interactions.from_codes(
        LOG.user_codes,
        LOG.item_codes,
        1 + 4 * (KINDS[LOG.item_codes] == 0),
        n_users=LOG.n_users,
        n_items=LOG.n_items,
    )
    base = mw.BiasedMF(rank=4, epochs=30).fit(log)
    model = SMALL.fit(log, content=CONTENT, init=base)
    assert model.item_bias is not None
    codes = model.items.encode(COLD)[0]
    high = model.item_bias[codes[KINDS[COLD] == 0]].mean()
    assert high > model.item_bias[codes[KINDS[COLD] != 0]].mean() + 0.3
    assert model.limits == base.limits


def test_it_fits_its_own_factors_where_none_are_given_and_seeds_decide():
    one, two = (SMALL.fit(LOG, content=CONTENT) for _ in range(2))
    assert one.item_factors.tobytes() == two.item_factors.tobytes()
    other = mw.ContentFactors(**{**settings(), "seed": 1}).fit(LOG, content=CONTENT)
    assert other.item_factors.tobytes() != one.item_factors.tobytes()
    assert one.method == "ContentFactors"
    assert one.settings == settings()
    assert len(one.history.objective) == 15


def test_a_killed_fit_goes_on_and_validation_keeps_the_best():
    whole, states = SMALL.fit(LOG, content=CONTENT, init=BASE), []
    SMALL.fit(LOG, content=CONTENT, init=BASE, watch=lambda s, _: states.append(s) or s.epoch == 3)
    back = SMALL.fit(LOG, content=CONTENT, init=BASE, resume=states[-1])
    assert back.item_factors.tobytes() == whole.item_factors.tobytes()
    seen = []
    best = SMALL.fit(
        LOG, content=CONTENT, init=BASE,
        validate=Validation(measure=lambda m: seen.append(m) or -abs(len(m.history.objective) - 2), patience=1),
    )  # fmt: skip
    assert (best.history.epoch, best.history.stopped) == (2, "early stopping")
    assert best.item_factors.tobytes() == seen[1].item_factors.tobytes()


def test_a_saved_model_says_the_same_without_torch(tmp_path):
    model = SMALL.fit(LOG, content=CONTENT, init=BASE)
    model.save(tmp_path / "model")
    assert mw.load(tmp_path / "model").recommend([0], k=9).equals(model.recommend([0], k=9))
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import matweave as mw\n"
        f"print(mw.load({str(tmp_path / 'model')!r}).recommend([0], k=2).num_rows)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"


def test_what_is_missing_or_alien_is_told():
    with pytest.raises(DataError, match="no content") as error:
        SMALL.fit(LOG)
    assert "read_content" in error.value.mend
    with pytest.raises(DataError, match="no rows"):
        SMALL.fit(mw.Interactions.from_codes([], []), content=CONTENT)
    with pytest.raises(DataError, match="another log"):
        SMALL.fit(LOG.take(np.arange(len(LOG) // 2)), content=CONTENT, init=BASE)
    with pytest.raises(ConfigError, match="EASE is a ItemModel"):
        SMALL.fit(LOG, content=CONTENT, init=mw.EASE(regularization=9.0).fit(LOG))
    with pytest.raises(DataError, match="none of the log's"):
        SMALL.fit(LOG, content=mw.ItemContent.of([999], texts=["a"]))
    with pytest.raises(DataError, match="no item with rows has any content"):
        SMALL.fit(LOG, content=mw.ItemContent.of([0, 999], texts=[None, "a"]))
    with pytest.raises(ConfigError, match="encoder is 'bagg'"):
        mw.ContentFactors(encoder="bagg")
