"""The catalogue of methods is complete: what stands in `factor` or `neural` with a `fit` is in the one table, and in the docs."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from house.rooms import ROOT, SRC, tree

import matweave
from matweave.app.catalogue import METHODS, RATING_METHODS
from matweave.app.relations_verbs import RELATION_METHODS


def snake(name: str) -> str:
    """ItemKNN -> item_knn, SVDpp -> svdpp: the plus signs of its name are no word of their own."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!pp$)[a-z])", "_", name).lower()


ROOMS = ("factor", "neural")
OTHERS = {
    "ContentFactors": "is fitted on content beside the log, which no command of the table has",
    "Blend": "is fitted on models, not on a log: `matweave blend`",
}
"""Recipes that are not in the table, and why."""


def recipes() -> dict[str, Path]:
    """The classes of the methods' rooms that have a `fit`, and their files."""
    found = {}
    for path in sorted(p for room in ROOMS for p in (SRC / room).glob("*.py")):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                if "fit" in methods:
                    found[node.name] = path
    return found


def test_the_table_holds_every_recipe_and_nothing_else() -> None:
    tables = [*METHODS.values(), *RELATION_METHODS.values()]
    assert {recipe.__name__ for recipe in tables} == set(recipes()) - set(OTHERS)
    assert set(OTHERS) <= set(recipes()), "an exception without its recipe"


def test_a_method_is_named_after_its_class_and_stands_in_a_file_of_that_name() -> None:
    for table in (METHODS, RELATION_METHODS):
        assert {name: snake(recipe.__name__) for name, recipe in table.items()} == {
            name: name for name in table
        }
    assert {name: path.stem for name, path in recipes().items()} == {name: snake(name) for name in recipes()}


def test_every_recipe_is_exported() -> None:
    assert set(recipes()) <= set(matweave.__all__)


def test_rating_methods_are_those_that_say_so() -> None:
    assert {n for n, kind in METHODS.items() if getattr(kind, "predicts_values", False)} == RATING_METHODS


def test_what_can_be_tuned_has_a_space_of_its_own_settings() -> None:
    for name, kind in [*METHODS.items(), *RELATION_METHODS.items()]:
        fields = {f.name for f in dataclasses.fields(kind)}
        assert set(kind.space) <= fields, name


@pytest.mark.parametrize("name", recipes())
def test_every_method_opens_with_its_mathematics_and_is_in_the_docs(name: str) -> None:
    path = recipes()[name]
    head = ast.get_docstring(tree(path)) or ""
    assert len(head.splitlines()) > 5
    for word in ("model", "cost", "fold-in", "checked"):
        assert word in head.casefold(), f"{path.name} does not open with its {word}"
    choose = (ROOT / "docs" / "how-to-choose.md").read_text(encoding="utf-8")
    assert f"`{name}`" in choose
