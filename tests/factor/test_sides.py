"""Strangers by their attributes: regression by hand, planted attributes, missing ones, fold-in beside them, new items, saved models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import matweave as mw
from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.errors import ConfigError, DataError
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.rows import FactorRows
from matweave.factor.sides import SideMap, Sides, patterns

GROUPS = 4


def planted(shape="clicks", users=240, items=60, seed=0):
    """A log in which users of group g like items of kind g, and the attributes that say so, with a measure that says nothing."""
    rng = np.random.default_rng(seed)
    group, kind = rng.integers(0, GROUPS, users), rng.integers(0, GROUPS, items)
    like = group[:, None] == kind
    there = rng.random((users, items)) < (np.where(like, 0.5, 0.05) if shape == "clicks" else 0.3)
    u, i = np.nonzero(there)
    values = None
    if shape != "clicks":
        values = np.clip(np.round(2 + 2 * like[u, i] + rng.normal(0, 0.3, len(u))), 1, 5)
    log = Interactions.from_codes(u, i, values=values, n_users=users, n_items=items)

    def features(of):
        levels = np.column_stack([of[:, None] == np.arange(GROUPS), rng.normal(20, 4, len(of))])
        return ItemContent.of(
            np.arange(len(of)), attributes=levels, names=[*(f"kind={g}" for g in range(GROUPS)), "age"]
        )

    return log, features(group), features(kind), group, kind


def rows_of(log, users):
    return log.take(np.flatnonzero(np.isin(log.user_codes, users)))


RECIPES = [
    ("clicks", ImplicitALS(rank=6, epochs=6, regularization=0.02)),
    ("ratings", ExplicitALS(rank=6, epochs=6)),
]
BOTH = pytest.mark.parametrize(("shape", "recipe"), RECIPES, ids=["implicit", "explicit"])


def test_a_new_row_is_the_regression_of_rows_on_attributes():
    rng = np.random.default_rng(0)
    rows, values = rng.normal(size=(300, 3)), rng.normal(size=(300, 2)).astype(np.float32)
    rows[:, :2] += values
    content = ItemContent.of(np.arange(300), attributes=values)
    code = FeatureCode.of(content, content.items)
    found = SideMap.of(code, np.zeros((2, 2)), 1.0, rows, values)
    design, target = values - values.mean(0), rows - rows.mean(0)
    ridge = np.diag(2 * (design**2).mean(0))  # d / n of each variance, times n
    slope = np.linalg.solve(design.T @ design + ridge, design.T @ target)
    new = rng.normal(size=(4, 2)).astype(np.float32)
    wanted = rows.mean(0) + (new - values.mean(0)) @ slope
    made = found.new_rows(new)
    np.testing.assert_allclose(np.column_stack([made.factors, made.bias]), wanted, atol=1e-5)
    # of a part of the attributes: the regression on that part alone; of none: the mean row
    new[0, 1], new[1] = np.nan, np.nan
    made = found.new_rows(new)
    alone = (design[:, 0] @ target) / (design[:, 0] @ design[:, 0] + ridge[0, 0])
    wanted[0] = rows.mean(0) + (new[0, 0] - values[:, 0].mean()) * alone
    wanted[1] = rows.mean(0)
    np.testing.assert_allclose(np.column_stack([made.factors, made.bias]), wanted, atol=1e-5)


def test_a_column_that_never_varies_says_nothing():
    values = np.array([[1.0, 1], [0, 1], [1, 1]], np.float32)
    code = FeatureCode(names=("a", "b"), shift=np.zeros(2, np.float32), scale=np.ones(2, np.float32))
    found = SideMap.of(code, np.zeros((2, 1)), 1.0, np.array([[1.0], [2], [3]]), values)
    one, two = found.new_rows(np.array([[1, 1], [1, 9]], np.float32)).factors
    np.testing.assert_array_equal(one, two)
    assert [len(at) for _, at in patterns(np.zeros((0, 2)))] == []
    assert Sides(users=found).turned().items is found


@BOTH
def test_a_stranger_is_recommended_what_the_trained_row_of_the_same_attributes_is(shape, recipe):
    """The error of `recommend_new` against the users trained with the same attributes: the scores agree but for what is a user's own."""
    log, people, things, _, kind = planted(shape)
    cold, warm = np.arange(40), np.arange(40, 240)
    full = recipe.fit(log, user_features=people, item_features=things)
    part = recipe.fit(rows_of(log, warm), user_features=people, item_features=things)
    new = part.new_rows(people.take(cold))
    assert isinstance(new, FactorRows)
    mine, theirs = part.scores(new), full.scores(full.known(cold))
    theirs = theirs[:, full.items.encode(part.items.ids)[0]]
    mine, theirs = (s - s.mean(axis=0) for s in (mine, theirs))
    close = np.corrcoef(mine.ravel(), theirs.ravel())[0, 1]
    assert close > (0.9 if shape == "clicks" else 0.85)
    for g in range(GROUPS):
        top = part.recommend_new({"kind": g, "age": 20}, k=5)["item"].to_pylist()
        assert (kind[top] == g).all()
        again = part.recommend_new({"kind": [g], "age": "20"}, k=4, exclude=top[:1])
        assert again["item"].to_pylist() == top[1:]
    table = part.recommend_new(people.take(cold[:2]), k=3)
    assert table["user"].to_pylist() == [0] * 3 + [1] * 3


