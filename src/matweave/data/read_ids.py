"""From tables of id bytes to vocabularies: one order of first appearance, whole numbers as numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from matweave.data.id_table import IdTable, merged
from matweave.data.vocabulary import Vocabulary, arrow
from matweave.errors import listed


def vocabulary_of(tables: list[IdTable], name: str) -> tuple[Vocabulary, list[np.ndarray], list[str]]:
    """The ids of all tables by first appearance, for each table its codes there (int32), and what to tell.

    Ids that are all whole numbers as they print (no leading zero or plus, in int64) become int64.
    """
    table, maps = merged(tables)
    n, used = int(table.size[0]), int(table.size[1])
    order = np.argsort(table.first[:n], kind="stable")
    rank = np.empty(n, np.int32)
    rank[order] = np.arange(n, dtype=np.int32)
    numbers = np.empty(n, np.int64)
    whole = np.empty(n, np.bool_)
    as_numbers(table.letters, table.offsets[: n + 1], numbers, whole)
    told: list[str] = []
    if whole.all():
        ids = arrow(numbers[order])
    else:
        ids = _texts(table, n, used).take(arrow(order))
        count = int(whole.sum())
        if 2 * count >= n:
            others = ids.take(arrow(np.flatnonzero(~whole[order])[:3])).to_pylist()
            told.append(
                f"{name!r} ids are kept as text: {n - count:,} of {n:,} are not whole numbers as they print: "
                f"{listed(others)}"
            )
        blank = [i for i in ids.to_pylist() if i != i.strip()] if n < 100_000 else []
        if blank:
            told.append(
                f"{len(blank):,} {name!r} ids begin or end with blanks, kept as they are: {listed(blank[:3])}"
            )
    return Vocabulary.trusted(ids), [rank[m] for m in maps], told


def by_first_use(codes: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, Vocabulary]:
    """Codes and vocabulary without the ids that no row has, in order of first appearance again."""
    used, first = np.unique(codes, return_index=True)
    order = used[np.argsort(first)]
    renamed = np.zeros(len(vocabulary), np.int32)
    renamed[order] = np.arange(len(order), dtype=np.int32)
    return renamed[codes], vocabulary.take(order)


def _texts(table: IdTable, n: int, used: int) -> pa.Array:
    letters = pa.py_buffer(table.letters[:used])
    if used < 2**31:
        offsets = pa.py_buffer(table.offsets[: n + 1].astype(np.int32))
        return pa.StringArray.from_buffers(n, offsets, letters)
    return pa.LargeStringArray.from_buffers(n, pa.py_buffer(table.offsets[: n + 1]), letters)


@njit(nogil=True, cache=True)
def as_numbers(letters, offsets, numbers, whole):
    """Each text as an int64, and whether it is one that would be printed as the same text."""
    for i in range(len(numbers)):
        at, end = offsets[i], offsets[i + 1]
        negative = letters[at] == 45
        begun = at + 1 if negative else at
        digits = end - begun
        good = digits > 0 and digits <= 19 and not (letters[begun] == 48 and (digits > 1 or negative))
        found = np.int64(0)
        for k in range(begun, end):
            digit = np.int64(letters[k]) - 48
            if not good or digit < 0 or digit > 9:
                good = False
                break
            if found > (2**63 - 1 - digit) // 10:
                good = False  # beyond int64; its lowest number is left as text
                break
            found = found * 10 + digit
        numbers[i] = -found if negative else found
        whole[i] = good


@njit(nogil=True, cache=True)
def rename(codes, renamed):
    """codes[i] = renamed[codes[i]], in place."""
    for i in range(len(codes)):
        codes[i] = renamed[codes[i]]
