"""The catalogue of methods is complete: what stands in `factor` with a `fit` is in the one table, and in the docs."""

from __future__ import annotations

import ast
import re

import pytest
from house.rooms import ROOT, SRC, tree

import matweave
from matweave.app.catalogue import METHODS, RATING_METHODS


def snake(name: str) -> str:
    """ItemKNN -> item_knn."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def recipes() -> dict[str, str]:
    """The classes of the methods' rooms that have a `fit`, and their files."""
    found = {}
    for path in sorted((SRC / "factor").glob("*.py")):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                if "fit" in methods:
                    found[node.name] = path.stem
    return found


def test_the_table_holds_every_recipe_and_nothing_else() -> None:
    assert {recipe.__name__ for recipe in METHODS.values()} == set(recipes())


def test_a_method_is_named_after_its_class_and_stands_in_a_file_of_that_name() -> None:
    assert {name: snake(recipe.__name__) for name, recipe in METHODS.items()} == {
        name: name for name in METHODS
    }
    assert {snake(name): file for name, file in recipes().items()} == {name: name for name in METHODS}


def test_every_recipe_is_exported() -> None:
    assert {recipe.__name__ for recipe in METHODS.values()} <= set(matweave.__all__)


def test_rating_methods_are_methods() -> None:
    assert set(METHODS) >= RATING_METHODS


@pytest.mark.parametrize("name", METHODS)
def test_every_method_opens_with_its_mathematics_and_is_in_the_docs(name: str) -> None:
    head = ast.get_docstring(tree(SRC / "factor" / f"{name}.py")) or ""
    assert len(head.splitlines()) > 5
    for word in ("model", "cost", "fold-in", "checked"):
        assert word in head.casefold(), f"{name}.py does not open with its {word}"
    choose = (ROOT / "docs" / "how-to-choose.md").read_text(encoding="utf-8")
    assert METHODS[name].__name__ in choose or f"`{name}`" in choose
