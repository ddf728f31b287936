"""The verbs of relations: names of methods, marks of fits, files laid over a model's ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.app import relations_verbs as verbs
from matweave.data.relations import Relations
from matweave.errors import ConfigError, DataError, UnknownId


def ring() -> Relations:
    return mw.read_relations([(f"p{k}", "next", f"p{(k + 1) % 8}") for k in range(8)])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("relations") / "model"
    mw.RESCAL(rank=8, regularization=0.01, core_regularization=0.01, epochs=9).fit(ring()).save(folder)
    return folder


@pytest.mark.parametrize("name", verbs.RELATION_METHODS)
def test_every_method_of_the_table_is_built_by_either_spelling(name: str) -> None:
    recipe = verbs.recipe_of(name, [], 5)
    assert type(recipe).__name__ == verbs.RELATION_METHODS.spelling(name)
    assert verbs.recipe_of(verbs.RELATION_METHODS.spelling(name), [], 5) == recipe
    assert recipe.seed == 5
    assert type(recipe).__name__ in mw.__all__


def test_an_unknown_method_or_setting_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dedicom'"):
        verbs.recipe_of("dedicon", [], 0)
    with pytest.raises(ConfigError, match="did you mean 'rank'"):
        verbs.recipe_of("rescal", ["rnk=3"], 0)


def test_a_mark_depends_on_everything_that_a_fit_depends_on() -> None:
    recipe, whole = verbs.recipe_of("rescal", [], 0), ring()
    marks = {
        verbs.mark_of(recipe, whole),
        verbs.mark_of(recipe, whole, whole),
        verbs.mark_of(recipe, whole.take(range(7))),
        verbs.mark_of(recipe, whole.only_triples()),
        verbs.mark_of(recipe, mw.read_relations([(k, "next", (k + 1) % 8) for k in range(8)])),
        verbs.mark_of(verbs.recipe_of("rescal", ["rank=3"], 0), whole),
        verbs.mark_of(recipe, None),
    }
    assert len(marks) == 7
    assert verbs.mark_of(recipe, ring()) == verbs.mark_of(recipe, whole)


def test_ids_of_a_file_are_laid_over_ids_of_another_type() -> None:
    model = mw.read_relations([(1, "r", 2), (2, "r", 3)])
    texts = Relations.of(heads=["1", "3", "x"], relations=["r"] * 3, tails=["2", "1", "2"], values=[1, 2, 3])
    laid, lost = verbs.laid_over(texts, model.entities, model.kinds)
    assert (laid.heads.tolist(), laid.tails.tolist(), lost) == ([0, 2], [1, 0], 1)
    assert laid.values is not None
    assert laid.values.tolist() == [1.0, 2.0]


def test_a_triple_is_completed_or_scored(saved: Path) -> None:
    best = verbs.predict(saved, head="p1", relation="next", tail=None, k=3, known=True)
    assert best.column("entity")[0].as_py() == "p2"
    heads = verbs.predict(saved, head=None, relation=None, tail="p1", k=20, known=False)
    assert len(heads) == 7
    assert "p0" not in heads.column("entity").to_pylist()
    whole = verbs.predict(saved, head="p1", relation=None, tail="p2", k=1, known=False)
    assert whole.column_names == ["head", "relation", "tail", "score"]
    with pytest.raises(ConfigError, match="neither a head nor a tail"):
        verbs.predict(saved, head=None, relation="next", tail=None, k=1, known=False)
    with pytest.raises(UnknownId, match="did you mean"):
        verbs.predict(saved, head="p11", relation="next", tail=None, k=1, known=False)


def test_one_of_several_relations_must_be_named(tmp_path: Path) -> None:
    two = mw.read_relations([("a", "r", "b"), ("b", "s", "a")])
    mw.RESCAL(rank=1, epochs=1).fit(two).save(tmp_path / "two")
    with pytest.raises(ConfigError, match="2 relations, and none is named"):
        verbs.predict(tmp_path / "two", head="a", relation=None, tail="b", k=1, known=False)


def test_a_file_is_scored_and_judged(saved: Path) -> None:
    asked = mw.read_relations([("p1", "next", "p2"), ("p1", "next", "stranger")])
    table, lost = verbs.score(saved, asked)
    assert (len(table), lost) == (1, 1)
    found = verbs.evaluate(saved, asked, metrics=["mrr", "hits@1"], side="both", seed=0)
    assert dict(found.counts) == {"triples judged": 1, "triples lost": 1, "triples that training had": 1}
    made = verbs.evaluation_json(found)
    assert list(made) == ["method", "protocol", "metrics", "counts", "by_relation", "seconds"]
    assert made["metrics"]["mrr"]["low"] is None  # one triple has no interval
    with pytest.raises(DataError, match="none of the 1 triples"):
        verbs.evaluate(saved, mw.read_relations([("x", "y")]), metrics=["mrr"], side="both", seed=0)


def test_a_fit_stops_early_and_goes_on_where_it_was(tmp_path: Path) -> None:
    recipe = verbs.recipe_of("rescal", ["rank=3", "epochs=4", "tolerance=0"], 0)
    whole = verbs.fit(recipe, ring(), tmp_path / "whole", quiet=True)
    assert whole.model.history.epoch == 4
    again = verbs.fit(recipe, ring(), tmp_path / "whole", resume=True, quiet=True)
    np.testing.assert_array_equal(again.model.entity_factors, whole.model.entity_factors)  # type: ignore[attr-defined]
    early = verbs.fit(recipe, ring(), tmp_path / "early", valid=ring(), metric="hits@1", quiet=True)
    assert early.model.history.validation_name == "hits@1"
    assert len(early.model.history.validation) >= 1
