"""Blends: the formula by hand, weights of 1 and 0, never worse than the best part, what cannot be mixed, folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.blend import Blend, BlendModel, blended, standardised
from matweave.factor.blocks import BLOCK
from matweave.factor.loop import Validation
from matweave.factor.recommender import Recommender
from matweave.factor.storage import load

LOG = mw.simulate_log(users=BLOCK + 60, items=60, rank=4, interactions=9000, seed=3).log
SPLIT = mw.split_randomly(LOG, test=0.1, valid=0.2, seed=0)
TRAIN = SPLIT.train
MODELS = (
    mw.EASE(regularization=30.0).fit(TRAIN),
    mw.ImplicitALS(rank=8, epochs=6).fit(TRAIN),
    mw.Popularity().fit(TRAIN),
)
ALL = np.arange(TRAIN.n_users)


def table(model: Recommender) -> np.ndarray:
    return model.scores(model.known(ALL))


def by_hand(models: tuple[Recommender, ...], weights: list[float]) -> np.ndarray:
    total = np.zeros((TRAIN.n_users, TRAIN.n_items))
    for model, weight in zip(models, weights, strict=True):
        for u, row in enumerate(table(model).astype(np.float64)):
            total[u] += weight * (row - np.mean(row)) / np.sqrt(np.mean((row - np.mean(row)) ** 2))
    return total


# the form


def test_scores_are_the_formula() -> None:
    weights = [0.5, 0.3, 0.2]
    model, wanted = blended(MODELS, weights), by_hand(MODELS, weights)
    np.testing.assert_allclose(table(model), wanted, atol=2e-5)
    rng = np.random.default_rng(0)
    at, items = rng.integers(0, TRAIN.n_users, 400), rng.integers(0, TRAIN.n_items, 400)
    np.testing.assert_allclose(model.pair_scores(model.known(ALL), at, items), wanted[at, items], atol=2e-5)
    codes = rng.permutation(TRAIN.n_users)[:5]
    rows = model.known(ALL)
    np.testing.assert_allclose(model.scores(rows.take(codes)), wanted[codes], atol=2e-5)
    np.testing.assert_allclose(model.scores(rows[3:8]), wanted[3:8], atol=2e-5)


def test_lists_are_the_best_of_the_scores_without_what_was_seen() -> None:
    model = blended(MODELS, [0.4, 0.6, 0.0])
    codes, scores, counts = model.top(model.known(ALL), 7, model.seen)
    full = table(model)
    full[model.seen.scipy().toarray() != 0] = -np.inf
    np.testing.assert_array_equal(counts, np.minimum(7, TRAIN.n_items - model.seen.counts))
    there = np.arange(7) < counts[:, None]
    np.testing.assert_allclose(scores[there], np.sort(full, axis=1)[:, ::-1][:, :7][there], atol=1e-5)
    picked = np.take_along_axis(full, np.where(there, codes, 0).astype(np.int64), axis=1)
    np.testing.assert_allclose(picked[there], scores[there], atol=1e-5)
    rows = model.recommend(k=4).to_pylist()
    assert len(rows) == np.minimum(4, TRAIN.n_items - model.seen.counts).sum()


def test_a_weight_of_one_is_the_model_itself() -> None:
    for place, part in enumerate(MODELS[:2]):
        model = blended(MODELS[:2], np.eye(2)[place])
        mine, theirs = model.recommend(k=6), part.recommend(k=6)
        assert mine.select(["user", "item", "rank"]).equals(theirs.select(["user", "item", "rank"]))
        item = TRAIN.items.to_list()[4]
        assert model.similar(item, k=5)["item"].equals(part.similar(item, k=5)["item"])


def test_a_model_without_a_weight_is_not_asked() -> None:
    class Silent(type(MODELS[0])):  # type: ignore[misc]
        def known(self, user_codes: np.ndarray) -> object:
            raise AssertionError("asked")

        fold_in = known

    silent = Silent(**{name: getattr(MODELS[0], name) for name in MODELS[0].__dataclass_fields__})
    model = blended([silent, MODELS[1]], [0.0, 1.0])
    assert model.recommend(k=3).num_rows == 3 * TRAIN.n_users
    assert model.fold_in(model.seen)


def test_scale_and_shift_of_a_part_change_nothing() -> None:
    als = MODELS[1]
    assert isinstance(als, mw.FactorModel)
    other = replace(als, user_factors=als.user_factors * 50, mean=7.0)
    np.testing.assert_allclose(
        table(blended([MODELS[0], other], [0.5, 0.5])), table(blended(MODELS[:2], [0.5, 0.5])), atol=1e-3
    )


def test_standardised_rows_and_a_user_to_whom_all_is_alike() -> None:
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((5, 40)).astype(np.float32) * 1e4 + 1e5
    scores[2] = 0.1
    found = standardised(scores)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=1), [1, 1, 0, 1, 1], atol=1e-3)
    assert standardised(np.empty((0, 3), np.float32)).shape == (0, 3)


def test_strangers_are_folded_into_every_part() -> None:
    model = blended(MODELS, [0.5, 0.3, 0.2])
    histories = model.seen.rows(np.array([4, 9]))
    wanted = sum(
        w * standardised(m.scores(m.fold_in(histories))) for m, w in zip(MODELS, (0.5, 0.3, 0.2), strict=True)
    )
    np.testing.assert_allclose(model.scores(model.fold_in(histories)), wanted, atol=1e-5)
    assert model.recommend_for(TRAIN.items.to_list()[:3], k=4).num_rows == 4
    assert model.recommend_for([], k=4).num_rows == 4


def test_similar_items_are_mixed_by_the_same_weights() -> None:
    model, n = blended(MODELS[:2], [0.25, 0.75]), TRAIN.n_items
    codes, scores = model.similar_codes(7, n)
    assert 7 not in codes
    assert len(codes) == n - 1
    assert np.all(np.diff(scores) <= 0)
    found = []
    for part in MODELS[:2]:
        theirs, likeness = part.similar_codes(7, n)
        full = np.full(n, likeness.min(), np.float32)
        full[theirs] = likeness
        full[7] = likeness.mean()
        found.append(standardised(full[None])[0])
    np.testing.assert_allclose(scores, (0.25 * found[0] + 0.75 * found[1])[codes], atol=1e-5)


def test_bits_go_through_a_folder(tmp_path: Path) -> None:
    model = mw.blend(MODELS[:2], SPLIT.valid, steps=4)
    model.save(tmp_path)
    back = load(tmp_path)
    assert isinstance(back, BlendModel)
    assert table(back).tobytes() == table(model).tobytes()
    assert back.weights.tobytes() == model.weights.tobytes()
    assert (back.history, back.settings) == (model.history, model.settings)
    assert back.recommend(k=3).equals(model.recommend(k=3))


# the search


@pytest.mark.parametrize(
    "models", [MODELS[:2], (MODELS[2], MODELS[1]), MODELS], ids=["two", "one weak", "three"]
)
@pytest.mark.parametrize("metric", ["ndcg@10", "recall@5"])
def test_a_blend_is_never_worse_than_its_best_part_on_its_validation_data(
    models: tuple[Recommender, ...], metric: str
) -> None:
    check = mw.validation(SPLIT.valid, metric=metric)
    model = Blend(steps=5).fit(models, check)
    best = max(check.measure(part) for part in models)
    assert check.measure(model) >= best - 1e-9
    looks = dict(model.history.validation)
    assert looks[model.history.epoch] == max(looks.values()) == check.measure(model)
    assert model.tried.shape == (len(looks), len(models))
    assert np.array_equal(model.tried[model.history.epoch - 1], model.weights)
    np.testing.assert_allclose(model.tried.sum(axis=1), 1)
    assert model.history.validation_name == metric
    assert len({tuple(row) for row in model.tried.tolist()}) == len(looks)  # nothing is looked at twice


def planted(value: Callable[[np.ndarray], float]) -> Validation:
    return Validation(measure=lambda model: value(getattr(model, "weights")), name="planted")  # noqa: B009


def test_planted_weights_are_found() -> None:
    two = Blend(steps=10).fit(MODELS[:2], planted(lambda w: -abs(w[0] - 0.34)))
    np.testing.assert_allclose(two.weights, [0.35, 0.65])
    wanted = np.array([0.2, 0.5, 0.3])
    three = Blend(steps=20, rounds=8).fit(MODELS, planted(lambda w: -float(np.square(w - wanted).sum())))
    np.testing.assert_allclose(three.weights, wanted, atol=0.03)
    corner = Blend().fit(MODELS, planted(lambda w: float(w[2])))
    assert corner.weights.tolist() == [0, 0, 1]
    assert corner.history.stopped == "tolerance"


def test_equal_models_gain_nothing_and_lose_nothing() -> None:
    model = mw.blend([MODELS[0], MODELS[0]], SPLIT.valid, steps=3)
    part = MODELS[0].recommend(k=5).select(["user", "item"])
    assert model.recommend(k=5).select(["user", "item"]).equals(part)


def test_rows_are_made_once_for_all_looks() -> None:
    asked: list[int] = []

    class Counted(type(MODELS[0])):  # type: ignore[misc]
        def known(self, user_codes: np.ndarray) -> object:
            asked.append(len(user_codes))
            return MODELS[0].known(user_codes)

    counted = Counted(**{name: getattr(MODELS[0], name) for name in MODELS[0].__dataclass_fields__})
    found = mw.blend([counted, MODELS[1]], SPLIT.valid, steps=4)
    assert len(asked) == 1
    assert len(found.history.validation) >= 5
    found.recommend(k=1)
    assert len(asked) == 1 + (found.weights[0] > 0)  # nothing is kept by the model that comes out


# what is refused


def test_one_model_is_no_blend() -> None:
    for models in ([], [MODELS[0]]):
        with pytest.raises(ConfigError, match=f"two models or more, not of {len(models)}"):
            mw.blend(models, SPLIT.valid)


def test_models_of_other_logs_are_refused_and_all_are_told() -> None:
    alien = mw.Popularity().fit(SPLIT.test)
    fewer = mw.Popularity().fit(
        Interactions.from_codes(
            TRAIN.user_codes[1:],
            TRAIN.item_codes[1:],
            user_ids=TRAIN.users.ids,
            item_ids=TRAIN.items.ids,
        )
    )
    with pytest.raises(ConfigError) as error:
        blended([alien, MODELS[0], fewer], [0.2, 0.2, 0.6])
    first, second = error.value.what.split("\n")
    assert "model 2 (EASE) and model 1 (Popularity) have other users or items" in first
    assert "model 3 (Popularity) and model 2 (EASE) were fitted on other rows" in second
    assert error.value.mend == "fit all models on the same log"


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.6], [1.5, -0.5], [np.nan, 1.0]])
def test_weights_off_the_simplex_are_refused(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="not 2 numbers >= 0 of sum 1"):
        blended(MODELS[:2], weights)


def test_a_measure_that_is_not_a_number_is_told() -> None:
    with pytest.raises(DataError, match="planted is not a number"):
        Blend().fit(MODELS[:2], planted(lambda w: float("nan")))


@pytest.mark.parametrize("bad", [{"steps": 0}, {"rounds": 0}, {"steps": 2.5}, {"stranger": 1}])
def test_settings_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Blend(**bad)  # type: ignore[arg-type]
