"""Accuracy of lists: one named formula each, from `Hits` to one number per user.

Notation: h_j = 1 where the j-th entry of the list is relevant (j = 1..k), r the number of relevant items,
H_k = h_1 + ... + h_k. Common to all:

- A user with no relevant item is excluded: NaN, and counted by `Hits.excluded`. Means are over the others.
- A list shorter than k is read as if misses filled it up: it cannot gain by being short.
- Relevant items that no list could hold (unknown to the model) count in r; the caller decides what r holds.

| name | formula | largest |
|---|---|---|
| hit_rate | 1 if H_k > 0 else 0 | 1 |
| precision | H_k / k | min(k, r) / k |
| recall | H_k / r | min(k, r) / r |
| recall_capped | H_k / min(k, r) | 1 |
| mrr | 1 / (position of the first hit), 0 if none within k | 1 |
| average_precision | (sum of H_j / j over hits j <= k) / min(k, r) | 1 |
| ndcg | (sum of h_j / log2(j + 1)) / (sum of 1 / log2(j + 1) for j <= min(k, r)) | 1 |
| ndcg_graded | the same with gains g_j for h_j, and the k largest gains, falling, below the line | 1 |

Sources: Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", eqs. 1-2 with the
log2(j + 1) discount of Burges et al. 2005; Voorhees 2000 (TREC) for average precision and MRR. Other
frameworks' variants: `matweave.metrics.variants`. Twins by hand: tests/by_hand/metrics.py.
"""

from __future__ import annotations

import numpy as np

from matweave.errors import DataError
from matweave.metrics.hits import Hits


def discounts(k: int) -> np.ndarray:
    """1 / log2(j + 1) for positions j = 1..k, float64.

    >>> discounts(3).round(4).tolist()
    [1.0, 0.6309, 0.5]
    """
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def hit_rate(hits: Hits, k: int) -> np.ndarray:
    """1 where at least one of the first k entries is relevant, else 0; float64 (n,), NaN where nothing is relevant."""
    return _judged(hits, np.asarray(_cut(hits, k).any(axis=1), np.float64))


def precision(hits: Hits, k: int) -> np.ndarray:
    """Share of the k places that hold a relevant item; below 1 for users with fewer than k of them.

    >>> from matweave.metrics.hits import find_hits
    >>> hits = find_hits(np.array([[4, 2, 9]]), np.array([3]), np.array([0, 2]), np.array([2, 7]))
    >>> [round(float(f(hits, 3)[0]), 4) for f in (precision, recall, mrr, average_precision, ndcg)]
    [0.3333, 0.5, 0.5, 0.25, 0.3869]
    """
    return np.asarray(_judged(hits, _found(hits, k)) / k)


def recall(hits: Hits, k: int) -> np.ndarray:
    """Share of the user's relevant items within the first k; cannot reach 1 where there are more than k."""
    return _found(hits, k) / _divisor(hits)


def recall_capped(hits: Hits, k: int) -> np.ndarray:
    """Hits within k divided by the most there could be, min(k, r): 1 is always within reach.

    Known as recall in the papers on variational autoencoders (Liang et al. 2018, eq. 9) and as R-precision.
    """
    return _found(hits, k) / np.minimum(_divisor(hits), k)


def mrr(hits: Hits, k: int) -> np.ndarray:
    """One over the position of the first relevant entry, 0 where there is none within k."""
    cut = _cut(hits, k)
    return _judged(hits, np.where(cut.any(axis=1), 1 / (cut.argmax(axis=1) + 1.0), 0.0))


def average_precision(hits: Hits, k: int) -> np.ndarray:
    """Mean of the precision at each hit within k, over min(k, r): misses below k count as 0."""
    cut = _cut(hits, k)
    precisions = cut.cumsum(axis=1) / np.arange(1, k + 1)
    return (precisions * cut).sum(axis=1) / np.minimum(_divisor(hits), k)


def ndcg(hits: Hits, k: int) -> np.ndarray:
    """Discounted hits over those of the best list there could be; all relevant items count the same."""
    weights = discounts(k)
    ideal = np.concatenate([[np.nan], weights.cumsum()])[np.minimum(hits.relevant, k)]
    return _cut(hits, k) @ weights / ideal


def ndcg_graded(hits: Hits, k: int) -> np.ndarray:
    """nDCG of the given gains as they are (for 2^rating - 1 give `exponential_gains`).

    Equal gains give `ndcg`. A user whose gains are all 0 is excluded (NaN): no list could be better than another.

    Raises:
        DataError: where the hits were found without gains.

    >>> from matweave.metrics.hits import find_hits
    >>> lists, relevant = (np.array([[2, 7]]), np.array([2])), (np.array([0, 2]), np.array([2, 7]))
    >>> ndcg_graded(find_hits(*lists, *relevant, gains=np.array([1.0, 3.0])), 2).round(4).tolist()
    [0.7967]
    """
    if hits.gain is None:
        raise DataError(
            "graded nDCG needs the gain of each relevant item",
            where="ndcg_graded",
            mend="find the hits with gains, or use ndcg",
        )
    weights = discounts(k)
    _cut(hits, k)
    ideal = hits.ideal[:, :k].astype(np.float64) @ weights
    return hits.gain[:, :k].astype(np.float64) @ weights / np.where(ideal > 0, ideal, np.nan)


def exponential_gains(values: np.ndarray, *, threshold: float = 0.0) -> np.ndarray:
    """2^(value - threshold) - 1, and 0 below the threshold: top grades count far more (Burges et al. 2005).

    >>> exponential_gains(np.array([1.0, 3.0, 5.0]), threshold=2).tolist()
    [0.0, 1.0, 7.0]
    """
    return np.maximum(np.exp2(np.asarray(values, np.float64) - threshold) - 1, 0)


def _cut(hits: Hits, k: int) -> np.ndarray:
    width = hits.hit.shape[1]
    if not 1 <= k <= width:
        raise DataError(
            f"cut k={k} does not fit lists of {width} entries",
            where="ranking metrics",
            mend=f"give 1 <= k <= {width}, or make longer lists",
        )
    return hits.hit[:, :k]


def _found(hits: Hits, k: int) -> np.ndarray:
    return np.asarray(_cut(hits, k).sum(axis=1), np.float64)


def _divisor(hits: Hits) -> np.ndarray:
    return np.where(hits.relevant > 0, hits.relevant, np.nan)


def _judged(hits: Hits, values: np.ndarray) -> np.ndarray:
    return np.where(hits.judged, values, np.nan)
