"""The public names: listed in order, importable, explained, with examples that run."""

from __future__ import annotations

import ast
import inspect

import pytest
from house.rooms import SRC, public, relative, sources, tree

import matweave
from matweave import _ROOMS
from matweave.app.catalogue import METHODS


def order(name: str) -> tuple[int, str]:
    """Capitals first, then classes, then functions: the order that the linter keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_all_is_sorted_and_without_repeats() -> None:
    assert matweave.__all__ == sorted(set(matweave.__all__), key=order)


def test_the_lists_agree() -> None:
    assert set(_ROOMS) == set(matweave.__all__)
    typed = {
        alias.asname or alias.name: str(node.module).removeprefix("matweave.")
        for node in ast.walk(tree(SRC / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("matweave.")
        for alias in node.names
    }
    assert typed == _ROOMS
    assert set(matweave.__all__) <= set(dir(matweave))


@pytest.mark.parametrize("name", matweave.__all__)
def test_every_export_is_importable_explained_and_at_home_where_the_list_says(name: str) -> None:
    thing = getattr(matweave, name)
    assert thing.__module__ == f"matweave.{_ROOMS[name]}"
    text = inspect.getdoc(thing)
    assert text
    assert len(text) > 30
    if inspect.isfunction(thing) or thing in METHODS.values():
        assert ">>>" in text, f"{name} has no example"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fit_everything'"):
        matweave.fit_everything  # noqa: B018


def test_everything_that_others_may_use_has_a_docstring() -> None:
    bare = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in sources()
        for node in public(path)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_every_file_opens_by_saying_what_it_is() -> None:
    silent = [relative(p) for p in sources() if p.stat().st_size and not ast.get_docstring(tree(p))]
    assert silent == []
