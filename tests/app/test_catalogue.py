"""The table of methods, and recipes from what was typed."""

from __future__ import annotations

import pytest

from matweave.app.catalogue import (
    METHODS,
    RATING_METHODS,
    Methods,
    label_of,
    method,
    name_of,
    recipe_of,
    recipes_of,
)
from matweave.errors import ConfigError
from matweave.factor.popularity import Popularity


def test_names_are_the_snake_case_of_the_classes() -> None:
    for name, recipe in METHODS.items():
        assert name.replace("_", "") == recipe.__name__.casefold()
        assert method(name) is method(recipe.__name__) is method(name.replace("_", "-")) is recipe
        assert name_of(recipe) == name
    assert set(METHODS) >= RATING_METHODS


def test_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'implicit_als'"):
        method("implicit_sla")


def test_a_recipe_gets_its_settings_and_the_seed() -> None:
    recipe = recipe_of("implicit_als", ["rank=7", "regularization=0.5"], seed=9)
    assert (recipe.rank, recipe.regularization, recipe.seed) == (7, 0.5, 9)
    assert recipe_of("implicit_als", ["seed=3"], seed=9).seed == 3
    assert not hasattr(recipe_of("ease", [], seed=9), "seed")


def test_settings_of_compare_go_to_their_method_only() -> None:
    recipes = recipes_of(["ease", "ImplicitALS"], ["implicit_als.rank=5", "ease.regularization=3"], seed=0)
    assert list(recipes) == ["ease", "implicit_als"]
    assert recipes["implicit_als"].rank == 5
    assert recipes["ease"].regularization == 3


def test_all_misplaced_settings_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        recipes_of(["ease"], ["rank=5", "eaes.rank=3"], seed=0)
    assert "'rank=5' is not METHOD.NAME=VALUE" in caught.value.what
    assert "did you mean 'ease'" in caught.value.what


@pytest.mark.parametrize(
    ("names", "wrong", "mend"),
    [
        (["popularity", "ease", "implicit_als"], "rank=128", "implicit_als.rank=128"),
        (["popularity", "ease"], "eaes.regularization=3", "ease.regularization=3"),
        (["popularity", "ease"], "regularization", "ease.regularization=VALUE"),
        (["ease"], "nothing=1", "ease.regularization=VALUE"),
    ],
)
def test_the_mend_names_a_compared_method_that_has_the_setting(
    names: list[str], wrong: str, mend: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        recipes_of(names, ["ease.regularization=1", wrong], seed=0)
    assert caught.value.mend == f"write for example {mend}"


def test_settings_may_name_a_method_as_its_class_is_spelled() -> None:
    recipe = recipes_of(["EASE"], ["EASE.regularization=3"], 0)["ease"]
    assert recipe.regularization == 3


def test_the_table_is_read_without_importing_what_it_names() -> None:
    rows = Methods({"gone": "factor.Gone", "popularity": "factor.Popularity"})
    assert (list(rows), len(rows), "gone" in rows) == (["gone", "popularity"], 2, True)
    assert rows.spelling("gone") == "Gone"
    assert rows["popularity"] is Popularity
    with pytest.raises(KeyError):
        rows["absent"]
    with pytest.raises(ModuleNotFoundError):
        rows["gone"]


def test_the_name_of_a_recipe_is_its_own_row() -> None:
    assert METHODS.of(Popularity) == "popularity"
    for other in (int, type("Popularity", (), {"__module__": "elsewhere.popularity"})):
        with pytest.raises(KeyError):
            METHODS.of(other)


def test_rating_methods_are_those_that_predict_values() -> None:
    assert {n for n, recipe in METHODS.items() if getattr(recipe, "predicts_values", False)} == RATING_METHODS


def test_a_label_is_the_name_or_the_class_in_lower_case() -> None:
    assert [label_of(recipe.__name__) for recipe in METHODS.values()] == list(METHODS)
    assert label_of("Blend") == "blend"
