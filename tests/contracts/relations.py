"""What every recipe of relations and every model that it fits must do, whatever the method: one battery.

A `RelationCase` is a recipe with what it declares about itself; where a method cannot keep a promise, its case says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from matweave.config import names, settings_of
from matweave.data.relations import Relations
from matweave.errors import ConfigError, DataError, UnknownId
from matweave.factor.checkpoint import Checkpoint
from matweave.factor.loop import FitState, Validation
from matweave.factor.relation_answers import heads_up
from matweave.factor.relation_forms import RelationModel
from matweave.storage import holds_relations, load, load_relations
from matweave.threads import set_threads

N = 24


@dataclass(frozen=True, kw_only=True)
class RelationCase:
    """A recipe, and what it declares.

    one: it is tried on one relation, and alone: it refuses several. nonnegative: it has communities, and refuses values below 0. falls: the objective never
    rises. uses_values: values change the model (else they are refused). unknown: it leaves unknown cells out (else they
    are refused). seeded: another seed gives another model. follows_codes: why the result depends on how entities are
    numbered. follows_rows: why it depends on the order of the triples. folds: new entities get rows.
    """

    recipe: Any
    one: bool = False
    alone: bool = False
    nonnegative: bool = False
    falls: bool = True
    uses_values: bool = True
    unknown: bool = True
    seeded: bool = True
    folds: bool = False
    follows_codes: str = ""
    follows_rows: str = ""


@cache
def triples(one: bool, valued: bool = True) -> Relations:
    """24 entities (text ids) in three groups, the last without triples; 1 or 3 relations (number ids), values 1 to 3."""
    rng = np.random.default_rng(5)
    group, kinds = np.arange(N) % 3, 1 if one else 3
    chance = rng.choice([0.05, 0.1, 0.8], (kinds, 3, 3))
    held = rng.random((kinds, N, N)) < chance[:, group][:, :, group]
    held[:, N - 1], held[:, :, N - 1] = False, False
    k, h, t = np.nonzero(held)
    order = rng.permutation(len(k))
    return Relations.from_codes(
        h[order], k[order], t[order],
        rng.integers(1, 4, len(k)).astype(np.float32) if valued else None,
        entity_ids=pa.array([f"e {c}" for c in range(N)]),
        kind_ids=pa.array([100 + c for c in range(kinds)]),
    )  # fmt: skip


def log_of(case: RelationCase) -> Relations:
    return triples(case.one, case.uses_values)


@cache
def fitted(case: RelationCase) -> RelationModel:
    return case.recipe.fit(log_of(case))


def table(model: RelationModel) -> np.ndarray:
    return np.stack([model.scores(k) for k in range(len(model.kinds))])


def bits(model: RelationModel) -> bytes:
    heads = model.head_scores(np.zeros(len(model.entities), int), np.arange(len(model.entities)))
    history = replace(model.history, seconds=0.0)
    return b"".join(
        [table(model).tobytes(), heads.tobytes(), model.entity_factors.tobytes(), repr(history).encode()]
    )


def copied(state: FitState) -> FitState:
    return replace(state, arrays={name: array.copy() for name, array in state.arrays.items()})


class RelationContract:
    """Subclass it with a `case` fixture."""

    @pytest.fixture(autouse=True)
    def _threads(self) -> Iterator[None]:
        yield
        set_threads(None)

    # the recipe and the log

    def test_the_recipe_is_frozen_equal_by_settings_and_rebuilt_from_them(self, case: RelationCase) -> None:
        recipe = case.recipe
        assert type(recipe)(**settings_of(recipe)) == recipe
        with pytest.raises(AttributeError):
            recipe.rank = 1
        assert set(type(recipe).space) <= set(names(type(recipe)))

    def test_every_setting_is_checked_and_every_problem_told_at_once(self, case: RelationCase) -> None:
        kind = type(case.recipe)
        with pytest.raises(ConfigError) as error:
            kind(**{name: object() for name in names(kind)}, stranger=1)
        for name in [*names(kind), "'stranger'"]:
            assert any(name in line.split(" is ")[0] for line in error.value.what.split("\n")), name

    def test_a_log_without_triples_and_weights_that_do_not_fit_are_refused(self, case: RelationCase) -> None:
        log = log_of(case)
        with pytest.raises(DataError, match="no triples") as error:
            case.recipe.fit(log.take([]))
        assert type(case.recipe).__name__ in error.value.where
        for wrong in (np.ones(3), -np.ones(len(log)), np.zeros(len(log)), np.full(len(log), np.inf)):
            with pytest.raises(DataError, match="weights"):
                case.recipe.fit(log, weights=wrong)

    def test_what_the_mathematics_does_not_hold_is_refused_with_a_mend(self, case: RelationCase) -> None:
        log = log_of(case)
        if case.alone:
            with pytest.raises(DataError, match="one relation"):
                case.recipe.fit(triples(False))
        if case.nonnegative:
            with pytest.raises(DataError, match="negative"):
                case.recipe.fit(replace(log, values=-log.strengths()))
        if not case.uses_values:
            with pytest.raises(DataError, match="values") as error:
                case.recipe.fit(triples(case.one))
            assert "weights=" in error.value.mend
        if not case.unknown:
            with pytest.raises(DataError, match="unknown"):
                case.recipe.fit(log.only_triples())

    def test_an_exact_fit_is_no_divergence(self, case: RelationCase) -> None:
        one = Relations.from_codes(
            [0, 1], None, [0, 0], None if not case.uses_values else [7e3, 0.0], n_entities=2
        )
        recipe = replace(
            case.recipe,
            rank=4,
            **{n: 0.0 for n in ("regularization", "core_regularization") if n in names(type(case.recipe))},
        )
        assert np.isfinite(table(recipe.fit(one))).all()

    def test_the_log_and_the_weights_are_not_written_to(self, case: RelationCase) -> None:
        log, weights = log_of(case), np.linspace(0, 2, len(log_of(case)))
        parts = (log.heads, log.relations, log.tails, log.strengths(), weights)
        before = [part.copy() for part in parts]
        case.recipe.fit(log, weights=weights)
        assert all(np.array_equal(a, b) for a, b in zip(parts, before, strict=True))

    @pytest.mark.parametrize(
        ("heads", "tails", "n"), [([0], [0], 1), ([0], [1], 2), ([0, 0], [1, 2], 3), ([2], [2], 4)],
        ids=["one entity", "one triple", "one head", "a loop"],
    )  # fmt: skip
    def test_the_smallest_logs_fit_and_answer(
        self, case: RelationCase, heads: list[int], tails: list[int], n: int
    ) -> None:
        log = Relations.from_codes(heads, None, tails, n_entities=n)
        model = case.recipe.fit(log)  # the rank is above the number of entities
        assert np.isfinite(table(model)).all()
        assert model.complete(head=0, k=9, known=True).num_rows == n - (not model.self_loops)
        assert model.similar(0, k=3).num_rows == min(3, n - 1)
        assert model.components(k=9).num_rows == model.entity_factors.shape[1] * n

    def test_a_relation_without_triples_is_no_trouble(self, case: RelationCase) -> None:
        if case.one:
            pytest.skip("of one relation")
        log = log_of(case)
        more = replace(
            log,
            kinds=type(log.kinds)(ids=pa.array([7, *log.kinds.to_list()])),
            relations=log.relations + np.int32(1),
        )
        assert np.isfinite(table(case.recipe.fit(more))).all()

    # the model

    def test_the_model_says_what_made_it(self, case: RelationCase) -> None:
        model, log = fitted(case), log_of(case)
        assert model.method == type(case.recipe).__name__
        assert model.settings == settings_of(case.recipe)
        assert json.loads(json.dumps(model.settings)) == model.settings
        assert (model.entities, model.kinds, model.frame) == (log.entities, log.kinds, log.frame)
        assert np.array_equal(model.cells, np.sort(log.cells))
        assert model.method in repr(model)
        assert case.recipe.fit(replace(log, frame="pandas")).frame == "pandas"

    def test_the_history_is_finite_and_tells_why_it_ended(self, case: RelationCase) -> None:
        history = fitted(case).history
        assert history.stopped in {"epochs", "tolerance"}
        assert history.epoch == len(history.objective) > 1
        assert all(math.isfinite(v) for v in history.objective)
        if case.falls:
            assert np.all(np.diff(history.objective) <= 1e-6 * np.abs(history.objective[0]))
            assert history.objective[-1] < history.objective[0]

    def test_every_way_to_a_score_gives_the_same(self, case: RelationCase) -> None:
        model = fitted(case)
        scores, k = table(model), len(model.kinds)
        kinds, heads, tails = np.indices(scores.shape).reshape(3, -1)
        np.testing.assert_allclose(
            model.cell_scores(heads, kinds, tails), scores.ravel(), rtol=1e-4, atol=1e-5
        )
        back = model.head_scores(np.repeat(np.arange(k), N), np.tile(np.arange(N), k)).reshape(k, N, N)
        if model.reverse is None:
            np.testing.assert_allclose(back.transpose(0, 2, 1), scores, rtol=1e-4, atol=1e-5)
        w = model.entity_factors
        if model.means is None:
            np.testing.assert_allclose(w @ model.cores @ w.T, scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.scores(0, slice(2, 5)), scores[0, 2:5], rtol=1e-4, atol=1e-5)
        scaled = model.cell_scores(heads, kinds, tails, scaled=True).reshape(scores.shape)
        lengths = np.sqrt((scores.astype(float) ** 2).sum(axis=0))
        np.testing.assert_allclose(scaled * lengths, scores, rtol=1e-3, atol=1e-5)
        said = model.predict(["e 1", "e 2"], [100, 100], ["e 3", "e 1"])
        np.testing.assert_allclose(said["score"], [scores[0, 1, 3], scores[0, 2, 1]], rtol=1e-4, atol=1e-5)

    def test_completions_are_unknown_and_best_first(self, case: RelationCase) -> None:
        model, log = fitted(case), log_of(case)
        kind = log.kinds.to_list()[-1]
        mine = log.relations == len(log.kinds) - 1
        for given, own, others in (("head", log.heads, log.tails), ("tail", log.tails, log.heads)):
            code = int(np.bincount(own[mine]).argmax())
            known = {f"e {c}" for c in others[mine & (own == code)]}
            itself = set() if model.self_loops else {f"e {code}"}
            back = {f"e {c}" for c in own[mine & (others == code)]} if model.symmetric else set()
            known |= itself | back
            rows = model.complete(**{given: f"e {code}"}, relation=kind, k=N).to_pylist()
            assert len(rows) == N - len(known)
            assert not known & {row["entity"] for row in rows}
            assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
            assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
            every = model.complete(**{given: f"e {code}"}, relation=kind, k=N, known=True)
            assert every.num_rows == N - len(itself)
            assert not itself & set(every["entity"].to_pylist())
        for wrong in ({}, {"head": "e 1", "tail": "e 2", "relation": kind}):
            with pytest.raises(ConfigError, match="one of head and tail"):
                model.complete(**wrong)
        if not case.one:
            with pytest.raises(ConfigError, match="none is named"):
                model.complete(head="e 1")

    def test_neighbours_and_components_are_told(self, case: RelationCase) -> None:
        model = fitted(case)
        rows = model.similar("e 0", k=5).to_pylist()
        assert "e 0" not in [row["entity"] for row in rows]
        assert np.all(np.diff([row["similarity"] for row in rows]) <= 0)
        parts = model.components(k=3).to_pylist()
        assert len(parts) == 3 * model.entity_factors.shape[1]
        codes = [model.entities.code(row["entity"]) for row in parts]
        turned = model.entity_factors * heads_up(model.entity_factors)
        wanted = [turned[c, row["component"] - 1] for c, row in zip(codes, parts, strict=True)]
        np.testing.assert_array_equal([row["strength"] for row in parts], wanted)

    def test_communities_are_where_factors_are_nonnegative(self, case: RelationCase) -> None:
        model = fitted(case)
        if not case.nonnegative:
            with pytest.raises(ConfigError, match="both signs") as error:
                model.communities()
            assert "SymmetricNMF" in error.value.mend
            return
        rows = model.communities().to_pylist()
        assert len({row["entity"] for row in rows}) == len(rows) <= N
        assert all(row["strength"] > 0 and 0 < row["share"] <= 1.0001 for row in rows)
        few = model.communities(k=2).to_pylist()
        assert few == [row for row in rows if row["rank"] <= 2]

    def test_ids_that_training_had_not_are_listed(self, case: RelationCase) -> None:
        with pytest.raises(UnknownId, match="'x', 'y'"):
            fitted(case).predict(["e 1", "x", "y"], [100] * 3, ["e 1"] * 3)
        with pytest.raises(DataError, match="2 heads"):
            fitted(case).predict(["e 1", "e 2"], [100], ["e 1"])

    # the same numbers everywhere

    def test_the_same_seed_gives_the_same_bits(self, case: RelationCase) -> None:
        assert bits(case.recipe.fit(log_of(case))) == bits(fitted(case))
        assert (bits(replace(case.recipe, seed=1).fit(log_of(case))) != bits(fitted(case))) == case.seeded

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_any_number_of_threads_gives_the_same_bits(self, case: RelationCase, threads: int) -> None:
        there = bits(fitted(case))
        set_threads(threads)
        assert bits(case.recipe.fit(log_of(case))) == there

    def test_a_saved_model_says_the_same_bits(self, case: RelationCase, tmp_path: Path) -> None:
        model = fitted(case)
        model.save(tmp_path / "model")
        assert holds_relations(tmp_path / "model")
        for back in (load_relations(tmp_path / "model"), load(tmp_path / "model")):
            assert isinstance(back, RelationModel)
            assert bits(back) == bits(model)
            assert (back.settings, back.history, back.fold) == (model.settings, model.history, model.fold)

    def test_triples_in_another_order_give_the_same_model(self, case: RelationCase) -> None:
        if case.follows_rows:
            pytest.skip(case.follows_rows)
        log = log_of(case)
        found = case.recipe.fit(log.take(np.random.default_rng(1).permutation(len(log))))
        np.testing.assert_allclose(table(found), table(fitted(case)), rtol=1e-3, atol=1e-3)

    def test_entities_numbered_otherwise_get_the_same_scores(self, case: RelationCase) -> None:
        """Where the first factors are drawn by position, both fits go on from the same state, renumbered."""
        if case.follows_codes:
            pytest.skip(case.follows_codes)
        log, new = log_of(case), np.random.default_rng(8).permutation(N).astype(np.int32)
        old = np.argsort(new)
        moved = replace(
            log, entities=log.entities.take(old), heads=new[log.heads], tails=new[log.tails],
        )  # fmt: skip
        seen: list[FitState] = []
        case.recipe.fit(log, watch=lambda now, _: seen.append(copied(now)) or True)
        arrays = {name: _renumbered(name, array, old) for name, array in seen[0].arrays.items()}
        found = table(case.recipe.fit(moved, resume=replace(seen[0], arrays=arrays)))
        spread = table(fitted(case)).std()
        np.testing.assert_allclose(found[:, new][:, :, new], table(fitted(case)), atol=0.01 * spread)

    # stopping and going on

    def test_a_killed_fit_goes_on_from_disk_to_the_same_bits(
        self, case: RelationCase, tmp_path: Path
    ) -> None:
        kept = Checkpoint(folder=tmp_path / "checkpoint", fingerprint="this run")
        case.recipe.fit(log_of(case), watch=lambda state, _: kept.write(state) or state.epoch == 2)
        assert bits(case.recipe.fit(log_of(case), resume=kept.read())) == bits(fitted(case))

    def test_validation_keeps_the_best_epoch(self, case: RelationCase) -> None:
        def measure(model: RelationModel) -> float:
            assert np.isfinite(table(model)).all()
            return -abs(len(model.history.objective) - 2)

        model = case.recipe.fit(log_of(case), validate=Validation(measure=measure, patience=1))
        assert (model.history.stopped, model.history.epoch) == ("early stopping", 2)
        stop = case.recipe.fit(log_of(case), watch=lambda state, _: state.epoch == 2)
        assert table(model).tobytes() == table(stop).tobytes()

    # values, weights and unknown cells

    def test_values_and_weights_count(self, case: RelationCase) -> None:
        log = log_of(case)
        ones = np.ones(len(log), np.float32)
        np.testing.assert_allclose(
            table(case.recipe.fit(log, weights=ones)), table(fitted(case)), rtol=1e-5, atol=1e-6
        )
        uneven = np.where(np.arange(len(log)) % 2, ones, np.float32(0.2))
        assert bits(case.recipe.fit(log, weights=uneven)) != bits(fitted(case))
        if case.uses_values:
            assert bits(case.recipe.fit(replace(log, values=None))) != bits(fitted(case))

    def test_an_unknown_cell_is_a_triple_of_no_weight(self, case: RelationCase) -> None:
        if not case.unknown:
            pytest.skip("refuses unknown cells")
        log = log_of(case)
        out = np.arange(len(log)) % 3 == 0
        weighted = case.recipe.fit(log, weights=np.where(out, 0.0, 1.0))
        unknown = case.recipe.fit(replace(log.take(~out), missing=np.sort(log.cells[out])))
        assert weighted.history.objective == pytest.approx(unknown.history.objective, rel=1e-4)
        np.testing.assert_allclose(table(weighted), table(unknown), rtol=1e-3, atol=2e-3)
        every = np.arange(np.prod(log.shape))
        listed = case.recipe.fit(replace(log.take(~out), observed=np.setdiff1d(every, log.cells[out])))
        np.testing.assert_allclose(table(listed), table(unknown), rtol=1e-3, atol=2e-3)

    # new entities

    def test_new_entities_get_rows_where_the_method_has_them(self, case: RelationCase) -> None:
        model, log = fitted(case), log_of(case)
        kind = log.kinds.to_list()[0]
        more = Relations.of(
            heads=["new", "e 1"], relations=[kind, kind], tails=["e 2", "new"], values=[3.0, 2.0]
        )
        if not case.folds:
            with pytest.raises(ConfigError, match="no closed solution"):
                model.with_entities(more)
            return
        grown = model.with_entities(more)
        assert grown.entities.to_list() == [*log.entities.to_list(), "new"]
        np.testing.assert_allclose(table(grown)[:, :N, :N], table(model), rtol=1e-5, atol=1e-6)
        assert np.isfinite(table(grown)).all()
        assert len(grown.cells) == len(log) + 2
        assert "e 2" not in grown.complete(head="new", relation=kind, k=N)["entity"].to_pylist()


def _renumbered(name: str, array: np.ndarray, old: np.ndarray) -> np.ndarray:
    if name.startswith("entity"):
        return array[old].copy()
    return array[:, old].copy() if name in ("head_bias", "tail_bias") else array.copy()
