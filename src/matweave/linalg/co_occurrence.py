"""Which columns stand together in the rows of a table, and how often: pairs counted without a dense matrix.

    c_ij = #{rows that hold i and j}                                                  everything of a row
    c_ij = #{rows that hold i at a place p and j at a place within reach[p]}          in order, or close in time

One row of counts (n int32) and the list of columns met is all that a thread holds beside its result (row form of
Gustavson 1978); only counts of at least `least` are kept.

Cost    Σ over the entries of their reach, at most Σ_u n_u²; memory 8 bytes for each pair kept.
Exact   Integers; the result depends on neither threads nor pieces. Checked by tests/linalg/test_co_occurrence.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.gram import columns_of, pieces
from matweave.threads import in_parallel

_START = 1 << 14  # pairs that a piece makes room for at first


def co_occurrences(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    n_columns: int,
    reach: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    least: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int]:
    """i, j and c_ij of all pairs i ≠ j with c_ij >= least, by ascending i and j, and how many pairs have less.

    indptr, indices: the table by row, no column twice in a row. reach: for each entry p the places [first, last) of the table
    that count beside it; they lie in its own row.

    >>> starts, held = np.array([0, 2, 4]), np.array([0, 1, 1, 0], np.int32)
    >>> whole = np.repeat(starts[:-1], 2), np.repeat(starts[1:], 2)
    >>> i, j, c, rare = co_occurrences(starts, held, 2, whole)
    >>> i.tolist(), j.tolist(), c.tolist(), rare
    ([0, 1], [1, 0], [2, 2], 0)
    """
    columns = columns_of(indptr, indices, n_columns)
    first, last = (np.ascontiguousarray(side, np.int64) for side in reach)

    def work(low: int, high: int) -> tuple[list, int]:
        room, found, rare = _START, [], 0
        while low < high:
            pairs = tuple(np.empty(room, np.int32) for _ in range(3))
            row, size, few = _pairs(
                low, high, columns.starts, columns.places, indices, first, last, least, n_columns, *pairs
            )
            if row > low:
                found.append(tuple(side[:size] for side in pairs))
            low, rare, room = int(row), rare + int(few), max(2 * room, n_columns)
        return found, rare

    done = in_parallel(work, pieces(n_columns))
    parts = [part for found, _ in done for part in found]
    none = (np.empty(0, np.int32),) * 3
    i, j, c = (np.concatenate(side) for side in zip(*parts, none, strict=True))
    return i, j, c, sum(few for _, few in done)


@njit(nogil=True, cache=True)
def _pairs(low, high, starts, places, indices, first, last, least, n_columns, out_i, out_j, out_c):
    """Whole rows low.. of the result, as many as there is room for: the row after them, pairs kept, pairs too rare."""
    count = np.zeros(n_columns, np.int32)
    met = np.empty(n_columns, np.int32)
    size = rare = 0
    for i in range(low, high):
        n = 0
        for k in range(starts[i], starts[i + 1]):
            p = places[k]
            for q in range(first[p], last[p]):
                j = indices[q]
                if count[j] == 0:
                    met[n] = j
                    n += 1
                count[j] += 1
        count[i] = 0  # a column beside itself
        kept = others = 0
        for m in range(n):
            kept += count[met[m]] >= least
            others += count[met[m]] > 0
        if size + kept > len(out_i):
            return i, size, rare
        rare += others - kept
        chosen = np.empty(kept, np.int32)
        kept = 0
        for m in range(n):
            if count[met[m]] >= least:
                chosen[kept] = met[m]
                kept += 1
        chosen.sort()
        for m in range(kept):
            out_i[size], out_j[size], out_c[size] = i, chosen[m], count[chosen[m]]
            size += 1
        for m in range(n):
            count[met[m]] = 0
    return high, size, rare
