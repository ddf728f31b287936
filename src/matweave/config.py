"""Frozen keyword-only configs, checked at birth: every problem is listed at once, and unknown names
suggest the nearest one.

    @config
    class Ridge:
        rank: int = 8                 # columns kept, >= 1
        solver: str = "cg"            # how: cg or cholesky

        def __post_init__(self) -> None:
            check(self, rank=integer(1), solver=one_of("cg", "cholesky"))
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from numbers import Integral, Real
from typing import Any, TypeVar, dataclass_transform, final

from matweave.errors import ConfigError, nearest


@final
@dataclass(frozen=True, kw_only=True)
class Span:
    """A range of a setting that a search draws from; `log` where its ends differ by orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


Space = dict[str, Span | tuple]
"""What a search may vary in a recipe: a `Span`, or the values to choose from."""

T = TypeVar("T")
Rule = Callable[[object], str | None]
"""A rule answers None for a good value, or says what would be good."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
def config(cls: type[T]) -> type[T]:
    """A frozen keyword-only dataclass whose constructor suggests the nearest name for an unknown one."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    plain = made.__init__

    @wraps(plain)
    def __init__(self, *args: object, **settings: object) -> None:
        if args:
            raise ConfigError(
                f"{cls.__name__} takes its settings by name, not by position",
                where=cls.__name__,
                mend=f"name them: {', '.join(names(made)) or 'it has none'}",
            )
        problems = [*_unknown(made, settings), *_missing(made, settings)]
        if problems:
            with suppress(TypeError):  # a missing one: its own rule has nothing to look at
                try:
                    plain(self, **{s: v for s, v in settings.items() if s in names(made)})
                except ConfigError as error:  # what is wrong with the known ones is told too
                    problems.append(error.what)
            raise ConfigError("\n".join(problems), where=cls.__name__, mend=_use_one_of(made))
        plain(self, **settings)

    made.__init__ = __init__
    return made


def names(cls: type) -> list[str]:
    """The settings of a config, in order."""
    return [f.name for f in fields(cls) if f.init]


def _unknown(cls: type, settings: Iterable[str]) -> list[str]:
    known = names(cls)
    return [f"unknown setting {s!r}{nearest(s, known)}" for s in settings if s not in known]


def _missing(cls: type, settings: Iterable[str]) -> list[str]:
    given = set(settings)
    needed = [f.name for f in fields(cls) if f.init and f.default is MISSING and f.default_factory is MISSING]
    return [f"{name} is not given" for name in needed if name not in given]


def _use_one_of(cls: type) -> str:
    return f"the settings are: {', '.join(names(cls)) or 'none'}"


def check(owner: object, **rules: Rule) -> None:
    """Apply the rules to the owner's fields and raise one `ConfigError` that lists every problem.

    >>> @config
    ... class Ridge:
    ...     rank: int = 8
    ...     def __post_init__(self): check(self, rank=integer(1))
    >>> Ridge(rank=0)
    Traceback (most recent call last):
    matweave.errors.ConfigError: rank is 0, but must be an integer >= 1
      where: Ridge
      mend:  correct the settings of Ridge
    """
    problems = []
    for name, rule in rules.items():
        value = getattr(owner, name)
        wanted = rule(value)
        if wanted is not None:
            problems.append(f"{name} is {value!r}, but must be {wanted}")
    if problems:
        who = type(owner).__name__
        raise ConfigError("\n".join(problems), where=who, mend=f"correct the settings of {who}")


def integer(low: int | None = None, high: int | None = None) -> Rule:
    """An int (or NumPy integer) in [low, high]; a bool is not one.

    >>> integer(1)(0)
    'an integer >= 1'
    """
    wanted = f"an integer{_range(low, high)}"

    def rule(value: object) -> str | None:
        good = isinstance(value, Integral) and not isinstance(value, bool)
        return None if good and _within(value, low, high) else wanted

    return rule


def number(low: float | None = None, high: float | None = None, *, above: float | None = None) -> Rule:
    """A finite int or float in [low, high], and strictly over `above` where that is given.

    >>> number(above=0)(0.0)
    'a number > 0'
    """
    bounds = [b for b in (_range(low, high), f" > {above}" if above is not None else "") if b]
    wanted = "a number" + " and".join(bounds)

    def rule(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, Real):
            return wanted
        if not isinstance(value, Integral) and not math.isfinite(value):
            return wanted
        good: Any = value
        return None if _within(good, low, high) and (above is None or good > above) else wanted

    return rule


def flag() -> Rule:
    """True or False.

    >>> flag()(1)
    'true or false'
    """
    return lambda value: None if isinstance(value, bool) else "true or false"


def one_of(*choices: str) -> Rule:
    """One of the given strings; suggests the nearest.

    >>> one_of("cg", "cholesky")("cholseky")
    "one of cg, cholesky; did you mean 'cholesky'?"
    """

    def rule(value: object) -> str | None:
        if value in choices:
            return None
        return f"one of {', '.join(choices)}{nearest(str(value), choices)}"

    return rule


def optional(inner: Rule) -> Rule:
    """None, or what the inner rule allows.

    >>> optional(integer(1))(0), optional(integer(1))(None)
    ('an integer >= 1, or none', None)
    """

    def rule(value: object) -> str | None:
        wanted = None if value is None else inner(value)
        return wanted and f"{wanted}, or none"

    return rule


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" in [{low}, {high}]"
    if low is not None:
        return f" >= {low}"
    return f" <= {high}" if high is not None else ""


def _within(value: Any, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def settings_of(owner: object) -> dict[str, Any]:
    """The settings of a config as a plain dict, in order; NumPy scalars as the Python numbers they are."""
    found = ((name, getattr(owner, name)) for name in names(type(owner)))
    return {name: value.item() if hasattr(value, "item") else value for name, value in found}


def parse_settings(cls: type, texts: Iterable[str]) -> dict[str, Any]:
    """`["rank=64", "solver=cg"]` as a dict of typed values; raises one `ConfigError` for all problems.

    A value is read as JSON where it is JSON (64, 0.1, true, null), and as text otherwise.

    >>> @config
    ... class Ridge:
    ...     rank: int = 8
    ...     solver: str = "cg"
    >>> parse_settings(Ridge, ["rank=64", "solver=cholesky"])
    {'rank': 64, 'solver': 'cholesky'}
    """
    found: dict[str, Any] = {}
    problems = []
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name:
            problems.append(f"{text!r} is not NAME=VALUE")
        elif name in found:
            problems.append(f"{name} is set twice")
        else:
            found[name] = _value(value)
    problems += _unknown(cls, found)
    if problems:
        raise ConfigError(
            "\n".join(problems),
            where=f"settings of {cls.__name__}",
            mend=f"write NAME=VALUE, each name once; {_use_one_of(cls)}",
        )
    return found


def _value(text: str) -> Any:
    if text.casefold() in ("none", "null"):
        return None
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or a number of thousands of digits
        return text


def build(cls: type[T], settings: Mapping[str, Any]) -> T:
    """The config from a mapping; unknown names are refused with the nearest known one.

    >>> @config
    ... class Ridge:
    ...     rank: int = 8
    >>> build(Ridge, {"rnak": 4})
    Traceback (most recent call last):
    matweave.errors.ConfigError: unknown setting 'rnak'; did you mean 'rank'?
      where: Ridge
      mend:  the settings are: rank
    """
    return cls(**settings)
