"""The one explicit table of methods: name as typed -> recipe. Nothing else registers anything.

Names are the snake case of the classes, and of their files. To add a method: its file, its twin, its line here, its docs entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, final

from matweave.config import build, parse_settings
from matweave.config import names as names_of
from matweave.errors import ConfigError, nearest


@final
class Methods(Mapping[str, type]):
    """Name as typed -> recipe. A recipe is imported when it is asked for, since those of `neural` need torch."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> type:
        room, _, kind = self._rows[name].partition(".")
        return getattr(import_module(f"matweave.{room}.{name}"), kind)

    def __contains__(self, name: object) -> bool:  # Mapping's own would import
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def spelling(self, name: str) -> str:
        """The recipe's class by name; imports nothing."""
        return self._rows[name].partition(".")[2]

    def room(self, name: str) -> str:
        """factor or neural; imports nothing."""
        return self._rows[name].partition(".")[0]

    def of(self, recipe: type) -> str:
        """The name of a recipe; imports nothing. Raises KeyError for a class that is none."""
        room, _, name = recipe.__module__.removeprefix("matweave.").partition(".")
        if self._rows.get(name) != f"{room}.{recipe.__name__}":
            raise KeyError(recipe)
        return name


METHODS = Methods(
    {
        "popularity": "factor.Popularity",
        "item_knn": "factor.ItemKNN",
        "ease": "factor.EASE",
        "slim": "factor.SLIM",
        "rp3beta": "factor.RP3beta",
        "pure_svd": "factor.PureSVD",
        "implicit_als": "factor.ImplicitALS",
        "bpr": "factor.BPR",
        "warp": "factor.WARP",
        "logistic_mf": "factor.LogisticMF",
        "explicit_als": "factor.ExplicitALS",
        "biased_mf": "factor.BiasedMF",
        "bayesian_mf": "factor.BayesianMF",
        "factorization_machine": "factor.FactorizationMachine",
        "svdpp": "factor.SVDpp",
        "probabilistic_mf": "factor.ProbabilisticMF",
        "nmf": "factor.NMF",
        "auto_rec": "neural.AutoRec",
        "mult_dae": "neural.MultDAE",
        "mult_vae": "neural.MultVAE",
        "rec_vae": "neural.RecVAE",
        "gru4_rec": "neural.GRU4Rec",
        "caser": "neural.Caser",
        "deep_mf": "neural.DeepMF",
        "sas_rec": "neural.SASRec",
        "bert4_rec": "neural.BERT4Rec",
        "two_tower": "neural.TwoTower",
        "gmf": "neural.GMF",
        "light_gcn": "neural.LightGCN",
        "dot_product": "neural.DotProduct",
        "neu_mf": "neural.NeuMF",
    }
)

RATING_METHODS = frozenset(
    {
        "auto_rec",
        "explicit_als",
        "biased_mf",
        "dot_product",
        "svdpp",
        "bayesian_mf",
        "factorization_machine",
        "probabilistic_mf",
    }
)
"""Methods that predict values, and so need them; judged by RMSE as well as by ranking."""

VARIANCE_METHODS = frozenset({"bayesian_mf", "factorization_machine", "explicit_als", "probabilistic_mf"})
"""Methods that predict values and know how sure they are of each (by some of their settings)."""

TIMED_METHODS = frozenset({"gru4_rec", "caser", "sas_rec", "bert4_rec"})
"""Methods that read histories in order, and so need times."""


def method(name: str) -> type:
    """The recipe class of a method name; the class's own spelling is understood too.

    Raises ConfigError with the nearest name.
    """
    for known in METHODS:
        if method_is(known, name):
            return METHODS[known]
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
    return name.strip().replace("-", "_").casefold() in (known, METHODS.spelling(known).casefold())


def name_of(recipe: type) -> str:
    """The name under which a recipe stands in the table."""
    return METHODS.of(recipe)


def label_of(spelling: str) -> str:
    """The name of a model's method by its class's, as a table or a file shows it; imports nothing.

    >>> label_of("ImplicitALS"), label_of("Blend")
    ('implicit_als', 'blend')
    """
    return next((name for name in METHODS if METHODS.spelling(name) == spelling), spelling.casefold())


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
    problems, wrong = [], []
    for text in settings:
        owner, dot, rest = text.partition(".")
        owner = next((known for known in kinds if method_is(known, owner)), owner)
        if not dot or "=" in owner:
            problems.append(f"{text!r} is not METHOD.NAME=VALUE")
        elif owner not in per:
            problems.append(f"{text!r} names a method that is not compared{nearest(owner, per)}")
        else:
            per[owner].append(rest)
            continue
        wrong.append(text)
    if problems:
        raise ConfigError(
            "\n".join(problems), where="--set", mend=f"write for example {_example(wrong, kinds)}"
        )
    return {name: recipe_of(name, per[name], seed) for name in kinds}


def _example(wrong: list[str], kinds: Mapping[str, type]) -> str:
    """A setting as it should be written: the first that a compared method has, else any setting of any of them."""
    for text in wrong:
        name, sign, value = text.partition("=")
        name = name.strip().rpartition(".")[2]
        owner = next((known for known, kind in kinds.items() if name in names_of(kind)), None)
        if owner is not None:
            return f"{owner}.{name}={value.strip() if sign else 'VALUE'}"
    owner = max(kinds, key=lambda known: len(names_of(kinds[known])))
    return f"{owner}.{next(iter(names_of(kinds[owner])), 'NAME')}=VALUE"
