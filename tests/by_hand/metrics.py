"""Metrics from their definitions, one user at a time, in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

NAN = float("nan")


def dcg(gains: list[float]) -> float:
    return sum(g / math.log2(j + 1) for j, g in enumerate(gains, start=1))


def accuracy(name: str, shown: list[int], relevant: dict[int, float], k: int) -> float:
    """One user's value; `relevant` maps item to gain."""
    if not relevant:
        return NAN
    shown = shown[:k]
    hits = [item in relevant for item in shown]
    most = min(k, len(relevant))
    if name == "hit_rate":
        return float(any(hits))
    if name == "precision":
        return sum(hits) / k
    if name == "recall":
        return sum(hits) / len(relevant)
    if name == "recall_capped":
        return sum(hits) / most
    if name == "mrr":
        return 1 / (hits.index(True) + 1) if any(hits) else 0.0
    if name == "average_precision":
        return sum(sum(hits[: j + 1]) / (j + 1) for j, h in enumerate(hits) if h) / most
    if name == "ndcg":
        return dcg([float(h) for h in hits]) / dcg([1.0] * most)
    if name == "ndcg_graded":
        ideal = dcg(sorted(relevant.values(), reverse=True)[:k])
        return dcg([relevant.get(item, 0.0) for item in shown]) / ideal if ideal > 0 else NAN
    raise ValueError(name)


def auc(scores: list[float], relevant: set[int], out: set[int]) -> float:
    wins, pairs = 0.0, 0
    for i in relevant - out:
        for j in range(len(scores)):
            if j not in relevant and j not in out:
                pairs += 1
                wins += 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    return wins / pairs if pairs else NAN


def gini(lists: list[list[int]], n_items: int) -> float:
    """Mean absolute difference between two items' exposures, over twice the mean."""
    times = Counter(item for shown in lists for item in shown)
    x = [times[j] for j in range(n_items)]
    if not sum(x):
        return NAN
    return sum(abs(a - b) for a in x for b in x) / (2 * n_items * sum(x))


def coverage(lists: list[list[int]], n_items: int) -> float:
    return len({item for shown in lists for item in shown}) / n_items


def novelty(shown: list[int], popularity: list[int], n_users: int) -> float:
    return sum(-math.log2(max(popularity[j], 1) / n_users) for j in shown) / len(shown) if shown else NAN


def popularity_lift(shown: list[int], popularity: list[int], history: list[int]) -> float:
    if not shown or not history or not sum(popularity[j] for j in history):
        return NAN
    mean = [sum(popularity[j] for j in items) / len(items) for items in (shown, history)]
    return mean[0] / mean[1] - 1


def cosine(a: list[float], b: list[float]) -> float:
    lengths = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def diversity(shown: list[int], vectors: list[list[float]]) -> float:
    pairs = list(combinations(shown, 2))
    return sum(1 - cosine(vectors[i], vectors[j]) for i, j in pairs) / len(pairs) if pairs else NAN


def rank_among(scores: list[float], codes: list[int], ties: str) -> float:
    rank = 0.0
    for score, code in zip(scores[1:], codes[1:], strict=True):
        if code != codes[0]:
            rank += score > scores[0]
            rank += (score == scores[0]) * {"half": 0.5, "worst": 1, "best": 0}[ties]
    return rank


def elliot(name: str, shown: list[int], ratings: dict[int, float], k: int, threshold: float) -> float:
    """Elliot 0.3.1 from its formulas, one user: nDCG with gains 2^(rating - threshold + 1) - 1, and its "MAP"."""
    relevant = {item: r for item, r in ratings.items() if r >= threshold}
    if not relevant:
        return NAN
    if name == "MAP":
        return sum(sum(item in relevant for item in shown[:j]) / j for j in range(1, k + 1)) / k
    gains = {item: 2 ** (r - threshold + 1) - 1 for item, r in relevant.items()}
    found = dcg([gains.get(item, 0.0) for item in shown[:k]])
    return found / dcg(sorted(gains.values(), reverse=True)[:k]) if found else 0.0


def normal_crps(mean, deviation, target, steps=20_000):
    """∫ (F(x) - 1[x >= t])² dx of a normal law, by the midpoints of many small steps."""
    low, high = min(mean - 12 * deviation, target), max(mean + 12 * deviation, target)
    width = (high - low) / steps
    total = 0.0
    for k in range(steps):
        x = low + (k + 0.5) * width
        below = 0.5 * math.erfc(-(x - mean) / (deviation * math.sqrt(2)))
        total += (below - (x >= target)) ** 2 * width
    return total
