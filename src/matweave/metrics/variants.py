"""What other frameworks compute under the same names, from the same `Hits`: only the variants that differ from ours.

Notation as in `matweave.metrics.ranking`: H_k hits within k, r relevant items, mean over users with r > 0.
Each function returns the framework's own figure, already averaged as the framework averages it.
All agree with the frameworks' own runs (tests/golden/metrics_*.json), but Elliot's, which follow its published
formulas and code (0.3.1) and have never been run here: it pins versions that no current Python can install.
"""

from __future__ import annotations

import numpy as np

from matweave.metrics import ranking
from matweave.metrics.beyond import gini
from matweave.metrics.hits import Hits


def precision_pooled(hits: Hits, k: int) -> float:
    """implicit's precision: all hits over all possible hits, sum H_k / sum min(k, r).

    Neither precision (the divisor is not k) nor a mean over users: those with many relevant items weigh more.

    >>> from matweave.metrics.hits import find_hits
    >>> two = find_hits(np.array([[1, 2], [3, 4]]), np.array([2, 2]), np.array([0, 1, 3]), np.array([1, 5, 6]))
    >>> precision_pooled(two, 2), float(ranking.precision(two, 2).mean())
    (0.3333, 0.25)
    """
    judged = hits.judged
    found = ranking.precision(hits, k)[judged].sum() * k
    return float(found / np.minimum(hits.relevant[judged], k).sum())


def ndcg_constant_ideal(hits: Hits, k: int) -> float:
    """RecTools' default NDCG: DCG over the DCG of k hits, also for users with fewer relevant items.

    No user with r < k can reach 1, so figures fall as k grows.
    """
    ideal = ranking.discounts(k)
    achievable = np.concatenate([[np.nan], ideal.cumsum()])[np.minimum(hits.relevant, k)]
    return float(np.nanmean(ranking.ndcg(hits, k) * achievable / ideal.sum()))


def ndcg_exponential(hits: Hits, k: int, threshold: float = 0.0) -> float:
    """Elliot's nDCG: graded by 2^(rating - threshold + 1) - 1 for ratings at or above the threshold.

    The gains of `hits` are the ratings. With all ratings equal it is the binary nDCG.
    """
    ratings, shown = hits.gains, hits.gain
    if ratings is None or shown is None:
        return float(np.nanmean(ranking.ndcg(hits, k)))
    gain = ranking.exponential_gains(shown, threshold=threshold - 1) * hits.hit
    graded = Hits(
        hit=hits.hit,
        gain=gain.astype(np.float32),
        relevant=hits.relevant,
        indptr=hits.indptr,
        gains=ranking.exponential_gains(ratings, threshold=threshold - 1).astype(np.float32),
    )
    return float(np.nanmean(ranking.ndcg_graded(graded, k)))


def average_precision_over_relevant(hits: Hits, k: int) -> float:
    """RecTools' default MAP: the sum of precisions at hits over r, not min(k, r).

    A user with r > k cannot reach 1: at k = 1 a perfect list scores 1 / r.
    """
    scale = np.minimum(hits.relevant, k) / np.maximum(hits.relevant, 1)
    return float(np.nanmean(ranking.average_precision(hits, k) * scale))


def average_precision_over_k(hits: Hits, k: int) -> float:
    """RecTools' MAP with divide_by_k: the sum of precisions at hits over k.

    A user with r < k cannot reach 1.
    """
    return float(np.nanmean(ranking.average_precision(hits, k) * np.minimum(hits.relevant, k) / k))


def mean_of_precisions(hits: Hits, k: int) -> float:
    """Elliot's "MAP": precision@j averaged over every j = 1..k, hits or not.

    Not average precision: misses between hits count too, and one hit at the top gives about ln(k) / k.
    """
    return float(np.nanmean(np.mean([ranking.precision(hits, j) for j in range(1, k + 1)], axis=0)))


def gini_of_judged(hits: Hits, codes: np.ndarray, counts: np.ndarray, k: int, n_items: int) -> float:
    """RecBole's GiniIndex: the Gini coefficient over the lists of users with a relevant item only.

    It makes no lists for the others, so their share of the exposure is missing.
    """
    return gini(codes[hits.judged], counts[hits.judged], k, n_items)


def gini_evenness(codes: np.ndarray, counts: np.ndarray, k: int, n_items: int) -> float:
    """Elliot's Gini: 1 - (sum (2 i - m - 1) x_(i)) / ((m - 1) sum x), so 1 is equal and 0 is one item alone.

    The opposite direction of the Gini coefficient (ours and RecBole's), and normalised by m - 1.

    >>> gini_evenness(np.array([[0], [1]]), np.array([1, 1]), 1, 2)
    1.0
    """
    return 1 - gini(codes, counts, k, n_items) * n_items / (n_items - 1)
