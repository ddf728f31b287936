"""The one explicit table of methods: name as typed -> recipe. Nothing else registers anything.

Names are the snake case of the classes. To add a method: its file, its twin, its line here, its docs entry.
"""

from __future__ import annotations

from typing import Any

from matweave.config import build, parse_settings
from matweave.errors import ConfigError, nearest
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.ease import EASE
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.item_knn import ItemKNN
from matweave.factor.popularity import Popularity
from matweave.factor.pure_svd import PureSVD

METHODS: dict[str, type] = {
    "popularity": Popularity,
    "item_knn": ItemKNN,
    "ease": EASE,
    "pure_svd": PureSVD,
    "implicit_als": ImplicitALS,
    "explicit_als": ExplicitALS,
    "biased_mf": BiasedMF,
}

RATING_METHODS = frozenset(
    name for name, recipe in METHODS.items() if getattr(recipe, "predicts_values", False)
)
"""Methods that predict values, and so need them; judged by RMSE as well as by ranking."""


def method(name: str) -> type:
    """The recipe class of a method name; the class's own spelling is understood too.

    Raises ConfigError with the nearest name.
    """
    for known, recipe in METHODS.items():
        if method_is(known, name):
            return recipe
    raise ConfigError(
        f"unknown method {name!r}{nearest(name, METHODS)}",
        where="methods",
        mend=f"use one of: {', '.join(METHODS)}",
    )


def method_is(known: str, name: str) -> bool:
    """Whether a name as typed means a method of the table.

    >>> method_is("biased_mf", "BiasedMF"), method_is("biased_mf", "biased-mf"), method_is("ease", "eas")
    (True, True, False)
    """
    return name.strip().replace("-", "_").casefold() in (known, METHODS[known].__name__.casefold())


def name_of(recipe: type) -> str:
    """The name under which a recipe stands in the table."""
    return next(name for name, known in METHODS.items() if known is recipe)


def recipe_of(name: str, settings: list[str], seed: int) -> Any:
    """A recipe from its name and NAME=VALUE texts; `seed` goes to every recipe that draws anything."""
    kind = method(name)
    found = parse_settings(kind, settings)
    if "seed" in kind.__dataclass_fields__:
        found.setdefault("seed", seed)
    return build(kind, found)


def recipes_of(names: list[str], settings: list[str], seed: int) -> dict[str, Any]:
    """Recipes for `compare`: settings are METHOD.NAME=VALUE, and go to their method only."""
    kinds = {name_of(method(name)): method(name) for name in names}
    per: dict[str, list[str]] = {name: [] for name in kinds}
    problems = []
    for text in settings:
        owner, dot, rest = text.partition(".")
        owner = next((known for known in kinds if method_is(known, owner)), owner)
        if not dot or "=" in owner:
            problems.append(f"{text!r} is not METHOD.NAME=VALUE")
        elif owner not in per:
            problems.append(f"{text!r} names a method that is not compared{nearest(owner, per)}")
        else:
            per[owner].append(rest)
    if problems:
        raise ConfigError(
            "\n".join(problems), where="--set", mend=f"write for example {next(iter(per))}.NAME=VALUE"
        )
    return {name: recipe_of(name, per[name], seed) for name in kinds}
