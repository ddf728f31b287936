"""What every recipe and every model that it fits must do, whatever the method: one battery.

A `Case` is a recipe with what it declares about itself; `RecommenderContract` asks it all. Where a method cannot
keep a promise, its case says so with the reason, and the test skips with that reason: nothing is left out silently.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matweave.config import names, settings_of
from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.errors import ConfigError, DataError, Diverged, UnknownId
from matweave.factor.checkpoint import Checkpoint, fingerprint
from matweave.factor.loop import FitState, Validation
from matweave.factor.recommender import Recommender
from matweave.storage import load_recommender as load
from matweave.threads import set_threads

ENDS = {"epochs", "tolerance", "early stopping", "interrupted", "closed form"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A recipe, and what it declares.

    needs_values, needs_times: a log without is refused. uses_values: they change the result.
    seeded: another seed gives another model. falls: the objective never rises.
    fold: how far fold-in of a training user's own history may be from the trained row, as root mean square over
    the spread of the scores; 0: the same bits. follows_codes, follows_rows: why the result depends on how ids are
    numbered or on the order of the rows (empty: it does not). follows_threads: why only nearly the same numbers come
    from another number of threads. follows_shift: why a shift of all ratings does not only shift the predictions.
    variance: the model knows how sure it is of a score.
    """

    recipe: Any
    needs_values: bool = False
    needs_times: bool = False
    uses_values: bool = False
    seeded: bool = False
    iterative: bool = False
    falls: bool = False
    fold: float = 0.0
    follows_codes: str = ""
    follows_rows: str = ""
    follows_threads: str = ""
    follows_shift: str = ""
    variance: bool = False


@cache
def small_log() -> Interactions:
    """Ratings with times of 60 users (text ids) and 40 items (number ids)."""
    made = simulate_log(users=60, items=40, rank=4, interactions=700, newcomers=0, seed=3).log
    return Interactions.from_codes(
        made.user_codes,
        made.item_codes,
        made.values,
        made.times,
        user_ids=pa.array([f"user {c}" for c in range(made.n_users)]),
        item_ids=pa.array([1000 + 3 * c for c in range(made.n_items)]),
    )


@cache
def fitted(case: Case) -> Recommender:
    return case.recipe.fit(small_log())


def permuted(case: Case, log: Interactions, *, codes: bool) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """The log with its rows, and its codes if asked, in another order; and the new code of each old one."""
    rng = np.random.default_rng(8)
    rows = rng.permutation(len(log))
    users = rng.permutation(log.n_users) if codes else np.arange(log.n_users)
    items = rng.permutation(log.n_items) if codes else np.arange(log.n_items)
    made = Interactions.from_codes(
        users[log.user_codes][rows],
        items[log.item_codes][rows],
        None if log.values is None else log.values[rows],
        None if log.times is None else log.times[rows],
        user_ids=log.users.ids.take(pa.array(np.argsort(users))),
        item_ids=log.items.ids.take(pa.array(np.argsort(items))),
    )
    return made, users, items


def table(model: Recommender) -> np.ndarray:
    return model.scores(model.known(np.arange(len(model.users))))


def bits(model: Recommender) -> bytes:
    """Everything that a model says, as bytes."""
    top = model.top(model.known(np.arange(len(model.users))), 5, model.seen)
    folded = model.scores(model.fold_in(model.seen))
    history = replace(model.history, seconds=0.0)
    return b"".join(
        [table(model).tobytes(), folded.tobytes(), *(p.tobytes() for p in top), repr(history).encode()]
    )


def digest(log: Interactions) -> str:
    """Every number and id of a log, and of the matrices it has made."""
    found = hashlib.sha256()
    for matrix in (log.by_user, log.by_item):
        for array in (matrix.indptr, matrix.indices, matrix.weights()):
            found.update(array.tobytes())
    for array in (log.user_codes, log.item_codes, log.values, log.times):
        found.update(b"none" if array is None else array.tobytes())
    found.update(repr((log.users.to_list(), log.items.to_list(), log.frame, log.report)).encode())
    return found.hexdigest()


def copied(state: FitState) -> FitState:
    return replace(state, arrays={name: array.copy() for name, array in state.arrays.items()})


