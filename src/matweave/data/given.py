"""Files of negatives that come with a split: each test item is ranked among the ones given for it.

Two forms are read, plain or compressed (.gz, .zst):

    (user,item)<tab>negative<tab>negative...     one list a line: He et al. 2017, "Neural Collaborative
                                                 Filtering", the files *.test.negative of its code
    user<tab>negative                            one pair a line (tab, comma, `::` or `;`; a header is found by
                                                 name); the targets are the rows of a test part, handed in

Ids get the type that they have in the training log, so that "12" in a file is 12 in a log of integers.
Ranking among a few negatives is not ranking among all items: its figures are larger, and can order
methods differently (Krichene, Rendle 2020, "On sampled metrics for item recommendation").
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import numpy as np
import pyarrow as pa

from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import BadRows, ConfigError, DataError

_PAIR = re.compile(r"\(([^,()]+),([^,()]+)\)\Z")
_SEPARATORS = ("\t", "::", ",", ";")
_USER_NAMES = {"user", "users", "userid", "uid"}


class HasIds(Protocol):
    """What knows its users and items: a log, or a fitted model."""

    @property
    def users(self) -> Vocabulary: ...

    @property
    def items(self) -> Vocabulary: ...


@final
@dataclass(frozen=True, kw_only=True)
class Laid:
    """Candidates laid over the codes of two vocabularies.

    `user_codes`, `item_codes` int32 (lists,), one target each; list i has the negatives
    `negatives[indptr[i]:indptr[i + 1]]` (int32; indptr int64). `rows` says which lists of the file these
    are. `lost_lists` had an unknown user or target; `unknown_negatives` were left out of the lists.
    """

    user_codes: np.ndarray
    item_codes: np.ndarray
    indptr: np.ndarray
    negatives: np.ndarray
    rows: np.ndarray
    lost_lists: int
    unknown_negatives: int


@final
@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Lists to rank, by ids: list i asks for the rank of `items[i]` among itself and `negatives[i]`.

    `users`, `items` are Arrow arrays (lists,), `negatives` an Arrow list array (lists,), ragged. What a
    file holds is kept as it is: where a target stands among its own negatives too, it does so here.
    """

    users: pa.Array
    items: pa.Array
    negatives: pa.ListArray
    report: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.users)

    def lay(self, users: Vocabulary, items: Vocabulary) -> Laid:
        """The lists in codes of a model's vocabularies; what is unknown to it is counted, not guessed."""
        user_codes, known_users = users.encode(self.users)
        item_codes, known_items = items.encode(self.items)
        flat, known = items.encode(self.negatives.flatten())
        owner = np.repeat(np.arange(len(self)), np.asarray(self.negatives.value_lengths(), np.int64))
        kept = known_users & known_items
        inside = kept[owner] & known
        counts = np.bincount(owner[inside], minlength=len(self))[kept]
        return Laid(
            user_codes=user_codes[kept],
            item_codes=item_codes[kept],
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            negatives=flat[inside],
            rows=np.flatnonzero(kept),
            lost_lists=int(np.count_nonzero(~kept)),
            unknown_negatives=int(np.count_nonzero(kept[owner] & ~known)),
        )


