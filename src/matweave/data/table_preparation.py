"""Columns of a table as numbers for a model, in the same way for training data and for all later data.

number            z = (x - mean) / std of the cells that are given; a missing one becomes the mean, z = 0, and where the
                  training data had missing ones a column more says so with a 1
date, clock       seconds since 1970 or midnight, then as numbers; durations are seconds too
flag              booleans: 0 or 1; a missing one becomes the mean of those given, with a column that says so
levels            text and categories: a column of 0 and 1 for each level of the training data (one-hot), the 100 most
                  frequent at most; the rest share the column "(other)"; missing is a level of its own where training
                  had it. A level that training never saw is 0 in all of them, and counted by `unseen`.
left out, told    columns that are constant or empty, and text that is another in every row

Cost: one pass over the cells; n x d float32 for d features. Checked by hand, against scikit-learn's scaler and one-hot
encoder, and by permuted rows and columns, in tests/data/test_table_preparation.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import is_text
from matweave.data.read_table import refuse_infinite
from matweave.data.table_columns import SECONDS, first_misfits, kind_of, moments, texts_of, values_of
from matweave.data.tables import Table
from matweave.errors import DataError, listed, nearest

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

MOST_LEVELS = 100
"""Levels of a column that have a feature each."""

_WHERE = "a table"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TablePreparation:
    """What was learned from the training part, for k columns.

    columns, kinds: names, and one of number, flag, date, clock, duration, levels. mean, std: (k,) float64 of
    (x - mean) / std. fill: (k,) float64 for missing cells. varies: (k,) bool, whether the value itself is a feature.
    tells_missing: (k,) bool. levels, rest: of each column its levels with a feature, and those that share one.
    report: what was left out and how the rest is read.

    >>> train = Table.of(pa.table({"age": [20.0, None, 40.0], "colour": ["red", "blue", "red"], "y": [1, 0, 1]}))
    >>> preparation = TablePreparation.fit(train)
    >>> preparation.feature_names
    ('age', 'age is missing', 'colour=blue', 'colour=red')
    >>> preparation.apply(train).tolist()
    [[-1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    fill: np.ndarray
    varies: np.ndarray
    tells_missing: np.ndarray
    levels: tuple[tuple[str, ...], ...]
    rest: tuple[tuple[str, ...], ...]
    report: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: Table, *, standardize: bool = True) -> TablePreparation:
        """Learn from the training part. standardize: False leaves numbers in their units (flags and levels always are).

        Raises DataError for infinite values, columns of a type that is no feature (lists, binary), and a table of
        which no column is of use.
        """
        refuse_infinite(table, _WHERE)
        features = table.features
        strange = [f"{f.name!r} ({f.type})" for f in features.schema if kind_of(f.type) is None]
        if strange:
            raise DataError(
                f"columns of types that are no features: {', '.join(strange[:10])}",
                where=_WHERE,
                mend="drop them (drop=), or make them numbers, text, booleans or dates",
            )
        found, told = [], []
        for name in features.column_names:
            column = features.column(name)
            kind = kind_of(column.type)
            fit = _fit_levels if kind == "levels" else _fit_values
            learned, line = fit(name, str(kind), column, standardize)
            if learned is not None:
                found.append(learned)
            told += [line] if line else []
        if not found:
            raise DataError(
                "\n    ".join(["no column of the table is of use:", *told[:10]]),
                where=_WHERE,
                mend="give rows that differ in some column of numbers, booleans, dates or repeated text",
            )
        return cls(
            columns=tuple(c.name for c in found),
            kinds=tuple(c.kind for c in found),
            mean=np.array([c.mean for c in found]),
            std=np.array([c.std for c in found]),
            fill=np.array([c.fill for c in found]),
            varies=np.array([c.varies for c in found]),
            tells_missing=np.array([c.tells_missing for c in found]),
            levels=tuple(c.levels for c in found),
            rest=tuple(c.rest for c in found),
            report=tuple(told),
        )

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """What each of the d features is, in order: "age", "age is missing", "colour=red", "colour=(other)"."""
        return tuple(name for k in range(len(self.columns)) for name in self._names(k))

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns of levels: to be read as text in later files too, `read_table(path, text=...)`."""
        return tuple(n for n, kind in zip(self.columns, self.kinds, strict=True) if kind == "levels")

    def apply(self, table: Table) -> np.ndarray:
        """The features of n rows: (n, d) float32, finite. Columns that were not learned are passed over.

        Raises DataError that lists every column that is missing or of another kind than in training, with the first
        misfits, and for values that are infinite, or so when standardised.
        """
        self._check(table)
        out = np.zeros((len(table), len(self.feature_names)), np.float32)
        at, beyond = 0, []
        for k, name in enumerate(self.columns):
            wide = len(self._names(k))
            block = out[:, at : at + wide]
            column = table.features.column(name)
            if self.kinds[k] == "levels":
                codes = self._codes(k, column)
                rows = np.flatnonzero(codes >= 0)
                block[rows, codes[rows]] = 1
            else:
                values = values_of(column)
                missing = np.isnan(values)
                if self.varies[k]:
                    values = np.where(missing, self.fill[k], values)  # Arrow's own memory is not written to
                    with np.errstate(over="ignore"):
                        block[:, 0] = (values - self.mean[k]) / self.std[k]
                    wrong = np.flatnonzero(~np.isfinite(block[:, 0]))
                    beyond += [f"{name!r} ({table.named(wrong)})"] if len(wrong) else []
                if self.tells_missing[k]:
                    block[:, -1] = missing
            at += wide
        if beyond:
            raise DataError(
                f"values are beyond float32 as features: {', '.join(beyond[:10])}",
                where=_WHERE,
                mend="give values in the units of the training data, or standardize them",
            )
        return out

    def unseen(self, table: Table) -> dict[str, int]:
        """Columns with cells such as training never saw, and how many: levels, and missing cells.

        >>> made = TablePreparation.fit(Table.of(pa.table({"colour": ["red", "blue", "red"]}), target="-"))
        >>> made.unseen(Table.of(pa.table({"colour": ["green", "red", None]}), target="-"))
        {'colour': 2}
        """
        self._check(table)
        found = {}
        for k, name in enumerate(self.columns):
            column = table.features.column(name)
            if self.kinds[k] == "levels":
                found[name] = int(np.count_nonzero(self._codes(k, column) < 0))
            else:
                found[name] = 0 if self.tells_missing[k] else int(np.isnan(values_of(column)).sum())
        return {name: count for name, count in found.items() if count}

    def _names(self, k: int) -> list[str]:
        name, kind = self.columns[k], self.kinds[k]
        told = [f"{name} is missing"] if self.tells_missing[k] else []
        if kind != "levels":
            return [name, *told] if self.varies[k] else told
        # a level may itself be written "(other)"
        others = [f"{name}=(other{' levels' * ('(other)' in self.levels[k])})"] if self.rest[k] else []
        return [*(f"{name}={level}" for level in self.levels[k]), *others, *told]

    def _codes(self, k: int, column: pa.ChunkedArray) -> np.ndarray:
        """The feature of each cell within its column's own; -1 for none."""
        texts = texts_of(column)
        known, rest = self.levels[k], self.rest[k]
        codes = _places(texts, known)
        if rest:
            codes[_places(texts, rest) >= 0] = len(known)
        if self.tells_missing[k]:
            codes[texts.is_null().to_numpy(zero_copy_only=False)] = len(known) + bool(rest)
        return codes

    def _check(self, table: Table) -> None:
        names = table.features.column_names
        problems, mends = [], []
        for name, kind in zip(self.columns, self.kinds, strict=True):
            if name not in names:
                problems.append(f"column {name!r} is missing{nearest(name, names)}")
                continue
            column = table.features.column(name)
            given = kind_of(column.type)
            if given in (kind, "empty"):
                continue
            line = f"column {name!r} is {column.type}, but was {_KINDS[kind]} in training"
            if is_text(column.type):
                rows = first_misfits(column)
                shown = [f"{column[row].as_py()!r} ({table.named([row])})" for row in rows]
                line += f", for example {', '.join(shown)}" if shown else ""
            problems.append(line)
            if kind == "levels":
                mends.append(name)
        if problems:
            more = f" (+{len(problems) - 20} more)" if len(problems) > 20 else ""
            mend = "give the columns of the training data, with cells of the same kinds"
            mend += f"; read {listed(mends)} as text: read_table(path, text=...)" if mends else ""
            raise DataError("\n".join(problems[:20]) + more, where=_WHERE, mend=mend)
        refuse_infinite(table, _WHERE)


_KINDS = {
    "number": "numbers",
    "flag": "booleans",
    "date": "dates",
    "clock": "times of day",
    "duration": "durations",
    "levels": "text",
}


@final
@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    kind: str
    mean: float = 0.0
    std: float = 1.0
    fill: float = 0.0
    varies: bool = True
    tells_missing: bool = False
    levels: tuple[str, ...] = ()
    rest: tuple[str, ...] = field(default=())


def _fit_values(
    name: str, kind: str, column: pa.ChunkedArray, standardize: bool
) -> tuple[_Column | None, str]:
    values = values_of(column)
    given = values[~np.isnan(values)]
    lost = len(values) - len(given)
    if not len(given):
        return None, f"{name!r} is left out: it is empty"
    mean, std = moments(given)
    if std == 0 and not lost:
        return None, f"{name!r} is left out: it is constant"
    scaled = standardize and kind != "flag" and std > 0
    told = [f"is read as {SECONDS[kind]}"] if kind in SECONDS else []
    if lost:
        told.append(f"has {_cells(lost)}, read as the mean {mean:.6g}; a feature tells them")
    if std == 0:
        told[-1:] = [f"is constant but for {_cells(lost)}: only a feature that tells them is kept"]
    made = _Column(
        name=name,
        kind=kind,
        mean=mean if scaled else 0.0,
        std=std if scaled else 1.0,
        fill=mean,
        varies=std > 0,
        tells_missing=lost > 0,
    )
    return made, f"{name!r} {', '.join(told)}" if told else ""


def _fit_levels(
    name: str, kind: str, column: pa.ChunkedArray, standardize: bool
) -> tuple[_Column | None, str]:
    texts = texts_of(column)
    counted = pc.value_counts(texts.drop_null())
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    if not counts:
        return None, f"{name!r} is left out: it is empty"
    if len(counts) == 1 and not texts.null_count:
        return None, f"{name!r} is left out: it is constant"
    if len(counts) == len(texts):
        return None, f"{name!r} is left out: its text is another in every row"
    by_count = sorted(counts, key=lambda level: (-counts[level], level))
    levels, rest = sorted(by_count[:MOST_LEVELS]), sorted(by_count[MOST_LEVELS:])
    told = [f"has {_cells(texts.null_count)}, a level of their own"] if texts.null_count else []
    if rest:
        told.append(
            f"has {len(counts):,} levels: the {MOST_LEVELS} most frequent have a feature each, the rest share one"
        )
    made = _Column(
        name=name,
        kind=kind,
        levels=tuple(levels),
        rest=tuple(rest),
        tells_missing=texts.null_count > 0,
    )
    return made, f"{name!r} {', '.join(told)}" if told else ""


def _cells(missing: int) -> str:
    return f"{missing:,} missing cell{'s' * (missing > 1)}"


def _places(texts: pa.Array, known: tuple[str, ...]) -> np.ndarray:
    """The place of each text among the known ones, int64; -1 for others and for missing."""
    found = pc.index_in(texts, value_set=pa.array(known, pa.large_string()))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
