"""Accuracy of lists: against plain Python, bounds, what must and must not change it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from by_hand import metrics as by_hand
from by_hand.lists import Case, random_case
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics import ranking
from matweave.metrics.hits import Hits, find_hits

NAMES = [
    "hit_rate",
    "precision",
    "recall",
    "recall_capped",
    "mrr",
    "average_precision",
    "ndcg",
    "ndcg_graded",
]


def hits_of(case: Case) -> Hits:
    return find_hits(case.codes, case.counts, case.indptr, case.indices, case.gains)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 500), k=st.integers(1, 6))
def test_every_formula_agrees_with_its_slow_twin(name, seed, k):
    case = random_case(seed)
    wanted = [by_hand.accuracy(name, s, r, k) for s, r in zip(case.lists, case.relevant, strict=True)]
    found = getattr(ranking, name)(hits_of(case), k)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_and_exclusion(name):
    case = random_case(3, n=300)
    hits = hits_of(case)
    values = getattr(ranking, name)(hits, 6)
    assert np.isnan(values[~hits.judged]).all()
    judged = values[hits.judged]
    judged = judged[~np.isnan(judged)]  # a user whose gains are all 0 has no graded nDCG
    assert len(judged) > 100
    assert (judged >= 0).all()
    assert (judged <= 1 + 1e-12).all()
    assert judged.std() > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_the_best_list_reaches_one_and_the_worst_zero(name):
    indptr, indices, gains = np.array([0, 3]), np.array([0, 4, 7]), np.array([1.0, 3.0, 2.0])
    best = find_hits(np.array([[4, 7, 0]]), np.array([3]), indptr, indices, gains)
    worst = find_hits(np.array([[1, 2, 3]]), np.array([3]), indptr, indices, gains)
    assert getattr(ranking, name)(best, 3)[0] == pytest.approx(1)
    assert getattr(ranking, name)(worst, 3)[0] == 0


@pytest.mark.parametrize("name", NAMES)
def test_relabelling_users_and_items_changes_nothing(name):
    case = random_case(8, n=40)
    rng = np.random.default_rng(0)
    users, items = rng.permutation(40), rng.permutation(case.n_items)
    sets = [case.relevant[u] for u in users]
    rows = [sorted((int(items[j]), g) for j, g in r.items()) for r in sets]
    moved = find_hits(
        items[case.codes[users]],
        case.counts[users],
        np.r_[0, np.cumsum([len(r) for r in rows])],
        np.array([j for r in rows for j, _ in r]),
        np.array([g for r in rows for _, g in r]),
    )
    formula = getattr(ranking, name)
    np.testing.assert_allclose(formula(moved, 5), formula(hits_of(case), 5)[users], rtol=1e-12)


@pytest.mark.parametrize("name", ["hit_rate", "recall", "mrr"])
def test_a_longer_list_never_scores_less(name):
    hits = hits_of(random_case(9, n=200))
    values = [getattr(ranking, name)(hits, k) for k in range(1, 7)]
    for shorter, longer in itertools.pairwise(values):
        assert (longer[hits.judged] >= shorter[hits.judged]).all()


def test_moving_a_hit_up_raises_what_looks_at_order_and_nothing_else():
    indptr, indices = np.array([0, 2]), np.array([0, 1])
    low, high = (find_hits(np.array([row]), np.array([3]), indptr, indices) for row in ([5, 6, 0], [5, 0, 6]))
    for name in ("ndcg", "mrr", "average_precision"):
        assert getattr(ranking, name)(high, 3)[0] > getattr(ranking, name)(low, 3)[0]
    for name in ("precision", "recall", "hit_rate"):
        assert getattr(ranking, name)(high, 3)[0] == getattr(ranking, name)(low, 3)[0]


def test_equal_gains_give_binary_ndcg():
    case = random_case(4, n=60)
    hits = find_hits(case.codes, case.counts, case.indptr, case.indices, np.full(len(case.indices), 2.5))
    np.testing.assert_allclose(ranking.ndcg_graded(hits, 6), ranking.ndcg(hits, 6))


def test_exponential_gains():
    assert ranking.exponential_gains(np.array([0, 1, 2, 5])).tolist() == [0, 1, 3, 31]


def test_discounts_of_the_first_places():
    np.testing.assert_allclose(ranking.discounts(3), [1, np.log(2) / np.log(3), 0.5])


def test_graded_ndcg_without_gains_is_an_error():
    case = random_case(5)
    with pytest.raises(DataError, match="needs the gain"):
        ranking.ndcg_graded(find_hits(case.codes, case.counts, case.indptr, case.indices), 3)


@pytest.mark.parametrize("k", [0, 7])
@pytest.mark.parametrize("name", NAMES)
def test_a_cut_beyond_the_lists_is_an_error(name, k):
    with pytest.raises(DataError, match=f"k={k} does not fit lists of 6"):
        getattr(ranking, name)(hits_of(random_case(6)), k)
