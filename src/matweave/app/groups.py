"""Words of `compare --methods` that stand for many methods, and what of them a log allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, final

from matweave.app.catalogue import METHODS, RATING_METHODS, TIMED_METHODS, method, name_of
from matweave.data.interactions import Interactions
from matweave.errors import missing_extra

GROUPS = ("all", "factor", "neural")
"""Every method, and those of one room."""

MINUTES = 5.0
"""The budget of each fit where a group is asked for and no budget said."""


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """Methods to compare. grouped: those that a group brought in, and that may be left out; left_out: those that were, and why."""

    names: tuple[str, ...]
    grouped: frozenset[str]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def allowed(self, recipes: Mapping[str, Any], log: Interactions) -> tuple[dict[str, Any], dict[str, str]]:
        """The recipes but for those that came by a group and need what the log has not; and all that is left out, and why."""
        left = dict(self.left_out)
        for name in self.grouped & set(recipes):
            if name in RATING_METHODS and log.values is None:
                left[name] = "it predicts values, and this log has none"
            elif name in TIMED_METHODS and log.times is None:
                left[name] = "it needs the time of each row, and this log has none"
        order = [name for name in METHODS if name in left]
        return {n: r for n, r in recipes.items() if n not in left}, {n: left[n] for n in order}

    def seconds(self, minutes: float | None) -> float | None:
        """The budget of each fit: what was said; else `MINUTES` for a group, and none for methods by name."""
        if minutes is None:
            return 60 * MINUTES if self.grouped or self.left_out else None
        return 60 * minutes


def asked(words: Sequence[str]) -> Asked:
    """Methods by name, in the order of the words; groups stand for theirs in the order of the catalogue.

    Raises ConfigError for a word that is neither, MissingExtra where nothing is left without torch.

    >>> asked(["ease", "pure-svd"]).names, len(asked(["factor"]).names) > 6
    (('ease', 'pure_svd'), True)
    """
    named: list[str] = []
    grouped: list[str] = []
    for word in words:
        if word.casefold() in GROUPS:
            grouped += [n for n in METHODS if word.casefold() in ("all", METHODS.room(n))]
        else:
            named.append(name_of(method(word)))
    left = {}
    if find_spec("torch") is None:
        left = {n: "torch is not installed: pip install 'matweave[deep]'" for n in grouped
                if METHODS.room(n) == "neural" and n not in named}  # fmt: skip
    names = tuple(n for n in dict.fromkeys([*named, *grouped]) if n not in left)
    if left and not names:
        raise missing_extra("deep", "torch", "--methods neural")
    return Asked(names=names, grouped=frozenset(grouped) - set(named), left_out=left)