@BOTH
def test_a_history_with_attributes_folds_in_to_the_trained_row(shape, recipe):
    """For users of training, up to what one more solve of the map changes; against a refit nearer than without."""
    log, people, _, _, _ = planted(shape)
    recipe = replace(recipe, solver="cholesky", epochs=60, tolerance=0.0)
    model = recipe.fit(log, user_features=people)
    rows = model.new_rows(people, model.seen)
    np.testing.assert_allclose(rows.factors, model.user_factors, atol=1e-3)
    if model.user_bias is not None:
        np.testing.assert_allclose(rows.bias, model.user_bias, atol=1e-3)
    without = model.fold_in(model.seen)
    assert np.abs(without.factors - model.user_factors).max() > 1e-3
    cold, warm = np.arange(40), np.arange(40, 240)
    part = recipe.fit(rows_of(log, warm), user_features=people)
    histories = rows_of(log, cold).recode(log.users.take(cold), part.items).matrix
    mine = part.scores(part.new_rows(people.take(cold), histories))
    alone = part.scores(part.fold_in(histories))
    theirs = model.scores(model.known(cold))[:, model.items.encode(part.items.ids)[0]]
    error, without = (np.sqrt(np.mean((s - theirs) ** 2)) / theirs.std() for s in (mine, alone))
    assert error < (0.3 if shape == "clicks" else 0.1)
    assert error < 0.85 * without


def test_fold_in_with_missing_attributes_counts_those_that_are_known():
    log, people, _, _, _ = planted()
    model = ImplicitALS(rank=6, epochs=6).fit(log, user_features=people)
    some = model.seen.rows([0, 1])
    nothing = ItemContent.of(
        [0, 1], attributes=np.full((2, GROUPS + 1), np.nan), names=people.attribute_names
    )
    np.testing.assert_allclose(model.new_rows(nothing, some).factors, model.fold_in(some).factors, atol=1e-6)
    one = model.recommend_for([3], k=4, attributes={"kind": "2"})
    two = model.recommend_for([3], k=4)
    assert one["score"].to_pylist() != two["score"].to_pylist()
    empty = model.recommend_for([], k=4, attributes={"kind": "2"})
    assert empty.equals(model.recommend_new({"kind": "2"}, k=4))


@BOTH
def test_items_that_only_attributes_know_join_the_vocabulary(shape, recipe):
    log, _, things, group, kind = planted(shape)
    cold = np.arange(50, 60)
    part = log.take(np.flatnonzero(~np.isin(log.item_codes, cold)))
    model = recipe.fit(part, item_features=things)
    assert sorted(model.items.to_list()) == list(range(60))
    codes = model.items.encode(np.arange(50, 60))[0]
    scores = model.scores(model.known(np.arange(len(model.users))))[:, codes]
    like = group[model.users.to_list()][:, None] == kind[50:]
    assert scores[like].mean() > scores[~like].mean() + scores[~like].std()
    # what the warm items say of a stranger stays what it was
    alone = recipe.fit(part, item_features=things.take(np.arange(50)))
    history, values = [3, 7], None if shape == "clicks" else [5, 1]
    warm = model.recommend_for(history, k=60, values=values)
    ours = {i: s for i, s in zip(warm["item"].to_pylist(), warm["score"].to_pylist(), strict=True) if i < 50}
    other = alone.recommend_for(history, k=60, values=values)
    assert len(other) < len(warm)
    for item, score in zip(other["item"].to_pylist(), other["score"].to_pylist(), strict=True):
        assert ours[item] == pytest.approx(score, abs=1e-4)
    both = model.recommend_for([3, 55], k=5, values=values)
    assert len(both) == 5


def test_items_of_whom_nothing_is_known_do_not_join():
    log, _, things, _, _ = planted()
    wide = ItemContent.of(
        [*range(60), 900],
        attributes=np.vstack([things.attributes, np.full(GROUPS + 1, np.nan)]),
        names=things.attribute_names,
    )
    model = ImplicitALS(rank=6, epochs=2).fit(log, item_features=wide)
    assert len(model.items) == 60
    assert type(model.fold).__name__ == "ImplicitFold"


@BOTH
def test_a_saved_model_knows_the_same_of_attributes(shape, recipe, tmp_path):
    log, people, things, _, _ = planted(shape)
    model = recipe.fit(log, user_features=people, item_features=things)
    model.save(tmp_path / "m")
    back = mw.load(tmp_path / "m")
    asked = {"kind": "1", "age": 30}
    assert back.recommend_new(asked).equals(model.recommend_new(asked))
    values = None if shape == "clicks" else [4]
    assert back.recommend_for([1], values=values, attributes=asked).equals(
        model.recommend_for([1], values=values, attributes=asked)
    )


def test_what_a_model_with_attributes_cannot_do_is_said():
    log, people, things, _, _ = planted()
    model = ImplicitALS(rank=4, epochs=2).fit(log, item_features=things)
    with pytest.raises(ConfigError, match="knows no attributes of users"):
        model.recommend_new({"kind": "1"})
    with pytest.raises(ConfigError, match="forget users where it learned attributes"):
        model.without_users([0])
    model = ImplicitALS(rank=4, epochs=2).fit(log, user_features=people)
    with pytest.raises(DataError, match="'kind' has no level '7'"):
        model.recommend_new({"kind": "7"})
    with pytest.raises(ConfigError, match="knows no attributes"):
        mw.Popularity().fit(log).recommend_new({"kind": "1"})
    sides = mw.PureSVD(rank=4).fit(log).fold
    with pytest.raises(ConfigError, match="does not fold a history in with attributes"):
        sides.beside(model.seen, model, None)
    grown = model.with_users(Interactions.from_codes([0], [1], user_ids=[999]))
    assert len(grown.users) == 241
