"""What lists are like beyond being right: coverage, Gini, novelty, diversity, popularity lift.

These need no relevant items, so no user is excluded but those with an empty list.
Notation: L_u the first k items of user u's list (fewer where it is shorter), m items in the catalogue,
c_i the number of training users of item i, n the number of training users.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matweave.errors import DataError
from matweave.threads import in_parallel

PIECE = 256  # users per piece of work


def exposure(codes: np.ndarray, counts: np.ndarray, k: int, n_items: int) -> np.ndarray:
    """How often each item of the catalogue stands in the first k of a list: int64 (m,).

    >>> exposure(np.array([[2, 0], [2, 9]]), np.array([2, 1]), 2, 4).tolist()
    [1, 0, 2, 0]
    """
    shown = codes[:, :k][_filled(codes, counts, k)]
    if len(shown) and not 0 <= shown.min() <= shown.max() < n_items:
        raise DataError(
            f"a list names item {int(shown.max())}, but the catalogue has {n_items}",
            where="exposure",
            mend="give the size of the catalogue that the lists were made from",
        )
    return np.bincount(shown, minlength=n_items)


def coverage(codes: np.ndarray, counts: np.ndarray, k: int, n_items: int) -> float:
    """Share of the catalogue that at least one list shows: |union of L_u| / m, in [0, 1]; NaN for no items.

    It grows with the number of users: compare it only over the same users.

    >>> coverage(np.array([[2, 0], [2, 9]]), np.array([2, 1]), 2, 4)
    0.5
    """
    return float(np.count_nonzero(exposure(codes, counts, k, n_items)) / n_items) if n_items else float("nan")


def gini(codes: np.ndarray, counts: np.ndarray, k: int, n_items: int) -> float:
    """Inequality of exposure over the whole catalogue: 0 where all items are shown equally, (m - 1) / m for one alone.

    sum_i (2 i - m - 1) x_(i) / (m sum x), with exposures x_(1) <= ... <= x_(m), items never shown included.
    NaN where nothing is shown.

    >>> gini(np.array([[0], [1]]), np.array([1, 1]), 1, 4)
    0.5
    """
    x = np.sort(exposure(codes, counts, k, n_items)).astype(np.float64)
    if x.sum() == 0:
        return float("nan")
    return float(((2 * np.arange(1, n_items + 1) - n_items - 1) * x).sum() / (n_items * x.sum()))


def novelty(
    codes: np.ndarray, counts: np.ndarray, k: int, popularity: np.ndarray, n_users: int
) -> np.ndarray:
    """Mean self-information of the shown items in bits, -log2(c_i / n) (Vargas & Castells 2011, eq. 6).

    An item without training users counts as if it had one. float64 (n,), NaN for an empty list.

    >>> novelty(np.array([[0, 1]]), np.array([2]), 2, popularity=np.array([8, 2]), n_users=8).tolist()
    [1.0]
    """
    bits = -np.log2(np.maximum(popularity, 1) / max(n_users, 1))
    return _mean_of(codes, counts, k, bits)


def mean_popularity(codes: np.ndarray, counts: np.ndarray, k: int, popularity: np.ndarray) -> np.ndarray:
    """Mean number of training users of the shown items, float64 (n,); NaN for an empty list."""
    return _mean_of(codes, counts, k, np.asarray(popularity, np.float64))


def popularity_lift(
    codes: np.ndarray,
    counts: np.ndarray,
    k: int,
    popularity: np.ndarray,
    histories: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """How much more popular a user's list is than the user's own history: q_u / p_u - 1, float64 (n,).

    q_u is the mean popularity of L_u and p_u of the items in the user's training history: 0 is no lift,
    1 twice as popular. (Abdollahpouri et al. 2020 take the ratio of means over a group; this is per user.)
    NaN for an empty list or history.

    Args:
        histories: (indptr, indices), the training items of the n users.

    >>> lists = np.array([[0]]), np.array([1])
    >>> popularity_lift(*lists, 1, np.array([9, 3]), (np.array([0, 2]), np.array([0, 1]))).tolist()
    [0.5]
    """
    popularity = np.asarray(popularity, np.float64)
    indptr, indices = histories
    lengths = np.diff(indptr)
    users = np.repeat(np.arange(len(lengths)), lengths)
    own = np.bincount(users, popularity[indices], len(lengths)) / np.where(lengths > 0, lengths, np.nan)
    return mean_popularity(codes, counts, k, popularity) / np.where(own > 0, own, np.nan) - 1


def diversity(codes: np.ndarray, counts: np.ndarray, k: int, vectors: np.ndarray) -> np.ndarray:
    """Mean distance between two items of the list, 1 - cosine of their vectors (Ziegler et al. 2005), in [0, 2].

    Computed as (|sum v|^2 - sum |v|^2) / pairs, O(k d). A zero vector is at distance 1 from all.

    Args:
        vectors: float (m, d), one per item: factors, features.

    Returns:
        float64 (n,), NaN for lists of fewer than two items.

    >>> diversity(np.array([[0, 1, 2]]), np.array([3]), 3, np.array([[1.0, 0], [2, 0], [0, 1]])).tolist()
    [0.6667]
    """
    v = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(v, axis=1, keepdims=True)
    v = np.divide(v, lengths, out=np.zeros_like(v), where=lengths > 0)
    filled = _filled(codes, counts, k)
    squares = (v * v).sum(axis=1)
    value = np.empty(len(codes))
    for start in range(0, len(codes), PIECE):
        here = slice(start, start + PIECE)
        items = np.where(filled[here], codes[here, :k], 0)
        shown = v[items] * filled[here, :, None]
        sums = shown.sum(axis=1)
        value[here] = (sums * sums).sum(axis=1) - (squares[items] * filled[here]).sum(axis=1)
    return _from_cosines(value, filled.sum(axis=1))


def diversity_of_audiences(
    codes: np.ndarray, counts: np.ndarray, k: int, item_users: tuple[np.ndarray, np.ndarray], n_users: int
) -> np.ndarray:
    """As `diversity`, where two items are alike as far as the same users chose them.

    cosine = |U_i and U_j| / sqrt(|U_i| |U_j|), with U_i the training users of item i: no features needed.
    O(sum of |U_i| over the list) per user.

    Args:
        item_users: (indptr (m + 1), users), distinct users per item.
        n_users: training users.

    >>> of_items = np.array([0, 2, 3]), np.array([0, 1, 1])
    >>> diversity_of_audiences(np.array([[0, 1]]), np.array([2]), 2, of_items, 2).tolist()
    [0.2929]
    """
    indptr, users = (
        np.ascontiguousarray(item_users[0], np.int64),
        np.ascontiguousarray(item_users[1], np.int32),
    )
    if len(users) and not 0 <= users.min() <= users.max() < n_users:
        raise DataError(
            f"item_users names a user outside 0..{n_users - 1}",
            where="diversity_of_audiences",
            mend="give n_users of the training data",
        )
    exposure(codes, counts, k, len(indptr) - 1)
    filled = _filled(codes, counts, k)
    short = np.ascontiguousarray(codes[:, :k], np.int32)
    sizes, value = filled.sum(axis=1), np.zeros(len(codes))

    def work(start: int, end: int) -> None:
        _audiences(short, sizes, indptr, users, np.zeros(n_users), value, start, end)

    in_parallel(work, [(a, min(a + PIECE, len(codes))) for a in range(0, len(codes), PIECE)])
    return _from_cosines(value, sizes)


@njit(nogil=True, cache=True)
def _audiences(codes, sizes, indptr, users, weight, value, start, end):
    """value[r] = sum of cosines over ordered pairs of different entries; `weight` is zeroed scratch (n_users,)."""
    for r in range(start, end):
        total = 0.0
        for t in range(sizes[r]):
            first, last = indptr[codes[r, t]], indptr[codes[r, t] + 1]
            if first < last:
                share = 1 / np.sqrt(last - first)
                for p in range(first, last):
                    total += 2 * share * weight[users[p]]  # with every earlier entry
                    weight[users[p]] += share
        for t in range(sizes[r]):
            weight[users[indptr[codes[r, t]] : indptr[codes[r, t] + 1]]] = 0
        value[r] = total


def _from_cosines(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    pairs = (sizes * (sizes - 1)).astype(np.float64)
    return 1 - sums / np.where(pairs > 0, pairs, np.nan)


def _filled(codes: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """bool (n, k): places of the first k that hold an item."""
    if not 1 <= k <= codes.shape[1]:
        raise DataError(
            f"cut k={k} does not fit lists of {codes.shape[1]} entries",
            where="metrics of lists",
            mend=f"give 1 <= k <= {codes.shape[1]}, or make longer lists",
        )
    return np.arange(k) < np.asarray(counts)[:, None]


def _mean_of(codes: np.ndarray, counts: np.ndarray, k: int, values: np.ndarray) -> np.ndarray:
    exposure(codes, counts, k, len(values))  # refuses items outside the catalogue
    filled = _filled(codes, counts, k)
    sizes = filled.sum(axis=1)
    sums = np.where(filled, values[np.where(filled, codes[:, :k], 0)], 0).sum(axis=1)
    return sums / np.where(sizes > 0, sizes, np.nan)