class RecommenderContract:
    """Subclass it with a `case` fixture."""

    @pytest.fixture(autouse=True)
    def _threads(self) -> Iterator[None]:
        yield
        set_threads(None)

    # the recipe

    def test_the_recipe_is_frozen_equal_by_settings_and_rebuilt_from_them(self, case: Case) -> None:
        recipe = case.recipe
        assert type(recipe)(**settings_of(recipe)) == recipe
        assert hash(type(recipe)(**settings_of(recipe))) == hash(recipe)
        with pytest.raises(AttributeError):
            setattr(recipe, names(type(recipe))[0], 1)

    def test_every_setting_is_checked_and_every_problem_told_at_once(self, case: Case) -> None:
        kind = type(case.recipe)
        with pytest.raises(ConfigError) as error:
            kind(**{name: object() for name in names(kind)}, stranger=1)
        for name in [*names(kind), "'stranger'"]:
            assert any(name in line.split(" is ")[0] for line in error.value.what.split("\n")), name

    # the log

    def test_the_log_is_not_written_to(self, case: Case) -> None:
        log = small_log()
        before = digest(log)
        case.recipe.fit(log)
        assert digest(log) == before

    def test_an_empty_log_is_refused(self, case: Case) -> None:
        with pytest.raises(DataError, match="no rows") as error:
            case.recipe.fit(Interactions.from_codes([], [], [], []))
        assert type(case.recipe).__name__ in error.value.where

    def test_values_and_times_are_asked_for_only_where_needed(self, case: Case) -> None:
        log = small_log()
        for needed, bare, told in (
            (case.needs_values, replace(log, values=None), "value"),
            (case.needs_times, replace(log, times=None), "time"),
        ):
            if needed:
                with pytest.raises(DataError, match=told) as error:
                    case.recipe.fit(bare)
                assert f"name the {told} column" in error.value.mend
            else:
                model = case.recipe.fit(bare)
                assert np.isfinite(table(model)).all()
                if told == "time" or not case.uses_values:
                    assert bits(model) == bits(fitted(case))
        changed = replace(log, values=np.full(len(log), 2.0, np.float32))
        assert (bits(case.recipe.fit(changed)) == bits(fitted(case))) != case.uses_values

    @pytest.mark.parametrize(
        ("users", "items"),
        [([0], [0]), ([0, 0, 0], [0, 1, 2]), ([0, 1, 2], [0, 0, 0]), ([0, 1], [0, 1])],
        ids=["one row", "one user", "one item", "no overlap"],
    )
    def test_the_smallest_logs_fit_and_answer(self, case: Case, users: list[int], items: list[int]) -> None:
        n = len(users)
        log = Interactions.from_codes(users, items, np.arange(1, n + 1), np.arange(n) * 10**12)
        model = case.recipe.fit(log)
        assert np.isfinite(table(model)).all()
        assert len(model.recommend(k=3, seen=True)) == log.n_users * min(3, log.n_items)
        assert len(model.recommend(k=3)) == log.n_users * log.n_items - n
        assert len(model.similar(0, k=3)) <= log.n_items - 1

    @settings(max_examples=8, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def test_any_small_log_fits_and_answers(self, case: Case, data: st.DataObject) -> None:
        pairs = data.draw(
            st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=15, unique=True)
        )
        values = data.draw(
            st.lists(st.sampled_from([0.5, 1.0, 4.0, 1000.0]), min_size=len(pairs), max_size=len(pairs))
        )
        users, items = zip(*pairs, strict=True)
        log = Interactions.from_codes(users, items, values, range(len(pairs)), n_users=5, n_items=7)
        try:
            model = case.recipe.fit(log)
        except Diverged:  # a thousand against a half may be too much for a step; it must say so
            assert max(values) == 1000.0
            return
        assert np.isfinite(table(model)).all()
        assert np.isfinite(model.scores(model.fold_in(model.seen))).all()
        assert len(model.recommend(k=7)) == 5 * 7 - len(pairs)

    def test_equal_values_are_no_trouble(self, case: Case) -> None:
        log = replace(small_log(), values=np.full(len(small_log()), 3.0, np.float32))
        model = case.recipe.fit(log)
        assert np.isfinite(table(model)).all()
        if case.needs_values:
            np.testing.assert_allclose(table(model), 3.0, atol=0.05)

    def test_users_and_items_without_rows_are_served(self, case: Case) -> None:
        log = small_log()
        wider = Interactions.from_codes(
            log.user_codes,
            log.item_codes,
            log.values,
            log.times,
            n_users=log.n_users + 2,
            n_items=log.n_items + 3,
        )
        model = case.recipe.fit(wider)
        assert np.isfinite(table(model)).all()
        assert len(model.recommend([log.n_users + 1], k=4)) == 4
        assert len(model.similar(log.n_items + 1, k=4)) <= 4
        assert model.recommend_for([log.n_items + 1], k=4, values=[3]).num_rows == 4

    # the model

    def test_the_model_says_what_made_it(self, case: Case) -> None:
        model, log = fitted(case), small_log()
        assert model.method == type(case.recipe).__name__
        assert model.settings == settings_of(case.recipe)
        assert json.loads(json.dumps(model.settings)) == model.settings
        assert (model.users, model.items, model.frame) == (log.users, log.items, log.frame)
        assert np.array_equal(model.seen.scipy().toarray(), log.by_user.scipy().toarray())
        assert (model.limits is not None) == case.needs_values
        assert case.recipe.fit(replace(log, frame="pandas")).frame == "pandas"

    def test_the_history_is_finite_and_tells_why_it_ended(self, case: Case) -> None:
        history = fitted(case).history
        assert history.stopped in ENDS
        assert (history.stopped == "closed form") != case.iterative
        assert all(math.isfinite(v) for v in history.objective)
        assert math.isfinite(history.seconds)
        assert history.seconds > 0
        if case.iterative:
            assert history.epoch == len(history.objective) > 1
        else:
            assert (history.epoch, history.validation, history.validation_name) == (0, (), "")
        if case.falls:
            assert np.all(np.diff(history.objective) <= 1e-6 * np.abs(history.objective[0]))

    def test_the_lists_hold_unseen_items_best_first(self, case: Case) -> None:
        model, log = fitted(case), small_log()
        seen = set(zip(log.users.decode(log.user_codes).to_pylist(), log.items.decode(log.item_codes).to_pylist(),
                       strict=True))  # fmt: skip
        banned = log.items.to_list()[:3]
        answers = model.recommend(k=6, exclude=banned)
        assert answers.column_names == ["user", "item", "score", "rank"]
        assert [str(t) for t in answers.schema.types] == ["string", "int64", "float", "int32"]
        rows = answers.to_pylist()
        assert len(rows) == 6 * log.n_users
        scores = table(model)
        for first in range(0, len(rows), 6):
            mine = rows[first : first + 6]
            assert {r["user"] for r in mine} == {log.users.to_list()[first // 6]}
            assert [r["rank"] for r in mine] == [1, 2, 3, 4, 5, 6]
            assert len({r["item"] for r in mine}) == 6
            assert [r["score"] for r in mine] == sorted((r["score"] for r in mine), reverse=True)
            assert not {r["item"] for r in mine} & set(banned)
            assert not {(r["user"], r["item"]) for r in mine} & seen
            for r in mine:
                wanted = scores[log.users.code(r["user"]), log.items.code(r["item"])]
                assert r["score"] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
            left = np.delete(scores[first // 6], [*range(3), *log.by_user.row(first // 6)[0]])
            assert mine[-1]["score"] >= np.sort(left)[-6] - 1e-4

    def test_predict_is_the_score_held_to_the_range(self, case: Case) -> None:
        model, log = fitted(case), small_log()
        users, items = log.users.to_list()[:40], log.items.to_list()
        found = np.array(model.predict(users, items)["score"])
        wanted = model.clip(table(model)[np.arange(40), np.arange(40)])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        if case.needs_values:
            assert found.min() >= 1
            assert found.max() <= 5

    def test_similar_items_are_others_best_first(self, case: Case) -> None:
        model = fitted(case)
        item = model.items.to_list()[0]
        rows = model.similar(item, k=5).to_pylist()
        assert item not in [r["item"] for r in rows]
        assert [r["rank"] for r in rows] == list(range(1, len(rows) + 1))
        assert [r["similarity"] for r in rows] == sorted((r["similarity"] for r in rows), reverse=True)

    def test_ids_that_training_had_not_are_listed(self, case: Case) -> None:
        model = fitted(case)
        with pytest.raises(UnknownId, match="'x', 'y'"):
            model.recommend(["user 1", "x", "y"])
        with pytest.raises(UnknownId, match="1, 2"):
            model.recommend_for([1000, 1, 2], values=[1, 1, 1])

    # strangers

    def test_a_training_users_own_history_folds_into_the_trained_row(self, case: Case) -> None:
        model = fitted(case)
        trained, folded = table(model), model.scores(model.fold_in(model.seen))
        if case.fold == 0:
            assert folded.tobytes() == trained.tobytes()
        else:
            away = np.sqrt(np.mean((folded - trained) ** 2)) / trained.std()
            assert away <= case.fold
            # a declared figure far above the real one would hide a defect
            assert away > case.fold / 1000 or case.fold <= 1e-5

    def test_strangers_do_not_depend_on_each_other(self, case: Case) -> None:
        model = fitted(case)
        together = model.scores(model.fold_in(model.seen))
        alone = model.scores(model.fold_in(model.seen.rows(np.array([17]))))
        np.testing.assert_allclose(alone[0], together[17], rtol=1e-4, atol=1e-5)
        assert model.scores(model.fold_in(model.seen.rows(np.array([], int)))).shape == (0, len(model.items))

    def test_a_stranger_may_come_with_nothing_and_with_values_where_they_are_needed(self, case: Case) -> None:
        model = fitted(case)
        assert model.recommend_for([], k=3, values=[]).num_rows == 3
        if case.needs_values:
            with pytest.raises(DataError, match="values=\\["):
                model.recommend_for([1000], k=3)
        else:
            assert model.recommend_for([1000], k=3).num_rows == 3

    # the same numbers everywhere

    def test_the_same_seed_gives_the_same_bits_and_another_seed_others(self, case: Case) -> None:
        assert bits(case.recipe.fit(small_log())) == bits(fitted(case))
        assert ("seed" in names(type(case.recipe))) == case.seeded
        if case.seeded:
            assert bits(replace(case.recipe, seed=1).fit(small_log())) != bits(fitted(case))

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_any_number_of_threads_gives_the_same_bits(self, case: Case, threads: int) -> None:
        there = fitted(case)
        set_threads(threads)
        here = case.recipe.fit(small_log())
        if case.follows_threads:
            np.testing.assert_allclose(table(here), table(there), rtol=1e-4, atol=1e-5)
            assert bits(case.recipe.fit(small_log())) == bits(here)
        else:
            assert bits(here) == bits(there)

    def test_a_saved_model_says_the_same_bits(self, case: Case, tmp_path: Path) -> None:
        model = fitted(case)
        model.save(tmp_path / "model")
        back = load(tmp_path / "model")
        assert bits(back) == bits(model)
        assert back.recommend(k=4).equals(model.recommend(k=4))
        assert back.similar(1000).equals(model.similar(1000))
        assert (back.settings, back.history, back.limits) == (model.settings, model.history, model.limits)

    def test_other_names_for_the_same_codes_change_nothing(self, case: Case) -> None:
        log = small_log()
        renamed = Interactions.from_codes(
            log.user_codes, log.item_codes, log.values, log.times,
            user_ids=pa.array(range(7, 7 + log.n_users)), item_ids=pa.array([f"i{c}" for c in range(log.n_items)]),
        )  # fmt: skip
        assert bits(case.recipe.fit(renamed)) == bits(fitted(case))

    def test_rows_in_another_order_give_the_same_model(self, case: Case) -> None:
        if case.follows_rows:
            pytest.skip(case.follows_rows)
        log, _, _ = permuted(case, small_log(), codes=False)
        np.testing.assert_allclose(table(case.recipe.fit(log)), table(fitted(case)), rtol=1e-4, atol=1e-5)

    def test_ids_numbered_otherwise_get_the_same_scores(self, case: Case) -> None:
        """Where the first factors are drawn by position, both fits go on from the same state, renumbered."""
        if case.follows_codes:
            pytest.skip(case.follows_codes)
        log, users, items = permuted(case, small_log(), codes=True)
        state = None
        if case.iterative:
            seen: list[FitState] = []
            case.recipe.fit(small_log(), watch=lambda now, _: seen.append(copied(now)) or True)
            order = {"user": np.argsort(users), "item": np.argsort(items)}
            state = replace(seen[0], arrays={n: _reordered(n, a, order) for n, a in seen[0].arrays.items()})
        found = table(case.recipe.fit(log, resume=state))
        spread = table(fitted(case)).std()
        np.testing.assert_allclose(found[users][:, items], table(fitted(case)), rtol=1e-3, atol=1e-3 * spread)

    # stopping and going on

    def test_a_killed_fit_goes_on_from_disk_to_the_same_bits(self, case: Case, tmp_path: Path) -> None:
        if not case.iterative:
            pytest.skip("closed form: there is nothing to go on from")
        log = small_log()
        kept = Checkpoint(folder=tmp_path / "checkpoint", fingerprint=fingerprint(case.recipe, log))
        case.recipe.fit(log, watch=lambda state, _: kept.write(state) or state.epoch == 2)
        assert bits(case.recipe.fit(log, resume=kept.read())) == bits(fitted(case))

    def test_validation_keeps_the_best_epoch(self, case: Case) -> None:
        looks: list[float] = []

        def measure(model: Recommender) -> float:
            assert np.isfinite(table(model)).all()
            looks.append(-abs(len(model.history.objective) - 2))
            return looks[-1]

        model = case.recipe.fit(small_log(), validate=Validation(measure=measure, patience=1))
        if not case.iterative:
            assert looks == []
            return
        assert (model.history.stopped, model.history.epoch, len(looks)) == ("early stopping", 2, 3)
        stop = case.recipe.fit(small_log(), watch=lambda state, _: state.epoch == 2)
        assert table(model).tobytes() == table(stop).tobytes()

    # values

    def test_a_shift_of_all_ratings_shifts_all_predictions(self, case: Case) -> None:
        if not case.needs_values:
            pytest.skip("does not predict values")
        if case.follows_shift:
            pytest.skip(case.follows_shift)
        log = small_log()
        assert log.values is not None
        moved = table(case.recipe.fit(replace(log, values=log.values + np.float32(2))))
        np.testing.assert_allclose(moved - 2, table(fitted(case)), atol=2e-3)

    # uncertainty

    def test_a_model_without_a_variance_says_which_methods_have_one(self, case: Case) -> None:
        model, user = fitted(case), small_log().users.to_list()[:1]
        for wrong in (
            dict(uncertainty="best"),
            dict(uncertainty="ucb", width=-1.0),
            dict(width=2.0),
            dict(seed=1),
            dict(uncertainty="lower", seed=1),
        ):
            with pytest.raises(ConfigError):
                model.recommend(user, **wrong)
        if case.variance:
            with pytest.raises(ConfigError, match="between 0 and 1"):
                model.predict(user, [1000], interval=1.0)
            return
        for ask in (
            lambda: model.recommend(user, uncertainty="ucb"),
            lambda: model.recommend_for([1000], values=[3], uncertainty="thompson"),
            lambda: model.predict(user, [1000], interval=0.9),
        ):
            with pytest.raises(ConfigError, match="how sure") as error:
                ask()
            assert "bayesian_mf, factorization_machine, explicit_als, implicit_als" in error.value.mend

    def test_deviations_are_those_of_their_users_whoever_is_asked_with_them(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model = fitted(case)
        codes = np.arange(len(model.users))
        spread = model.spread(model.seen, codes)
        whole = spread.deviations()
        assert whole.dtype == np.float32
        assert whole.shape == (len(spread), len(model.items)) == table(model).shape
        assert np.isfinite(whole).all()
        assert whole.min() >= 0
        assert whole.max() > 0
        assert (spread.noise > 0) == case.needs_values
        for part in (slice(0, 7), slice(7, 8), slice(8, 60)):
            np.testing.assert_allclose(spread[part].deviations(), whole[part], rtol=1e-4, atol=1e-6)
        at, items = np.array([5, 0, 5, 59]), np.array([1, 0, 39, 7])
        np.testing.assert_allclose(spread.pair_deviations(at, items), whole[at, items], rtol=1e-4)
        strangers = model.spread(model.seen, None)
        assert np.isfinite(strangers.deviations()).all()
        assert len(strangers[:3]) == 3

    def test_lists_by_a_bound_are_ordered_by_it(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model, log = fitted(case), small_log()
        wide, scores = model.spread(model.seen, np.arange(log.n_users)).deviations(), table(model)
        plain = np.array(model.recommend(k=4)["score"]).reshape(-1, 4)
        for way, sign in (("ucb", 1), ("lower", -1)):
            rows = model.recommend(k=4, uncertainty=way, width=1.5)
            found = np.array(rows["score"]).reshape(-1, 4)
            bounds = scores + sign * np.float32(1.5) * wide
            users = [log.users.code(u) for u in rows["user"].to_pylist()]
            items = [log.items.code(i) for i in rows["item"].to_pylist()]
            np.testing.assert_allclose(found.ravel(), bounds[users, items], rtol=1e-4, atol=1e-5)
            assert (np.diff(found, axis=1) <= 0).all()
            assert (sign * (found - plain) >= -1e-4).all()
            for user in (0, 17, 59):
                left = np.delete(bounds[user], log.by_user.row(user)[0])
                np.testing.assert_allclose(found[user], np.sort(left)[::-1][:4], rtol=1e-4, atol=1e-5)
            none = model.recommend(k=4, uncertainty=way, width=0.0)
            np.testing.assert_allclose(np.array(none["score"]).reshape(-1, 4), plain, rtol=1e-4, atol=1e-5)
        assert model.recommend_for([1000, 1003], k=5, values=[5, 1], uncertainty="ucb").num_rows == 5

    def test_a_draw_is_told_by_its_seed(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model = fitted(case)
        drawn = [model.recommend(k=5, uncertainty="thompson", seed=seed) for seed in (0, 1, 2, 3)]
        assert model.recommend(k=5, uncertainty="thompson", seed=2).equals(drawn[2])
        assert not all(one.equals(drawn[0]) for one in drawn)
        spread = model.spread(model.seen, np.arange(len(model.users)))
        tables = np.stack([model.scores(spread.draw(seed)) for seed in range(40)]).astype(np.float64)
        wide = spread.deviations()
        assert abs(np.mean((tables - table(model)) / wide)) < 0.4  # 40 draws: 0.16 where cells move as one
        assert np.mean(tables.var(axis=0) / wide**2) == pytest.approx(1.0, abs=0.25)

    def test_chance_does_not_depend_on_who_else_is_asked(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model, log = fitted(case), small_log()
        users = log.users.to_list()
        whole = model.recommend(k=4, uncertainty="thompson", seed=3)
        for some in ([users[7]], [users[30], users[2]]):
            rows = model.recommend(some, k=4, uncertainty="thompson", seed=3)
            for user in some:
                mine, all_of = (r.filter(pc.field("user") == user) for r in (rows, whole))
                assert mine["item"].equals(all_of["item"])
        codes = np.array([40, 3, 11])
        strangers = model.spread(model.seen.rows(codes), None).deviations()
        for at, code in enumerate(codes):
            alone = model.spread(model.seen.rows([code]), None).deviations()
            np.testing.assert_allclose(alone[0], strangers[at], rtol=1e-4, atol=1e-6)

    def test_intervals_hold_the_score(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model, log = fitted(case), small_log()
        pairs = log.users.to_list()[:40], log.items.to_list()
        found = model.predict(*pairs, interval=0.9)
        assert found.column_names == ["user", "item", "score", "deviation", "lower", "upper"]
        assert found["score"].equals(model.predict(*pairs)["score"])
        score, deviation, lower, upper = (np.array(found[c]) for c in found.column_names[2:])
        assert (deviation >= 0).all()
        assert ((lower <= score) & (score <= upper)).all()
        narrow = model.predict(*pairs, interval=0.5)
        assert (np.array(narrow["upper"]) - np.array(narrow["lower"]) <= upper - lower).all()
        if model.limits is not None:
            assert lower.min() >= model.limits[0]
            assert upper.max() <= model.limits[1]

    def test_a_saved_model_is_as_sure(self, case: Case, tmp_path: Path) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        model = fitted(case)
        model.save(tmp_path / "model")
        back = load(tmp_path / "model")
        for way in ("ucb", "lower", "thompson"):
            assert back.recommend(k=4, uncertainty=way).equals(model.recommend(k=4, uncertainty=way))
        pairs = small_log().users.to_list()[:40], small_log().items.to_list()
        assert back.predict(*pairs, interval=0.8).equals(model.predict(*pairs, interval=0.8))

    def test_users_without_rows_have_a_finite_variance(self, case: Case) -> None:
        if not case.variance:
            pytest.skip("has no variance")
        log = small_log()
        wider = Interactions.from_codes(
            log.user_codes, log.item_codes, log.values, log.times, n_users=log.n_users + 2, n_items=log.n_items + 3
        )  # fmt: skip
        one = Interactions.from_codes([0], [0], [3.0], [0])
        for train in (wider, one):
            model = case.recipe.fit(train)
            wide = model.spread(model.seen, np.arange(train.n_users)).deviations()
            assert np.isfinite(wide).all()
            assert np.isfinite(model.spread(model.seen, None).noise)


def _reordered(name: str, array: np.ndarray, order: dict[str, np.ndarray]) -> np.ndarray:
    side = [at for who, at in order.items() if who in name]
    return array[side[0]].copy() if side else array.copy()
