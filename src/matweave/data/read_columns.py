"""Which column is the user, the item, the value, the time: as said, by its name, or by its place.

Names are compared without case, punctuation and RecBole's ":type" ending. A column that is named like an id
("userId") goes before one that is named like the thing ("customer"). Two candidates of one rank are an
error, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from matweave.errors import DataError, listed, nearest

ROLES = ("user", "item", "value", "time")

_USERS = "customer client member visitor account reviewer reader person"
_ITEMS = """movie product article track song artist book business content video game news show recipe anime
film"""


def _with_ids(words: str) -> tuple[str, ...]:
    return tuple(form for word in words.split() for form in (word, f"{word}id"))


NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "user": (
        ("user", "userid", "uid", "users", "useridx"),
        _with_ids(_USERS),
        ("username", "sessionid", "session", "u"),
    ),
    "item": (
        ("item", "itemid", "iid", "items", "itemidx"),
        (*_with_ids(_ITEMS), "isbn", "sku", "asin", "parentasin"),
        ("i",),
    ),
    "value": (
        ("rating", "ratings", "value", "score", "stars", "overall", "bookrating"),
        ("count", "counts", "plays", "playcount", "weight", "quantity", "qty", "strength", "clicks", "views"),
    ),
    "time": (
        ("timestamp", "time", "datetime", "ts", "unixtime"),
        ("date", "eventtime", "unixreviewtime", "createdat", "created", "reviewtime", "ratedat", "watchedat"),
        ("t",),
    ),
}
"""Known names of each role, plain; the names of one rank stand together."""


@final
@dataclass(frozen=True, kw_only=True)
class Columns:
    """The place of each role's column (None: there is none), its name, and what to tell about the choice."""

    user: int
    item: int
    value: int | None
    time: int | None
    names: tuple[str, ...]
    report: tuple[str, ...]

    def name(self, role: str) -> str:
        """The name of the role's column."""
        at = getattr(self, role)
        return self.names[at] if at is not None else ""

    def roles(self, codes: Sequence[int], other: int) -> list[int]:
        """For each column the code of its role (user, item, value, time), or `other`."""
        by_place = {getattr(self, role): code for role, code in zip(ROLES, codes, strict=True)}
        return [by_place.get(at, other) for at in range(len(self.names))]


def choose(
    names: Sequence[str],
    said: dict[str, str | None],
    where: str,
    *,
    by_place: Callable[[], dict[str, int]] | None = None,
) -> Columns:
    """Choose among the columns `names`.

    said: role -> column name, None to find it, "-" for a log without that role. by_place: for a file without
    a header, gives the places of the roles not said. Raises DataError that lists every problem and all columns.

    >>> choose(["userId", "movieId", "rating", "title"], {}, "log.csv").report
    ("columns by name: user 'userId', item 'movieId', value 'rating'; no time; ignored: 'title'",)
    """
    problems: list[str] = []
    places: dict[str, int | None] = dict.fromkeys(ROLES)
    plain = [_plain(n) for n in names]
    missing = []
    for role in ROLES:
        name = said.get(role)
        if name == "-" and role in ("value", "time"):
            continue
        if name is None:
            missing.append(role)
        elif name in names:
            if list(names).count(name) > 1:
                problems.append(f"the column {name!r} stands there more than once")
            places[role] = list(names).index(name)
        else:
            problems.append(f"there is no column {name!r} for the {role}{nearest(name, names)}")
    taken = {p for p in places.values() if p is not None}
    found = by_place() if by_place is not None else {}
    for role in missing:
        if by_place is not None:
            at = found.get(role)
            places[role] = at if at is not None and at not in taken else None
        else:
            places[role] = _by_name(role, names, plain, taken, problems)
        if places[role] is None and role in ("user", "item") and not any(role in p for p in problems):
            guess = nearest(role, [n for at, n in enumerate(names) if at not in taken])
            problems.append(f"no column is named like the {role}s{guess}")
    chosen = [p for p in places.values() if p is not None]
    if len(set(chosen)) < len(chosen) and not problems:
        problems.append("one column was chosen for two roles")
    if problems:
        raise DataError(
            "\n".join([*problems, f"the columns are {listed(names, 40)}"]),
            where=where,
            mend="say them: " + ", ".join(f"{role}=NAME" for role in ROLES) + " (--user NAME and so on)",
        )
    user, item = places["user"], places["item"]
    assert user is not None
    assert item is not None
    how = "by place (there is no header)" if by_place is not None else "by name"
    told = _told(names, places, "as said" if len(missing) == 0 else how)
    return Columns(
        user=user, item=item, value=places["value"], time=places["time"], names=tuple(names), report=(told,)
    )


def known_names(names: Sequence[str]) -> int:
    """How many of the names are known for some role."""
    known = {n for tiers in NAMES.values() for tier in tiers for n in tier}
    return sum(_plain(n) in known for n in names)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].casefold())


def _by_name(
    role: str, names: Sequence[str], plain: list[str], taken: set[int], problems: list[str]
) -> int | None:
    for tier in NAMES[role]:
        fit = [at for at, n in enumerate(plain) if n in tier and at not in taken]
        if len(fit) == 1:
            return fit[0]
        if fit:
            problems.append(f"more than one column may be the {role}: {listed([names[at] for at in fit])}")
            return None
    return None


def _told(names: Sequence[str], places: dict[str, int | None], how: str) -> str:
    chosen = ", ".join(f"{role} {names[p]!r}" for role, p in places.items() if p is not None)
    none = [f"no {role}" for role, p in places.items() if p is None]
    ignored = [n for at, n in enumerate(names) if at not in places.values()]
    parts = [f"columns {how}: {chosen}"]
    parts += [", ".join(none)] if none else []
    parts += [f"ignored: {listed(ignored, 20)}"] if ignored else []
    return "; ".join(parts)
