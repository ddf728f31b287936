"""The same lists judged by every framework's formula, side by side, so that a reader sees why figures differ.

implicit 0.7.3, RecBole 1.2.1 and RecTools 0.19.0 were run on the lists of tests/golden/metrics_case.json and agree
with the functions named here to 1e-9. Elliot 0.3.1 follows its code and could not be run. All four, and we,
average over users with at least one relevant item (RecBole and Elliot never see the others).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.metrics import ranking, variants
from matweave.metrics.beyond import gini
from matweave.metrics.hits import Hits, find_hits

SAME = "the same"


@final
@dataclass(frozen=True, kw_only=True)
class Lists:
    """What every formula is given: hits, the lists themselves, the catalogue, and Elliot's relevance threshold."""

    hits: Hits
    codes: np.ndarray
    counts: np.ndarray
    n_items: int
    threshold: float


@final
@dataclass(frozen=True, kw_only=True)
class Variant:
    """One framework's metric. `ours` is the nearest of our names; `difference` is "the same" where it is that."""

    framework: str
    metric: str
    ours: str
    formula: str
    difference: str
    compute: Callable[[Lists, int], float]


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant with its value on given lists, and the value of our metric of nearest meaning."""

    framework: str
    metric: str
    formula: str
    difference: str
    value: float
    ours: str
    our_value: float


def _mean(formula: Callable[[Hits, int], np.ndarray]) -> Callable[[Lists, int], float]:
    return lambda lists, k: float(np.nanmean(formula(lists.hits, k)))


def _pooled(formula: Callable[[Hits, int], float]) -> Callable[[Lists, int], float]:
    return lambda lists, k: formula(lists.hits, k)


def _gini(lists: Lists, k: int) -> float:
    return gini(lists.codes, lists.counts, k, lists.n_items)


OURS: dict[str, tuple[str, Callable[[Lists, int], float]]] = {
    "ndcg": ("Σ h_j/log2(j+1) / Σ_{j≤min(k,r)} 1/log2(j+1)", _mean(ranking.ndcg)),
    "average_precision": ("Σ h_j·H_j/j / min(k,r)", _mean(ranking.average_precision)),
    "precision": ("H_k / k", _mean(ranking.precision)),
    "recall": ("H_k / r", _mean(ranking.recall)),
    "recall_capped": ("H_k / min(k,r)", _mean(ranking.recall_capped)),
    "mrr": ("1 / first hit's position, 0 beyond k", _mean(ranking.mrr)),
    "hit_rate": ("1 if H_k > 0", _mean(ranking.hit_rate)),
    "gini": ("Σ (2i-m-1)·x_(i) / (m·Σx), 0 is equal", _gini),
}


def _same(framework: str, metric: str, ours: str) -> Variant:
    formula, compute = OURS[ours]
    return Variant(
        framework=framework, metric=metric, ours=ours, formula=formula, difference=SAME, compute=compute
    )


def _differs(
    framework: str,
    metric: str,
    ours: str,
    formula: str,
    difference: str,
    compute: Callable[[Lists, int], float],
) -> Variant:
    return Variant(
        framework=framework, metric=metric, ours=ours, formula=formula, difference=difference, compute=compute
    )


VARIANTS: tuple[Variant, ...] = (
    _same("implicit", "ndcg", "ndcg"),
    _same("implicit", "map", "average_precision"),
    _differs(
        "implicit",
        "precision",
        "precision",
        "ΣH_k / Σmin(k,r) over all users",
        "pooled over users, and over min(k,r) instead of k: larger wherever r < k",
        _pooled(variants.precision_pooled),
    ),
    _same("RecBole", "ndcg", "ndcg"),
    _same("RecBole", "map", "average_precision"),
    _same("RecBole", "precision", "precision"),
    _same("RecBole", "recall", "recall"),
    _same("RecBole", "mrr", "mrr"),
    _same("RecBole", "hit", "hit_rate"),
    _differs(
        "RecBole",
        "giniindex",
        "gini",
        OURS["gini"][0],
        "over the lists of users with relevant items only",
        lambda lists, k: variants.gini_of_judged(lists.hits, lists.codes, lists.counts, k, lists.n_items),
    ),
    _differs(
        "RecTools",
        "ndcg",
        "ndcg",
        "Σ h_j/log2(j+1) / Σ_{j≤k} 1/log2(j+1)",
        "ideal of k hits for everyone: smaller wherever r < k",
        _pooled(variants.ndcg_constant_ideal),
    ),
    _same("RecTools", "ndcg_divide_by_achievable", "ndcg"),
    _differs(
        "RecTools",
        "map",
        "average_precision",
        "Σ h_j·H_j/j / r",
        "over r instead of min(k,r): smaller wherever r > k",
        _pooled(variants.average_precision_over_relevant),
    ),
    _differs(
        "RecTools",
        "map_divide_by_k",
        "average_precision",
        "Σ h_j·H_j/j / k",
        "over k instead of min(k,r): smaller wherever r < k",
        _pooled(variants.average_precision_over_k),
    ),
    _same("RecTools", "precision", "precision"),
    _same("RecTools", "r_precision", "recall_capped"),
    _same("RecTools", "recall", "recall"),
    _same("RecTools", "mrr", "mrr"),
    _same("RecTools", "hit_rate", "hit_rate"),
    _differs(
        "Elliot",
        "nDCG",
        "ndcg",
        "gains 2^(rating-threshold+1)-1, over the best k of them",
        "graded by ratings, not binary: the order among relevant items counts",
        lambda lists, k: variants.ndcg_exponential(lists.hits, k, lists.threshold),
    ),
    _differs(
        "Elliot",
        "MAP",
        "average_precision",
        "Σ_{j≤k} H_j/j / k",
        "precision averaged over every position, hit or not: no average precision",
        _pooled(variants.mean_of_precisions),
    ),
    _same("Elliot", "Precision", "precision"),
    _same("Elliot", "Recall", "recall"),
    _same("Elliot", "MRR", "mrr"),
    _same("Elliot", "HR", "hit_rate"),
    _differs(
        "Elliot",
        "Gini",
        "gini",
        "1 - Σ (2i-m-1)·x_(i) / ((m-1)·Σx)",
        "the other way round (1 is equal), and over m-1",
        lambda lists, k: variants.gini_evenness(lists.codes, lists.counts, k, lists.n_items),
    ),
)


def conformance_table(
    codes: np.ndarray,
    counts: np.ndarray,
    relevant: tuple[np.ndarray, np.ndarray],
    *,
    k: int,
    n_items: int,
    ratings: np.ndarray | None = None,
    threshold: float = 0.0,
) -> list[Row]:
    """Every variant's figure on the same lists, in the order of `VARIANTS`.

    Args:
        codes, counts: lists of n users, (n, K) and (n,).
        relevant: (indptr, indices) of the relevant items, rising.
        k: cut, at most K.
        n_items: size of the catalogue.
        ratings: float (len(indices),), for Elliot's graded nDCG; None makes it binary.
        threshold: Elliot's relevance threshold; give only items rated at or above it as relevant.

    Raises:
        DataError: as `find_hits` and the metrics do.

    >>> lists, relevant = (np.array([[4, 2, 9]]), np.array([3])), (np.array([0, 2]), np.array([2, 7]))
    >>> for row in conformance_table(*lists, relevant, k=3, n_items=10):
    ...     if row.metric.casefold() == "map":
    ...         print(row.framework, round(row.value, 4), row.difference.partition(":")[0])
    implicit 0.25 the same
    RecBole 0.25 the same
    RecTools 0.25 over r instead of min(k,r)
    Elliot 0.2778 precision averaged over every position, hit or not
    """
    lists = Lists(
        hits=find_hits(codes, counts, *relevant, gains=ratings),
        codes=codes,
        counts=counts,
        n_items=n_items,
        threshold=threshold,
    )
    our_values = {name: compute(lists, k) for name, (_, compute) in OURS.items()}
    return [
        Row(
            framework=v.framework,
            metric=v.metric,
            formula=v.formula,
            difference=v.difference,
            value=v.compute(lists, k),
            ours=v.ours,
            our_value=our_values[v.ours],
        )
        for v in VARIANTS
    ]
