"""Other frameworks' variants: Elliot's by hand, all of them at their ends and where they must meet ours."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import metrics as by_hand
from by_hand.lists import random_case
from hypothesis import given
from hypothesis import strategies as st

from matweave.metrics import ranking, variants
from matweave.metrics.beyond import gini
from matweave.metrics.hits import Hits, find_hits


def mean(values: list[float]) -> float:
    return float(np.nanmean(values))


def rated_hits(seed: int, n: int = 12) -> tuple[Hits, list[list[int]], list[dict[int, float]]]:
    case = random_case(seed, n=n)
    ratings = case.gains + 1  # 1 to 4
    hits = find_hits(case.codes, case.counts, case.indptr, case.indices, ratings)
    return hits, case.lists, [{item: g + 1 for item, g in r.items()} for r in case.relevant]


@given(seed=st.integers(0, 300), k=st.integers(1, 6), threshold=st.sampled_from([0.0, 1.0]))
def test_elliot_agrees_with_its_formulas_by_hand(seed, k, threshold):
    hits, lists, ratings = rated_hits(seed)
    if not hits.judged.any():
        return
    for name, ours in (
        ("nDCG", variants.ndcg_exponential(hits, k, threshold)),
        ("MAP", variants.mean_of_precisions(hits, k)),
    ):
        wanted = [by_hand.elliot(name, s, r, k, threshold) for s, r in zip(lists, ratings, strict=True)]
        assert ours == pytest.approx(mean(wanted), rel=1e-6)


def test_elliot_by_pencil():
    """List: hit rated 2, miss, hit rated 1 of relevant {2, 1}; gains 7 and 3 at threshold 0."""
    hits = find_hits(
        np.array([[5, 8, 6]]), np.array([3]), np.array([0, 2]), np.array([5, 6]), np.array([2.0, 1.0])
    )
    assert variants.mean_of_precisions(hits, 3) == pytest.approx((1 + 1 / 2 + 2 / 3) / 3)
    assert variants.ndcg_exponential(hits, 3) == pytest.approx((7 + 3 / 2) / (7 + 3 / np.log2(3)))


def test_without_ratings_elliots_ndcg_is_binary():
    case = random_case(5)
    hits = find_hits(case.codes, case.counts, case.indptr, case.indices)
    assert variants.ndcg_exponential(hits, 5) == mean(ranking.ndcg(hits, 5).tolist())


@pytest.mark.parametrize("size", [3, 6])
def test_variants_meet_ours_where_their_divisors_do(size):
    """Every user has r = size relevant items: at k = r all divisors are the same."""
    rng = np.random.default_rng(size)
    codes = np.array([rng.permutation(15)[:6] for _ in range(40)])
    relevant = np.sort(np.array([rng.permutation(15)[:size] for _ in range(40)]), axis=1)
    hits = find_hits(codes, np.full(40, 6), np.arange(0, 40 * size + 1, size), relevant.ravel())
    ap, ndcg = mean(ranking.average_precision(hits, size).tolist()), mean(ranking.ndcg(hits, size).tolist())
    assert variants.average_precision_over_k(hits, size) == pytest.approx(ap)
    assert variants.average_precision_over_relevant(hits, size) == pytest.approx(ap)
    assert variants.ndcg_constant_ideal(hits, size) == pytest.approx(ndcg)
    assert variants.precision_pooled(hits, size) == pytest.approx(
        mean(ranking.precision(hits, size).tolist())
    )


def test_the_stated_inequalities():
    hits, _, _ = rated_hits(7, n=100)
    for k in (1, 3, 6):
        ap, ndcg = mean(ranking.average_precision(hits, k).tolist()), mean(ranking.ndcg(hits, k).tolist())
        assert variants.ndcg_constant_ideal(hits, k) <= ndcg
        assert variants.average_precision_over_k(hits, k) <= ap
        assert variants.average_precision_over_relevant(hits, k) <= ap
        assert variants.precision_pooled(hits, k) >= mean(ranking.precision(hits, k).tolist())


def test_evenness_runs_the_other_way():
    lists = np.array([[0], [0], [1]]), np.ones(3, int)
    assert variants.gini_evenness(*lists, 1, 5) == pytest.approx(1 - gini(*lists, 1, 5) * 5 / 4)
    assert variants.gini_evenness(np.arange(5)[:, None], np.ones(5, int), 1, 5) == pytest.approx(1)
    assert variants.gini_evenness(np.zeros((5, 1), int), np.ones(5, int), 1, 5) == pytest.approx(0)


def test_gini_of_judged_leaves_the_others_lists_out():
    codes, counts = np.array([[0], [1], [2]]), np.ones(3, int)
    hits = find_hits(codes, counts, np.array([0, 1, 1, 2]), np.array([0, 0]))
    assert variants.gini_of_judged(hits, codes, counts, 1, 4) == gini(codes[[0, 2]], counts[:2], 1, 4)
    assert variants.gini_of_judged(hits, codes, counts, 1, 4) != gini(codes, counts, 1, 4)
