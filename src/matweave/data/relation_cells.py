"""Columns of triples as arrays: checked, merged where a cell stands twice, and numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.arrow_columns import is_text
from matweave.data.duplicates import check_policy
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

_INT32 = np.iinfo(np.int32).max


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Cells by ascending number: `numbers` int64, `heads`, `relations`, `tails` int32, `values` float32; all (m,)."""

    numbers: np.ndarray
    heads: np.ndarray
    relations: np.ndarray
    tails: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


Columns = Sequence[tuple[str, np.ndarray]]


def column_problems(n: int, codes: Columns, values: np.ndarray | None) -> list[str]:
    """What is wrong with the types and lengths of columns, and with values that are not finite.

    >>> column_problems(2, [("heads", np.zeros(2, np.int64))], None)
    ['heads is int64 (2,), but must be int32 (2,)']
    """
    problems = [
        f"{name} is {a.dtype} {a.shape}, but must be int32 ({n},)"
        for name, a in codes
        if a.dtype != np.int32 or a.shape != (n,)
    ]
    if values is not None:
        if values.dtype != np.float32 or values.shape != (n,):
            problems.append(f"values is {values.dtype} {values.shape}, but must be float32 ({n},)")
        elif not np.isfinite(values).all():
            wrong = np.flatnonzero(~np.isfinite(values))
            problems.append(f"{len(wrong):,} values are not finite, the first at position {wrong[0]}")
    return problems


def range_problems(codes: Columns, bounds: Sequence[int]) -> list[str]:
    """Which columns hold codes out of range.

    >>> range_problems([("heads", np.array([3], np.int32))], [3])
    ['heads are not all in 0..2']
    """
    return [
        f"{name} are not all in 0..{bound - 1}"
        for (name, a), bound in zip(codes, bounds, strict=True)
        if len(a) and (a.min() < 0 or a.max() >= bound)
    ]


def cell_problems(cells: np.ndarray, total: int, **lists: np.ndarray | None) -> list[str]:
    """What is wrong with the cells of triples, and with the lists of `observed` and `missing` cells beside them.

    >>> cell_problems(np.array([3, 3]), 4, observed=None, missing=np.array([9]))
    ['1 triple is a repeat of another', 'missing are not ascending, distinct numbers of cells in 0..3']
    """
    problems = []
    ordered = cells if bool((cells[1:] > cells[:-1]).all()) else np.sort(cells)
    repeats = int(np.count_nonzero(ordered[1:] == ordered[:-1]))
    if repeats:
        problems.append(
            f"{repeats:,} triples are repeats of others" if repeats > 1 else "1 triple is a repeat of another"
        )
    for name, known in lists.items():
        if known is None:
            continue
        if known.dtype != np.int64 or known.ndim != 1:
            problems.append(f"{name} is {known.dtype} {known.shape}, but must be int64 (m,)")
        elif len(known) and (known[0] < 0 or known[-1] >= total or bool((np.diff(known) <= 0).any())):
            problems.append(f"{name} are not ascending, distinct numbers of cells in 0..{total - 1}")
        else:
            inside = int(np.count_nonzero(np.isin(ordered, known)))
            wrong = len(ordered) - inside if name == "observed" else inside
            if wrong:
                problems.append(f"{wrong:,} triples stand in cells that {name} says are not known")
    return problems


def joined_ids(heads: Any, tails: Any) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    """The vocabulary of two columns of ids, heads first, and the codes of both. Whole numbers of two sizes are int64.

    Raises DataError for ids that are missing, or of one type in the heads and another in the tails.

    >>> joined_ids(["a", "b"], ["b", "c"])[0].to_list()
    ['a', 'b', 'c']
    """
    (first, h), (last, t) = Vocabulary.of(heads), Vocabulary.of(tails)
    one, other = first.ids, last.ids
    for kind, wide in ((pa.types.is_integer, pa.int64()), (is_text, pa.large_string())):
        if one.type != other.type and kind(one.type) and kind(other.type):
            one, other = one.cast(wide), other.cast(wide)
    if one.type != other.type and len(one) and len(other):
        raise DataError(
            f"the heads are {one.type}, the tails {other.type}",
            where="Relations",
            mend="give both the same type: they name the same entities",
        )
    entities, codes = Vocabulary.of(pa.concat_arrays([one, other]) if len(one) and len(other) else one)
    return entities, codes[: len(one)][h], codes[len(one) :][t]


