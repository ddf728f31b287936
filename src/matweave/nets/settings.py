"""Rules for the settings of networks that `config` has none for: lists of whole numbers, odd widths.

Settings come from JSON and command lines too, where a tuple is a list: `tuples` makes it one again.
"""

from __future__ import annotations

from matweave.config import Rule, integer


def tuples(owner: object, *names: str) -> None:
    """Turn the owner's lists of those names into tuples, so that settings equal those they were saved from.

    >>> from matweave.nets.mlp import MLP
    >>> MLP(hidden=[8, 4]) == MLP(hidden=(8, 4))
    True
    """
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, list):
            object.__setattr__(owner, name, tuple(value))


def integers(low: int, *, least: int = 1, count: int | None = None) -> Rule:
    """A tuple of integers >= low; at least `least` of them, or exactly `count`.

    >>> integers(1)((16, 0))
    'a list of integers >= 1, such as [1, 1]'
    >>> integers(1, count=3)((16, 32))
    'a list of 3 integers >= 1, such as [1, 1, 1]'
    """
    one = integer(low)
    many = f"{count} " if count is not None else ""
    wanted = f"a list of {many}integers >= {low}, such as {[low] * (count or 2)}"

    def rule(value: object) -> str | None:
        if not isinstance(value, tuple) or any(one(v) is not None for v in value):
            return wanted
        enough = len(value) >= least if count is None else len(value) == count
        return None if enough else wanted

    return rule


def odd(low: int = 1) -> Rule:
    """An odd integer >= low: a window of that width has a middle.

    >>> odd()(4)
    'an odd integer >= 1'
    """
    one = integer(low)

    def rule(value: object) -> str | None:
        return None if one(value) is None and int(str(value)) % 2 else f"an odd integer >= {low}"

    return rule
