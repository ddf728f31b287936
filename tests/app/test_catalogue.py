"""The table of methods, and recipes from what was typed."""

from __future__ import annotations

import pytest

from matweave.app.catalogue import METHODS, RATING_METHODS, method, name_of, recipe_of, recipes_of
from matweave.errors import ConfigError


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


def test_settings_may_name_a_method_as_its_class_is_spelled() -> None:
    recipe = recipes_of(["EASE"], ["EASE.regularization=3"], 0)["ease"]
    assert recipe.regularization == 3