def int32_codes(codes: Any, name: str) -> np.ndarray:
    """Whole numbers as contiguous int32 codes. Raises DataError for what is none."""
    array = np.asarray(codes)
    if array.ndim != 1 or (
        len(array) and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > _INT32)
    ):
        raise DataError(
            f"{name} are not a list of whole numbers in 0..{_INT32}",
            where="Relations.from_codes",
            mend="give codes; ids go to Relations.of",
        )
    return np.ascontiguousarray(array, np.int32)


def sorted_cells(cells: Any) -> np.ndarray | None:
    """Distinct numbers of cells, ascending, int64; None stays None."""
    return None if cells is None else np.unique(np.asarray(cells, np.int64))


Triples = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]


def merge_cells(
    heads: np.ndarray, relations: np.ndarray, tails: np.ndarray, values: np.ndarray | None, policy: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, list[str]]:
    """The columns with one row for each triple, kept in its place, and what to tell.

    policy: of a triple seen again keep the "last" or the "first" row, "sum" the values (rows are counted where there
    are none), or "error". Raises ConfigError for another policy, DataError for repeats where it is "error".

    >>> one = np.zeros(2, np.int32)
    >>> merge_cells(one, one, one, None, "sum")[3:]
    (array([2.], dtype=float32), ['1 triple merged: 1 repeated; rows of each were counted'])
    """
    check_policy(policy, "Relations")
    n = len(heads)
    wide = np.int64(max(heads.max(initial=0), tails.max(initial=0))) + 1  # few enough to number: else lexsort
    if float(relations.max(initial=0) + 1) * float(wide) ** 2 < np.iinfo(np.int64).max:
        cells = (relations * wide + heads) * wide + tails
        if bool((cells[1:] > cells[:-1]).all()):
            return heads, relations, tails, values, []
        order = np.argsort(cells, kind="stable")  # rows of one triple stay in their order
    else:
        order = np.lexsort((tails, heads, relations))
    h, r, t = heads[order], relations[order], tails[order]
    new = np.ones(n, bool)
    new[1:] = (h[1:] != h[:-1]) | (r[1:] != r[:-1]) | (t[1:] != t[:-1])
    starts = np.flatnonzero(new)
    if len(starts) == n:
        return heads, relations, tails, values, []
    counts = np.diff(np.append(starts, n))
    again = starts[counts > 1]
    if policy == "error":
        at = again[0]
        raise DataError(
            f"{len(again):,} triples stand in more than one row, the first as (head {h[at]}, relation {r[at]}, "
            f"tail {t[at]}) in codes",
            where="duplicates='error'",
            mend="merge them: duplicates='last', 'first' or 'sum'",
        )
    kept = np.sort(order[starts] if policy == "first" else order[starts + counts - 1])
    how = f"the {policy} of each was kept"
    if policy == "sum":
        how = "rows of each were counted" if values is None else "values of each were summed"
        values = _sums(values, order, starts, counts)
    lost = n - len(starts)
    told = f"{lost:,} triple{'s' if lost > 1 else ''} merged: {len(again):,} repeated; {how}"
    return heads[kept], relations[kept], tails[kept], None if values is None else values[kept], [told]


def _sums(values: np.ndarray | None, order: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The sum of each triple's values at the place of its last row, in float32."""
    n = len(order)
    sums = np.add.reduceat(np.ones(n) if values is None else values[order].astype(np.float64), starts)
    largest = float(np.abs(sums).max())
    if largest > float(np.finfo(np.float32).max):
        raise DataError(
            f"the values of a repeated triple add up to {largest:.3g}, beyond float32",
            where="duplicates='sum'",
            mend="scale the values down, or keep one of each: duplicates='last'",
        )
    made = np.zeros(n, np.float32)
    made[order[starts + counts - 1]] = sums
    return made
