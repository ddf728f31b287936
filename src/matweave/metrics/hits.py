"""Where the relevant items stand in each user's list: the one pass over the lists that every ranking metric shares.

Lists are codes (n, K) with counts (n,), as top-k search gives them: row i holds counts[i] distinct items,
best first. Relevant items are the rows of a CSR matrix: indptr (n + 1), indices strictly rising per row,
and gains (how relevant), or None where all count the same. Each list entry is looked up by bisection:
O(n K log r) time for r relevant items per user, 5 n K bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numba import njit

from matweave.errors import DataError
from matweave.threads import in_parallel

PIECE = 4096  # users per piece of work

_MENDS = {
    "unsorted": "sort the relevant items of each user and remove repeats",
    "repeated": "give each user a list of distinct items",
    "gain": "give gains that are finite and not negative",
}
_SAYS = {
    "unsorted": "the relevant items of user row {} are not strictly rising",
    "repeated": "the list of user row {} names a relevant item twice",
    "gain": "a relevant item of user row {} has a negative, infinite or NaN gain",
}


@final
@dataclass(frozen=True, kw_only=True)
class Hits:
    """Lists seen against what is relevant, for n users and lists of at most K items.

    hit: bool (n, K), true where the list entry is a relevant item.
    gain: float32 (n, K), its gain, 0 elsewhere; None where no gains were given.
    relevant: int64 (n,), relevant items per user, in the list or not.
    indptr, gains: the gains of all relevant items, for the ideal list; None where not given.
    """

    hit: np.ndarray
    gain: np.ndarray | None
    relevant: np.ndarray
    indptr: np.ndarray
    gains: np.ndarray | None

    @property
    def judged(self) -> np.ndarray:
        """bool (n,): users with a relevant item; the others are excluded (NaN) from every accuracy metric."""
        return self.relevant > 0

    @property
    def excluded(self) -> int:
        """Users without a relevant item."""
        return int((self.relevant == 0).sum())

    @cached_property
    def ideal(self) -> np.ndarray:
        """float32 (n, K): the largest gains of each user, falling, 0 beyond; the best list there can be."""
        best = np.zeros(self.hit.shape, np.float32)
        if self.gains is not None:
            _largest(self.indptr, self.gains, best)
        return best


def find_hits(
    codes: np.ndarray,
    counts: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    gains: np.ndarray | None = None,
) -> Hits:
    """Look up every list entry among its user's relevant items.

    Args:
        codes: items, integer (n, K); only the first counts[i] of row i are read.
        counts: integer (n,).
        indptr, indices: relevant items of the n users, strictly rising within each.
        gains: float (len(indices),), not negative, or None.

    Raises:
        DataError: for other shapes, unsorted or repeated relevant items, a list that repeats a hit, or bad gains.

    >>> hits = find_hits(np.array([[4, 2, 9]]), np.array([3]), np.array([0, 2]), np.array([2, 7]))
    >>> hits.hit.tolist(), hits.relevant.tolist()
    ([[False, True, False]], [2])
    """
    codes, counts = _integers(codes, "codes", 2, np.int32), _integers(counts, "counts", 1, np.int32)
    indptr, indices = _integers(indptr, "indptr", 1, np.int64), _integers(indices, "indices", 1, np.int32)
    n = len(codes)
    if len(counts) != n or len(indptr) != n + 1:
        raise _error(
            f"{n} lists, {len(counts)} counts and {len(indptr) - 1} rows of relevant items do not match"
        )
    if n and (counts.min() < 0 or counts.max() > codes.shape[1]):
        raise _error(f"counts must lie in 0..{codes.shape[1]}, the width of the lists")
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise _error(f"indptr must rise from 0 to {len(indices)}")
    if gains is not None:
        gains = np.ascontiguousarray(gains, np.float32)
        if gains.shape != indices.shape:
            raise _error(f"{len(indices)} relevant items, but gains of shape {gains.shape}")
    hit = np.zeros(codes.shape, np.bool_)
    gain = np.zeros(codes.shape if gains is not None else (0, 0), np.float32)
    given = np.zeros(0, np.float32) if gains is None else gains

    def work(start: int, end: int) -> None:
        kind, row = _look_up(codes, counts, indptr, indices, given, hit, gain, start, end)
        if row >= 0:
            which = ("unsorted", "repeated", "gain")[kind]
            raise DataError(_SAYS[which].format(row), where="ranking metrics", mend=_MENDS[which])

    in_parallel(work, [(start, min(start + PIECE, n)) for start in range(0, n, PIECE)])
    return Hits(
        hit=hit, gain=None if gains is None else gain, relevant=np.diff(indptr), indptr=indptr, gains=gains
    )


@njit(nogil=True, cache=True)
def _look_up(codes, counts, indptr, indices, gains, hit, gain, start, end):
    """Fill hit and gain for users start..end; returns (kind, row) of the first problem, or (0, -1)."""
    for r in range(start, end):
        first, last = indptr[r], indptr[r + 1]
        for p in range(first, last):
            if p > first and indices[p] <= indices[p - 1]:
                return 0, r
            if len(gains) and not (gains[p] >= 0 and gains[p] < np.inf):
                return 2, r
        for t in range(counts[r]):
            code = codes[r, t]
            low, high = first, last
            while low < high:
                middle = (low + high) >> 1
                if indices[middle] < code:
                    low = middle + 1
                else:
                    high = middle
            if low < last and indices[low] == code:
                for before in range(t):
                    if hit[r, before] and codes[r, before] == code:
                        return 1, r
                hit[r, t] = True
                if len(gains):
                    gain[r, t] = gains[low]
    return 0, -1


@njit(nogil=True, cache=True)
def _largest(indptr, gains, best):
    """The largest gains of each row, falling, by insertion."""
    width = best.shape[1]
    for r in range(len(best)):
        kept = 0
        for p in range(indptr[r], indptr[r + 1]):
            value = gains[p]
            if kept == width and (width == 0 or value <= best[r, width - 1]):
                continue
            place = min(kept, width - 1)
            while place > 0 and best[r, place - 1] < value:
                best[r, place] = best[r, place - 1]
                place -= 1
            best[r, place] = value
            kept = min(kept + 1, width)


def _integers(a: np.ndarray, name: str, dimensions: int, kind: type) -> np.ndarray:
    a = np.asarray(a)
    if a.size and (a.dtype.kind not in "iu" or a.ndim != dimensions):
        raise _error(f"{name} is {a.dtype} {a.shape}, but must be a {dimensions}-dimensional integer array")
    return np.ascontiguousarray(a, kind)


def _error(what: str) -> DataError:
    return DataError(
        what, where="ranking metrics", mend="give lists and relevant items of the same users, in order"
    )
