"""Train, validation and test parts of a log; every split tells what it costs and what it leaks.

| split                  | the test part is                                     | leak through time |
|------------------------|------------------------------------------------------|-------------------|
| `split_by_time`        | all rows from one instant on (the default everywhere) | none              |
| `split_leave_last_out` | each user's last rows                                | always            |
| `split_randomly`       | rows drawn by chance                                 | always            |
| `split_by_user`        | users never trained on; part of their rows folded in | always            |
| `split_cold_items`     | items never trained on (data/split_cold.py)          | always            |
| `split_given`          | what you say it is                                   | measured          |

Every row is in exactly one part. Vocabularies are built from each part's own rows, so nothing of the
test part is known to the model. The same log, settings and seed give the same split.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import final

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.split_report import SplitReport, count_shared_pairs, report_split, when
from matweave.errors import ConfigError, DataError
from matweave.randomness import child

Instant = str | datetime
"""An ISO 8601 text or a datetime; without a time zone it is taken as UTC."""


@final
@dataclass(frozen=True, kw_only=True)
class Split:
    """The parts of a log. `test_known` and `valid_known` are the fold-in parts of a split by user."""

    train: Interactions
    valid: Interactions | None
    test: Interactions
    kind: str
    report: SplitReport
    test_known: Interactions | None = None
    valid_known: Interactions | None = None

    def __str__(self) -> str:
        return "\n".join(self.report.lines())


def split_by_time(
    log: Interactions,
    test: float = 0.1,
    valid: float = 0.1,
    *,
    test_from: Instant | None = None,
    valid_from: Instant | None = None,
) -> Split:
    """All rows from one instant on are the test part; the rows before it from another on, validation.

    `test` and `valid` are shares of the rows: the latest ones. Rows of one instant stay together, on
    the later side, so a share is met from above; how far is told. `test_from`, `valid_from` say the
    instants themselves; with `test_from` alone, `valid` is still a share of all rows. `valid=0` gives none.

    Raises ConfigError for bad shares or instants, DataError for a log without times or an empty part.

    >>> from matweave.data.simulate import simulate_log
    >>> split = split_by_time(simulate_log(users=50, items=40, rank=4, interactions=600).log)
    >>> len(split.train), len(split.valid), len(split.test), split.report.later_rows
    (480, 60, 60, 0)
    """
    times = _times(log, "split_by_time")
    check_shares("split_by_time", test=(test, 0.0), valid=(valid, None))
    order = np.sort(times)
    n, notes = len(order), []
    if test_from is not None:
        border = _micros(test_from, "test_from")
    else:
        border = int(order[min(n - 1, n - round(n * test))])
    in_test = times >= border
    notes.append(_told("test", border, int(in_test.sum()), n, None if test_from is not None else test))
    in_valid = np.zeros(n, bool)
    rest = n - int(in_test.sum())
    if valid_from is not None or (valid and rest):
        if valid_from is not None:
            second = _micros(valid_from, "valid_from")
        else:
            second = int(order[max(0, rest - max(1, round(n * valid)))])
        if second >= border:
            raise ConfigError(
                f"valid_from ({when(second)}) is not before the test part ({when(border)})",
                where="split_by_time",
                mend="give an earlier valid_from",
            )
        in_valid = (times >= second) & ~in_test
        notes.append(
            _told("valid", second, int(in_valid.sum()), n, None if valid_from is not None else valid)
        )
    return _split(log, "by time", ~in_test & ~in_valid, in_test, in_valid, tuple(notes))


def split_leave_last_out(log: Interactions, n: int = 1, valid: int = 1) -> Split:
    """Each user's last `n` rows by time are the test part, the `valid` rows before them validation.

    Rows of one instant keep the order of the log. A user with fewer than n + valid + 1 rows stays in
    the training part whole; how many is told. `valid=0` gives none.

    Raises ConfigError for counts out of range, DataError for a log without times or an empty part.

    >>> log = Interactions.from_codes([0, 0, 0, 1], [0, 1, 2, 0], times=[3, 2, 1, 9])
    >>> split = split_leave_last_out(log, n=1, valid=0)
    >>> split.test.to_frame().select(["user", "item"]).to_pylist(), split.report.later_rows
    ([{'user': 0, 'item': 0}], 1)
    """
    times = _times(log, "split_leave_last_out")
    problems = [
        f"{name} is {value!r}, but must be an integer >= {low}"
        for name, value, low in (("n", n, 1), ("valid", valid, 0))
        if not isinstance(value, Integral) or isinstance(value, bool) or value < low
    ]
    if problems:
        raise ConfigError(
            "\n".join(problems), where="split_leave_last_out", mend="give whole numbers of rows"
        )
    from_end, counts = _places_from_end(log.user_codes, times, log.n_users)
    enough = counts[log.user_codes] > n + valid
    in_test = enough & (from_end < n)
    in_valid = enough & (from_end >= n) & (from_end < n + valid)
    short = counts[(counts > 0) & (counts <= n + valid)]
    notes = (
        f"{len(short):,} users with fewer than {n + valid + 1} rows stay in train whole ({short.sum():,} rows)",
    )
    return _split(log, "leave last out", ~in_test & ~in_valid, in_test, in_valid, notes)


def split_randomly(log: Interactions, test: float = 0.1, valid: float = 0.1, *, seed: int = 0) -> Split:
    """Rows drawn by chance, without regard to user or time; `test` and `valid` are shares of the rows.

    Raises ConfigError for bad shares, DataError for an empty part.

    >>> split = split_randomly(Interactions.from_codes([0] * 10, range(10)), test=0.2, valid=0.1)
    >>> len(split.train), len(split.valid), len(split.test)
    (7, 1, 2)
    """
    check_shares("split_randomly", test=(test, 0.0), valid=(valid, None))
    n = len(log)
    drawn = child(seed, "split_randomly").permutation(n)
    tests = max(1, round(n * test))
    valids = max(1, round(n * valid)) if valid else 0
    part = np.zeros(n, np.int8)
    part[drawn[:tests]] = 2
    part[drawn[tests : tests + valids]] = 1
    return _split(log, "at random", part == 0, part == 2, part == 1, ())


def split_by_user(
    log: Interactions,
    test_users: float | int = 0.1,
    valid_users: float | int = 0.1,
    *,
    known: float = 0.8,
    seed: int = 0,
) -> Split:
    """Strong generalization: users held out whole, a share `known` of their rows to fold in, the rest to judge.

    `test_users` and `valid_users` are shares of the users (float), or how many (int). Which rows of a
    held-out user are known is drawn by chance, at least one on each side; a user with one row cannot
    be divided and stays in the training part, which is told. After Liang, Krishnan, Hoffman, Jebara
    2018 (Mult-VAE), section 4.2.

    Raises ConfigError for bad shares, DataError for an empty part.

    >>> log = Interactions.from_codes([0] * 5 + [1] * 5 + [2] * 5, list(range(5)) * 3)
    >>> split = split_by_user(log, test_users=1, valid_users=1, known=0.6)
    >>> len(split.train), len(split.test_known), len(split.test)
    (5, 3, 2)
    """
    check_shares("split_by_user", known=(known, 0.0))
    counts = np.bincount(log.user_codes, minlength=log.n_users)
    able = np.flatnonzero(counts >= 2)
    tests = _how_many("test_users", test_users, log.n_users, 1)
    valids = _how_many("valid_users", valid_users, log.n_users, 0)
    if tests + valids > len(able):
        raise ConfigError(
            f"{tests + valids:,} users are to be held out, but only {len(able):,} have the two rows that it takes",
            where="split_by_user",
            mend="hold out fewer users",
        )
    rng = child(seed, "split_by_user")
    drawn = rng.permutation(able)
    role = np.zeros(log.n_users, np.int8)
    role[drawn[:tests]] = 2
    role[drawn[tests : tests + valids]] = 1
    place, _ = _places_from_end(log.user_codes, rng.random(len(log)), log.n_users)
    folded = np.clip(np.rint(known * counts), 1, np.maximum(counts - 1, 1)).astype(np.int64)
    is_known = place < folded[log.user_codes]
    of = role[log.user_codes]
    alone = int(np.count_nonzero(counts == 1))
    notes = (f"{alone:,} users with one row stay in train",) if alone else ()
    train, test = log.take(np.flatnonzero(of == 0)), log.take(np.flatnonzero((of == 2) & ~is_known))
    test_known = log.take(np.flatnonzero((of == 2) & is_known))
    valid = log.take(np.flatnonzero((of == 1) & ~is_known)) if valids else None
    valid_known = log.take(np.flatnonzero((of == 1) & is_known)) if valids else None
    _refuse_empty("split_by_user", train, test)
    report = report_split("by user", train, test, valid, test_known, valid_known, notes=notes)
    return Split(
        train=train,
        valid=valid,
        test=test,
        kind="by user",
        report=report,
        test_known=test_known,
        valid_known=valid_known,
    )


def split_given(train: Interactions, test: Interactions, valid: Interactions | None = None) -> Split:
    """Parts that you have already; they are measured, not changed.

    Raises DataError where a part is empty or the ids are of another type than in training.

    >>> train, test = Interactions.from_codes([0, 1], [0, 0]), Interactions.from_codes([0, 0], [0, 1])
    >>> print(*split_given(train, test).report.lines(), sep=chr(10))
    split as given
      train: 2 rows, 2 users, 1 items
      test: 2 rows, 1 users, 2 items
      test: 0 users and 1 items unseen in train; 1 rows (50.0%) lost to models that need them known
      leak: unknown through time (the log has no times); 1 (user, item) pairs stand in the training part and in another
    """
    problems = [
        f"the {what} ids of {name} are {theirs}, but {ours} in train: none of them can be known"
        for name, part in (("test", test), ("valid", valid))
        if part is not None
        for what, theirs, ours in (
            ("user", part.users.ids.type, train.users.ids.type),
            ("item", part.items.ids.type, train.items.ids.type),
        )
        if theirs != ours
    ]
    if problems:
        raise DataError("\n".join(problems), where="split_given", mend="read all parts in the same way")
    _refuse_empty("split_given", train, test)
    shared = count_shared_pairs(train, test) + (count_shared_pairs(train, valid) if valid is not None else 0)
    report = report_split("as given", train, test, valid, shared_pairs=shared)
    return Split(train=train, valid=valid, test=test, kind="as given", report=report)


def _split(
    log: Interactions,
    kind: str,
    in_train: np.ndarray,
    in_test: np.ndarray,
    in_valid: np.ndarray,
    notes: tuple[str, ...],
) -> Split:
    train, test = log.take(np.flatnonzero(in_train)), log.take(np.flatnonzero(in_test))
    valid = log.take(np.flatnonzero(in_valid)) if in_valid.any() else None
    _refuse_empty(f"split {kind}", train, test)
    report = report_split(kind, train, test, valid, notes=notes)
    return Split(train=train, valid=valid, test=test, kind=kind, report=report)


def _refuse_empty(where: str, train: Interactions, test: Interactions) -> None:
    empty = [name for name, part in (("train", train), ("test", test)) if len(part) == 0]
    if empty:
        raise DataError(
            f"the {' and '.join(empty)} part would have no rows",
            where=where,
            mend="give other shares or instants, or split_randomly where all rows have one time",
        )


def _times(log: Interactions, where: str) -> np.ndarray:
    if log.times is None:
        raise DataError(
            "the log has no times",
            where=where,
            mend="name its time column when reading (--time), or split at random (split_randomly, --split random)",
        )
    return log.times


def _places_from_end(user_codes: np.ndarray, by: np.ndarray, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row, how many rows of its user come after it by (`by`, row); and the rows of each user."""
    counts = np.bincount(user_codes, minlength=n_users)
    order = np.argsort(by, kind="stable")
    order = order[np.argsort(user_codes[order], kind="stable")]
    ends = np.cumsum(counts)
    from_end = np.empty(len(order), np.int64)
    from_end[order] = ends[user_codes[order]] - 1 - np.arange(len(order))
    return from_end, counts


