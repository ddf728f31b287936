"""Users and items that come later, and users who go: against fold-in, against refits, and on every form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError, UnknownId
from matweave.factor.growing import fewer_users, joined, more_items, more_users
from matweave.factor.loop import Validation
from matweave.factor.recommender import Recommender

MADE = mw.simulate_log(
    users=120, items=60, rank=3, interactions=2400, newcomers=0, shape="ratings", seed=5
).log
LOG = Interactions.from_codes(MADE.user_codes, MADE.item_codes, MADE.values, MADE.times)
IMPLICIT = mw.ImplicitALS(rank=4, epochs=200, solver="cholesky", regularization=0.05, tolerance=1e-7)
EXPLICIT = mw.ExplicitALS(rank=3, epochs=300, solver="cholesky", regularization=0.1, tolerance=1e-8)
ALTERNATING = {"implicit": IMPLICIT, "explicit": EXPLICIT}


def without_items(log: Interactions, codes: list[int]) -> Interactions:
    return log.take(~np.isin(log.item_codes, codes))


def of_items(log: Interactions, codes: list[int]) -> Interactions:
    return log.take(np.isin(log.item_codes, codes))


def of_users(log: Interactions, codes: list[int]) -> Interactions:
    return log.take(np.isin(log.user_codes, codes))


def without_users(log: Interactions, codes: list[int]) -> Interactions:
    return log.take(~np.isin(log.user_codes, codes))


def table(model: Recommender) -> np.ndarray:
    return model.scores(model.known(np.arange(len(model.users))))


def away(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - wanted) ** 2)) / wanted.std())


# histories


def test_joined_takes_the_later_value_and_the_later_place() -> None:
    old = Interactions.from_codes([0, 0, 1], [2, 0, 1], [1, 2, 3], [10, 20, 30], n_users=2, n_items=4)
    new = Interactions.from_codes([0, 0, 1], [2, 3, 0], [7, 8, 9], [5, 1, 2], n_users=2, n_items=4)
    both = joined(old.histories, new.histories)
    assert both.scipy().toarray().tolist() == [[2, 0, 7, 8], [9, 3, 0, 0]]
    assert both.in_order().tolist() == [0, 3, 2, 1, 0]  # what is new comes later, in its own order


def test_joined_knows_no_order_where_one_side_has_none() -> None:
    old = Interactions.from_codes([0], [1], None, [1], n_users=1, n_items=3)
    assert joined(old.histories, old.by_user).order is None
    assert joined(old.histories, old.histories).order is not None


@pytest.mark.parametrize("seed", range(3))
def test_joined_is_the_dense_overlay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(2):
        at = np.nonzero(rng.random((7, 9)) < 0.4)
        made.append(Csr.from_pairs(*at, rng.integers(1, 9, len(at[0])), shape=(7, 9)))
    a, b = (m.scipy().toarray() for m in made)
    assert joined(*made).scipy().toarray().tolist() == np.where(b > 0, b, a).tolist()


# more users


@pytest.mark.parametrize("name", ALTERNATING)
def test_new_users_get_the_fold_in_of_their_rows_and_others_stay(name: str) -> None:
    train = without_users(LOG, [3, 7])
    model = ALTERNATING[name].fit(train)
    late = of_users(LOG, [3, 7])
    grown = model.with_users(late)
    assert grown.users.to_list() == [*train.users.to_list(), 3, 7]
    np.testing.assert_array_equal(table(grown)[:-2], table(model))
    folded = model.scores(model.fold_in(late.recode(late.users, model.items).matrix))
    np.testing.assert_allclose(table(grown)[-2:], folded, rtol=1e-5, atol=1e-6)
    rows = grown.recommend([3], k=5).to_pylist()
    assert not {r["item"] for r in rows} & set(late.take(late.user_codes == 0).items.to_list())
    # a refit moves the items a little, too
    order = LOG.users.encode(grown.users.ids)[0]
    refit = table(ALTERNATING[name].fit(LOG))[order]
    assert away(table(grown)[-2:], refit[-2:]) < {"implicit": 0.25, "explicit": 0.1}[name]


def test_known_users_are_folded_again_with_the_whole_history() -> None:
    first = LOG.take(np.arange(len(LOG)) % 5 > 0)
    late = LOG.take((np.arange(len(LOG)) % 5 == 0) & (LOG.user_codes < 4))
    model = IMPLICIT.fit(first)
    grown = model.with_users(late)
    assert grown.users == model.users
    whole = joined(model.seen, late.recode(model.users, model.items).matrix)
    assert grown.seen.scipy().toarray().tolist() == whole.scipy().toarray().tolist()
    wanted = model.scores(model.fold_in(whole))
    np.testing.assert_allclose(table(grown)[:4], wanted[:4], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(table(grown)[4:], table(model)[4:])


FORMS = {
    "popularity": mw.Popularity(),
    "item_knn": mw.ItemKNN(neighbors=10),
    "ease": mw.EASE(regularization=20.0),
    "pure_svd": mw.PureSVD(rank=4),
    "biased_mf": mw.BiasedMF(rank=3, epochs=20),
}


@pytest.mark.parametrize("name", FORMS)
def test_users_join_every_form(name: str, tmp_path: Path) -> None:
    model = FORMS[name].fit(without_users(LOG, [0, 1]))
    grown = model.with_users(of_users(LOG, [0, 1]))
    histories = grown.seen.rows([len(grown.users) - 2, len(grown.users) - 1])
    np.testing.assert_allclose(table(grown)[-2:], model.scores(model.fold_in(histories)), rtol=1e-5)
    grown.save(tmp_path / "model")
    assert mw.load(tmp_path / "model").recommend([0, 1], k=3).equals(grown.recommend([0, 1], k=3))


def test_users_join_blends_and_networks() -> None:
    first, late = without_users(LOG, [0, 1]), of_users(LOG, [0, 1])
    split = mw.split_randomly(first, test=0.2, seed=0)
    blend = mw.blend(
        [mw.EASE(regularization=20.0).fit(split.train), IMPLICIT.fit(split.train)],
        split.test,
        metric="ndcg@5",
    )
    few = late.take(np.isin(late.items.to_list(), split.train.items.to_list())[late.item_codes])
    assert blend.with_users(few).recommend([0, 1], k=2).num_rows == 4
    for recipe in (
        mw.Caser(rank=4, horizontal=2, vertical=1, length=4, epochs=1, device="cpu"),
        mw.GMF(rank=4, epochs=1, device="cpu"),
    ):
        assert recipe.fit(first).with_users(late).recommend([0, 1], k=2).num_rows == 4


# more items


@pytest.mark.parametrize("name", ALTERNATING)
def test_new_items_get_the_row_that_alternating_would_give_them(name: str) -> None:
    train = without_items(LOG, [5, 9])
    model = ALTERNATING[name].fit(train)
    late = of_items(LOG, [5, 9])
    late = late.take(np.isin(late.users.to_list(), train.users.to_list())[late.user_codes])
    grown = model.with_items(late)
    assert grown.items.to_list() == [*train.items.to_list(), 5, 9]
    assert grown.seen.nnz == model.seen.nnz + len(late)
    np.testing.assert_array_equal(table(grown)[:, :-2], table(model))
    # the row solves its own normal equations: a step of the item side would leave it where it is
    again = grown.turned()
    rows = again.fold.solve(again.seen.rows([len(grown.items) - 1]), again)
    np.testing.assert_allclose(rows.factors[0], grown.item_factors[-1], rtol=1e-3, atol=1e-5)
    refit = ALTERNATING[name].fit(LOG)
    columns = LOG.items.encode(grown.items.ids)[0]
    order = LOG.users.encode(grown.users.ids)[0]
    assert away(table(grown)[:, -2:], table(refit)[order][:, columns][:, -2:]) < 0.35


def test_a_stranger_is_folded_over_the_grown_items_exactly() -> None:
    train = without_items(LOG, [5])
    grown = IMPLICIT.fit(train).with_items(of_items(LOG, [5]))
    y = grown.item_factors.astype(np.float64)
    ridge = IMPLICIT.ridge(np.array([1]), len(grown.items))[0]
    system = np.outer(y[-1], y[-1]) + IMPLICIT.unobserved_weight * y.T @ y + ridge * np.eye(4)
    wanted = np.linalg.solve(system, y[-1])
    history = Csr.from_pairs([0], [len(grown.items) - 1], None, (1, len(grown.items)))
    np.testing.assert_allclose(grown.fold_in(history).factors[0], wanted, rtol=1e-4)


def test_biased_mf_takes_items_and_methods_without_the_step_say_so() -> None:
    train, late = without_items(LOG, [5]), of_items(LOG, [5])
    assert 5 in FORMS["biased_mf"].fit(train).with_items(late).items.to_list()
    for name in ("ease", "pure_svd", "popularity"):
        with pytest.raises(ConfigError, match=r"without being fitted again|no step for one new item"):
            FORMS[name].fit(train).with_items(late)


# fewer users


@pytest.mark.parametrize("name", ALTERNATING)
def test_a_model_without_users_is_the_model_of_the_log_without_them(name: str, tmp_path: Path) -> None:
    recipe, gone = ALTERNATING[name], [2, 11, 50]
    model = recipe.fit(LOG)
    left = model.without_users(gone)
    rest = without_users(LOG, gone)
    assert left.users.to_list() == rest.users.to_list()
    assert left.items == LOG.items == rest.items
    assert left.seen.scipy().toarray().tolist() == rest.by_user.scipy().toarray().tolist()
    assert (left.settings, left.frame, left.limits) == (model.settings, model.frame, model.limits)
    np.testing.assert_allclose(table(left), table(recipe.fit(rest)), rtol=1e-5, atol=1e-6)
    assert away(table(left), table(model)[~np.isin(np.arange(120), gone)]) > 0.005  # it did move
    left.save(tmp_path / "model")
    assert mw.load(tmp_path / "model").recommend(k=3).equals(left.recommend(k=3))


def test_deletion_is_of_everything_that_was_theirs() -> None:
    left = IMPLICIT.fit(LOG).without_users([2])
    with pytest.raises(UnknownId):
        left.recommend([2])
    assert left.user_factors.shape[0] == left.seen.n_rows == 119


def test_a_model_that_was_stopped_early_or_trained_on_a_card_is_fitted_again() -> None:
    looks = iter([1.0, 2.0, 0.0, 0.0])
    watched = Validation(measure=lambda _: next(looks), patience=2)
    recipe = mw.ImplicitALS(rank=3, epochs=9, tolerance=0.0)
    model = recipe.fit(LOG, validate=watched)
    found = model.without_users([4])
    wanted = replace(recipe, epochs=2).fit(without_users(LOG, [4]))
    np.testing.assert_allclose(table(found), table(wanted), rtol=1e-5, atol=1e-6)
    assert (found.history.stopped, found.settings) == ("early stopping", model.settings)
    again = found.without_users([5])  # a second time, too
    assert (again.history.epoch, again.history.stopped) == (2, "early stopping")
    np.testing.assert_allclose(table(again), table(model.without_users([4, 5])), rtol=1e-5, atol=1e-6)
    elsewhere = replace(model, settings=model.settings | {"device": "cuda:99"})
    np.testing.assert_array_equal(table(elsewhere.without_users([4])), table(found))


def test_methods_whose_fold_does_not_know_the_recipe_say_what_to_do() -> None:
    for name in FORMS:
        with pytest.raises(ConfigError, match="forget users") as error:
            FORMS[name].fit(LOG).without_users([2])
        assert "fit again on the log without them" in error.value.mend


# what does not fit


def test_ids_of_another_type_are_read_as_the_models_or_refused() -> None:
    model = EXPLICIT.fit(without_users(LOG, [3]))
    late = of_users(LOG, [3])
    text = Interactions.of(
        users=[str(u) for u in late.users.decode(late.user_codes).to_pylist()],
        items=[str(i) for i in late.items.decode(late.item_codes).to_pylist()],
        values=late.values,
    )
    np.testing.assert_array_equal(table(model.with_users(text)), table(model.with_users(late)))
    with pytest.raises(DataError, match="are the same as others once they are"):
        model.with_users(Interactions.of(users=["7", "07"], items=[0, 0], values=[1.0, 2.0]))


def test_users_who_come_without_rows_get_what_an_empty_history_gives() -> None:
    recipe = mw.BayesianMF(rank=2, burn_in=4, samples=4, thinning=1)
    model = recipe.fit(LOG)
    late = Interactions.from_codes([0], [0], [3.0], user_ids=[9001, 9002])
    grown = model.with_users(late)
    empty = Csr.from_pairs([], [], [], (1, LOG.n_items))
    wanted = model.scores(model.fold_in(empty))[0]
    np.testing.assert_allclose(table(grown)[-1], wanted, atol=0.3)
    assert np.ptp(table(grown)[-1]) > 0.1  # items differ by their biases


@pytest.mark.parametrize("implicit", [False, True])
def test_machines_take_users_and_items_in(implicit: bool) -> None:
    recipe = mw.FactorizationMachine(rank=2, implicit=implicit, burn_in=10, samples=10, thinning=1)
    model = recipe.fit(without_items(without_users(LOG, [3]), [5]))
    users = without_items(of_users(LOG, [3]), [5])
    grown = model.with_users(users).with_items(of_items(LOG, [5]))
    assert (grown.users.to_list()[-1], grown.items.to_list()[-1]) == (3, 5)
    assert np.isfinite(table(grown)).all()
    assert grown.recommend_for([5], k=2, values=[4.0]).num_rows == 2


def test_attributes_of_training_users_are_not_forgotten_in_silence() -> None:
    people = mw.ItemContent.of(
        range(LOG.n_users), attributes=np.arange(LOG.n_users)[:, None] % 2, names=["sex=F"]
    )
    model = EXPLICIT.fit(LOG, user_features=people)
    with pytest.raises(ConfigError, match="whose attributes it learned"):
        model.with_users(of_users(LOG, [3]))


def test_logs_that_do_not_fit_are_refused() -> None:
    model: Any = EXPLICIT.fit(without_items(LOG, [5]))
    with pytest.raises(UnknownId, match="1 items of the log were not in training: 5"):
        model.with_users(of_items(LOG, [5]))
    with pytest.raises(DataError, match="are not new"):
        model.with_items(of_items(LOG, [5, 6]))
    with pytest.raises(DataError, match="has values"):
        more_users(model, Interactions.from_codes([0], [0]))
    with pytest.raises(DataError, match="no rows"):
        more_users(model, LOG.take([]))
    with pytest.raises(DataError, match="none of the model's"):
        more_users(model, Interactions.of(users=["new"], items=[0], values=[1.0]))
    with pytest.raises(UnknownId, match="users of the log were not in training"):
        more_items(model, Interactions.of(users=[999], items=[777], values=[1.0]))
    with pytest.raises(DataError, match="no rows"):
        fewer_users(model, np.arange(120))
    with pytest.raises(UnknownId, match="999"):
        model.without_users([999])
