"""Top-k search against a full sort: order, ties, masks, short lists, tiles, threads, errors."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.topk import best, lists
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.linalg import topk
from matweave.linalg.topk import top_k_factors, top_k_one, top_k_scores
from matweave.threads import set_threads


def as_lists(result) -> list[list[int]]:
    codes, _, counts = result
    return [row[:c].tolist() for row, c in zip(codes, counts, strict=True)]


def random_rows(rng: np.random.Generator, n: int, m: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    seen = rng.random((n, m)) < share
    return np.r_[0, np.cumsum(seen.sum(1))], np.nonzero(seen)[1].astype(np.int32)


def whole_numbers(rng: np.random.Generator, shape: tuple[int, ...], largest: int = 3) -> np.ndarray:
    """Small whole numbers: products are exact in any order of summing, and ties abound."""
    return rng.integers(-largest, largest + 1, shape).astype(np.float32)


@given(
    n=st.integers(1, 9),
    m=st.integers(1, 200),
    d=st.integers(1, 5),
    k=st.integers(1, 220),
    block=st.integers(1, 4),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_factors_agree_with_a_full_sort(n, m, d, k, block, share, seed):
    rng = np.random.default_rng(seed)
    X, Y, bias = whole_numbers(rng, (n, d)), whole_numbers(rng, (m, d)), whole_numbers(rng, (m,))
    rows = random_rows(rng, n, m, share)
    result = top_k_factors(X, Y, k=k, bias=bias, leave_out=rows, block=block)
    S = X @ Y.T + bias
    assert as_lists(result) == lists(S, k, rows)
    codes, scores, counts = result
    assert codes.dtype == np.int32
    assert scores.dtype == np.float32
    assert counts.dtype == np.int32
    for row, c, s, whole in zip(codes, counts, scores, S, strict=True):
        assert np.array_equal(whole[row[:c]], s[:c])


@pytest.mark.parametrize("k", [1, 10, 40, 200, 1500])
def test_tiles_and_ranges_of_items_agree_with_a_full_sort(monkeypatch, k):
    rng = np.random.default_rng(k)
    X, Y = whole_numbers(rng, (7, 3), 20), whole_numbers(rng, (2500, 3), 20)
    rows = random_rows(rng, 7, 2500, 0.3)
    monkeypatch.setattr(topk, "WIDEST", 700)
    wanted = lists(X @ Y.T, k, rows)
    assert as_lists(top_k_factors(X, Y, k=k, leave_out=rows)) == wanted
    assert as_lists(top_k_scores(X @ Y.T, k=k, leave_out=rows)) == wanted
    monkeypatch.setattr(topk, "ONE_PIECE", 1)
    for u in range(7):
        codes, scores = top_k_one(X[u], Y, k=k, leave_out=rows[1][rows[0][u] : rows[0][u + 1]])
        assert codes.tolist() == wanted[u]
        assert np.array_equal(scores, (Y @ X[u])[codes])


def test_long_rows_of_equal_scores_keep_the_smallest_items():
    X, Y = np.ones((3, 2), np.float32), np.ones((5000, 2), np.float32)
    codes, scores, _ = top_k_factors(X, Y, k=20)
    assert np.array_equal(codes, np.tile(np.arange(20), (3, 1)))
    assert (scores == 2).all()


@pytest.mark.parametrize("order", ["falling", "rising"])
def test_sorted_rows(order):
    S = np.arange(4000, dtype=np.float32)[None].repeat(2, 0)
    S = S if order == "rising" else S[:, ::-1].copy()
    assert as_lists(top_k_scores(S, k=33)) == lists(S, 33, None)


def test_scores_are_not_changed_and_infinities_keep_their_meaning():
    S = np.array([[-np.inf, 1, np.inf, 2], [-np.inf] * 4], np.float32)
    before = S.copy()
    rows = (np.array([0, 1, 1]), np.array([3], np.int32))
    codes, scores, counts = top_k_scores(S, k=4, leave_out=rows)
    assert as_lists((codes, scores, counts)) == [[2, 1], []]
    assert np.array_equal(S, before)
    S.flags.writeable = False
    assert as_lists(top_k_scores(S, k=4)) == [[2, 3, 1], []]


def test_relabelling_items_relabels_the_lists():
    rng = np.random.default_rng(5)
    X, Y = rng.normal(size=(20, 8)).astype(np.float32), rng.normal(size=(900, 8)).astype(np.float32)
    order = rng.permutation(900)
    plain, moved = top_k_factors(X, Y, k=10), top_k_factors(X, Y[order], k=10)
    assert np.array_equal(order[moved[0]], plain[0])


def test_same_bits_for_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(6)
    X, Y = rng.normal(size=(300, 16)).astype(np.float32), rng.normal(size=(3000, 16)).astype(np.float32)
    rows = random_rows(rng, 300, 3000, 0.05)
    monkeypatch.setattr(topk, "ONE_PIECE", 1)
    found = []
    try:
        for count in (1, 2, 5):
            set_threads(count)
            found.append(
                [
                    *top_k_factors(X, Y, k=7, leave_out=rows, block=64),
                    *top_k_one(X[0], Y, k=7),
                    *top_k_factors(X[:2], Y, k=7),
                ]
            )
    finally:
        set_threads(None)
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_splitting_the_users_changes_nothing_but_rounding():
    rng = np.random.default_rng(7)
    X, Y = rng.normal(size=(50, 16)).astype(np.float32), rng.normal(size=(800, 16)).astype(np.float32)
    _, whole, _ = top_k_factors(X, Y, k=5)
    parts = np.concatenate([top_k_factors(X[a : a + 7], Y, k=5)[1] for a in range(0, 50, 7)])
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-6)


def test_empty_shapes():
    X, Y = np.ones((0, 2), np.float32), np.ones((4, 2), np.float32)
    assert top_k_factors(X, Y, k=3)[0].shape == (0, 3)
    assert top_k_factors(np.ones((3, 2), np.float32), Y[:0], k=3)[2].tolist() == [0, 0, 0]
    assert top_k_one(np.ones(2, np.float32), Y[:0], k=3)[0].tolist() == []


@pytest.mark.parametrize("k", [3, 200])
@pytest.mark.parametrize("place", [0, 70, 299])
def test_nan_is_named_by_row(k, place):
    S = np.zeros((5, 300), np.float32)
    S[3, place] = np.nan
    with pytest.raises(DataError, match=r"row 3 .*NaN"):
        top_k_scores(S, k=k)


BAD = [
    ({"k": 0}, "k is 0"),
    ({"k": True}, "k is True"),
    ({"block": 0}, "block is 0"),
    ({"X": np.ones((2, 3))}, "X is float64"),
    ({"Y": np.ones((4, 2), np.float32)}, r"Y is float32 \(4, 2\)"),
    ({"bias": np.ones(3, np.float32)}, "bias"),
    ({"leave_out": (np.array([0, 1]), np.array([1]))}, "indptr"),
    ({"leave_out": (np.array([0, 0, 1]), np.array([1.5]))}, "integers"),
    ({"leave_out": (np.array([0, 0, 2]), np.array([2, 1]))}, "row 1"),
    ({"leave_out": (np.array([0, 0, 2]), np.array([1, 1]))}, "row 1"),
    ({"leave_out": (np.array([0, 1, 1]), np.array([4]))}, "row 0"),
    ({"leave_out": (np.array([0, 1, 1]), np.array([-1]))}, "row 0"),
    ({"leave_out": (np.array([0, 1, 1]), np.array([2**31 + 1]))}, "beyond"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_errors_say_what_is_wrong(change, said):
    given = {"X": np.ones((2, 3), np.float32), "Y": np.ones((4, 3), np.float32), "k": 2} | change
    with pytest.raises(DataError, match=said):
        top_k_factors(**given)


@pytest.mark.data
def test_all_users_of_ml_1m_have_exactly_the_best_unseen_items(real_data):
    path = real_data / "ml-1m" / "ratings.dat.gz"
    if not path.exists():
        pytest.skip(f"no {path}")
    import gzip

    with gzip.open(path) as f:
        table = np.array(f.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(table[:, c], return_inverse=True)[1] for c in (0, 1))
    order = np.lexsort((items, users))
    rows = np.r_[0, np.cumsum(np.bincount(users))], items[order].astype(np.int32)
    rng = np.random.default_rng(0)
    X, Y = whole_numbers(rng, (6040, 8), 5), whole_numbers(rng, (3706, 8), 5)
    found = as_lists(top_k_factors(X, Y, k=10, leave_out=rows))
    for u in range(0, 6040, 151):
        assert found[u] == best(Y @ X[u], 10, set(rows[1][rows[0][u] : rows[0][u + 1]].tolist()))
