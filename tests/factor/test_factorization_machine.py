"""The recipe: the exact minimum by coordinates, planted attributes, variance, attributes of strangers, resume and threads by the battery."""

from __future__ import annotations

import numpy as np
import pytest

import matweave as mw
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError
from matweave.factor.posterior import PosteriorModel


def planted(
    seed: int, *, users: int = 150, items: int = 60
) -> tuple[Interactions, mw.ItemContent, mw.ItemContent]:
    """Ratings that attributes explain but for noise: one measure and one level on each side, and a pair of them."""
    rng = np.random.default_rng(seed)
    a = np.stack([rng.standard_normal(users), rng.random(users) < 0.5], 1)
    b = np.stack([rng.standard_normal(items), rng.random(items) < 0.5], 1)
    u, j = np.nonzero(rng.random((users, items)) < 0.25)
    r = 3 + 0.5 * a[u, 0] + 0.4 * b[j, 1] + 0.8 * a[u, 0] * b[j, 0] - 0.6 * a[u, 1] * b[j, 1]
    log = Interactions.from_codes(u, j, r + 0.1 * rng.standard_normal(len(u)), n_users=users, n_items=items)
    content = [mw.ItemContent.of(range(len(x)), attributes=x, names=["measure", "level=1"]) for x in (a, b)]
    return log, content[0], content[1]


def held(log: Interactions, seed: int = 0) -> tuple[Interactions, Interactions]:
    split = mw.split_randomly(log, test=0.2, valid=0.0, seed=seed)
    return split.train, split.test


def rmse(model: PosteriorModel, test: Interactions) -> float:
    return mw.evaluate(model, test, metrics=["rmse"]).metrics["rmse"].mean


@pytest.mark.parametrize("solver", ["gibbs", "als", "sgd"])
def test_attributes_explain_what_ids_alone_cannot(solver: str) -> None:
    log, people, films = planted(1)
    train, test = held(log)
    recipe = mw.FactorizationMachine(
        rank=4, solver=solver, burn_in=20, samples=20, thinning=1, epochs=30, regularization=0.01,
        linear_regularization=0.01,
    )  # fmt: skip
    told = rmse(recipe.fit(train, user_features=people, item_features=films), test)
    assert told < {"gibbs": 0.16, "als": 0.25, "sgd": 0.25}[solver]  # the noise is 0.1
    assert told < rmse(recipe.fit(train), test)


def test_strangers_known_by_attributes_are_predicted() -> None:
    log, people, films = planted(2)
    rest = np.isin(log.user_codes, np.arange(20))
    recipe = mw.FactorizationMachine(rank=4, burn_in=20, samples=20, thinning=1)
    model = recipe.fit(log.take(~rest), user_features=people, item_features=films)
    late = log.take(rest)
    rows = model.new_rows(people.over(late.users))
    codes = model.items.encode(late.items.ids)[0]
    scores = model.pair_scores(rows, late.user_codes, codes[late.item_codes])
    assert np.sqrt(np.mean((scores - late.values) ** 2)) < 0.3 * np.std(late.values)  # type: ignore[operator]
    top = model.recommend_new({"measure": 2.0, "level": "1"}, k=3)
    assert top.num_rows == 3


def test_als_never_rises_and_gibbs_knows_the_noise() -> None:
    log, people, films = planted(3)
    als = mw.FactorizationMachine(rank=3, solver="als", epochs=12).fit(log, user_features=people)
    fall = np.diff(als.history.objective)
    assert (fall <= 1e-9 * als.history.objective[0]).all()
    gibbs = mw.FactorizationMachine(rank=4, burn_in=30, samples=30, thinning=1).fit(
        log, user_features=people, item_features=films
    )
    assert 0.07 < np.sqrt(gibbs.noise.mean()) < 0.14
    train, test = held(log)
    model = mw.FactorizationMachine(rank=4, burn_in=30, samples=30, thinning=1).fit(
        train, user_features=people, item_features=films
    )
    users = test.users.decode(test.user_codes).to_pylist()
    items = test.items.decode(test.item_codes).to_pylist()
    found = model.predict(users, items, interval=0.9)
    inside = (np.array(found["lower"]) <= test.values) & (test.values <= np.array(found["upper"]))
    assert 0.83 < inside.mean() < 0.97


def test_one_point_has_no_variance() -> None:
    log = planted(4)[0]
    model = mw.FactorizationMachine(rank=2, solver="als", epochs=2).fit(log)
    with pytest.raises(ConfigError, match="does not know how sure"):
        model.predict([0], [0], interval=0.9)


def test_a_training_user_of_als_folds_into_the_trained_row() -> None:
    """Items last moved after users, so a little is left; after many epochs nothing is."""
    log, people, films = planted(5)
    model = mw.FactorizationMachine(rank=2, solver="als", epochs=300, regularization=0.05).fit(
        log, user_features=people, item_features=films
    )
    codes = np.arange(log.n_users)
    trained = model.scores(model.known(codes))
    folded = model.scores(model.grown(model.seen, codes))
    assert np.abs(folded - trained).max() < 0.02 * trained.std()


def test_sets_of_items_help_where_they_tell_the_user() -> None:
    """Implicit: a user's taste shows in which items they rated, not only in how."""
    rng = np.random.default_rng(6)
    taste = rng.random(300) < 0.5
    kind = rng.random(80) < 0.5
    chance = np.where(taste[:, None] == kind[None], 0.1, 0.01)
    u, j = np.nonzero(rng.random(chance.shape) < chance)
    r = 3 + 1.0 * (taste[u] * 2 - 1) * (np.arange(80)[j] % 2 * 2 - 1) + 0.3 * rng.standard_normal(len(u))
    train, test = held(Interactions.from_codes(u, j, r, n_users=300, n_items=80))
    settings = {"rank": 3, "burn_in": 20, "samples": 30, "thinning": 1}
    plain, more = (
        rmse(mw.FactorizationMachine(implicit=i, **settings).fit(train), test) for i in (False, True)
    )
    assert more < plain


def test_items_that_only_attributes_know_join() -> None:
    log, people, films = planted(7)
    late = log.take(log.item_codes < 50)
    model = mw.FactorizationMachine(rank=4, burn_in=15, samples=15, thinning=1).fit(
        late, user_features=people, item_features=films
    )
    assert model.items.to_list()[-1] == 59
    rest = log.take(log.item_codes >= 50)
    codes = [v.encode(ids.ids)[0] for v, ids in ((model.users, rest.users), (model.items, rest.items))]
    rows = model.known(codes[0][rest.user_codes])
    scores = model.pair_scores(rows, np.arange(len(rest)), codes[1][rest.item_codes])
    assert np.sqrt(np.mean((scores - rest.values) ** 2)) < 0.5 * np.std(rest.values)  # type: ignore[operator]