def read_negatives(
    path: str | Path, *, log: HasIds, test: Interactions | None = None, on_bad_rows: str = "error"
) -> Candidates:
    """Read a file of negatives; ids get the types of `log`, the training part or a model fitted to it.

    `test` gives the targets of the two-column form, and is compared with those of the other. With
    `on_bad_rows="drop"` bad lines are dropped, counted and told.

    Raises BadRows, which counts bad lines by kind and names the first ten; DataError for a file that
    cannot be read; ConfigError for an unknown `on_bad_rows`.

    >>> import tempfile
    >>> log = Interactions.from_codes([0, 1], [0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "test.negative"
    ...     _ = at.write_text("(0,1)\\t2\\t3\\n")
    ...     found = read_negatives(at, log=log)
    >>> found.items.to_pylist(), found.negatives.to_pylist()
    ([1], [[2, 3]])
    """
    if on_bad_rows not in ("error", "drop"):
        raise ConfigError(
            f"on_bad_rows is {on_bad_rows!r}", where="read_negatives", mend='use "error" or "drop"'
        )
    path = Path(path)
    lines = _lines(path)
    first = next((text for _, text in lines if text), None)
    if first is None:
        raise DataError(f"{path.name} is empty", where=str(path), mend="give a file with lists of negatives")
    listed = first.startswith("(")
    if not listed and test is None:
        raise DataError(
            f"{path.name} has pairs of user and negative, which do not say what to rank among them",
            where=str(path),
            mend="hand in the test part (test=...), or write lines as (user,item)<tab>negative<tab>negative...",
        )
    rows, bad = _parse_lists(lines) if listed else _parse_pairs(lines, first)
    kinds = (log.users.ids.type, log.items.ids.type)
    rows, bad = _typed(rows, bad, kinds, listed)
    notes = _judge_bad(path, bad, len(rows), on_bad_rows)
    made = _from_lists(rows, kinds) if listed else _from_pairs(rows, kinds, test)
    return Candidates(
        users=made[0], items=made[1], negatives=made[2], report=(*notes, *made[3], *_compare(made, test))
    )


_Row = tuple[int, list]  # the line, and its ids: user, [item,] negatives...
_Bad = list[tuple[int, str]]


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines; a broken encoding is marked by the character U+FFFD and found as a bad line."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            data = stream.read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path.name} cannot be read ({error})",
            where=str(path),
            mend="check the path; get the file again if cut",
        ) from error
    return [(n, line.strip("\r")) for n, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1)]


def _parse_lists(lines: list[tuple[int, str]]) -> tuple[list[_Row], _Bad]:
    rows, bad = [], []
    for n, line in lines:
        head, *negatives = line.split("\t")
        if negatives and not negatives[-1].strip():
            negatives.pop()  # a tab at the end of the line is no id
        pair = _PAIR.match(head.strip())
        if not line:
            continue
        if "\ufffd" in line:
            bad.append((n, "broken encoding"))
        elif not pair:
            bad.append((n, "no (user,item) at its start"))
        elif not negatives:
            bad.append((n, "no negatives"))
        elif not all(map(str.strip, negatives)):
            bad.append((n, "empty id"))
        else:
            rows.append((n, [pair[1].strip(), pair[2].strip(), *map(str.strip, negatives)]))
    return rows, bad


def _parse_pairs(lines: list[tuple[int, str]], first: str) -> tuple[list[_Row], _Bad]:
    separator = next((s for s in _SEPARATORS if s in first), "\t")
    rows, bad, at_start = [], [], True
    for n, line in lines:
        if not line:
            continue
        fields = [field.strip().strip('"') for field in line.split(separator)]
        header = at_start and re.sub(r"[\W_]", "", fields[0]).casefold() in _USER_NAMES
        at_start = False
        if header:
            continue
        if "\ufffd" in line:
            bad.append((n, "broken encoding"))
        elif len(fields) != 2:
            bad.append((n, "not two fields"))
        elif not all(fields):
            bad.append((n, "empty id"))
        else:
            rows.append((n, fields))
    return rows, bad


def _typed(
    rows: list[_Row], bad: _Bad, kinds: tuple[pa.DataType, pa.DataType], listed: bool
) -> tuple[list[_Row], _Bad]:
    """Leave only rows whose ids can be read as the types of the log; the cast of all at once is tried first."""
    user_kind, item_kind = kinds
    try:
        pa.array([ids[0] for _, ids in rows], pa.string()).cast(user_kind)
        pa.array([i for _, ids in rows for i in ids[1:]], pa.string()).cast(item_kind)
    except pa.ArrowInvalid:
        good = []
        for n, ids in rows:
            wrong = next(
                (k for k, part in ((user_kind, ids[:1]), (item_kind, ids[1:])) if not _casts(part, k)), None
            )
            if wrong is None:
                good.append((n, ids))
            else:
                bad.append((n, f"id is not {wrong} as in the log"))
        rows = good
    return rows, sorted(bad)


