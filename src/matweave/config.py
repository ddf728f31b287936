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
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from matweave.errors import ConfigError, nearest

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
        _refuse_unknown(made, settings)
        plain(self, **settings)

    made.__init__ = __init__
    return made


def names(cls: type) -> list[str]:
    """The settings of a config, in order."""
    return [f.name for f in fields(cls) if f.init]


def _refuse_unknown(cls: type, settings: Iterable[str]) -> None:
    known = names(cls)
    unknown = [s for s in settings if s not in known]
    if unknown:
        raise ConfigError(
            "; ".join(f"unknown setting {s!r}{nearest(s, known)}" for s in unknown),
            where=cls.__name__,
            mend=f"use one of: {', '.join(known)}",
        )


def check(owner: object, **rules: Rule) -> None:
    """Apply the rules to the owner's fields and raise one `ConfigError` that lists every problem."""
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
    """An int in [low, high]; a bool is not one."""
    wanted = f"an integer{_range(low, high)}"

    def rule(value: object) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        return None if good and _within(value, low, high) else wanted

    return rule


def number(low: float | None = None, high: float | None = None, *, above: float | None = None) -> Rule:
    """A finite int or float in [low, high], and strictly over `above` where that is given."""
    wanted = f"a number{_range(low, high)}" + (f" > {above}" if above is not None else "")

    def rule(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return wanted
        return None if _within(value, low, high) and (above is None or value > above) else wanted

    return rule


def flag() -> Rule:
    """True or False."""
    return lambda value: None if isinstance(value, bool) else "true or false"


def one_of(*choices: str) -> Rule:
    """One of the given strings; suggests the nearest."""

    def rule(value: object) -> str | None:
        if value in choices:
            return None
        return f"one of {', '.join(choices)}{nearest(str(value), choices)}"

    return rule


def optional(inner: Rule) -> Rule:
    """None, or what the inner rule allows."""

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
    """The settings of a config as a plain dict, in order."""
    return {name: getattr(owner, name) for name in names(type(owner))}


def parse_settings(cls: type, texts: Iterable[str]) -> dict[str, Any]:
    """`["rank=64", "solver=cg"]` as a dict of typed values; raises one `ConfigError` for all problems.

    A value is read as JSON where it is JSON (64, 0.1, true, null), and as text otherwise.
    """
    found: dict[str, Any] = {}
    malformed = []
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            malformed.append(text)
            continue
        found[name.strip()] = _value(value.strip())
    if malformed:
        raise ConfigError(
            "; ".join(f"{m!r} is not NAME=VALUE" for m in malformed),
            where=f"settings of {cls.__name__}",
            mend=f"write for example {next(iter(names(cls)), 'name')}=VALUE",
        )
    _refuse_unknown(cls, found)
    return found


def _value(text: str) -> Any:
    if text.casefold() in ("none", "null"):
        return None
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def build(cls: type[T], settings: Mapping[str, Any]) -> T:
    """The config from a mapping; unknown names are refused with the nearest known one."""
    return cls(**settings)
