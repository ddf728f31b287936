"""Parts of relations to train and to judge on: by triples, or by cells in folds.

    split_relations   triples drawn by chance are the test part; their cells look like zeros to training, as all cells
                      without a triple do: what is asked is which of the zeros are none
    fold_cells        the known cells, triples and zeros alike, drawn into k folds; a fold's cells are held out, as zeros (the
                      protocol of Nickel, Tresp, Kriegel 2011) or as unknown

The vocabularies of all parts are those of the whole, so that codes and cells are the same everywhere. The same
relations, settings and seed give the same parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from matweave.config import integer
from matweave.data.relations import Relations
from matweave.data.split import check_shares
from matweave.errors import ConfigError, DataError
from matweave.randomness import child


@final
@dataclass(frozen=True, kw_only=True)
class RelationSplit:
    """The parts of relations, and plain lines on how they were made."""

    train: Relations
    valid: Relations | None
    test: Relations
    report: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.report)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class CellFold:
    """Relations without a fold's cells, and these: `cells` their numbers (m,) int64, ascending, `values` (m,) float32."""

    train: Relations
    cells: np.ndarray
    values: np.ndarray


def split_relations(
    relations: Relations, test: float = 0.1, valid: float = 0.1, *, seed: int = 0, covered: bool = True
) -> RelationSplit:
    """Triples drawn by chance; test and valid are shares of them. Where each triple has its inverse, both go to one part.

    covered: a triple without which an entity or relation would have none in the training part stays there, so that the model
    has seen whom it is asked about; how many is told, and where few are left, so is the smaller part.

    Raises ConfigError for bad shares, DataError for an empty part.

    >>> ring = Relations.from_codes(list(range(10)) * 2, None, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    >>> parts = split_relations(ring, test=0.2, valid=0.1)
    >>> len(parts.train), len(parts.valid), len(parts.test)
    (14, 2, 4)
    """
    check_shares("split_relations", test=(test, 0.0), valid=(valid, None))
    pair, rows = _pairs(relations)
    n = len(rows)
    what = "triples" if len(pair) == n else "pairs of a triple and its inverse"
    drawn = child(seed, "split_relations").permutation(n)
    kept = np.zeros(n, bool)
    if covered:
        rank = np.empty(n, np.int64)
        rank[drawn] = np.arange(n)
        entities, kinds = np.full(len(relations.entities), n), np.full(len(relations.kinds), n)
        for of, codes in (
            (entities, relations.heads[rows]),
            (entities, relations.tails[rows]),
            (kinds, relations.relations[rows]),
        ):
            np.minimum.at(of, codes, rank)  # the triple of each that was drawn first
        first = np.concatenate([entities, kinds])
        kept[drawn[first[first < n]]] = True
    free = drawn[~kept[drawn]]
    wanted = [max(1, round(n * test)), max(1, round(n * valid)) if valid else 0]
    tests, valids = wanted
    if tests + valids > len(free):
        tests = max(1, min(tests, len(free) * tests // (tests + valids)))
        valids = min(valids, len(free) - tests)
    if len(free) < 1 or tests + valids >= n or (valid and valids < 1):
        raise DataError(
            f"of {n:,} {what} {n - len(free):,} are needed so that training knows every entity and relation",
            where="split_relations",
            mend="give more triples, smaller shares, or covered=False",
        )
    part = np.zeros(n, np.int8)
    part[free[:tests]] = 2
    part[free[tests : tests + valids]] = 1
    told = [f"split at random: {n - tests - valids:,} train, {valids:,} valid, {tests:,} test {what}"]
    part = part[pair]
    if covered:
        told.append(
            f"{int(kept.sum()):,} {what} stay in train, as the only drawn one of an entity or relation"
        )
    if [tests, valids] != wanted:
        told.append(f"parts are smaller than asked for ({wanted[0]:,} test, {wanted[1]:,} valid)")
    return RelationSplit(
        train=relations.take(part == 0),
        valid=relations.take(part == 1) if valids else None,
        test=relations.take(part == 2),
        report=tuple(told),
    )


def _pairs(relations: Relations) -> tuple[np.ndarray, np.ndarray]:
    """Which of the rows that are drawn each triple goes with, and those rows: all, or one of each triple and its inverse."""
    if not relations.symmetric:
        every = np.arange(len(relations))
        return every, every
    low, high = np.minimum(relations.heads, relations.tails), np.maximum(relations.heads, relations.tails)
    n = np.int64(len(relations.entities))
    _, rows, pair = np.unique(
        (relations.relations.astype(np.int64) * n + low) * n + high, return_index=True, return_inverse=True
    )
    return pair, rows


def fold_cells(
    relations: Relations, folds: int = 10, *, held: str = "zero", seed: int = 0
) -> Iterator[CellFold]:
    """All known cells in folds drawn by chance: of each the relations to train on, its cells, and what they hold.

    held: "zero": held-out cells are zeros to training; "missing": they are unknown. Raises ConfigError for fewer than two
    folds or another word, TooBig beyond fifty million cells.

    >>> pair = Relations.from_codes([0, 1], None, [1, 0])
    >>> [(len(f.train), f.cells.tolist(), f.values.tolist()) for f in fold_cells(pair, 2, seed=1)]
    [(1, [0, 2], [0.0, 1.0]), (1, [1, 3], [1.0, 0.0])]
    """
    wrong = integer(2)(folds)
    if wrong or held not in ("zero", "missing"):
        raise ConfigError(
            f"folds is {folds!r}, but must be {wrong}" if wrong else f"held is {held!r}",
            where="fold_cells",
            mend='give folds >= 2, and held="zero" or "missing"',
        )
    known = relations.known_cells()
    if len(known) < folds:
        raise DataError(
            f"{len(known):,} known cells do not fill {folds:,} folds",
            where="fold_cells",
            mend="give fewer folds",
        )
    drawn = child(seed, "fold_cells").permutation(len(known))
    ends = [len(known) * k // folds for k in range(folds + 1)]

    def one(k: int) -> CellFold:
        at = np.sort(drawn[ends[k] : ends[k + 1]])
        cells = known.numbers[at]
        train = _without(relations, cells)
        if held == "missing":
            if train.observed is not None:
                train = replace(train, observed=np.setdiff1d(train.observed, cells, assume_unique=True))
            else:
                lost = [cells] if train.missing is None else [cells, train.missing]
                train = replace(train, missing=np.sort(np.concatenate(lost)))
        return CellFold(train=train, cells=cells, values=known.values[at])

    return (one(k) for k in range(folds))


def _without(relations: Relations, cells: np.ndarray) -> Relations:
    """The triples outside of `cells`; which cells are known stays as it was."""
    rows = ~np.isin(relations.cells, cells)
    return replace(
        relations,
        heads=relations.heads[rows],
        relations=relations.relations[rows],
        tails=relations.tails[rows],
        values=None if relations.values is None else relations.values[rows],
    )