def _casts(ids: list[str], kind: pa.DataType) -> bool:
    try:
        pa.array(ids, pa.string()).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _judge_bad(path: Path, bad: _Bad, good: int, on_bad_rows: str) -> list[str]:
    if not bad:
        return []
    kinds = ", ".join(
        f"{count:,} with {kind}" for kind, count in Counter(kind for _, kind in bad).most_common()
    )
    told = f"{len(bad):,} of {len(bad) + good:,} lines are bad: {kinds}"
    if on_bad_rows == "drop" and good:
        return [f"dropped: {told}"]
    named = "\n".join(f"  line {n}: {kind}" for n, kind in bad[:10])
    raise BadRows(
        f"{told}\n{named}",
        where=str(path),
        mend='correct the lines, or drop them with on_bad_rows="drop" (--on-bad-rows drop)',
    )


_Made = tuple[pa.Array, pa.Array, pa.ListArray, list[str]]


def _from_lists(rows: list[_Row], kinds: tuple[pa.DataType, pa.DataType]) -> _Made:
    offsets = np.concatenate([[0], np.cumsum([len(ids) - 2 for _, ids in rows])]).astype(np.int32)
    flat = pa.array([i for _, ids in rows for i in ids[2:]], pa.string()).cast(kinds[1])
    own = sum(ids[1] in ids[2:] for _, ids in rows)
    notes = [f"{len(rows):,} lists with {len(flat):,} negatives"]
    if own:
        notes.append(f"in {own:,} lists the target stands among its own negatives too; kept as given")
    return (
        pa.array([ids[0] for _, ids in rows], pa.string()).cast(kinds[0]),
        pa.array([ids[1] for _, ids in rows], pa.string()).cast(kinds[1]),
        pa.ListArray.from_arrays(pa.array(offsets), flat),
        notes,
    )


def _from_pairs(rows: list[_Row], kinds: tuple[pa.DataType, pa.DataType], test: Interactions | None) -> _Made:
    assert test is not None  # asked for before
    given, codes = Vocabulary.of(pa.array([ids[0] for _, ids in rows], pa.string()).cast(kinds[0]))
    negatives = pa.array([ids[1] for _, ids in rows], pa.string()).cast(kinds[1])
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(given)))])
    theirs, known = given.encode(test.users.decode(test.user_codes))
    targets = np.flatnonzero(known)
    theirs = theirs[targets]
    lengths = starts[theirs + 1] - starts[theirs]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    at = np.repeat(starts[theirs] - offsets[:-1], lengths) + np.arange(offsets[-1])
    notes = [
        f"{len(targets):,} lists for the rows of the test part, {len(rows):,} negatives of {len(given):,} users"
    ]
    if len(targets) < len(test):
        notes.append(f"{len(test) - len(targets):,} test rows have a user without negatives and are left out")
    return (
        test.users.decode(test.user_codes[targets]).cast(kinds[0]),
        test.items.decode(test.item_codes[targets]).cast(kinds[1]),
        pa.ListArray.from_arrays(pa.array(offsets), negatives.take(pa.array(order[at]))),
        notes,
    )


def _compare(made: _Made, test: Interactions | None) -> list[str]:
    """Tell how many targets are not rows of the test part."""
    if test is None:
        return []
    users, known_users = test.users.encode(made[0])
    items, known_items = test.items.encode(made[1])
    wide = np.int64(test.n_items)
    rows = test.user_codes * wide + test.item_codes
    other = int(np.count_nonzero(~(known_users & known_items & np.isin(users * wide + items, rows))))
    return [f"{other:,} targets are not rows of the test part"] if other else []
