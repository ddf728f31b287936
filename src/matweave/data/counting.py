"""Counting sorts: rows of a log to and from the two directions of a sparse matrix.

A stable scatter by a key needs a histogram, a running sum, and one pass in which each element goes to
its key's next place: n + K steps for n elements and K keys, no comparisons. The input is cut into pieces;
each piece has a histogram of its own, so pieces write to places of their own and the result does not
depend on how many threads ran them. Sorting by column and then by row (least significant first) leaves
each row's columns sorted. Checked against NumPy's stable sorts.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit

from matweave.threads import in_parallel

_PIECE = 5_000_000
"""Elements worth a piece of their own; a piece costs one histogram."""

_MOST = 8


def pieces(n: int) -> list[tuple[int, int]]:
    """Ranges that cover 0..n, as many as are worth it; they depend on n alone."""
    count = min(_MOST, max(1, -(-n // _PIECE)))
    borders = np.linspace(0, n, count + 1).astype(np.int64)
    return [(int(a), int(b)) for a, b in pairwise(borders)]


def row_pieces(indptr: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of rows with about the same number of entries; they depend on the matrix alone."""
    cuts = [b for _, b in pieces(int(indptr[-1]))][:-1]
    borders = [0, *np.searchsorted(indptr, cuts).tolist(), len(indptr) - 1]
    return [(a, b) for a, b in pairwise(borders) if b > a] or [(0, 0)]


def places(keys: np.ndarray, n_keys: int, cuts: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """`indptr` (n_keys + 1) int64, and the first place of each key for each piece (pieces, n_keys) int64."""
    counts = np.zeros((len(cuts), n_keys), np.int64)
    in_parallel(lambda i, a, b: count(keys[a:b], counts[i]), [(i, a, b) for i, (a, b) in enumerate(cuts)])
    indptr = np.zeros(n_keys + 1, np.int64)
    np.cumsum(counts.sum(0), out=indptr[1:])
    before = np.cumsum(counts, axis=0)
    before -= counts
    before += indptr[:-1]
    return indptr, before


def group(
    keys: np.ndarray, others: np.ndarray, values: np.ndarray | None, n_keys: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """`others` and `values` grouped by key, in the order of the input within a key: indptr, others, values."""
    cuts = pieces(len(keys))
    indptr, at = places(keys, n_keys, cuts)
    out = np.empty(len(keys), np.int32)
    weights = np.empty(len(keys), np.float32) if values is not None else None
    v, w = _or_nothing(values), _or_nothing(weights)
    in_parallel(
        lambda i, a, b: scatter(keys[a:b], others[a:b], v[a:b], at[i], out, w),
        [(i, a, b) for i, (a, b) in enumerate(cuts)],
    )
    return indptr, out, weights


def transpose(
    indptr: np.ndarray, indices: np.ndarray, values: np.ndarray | None, n_columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The CSR arrays of the transpose; its rows come out sorted."""
    rows = row_pieces(indptr)
    out_indptr, at = places(indices, n_columns, [(int(indptr[a]), int(indptr[b])) for a, b in rows])
    out = np.empty(len(indices), np.int32)
    weights = np.empty(len(indices), np.float32) if values is not None else None
    v, w = _or_nothing(values), _or_nothing(weights)
    in_parallel(
        lambda i, a, b: scatter_rows(indptr, indices, v, a, b, at[i], out, w),
        [(i, a, b) for i, (a, b) in enumerate(rows)],
    )
    return out_indptr, out, weights


def group_rows(keys: np.ndarray, others: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """As `group`, where each element is `other << 32 | row`: indptr, packed uint64."""
    cuts = pieces(len(keys))
    indptr, at = places(keys, n_keys, cuts)
    packed = np.empty(len(keys), np.uint64)
    in_parallel(
        lambda i, a, b: scatter_packed(keys, others, a, b, at[i], packed),
        [(i, a, b) for i, (a, b) in enumerate(cuts)],
    )
    return indptr, packed


def _or_nothing(values: np.ndarray | None) -> np.ndarray:
    return np.empty(0, np.float32) if values is None else values


@njit(nogil=True, cache=True)
def count(keys, counts):
    """Add one to counts[key] for each key."""
    for key in keys:
        counts[key] += 1


@njit(nogil=True, cache=True)
def scatter(keys, others, values, at, out, out_values):
    """Each element to the next place of its key; `at` moves on. No values where `out_values` is empty."""
    if len(out_values):
        for i in range(len(keys)):
            place = at[keys[i]]
            at[keys[i]] = place + 1
            out[place] = others[i]
            out_values[place] = values[i]
    else:
        for i in range(len(keys)):
            place = at[keys[i]]
            at[keys[i]] = place + 1
            out[place] = others[i]


@njit(nogil=True, cache=True)
def scatter_rows(indptr, indices, values, low, high, at, out, out_values):
    """As `scatter`, for rows low..high of a CSR matrix: what is written is the row's number."""
    with_values = len(out_values) > 0
    for row in range(low, high):
        for k in range(indptr[row], indptr[row + 1]):
            column = indices[k]
            place = at[column]
            at[column] = place + 1
            out[place] = row
            if with_values:
                out_values[place] = values[k]


@njit(nogil=True, cache=True)
def scatter_packed(keys, others, low, high, at, packed):
    """As `scatter`, writing other and row number as one word, so that a place is one write."""
    for i in range(low, high):
        place = at[keys[i]]
        at[keys[i]] = place + 1
        packed[place] = (np.uint64(others[i]) << np.uint64(32)) | np.uint64(i)


@njit(nogil=True, cache=True)
def faults(indptr, indices, n_columns):
    """0 for good CSR arrays; 1: indptr falls, 2: an index is out of range, 3: a row is unsorted or repeats."""
    for row in range(len(indptr) - 1):
        if indptr[row + 1] < indptr[row]:
            return 1
    for row in range(len(indptr) - 1):
        before = np.int64(-1)
        for k in range(indptr[row], indptr[row + 1]):
            index = np.int64(indices[k])
            if index < 0 or index >= n_columns:
                return 2
            if index <= before:
                return 3
            before = index
    return 0