def _told(name: str, border: int, rows: int, n: int, asked: float | None) -> str:
    share = "" if asked is None else f" ({rows / n:.2%} where {asked:.2%} were asked for; ties stay together)"
    return f"{name} begins at {when(border)}: {rows:,} rows{share}"


def _micros(instant: Instant, name: str) -> int:
    try:
        at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(at.timestamp() * 1_000_000)
    except (ValueError, AttributeError, TypeError):
        raise ConfigError(
            f"{name} is {instant!r}, but must be an ISO date or time, or a datetime",
            where="split_by_time",
            mend=f'for example {name}="2024-06-01" or "2024-06-01T12:00:00+02:00"',
        ) from None


def check_shares(where: str, **shares: tuple[float, float | None]) -> None:
    """Raise ConfigError unless each share is in [0, 1), above its bound where there is one, and they are under 1 together.

    >>> check_shares("a split", test=(0.1, 0.0), valid=(0.0, None))
    """
    problems = []
    for name, (value, above) in shares.items():
        good = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < 1
        if not good or (above is not None and value <= above):
            problems.append(
                f"{name} is {value!r}, but must be {'over 0' if above is not None else '0 or more'} and under 1"
            )
    if not problems and sum(value for value, _ in shares.values()) >= 1:
        problems.append(f"{' + '.join(shares)} leave nothing to train on")
    if problems:
        raise ConfigError("\n".join(problems), where=where, mend="give shares such as 0.1")


def _how_many(name: str, said: float | int, users: int, least: int) -> int:
    if isinstance(said, Integral) and not isinstance(said, bool) and said >= least:
        return int(said)
    if (
        isinstance(said, Real)
        and not isinstance(said, Integral)
        and least * 0.0 <= said < 1
        and (said > 0 or not least)
    ):
        return max(1, round(said * users)) if said else 0
    raise ConfigError(
        f"{name} is {said!r}, but must be a share under 1 (float) or a number of users >= {least} (int)",
        where="split_by_user",
        mend=f"for example {name}=0.1 or {name}=500",
    )
