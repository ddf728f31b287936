"""Coverage, Gini, novelty, diversity, popularity lift: against plain Python, and at their ends."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import metrics as by_hand
from by_hand.lists import random_case
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics import beyond


@given(seed=st.integers(0, 500), k=st.integers(1, 6))
def test_everything_agrees_with_its_slow_twin(seed, k):
    case, rng = random_case(seed), np.random.default_rng(seed)
    lists = [shown[:k] for shown in case.lists]
    chosen = rng.random((case.n_items, 8)) < 0.4  # items by training users
    popularity, vectors = chosen.sum(1), rng.normal(size=(case.n_items, 3))
    vectors[0] = 0
    given_lists = case.codes, case.counts, k

    assert beyond.coverage(*given_lists, case.n_items) == by_hand.coverage(lists, case.n_items)
    np.testing.assert_allclose(
        beyond.gini(*given_lists, case.n_items), by_hand.gini(lists, case.n_items), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        beyond.novelty(*given_lists, popularity, 8),
        [by_hand.novelty(s, popularity.tolist(), 8) for s in lists],
    )
    np.testing.assert_allclose(
        beyond.popularity_lift(*given_lists, popularity, (case.indptr, case.indices)),
        [
            by_hand.popularity_lift(s, popularity.tolist(), list(r))
            for s, r in zip(lists, case.relevant, strict=True)
        ],
        atol=1e-12,
    )
    np.testing.assert_allclose(
        beyond.diversity(*given_lists, vectors),
        [by_hand.diversity(s, vectors.tolist()) for s in lists],
        atol=1e-12,
    )
    audiences = np.r_[0, np.cumsum(popularity)], np.nonzero(chosen)[1]
    np.testing.assert_allclose(
        beyond.diversity_of_audiences(*given_lists, audiences, 8),
        [by_hand.diversity(s, chosen.astype(float).tolist()) for s in lists],
        atol=1e-12,
    )


def test_pieces_of_users_change_nothing(monkeypatch):
    case, rng = random_case(1, n=60), np.random.default_rng(1)
    vectors, lists = rng.normal(size=(case.n_items, 4)), (case.codes, case.counts, 6)
    audiences = (
        np.arange(0, 3 * case.n_items + 1, 3),
        rng.integers(0, 3, 3 * case.n_items) + np.tile([0, 3, 6], 15),
    )
    whole = beyond.diversity(*lists, vectors), beyond.diversity_of_audiences(*lists, audiences, 9)
    monkeypatch.setattr(beyond, "PIECE", 7)
    parts = beyond.diversity(*lists, vectors), beyond.diversity_of_audiences(*lists, audiences, 9)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


def test_ends_of_coverage_and_gini():
    equal = np.arange(6).reshape(3, 2), np.full(3, 2)
    one = np.zeros((3, 1), int), np.ones(3, int)
    assert beyond.coverage(*equal, 2, 6) == 1
    assert beyond.gini(*equal, 2, 6) == pytest.approx(0)
    assert beyond.coverage(*one, 1, 6) == pytest.approx(1 / 6)
    assert beyond.gini(*one, 1, 6) == pytest.approx(5 / 6)
    nothing = np.zeros((2, 1), int), np.zeros(2, int)
    assert beyond.coverage(*nothing, 1, 6) == 0
    assert np.isnan(beyond.gini(*nothing, 1, 6))
    assert np.isnan(beyond.coverage(*nothing, 1, 0))


def test_gini_and_coverage_do_not_care_which_item_is_which():
    case, order = random_case(7), np.random.default_rng(0).permutation(15)
    for formula in (beyond.gini, beyond.coverage):
        moved = formula(order[case.codes], case.counts, 6, 15)
        assert moved == pytest.approx(formula(case.codes, case.counts, 6, 15))


def test_same_items_have_no_diversity_and_opposite_ones_the_most():
    lists = np.array([[0, 1], [0, 2]]), np.array([2, 2])
    vectors = np.array([[1.0, 0], [3.0, 0], [-2.0, 0]])
    np.testing.assert_allclose(beyond.diversity(*lists, 2, vectors), [0, 2], atol=1e-15)


def test_recommending_the_history_itself_lifts_nothing():
    codes = np.array([[3, 1, 0], [2, 4, 1]])
    popularity = np.array([9, 4, 7, 1, 2])
    histories = np.array([0, 3, 6]), np.sort(codes, axis=1).ravel()
    lift = beyond.popularity_lift(codes, np.array([3, 3]), 3, popularity, histories)
    np.testing.assert_allclose(lift, 0, atol=1e-15)
    assert (beyond.popularity_lift(codes * 0, np.array([1, 1]), 1, popularity, histories) > 0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda lists: beyond.coverage(*lists, 1, 3),
        lambda lists: beyond.novelty(*lists, 1, np.ones(3), 3),
        lambda lists: beyond.mean_popularity(*lists, 1, np.ones(3)),
        lambda lists: beyond.diversity_of_audiences(*lists, 1, (np.zeros(4, int), np.zeros(0, int)), 1),
    ],
)
def test_items_outside_the_catalogue_are_refused(call):
    with pytest.raises(DataError, match="names item 3, but the catalogue has 3"):
        call((np.array([[3]]), np.array([1])))


def test_users_outside_the_training_data_are_refused():
    with pytest.raises(DataError, match=r"outside 0\.\.1"):
        beyond.diversity_of_audiences(np.array([[0]]), np.array([1]), 1, (np.array([0, 1]), np.array([2])), 2)


@pytest.mark.parametrize("k", [0, 3])
def test_a_cut_beyond_the_lists_is_an_error(k):
    with pytest.raises(DataError, match=f"k={k} does not fit lists of 2"):
        beyond.coverage(np.zeros((1, 2), int), np.array([2]), k, 5)
