"""What a split gave each part, what its test part lost, and what leaks from the future.

`later_rows` counts training rows later than the first test row: in use, they would not yet have been
there. A split by global time has none. Leave-last-out, random and by-user splits always have some: they
compare methods under the same leak, but their figures are not those of a system in use
(Ji, Sun, Zhang, Li 2023, "A critical study on data leakage in recommender system offline evaluation").
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from matweave.data.interactions import Interactions
    from matweave.data.vocabulary import Vocabulary

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@final
@dataclass(frozen=True, kw_only=True)
class PartReport:
    """One part of a split: its sizes, its span, and what of it the training part has never seen.

    `first` and `last` are microseconds since 1970, None without times. A row is lost to models that
    need known users and items where its item is unseen, or its user is unseen and not folded in.
    """

    name: str
    rows: int
    users: int
    items: int
    first: int | None
    last: int | None
    unseen_users: int = 0
    unseen_items: int = 0
    lost_rows: int = 0


@final
@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """The parts, the leaks, and what was decided on the way.

    `later_rows` is None where the logs have no times. `shared_pairs` counts (user, item) pairs of
    validation or test that stand in the training part too. `notes` are plain sentences.
    """

    kind: str
    parts: tuple[PartReport, ...]
    later_rows: int | None
    shared_pairs: int
    notes: tuple[str, ...] = ()

    @property
    def train(self) -> PartReport:
        """The report of the training part."""
        return self.part("train")

    @property
    def test(self) -> PartReport:
        """The report of the test part."""
        return self.part("test")

    def part(self, name: str) -> PartReport:
        """The report of train, valid, test, valid_known or test_known; KeyError where there is none."""
        return {part.name: part for part in self.parts}[name]

    def lines(self) -> list[str]:
        """The report as plain text, one fact a line."""
        return [
            f"split {self.kind}",
            *(f"  {_line(part)}" for part in self.parts),
            *(f"  {_losses(part)}" for part in self.parts if part.lost_rows),
            f"  leak: {self._leak()}",
            *(f"  note: {note}" for note in self.notes),
        ]

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON: the same names as the fields."""
        return asdict(self) | {"parts": [asdict(part) for part in self.parts], "notes": list(self.notes)}

    def _leak(self) -> str:
        said = []
        if self.later_rows is None:
            said.append("unknown through time (the log has no times)")
        elif self.later_rows:
            share = self.later_rows / self.train.rows
            said.append(
                f"{self.later_rows:,} training rows ({share:.1%}) are later than the first test row; "
                "in use they would not be there yet"
            )
        if self.shared_pairs:
            said.append(f"{self.shared_pairs:,} (user, item) pairs stand in the training part and in another")
        return "; ".join(said) or "none"


def _line(part: PartReport) -> str:
    span = (
        f", {when(part.first)} to {when(part.last)}"
        if part.first is not None and part.last is not None
        else ""
    )
    return f"{part.name}: {part.rows:,} rows, {part.users:,} users, {part.items:,} items{span}"


def _losses(part: PartReport) -> str:
    return (
        f"{part.name}: {part.unseen_users:,} users and {part.unseen_items:,} items unseen in train; "
        f"{part.lost_rows:,} rows ({part.lost_rows / part.rows:.1%}) lost to models that need them known"
    )


def when(micros: int) -> str:
    """Microseconds since 1970 as an ISO instant in UTC, to the second.

    >>> when(978_300_760_000_000)
    '2000-12-31T22:12:40Z'
    """
    return (_EPOCH + timedelta(microseconds=int(micros))).strftime("%Y-%m-%dT%H:%M:%SZ")


def report_split(
    kind: str,
    train: Interactions,
    test: Interactions,
    valid: Interactions | None = None,
    test_known: Interactions | None = None,
    valid_known: Interactions | None = None,
    *,
    notes: tuple[str, ...] = (),
    shared_pairs: int = 0,
) -> SplitReport:
    """Measure the parts of a split; a by-user split hands in its fold-in parts."""
    parts = [_measure("train", train, train, None)]
    for name, part, known in (("valid", valid, valid_known), ("test", test, test_known)):
        if known is not None:
            parts.append(_measure(f"{name}_known", known, train, known))
        if part is not None:
            parts.append(_measure(name, part, train, known))
    later = None
    if train.times is not None and test.times is not None:
        later = int(np.count_nonzero(train.times > test.times.min())) if len(test) else 0
    return SplitReport(
        kind=kind, parts=tuple(parts), later_rows=later, shared_pairs=shared_pairs, notes=notes
    )


def _measure(name: str, part: Interactions, train: Interactions, folded: Interactions | None) -> PartReport:
    timed = part.times is not None and len(part) > 0
    users, items = (
        _seen(part.users, train.users, train.user_codes),
        _seen(part.items, train.items, train.item_codes),
    )
    given = users if folded is None else users | _seen(part.users, folded.users, folded.user_codes)
    mine, theirs = _present(part.user_codes, part.n_users), _present(part.item_codes, part.n_items)
    return PartReport(
        name=name,
        rows=len(part),
        users=int(mine.sum()),
        items=int(theirs.sum()),
        first=int(part.times.min()) if timed else None,  # pyright: ignore[reportOptionalMemberAccess]
        last=int(part.times.max()) if timed else None,  # pyright: ignore[reportOptionalMemberAccess]
        unseen_users=int(np.count_nonzero(mine & ~users)),
        unseen_items=int(np.count_nonzero(theirs & ~items)),
        lost_rows=int(np.count_nonzero(~(given[part.user_codes] & items[part.item_codes]))),
    )


def _seen(ids: Vocabulary, by: Vocabulary, codes: np.ndarray) -> np.ndarray:
    """Which ids have a row among those coded; an id without rows is not seen, though a vocabulary names it."""
    at, known = by.encode(ids.ids)
    known = known.copy()
    known[known] = _present(codes, len(by))[at[known]]
    return known


def _present(codes: np.ndarray, size: int) -> np.ndarray:
    present = np.zeros(size, bool)
    present[codes] = True
    return present


def count_shared_pairs(train: Interactions, other: Interactions) -> int:
    """How many (user, item) pairs of `other` stand in `train` too."""
    users, known_users = train.users.encode(other.users.ids)
    items, known_items = train.items.encode(other.items.ids)
    known = known_users[other.user_codes] & known_items[other.item_codes]
    wide = np.int64(train.n_items)
    theirs = users[other.user_codes[known]] * wide + items[other.item_codes[known]]
    return int(np.count_nonzero(np.isin(theirs, train.user_codes * wide + train.item_codes)))
