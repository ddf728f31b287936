import numpy as np
import pytest
import scipy.sparse as sp
from by_hand import item_knn as slow
from hypothesis import given
from hypothesis import strategies as st

from matweave.linalg.neighbors import bm25, closest, nearest_columns, tf_idf
from matweave.threads import set_threads


def table(dense):
    m = sp.csr_array(dense.astype(np.float32))
    m.sort_indices()
    return m.indptr.astype(np.int64), m.indices.astype(np.int32), m.data


def random_table(seed, rows=25, columns=12):
    random = np.random.default_rng(seed)
    return random.integers(1, 5, (rows, columns)) * (random.random((rows, columns)) < 0.3)


def full(sparse, n):
    indptr, indices, values = sparse
    return sp.csr_array((values, indices, indptr), shape=(n, n)).toarray()


@given(st.integers(0, 500), st.integers(1, 14), st.sampled_from([0.0, 2.5]), st.sampled_from([0.0, 0.5, 0.8]))
def test_equals_the_slow_twin(seed, k, shrink, asymmetry):
    x = random_table(seed)
    got = full(nearest_columns(*table(x), 12, k=k, shrink=shrink, asymmetry=asymmetry), 12)
    s = slow.similarity(x, shrink, asymmetry)
    assert ((got > 0).sum(axis=1) == np.minimum(k, (s > 0).sum(axis=1))).all()
    np.testing.assert_allclose(got[got > 0], s[got > 0], rtol=1e-5)
    np.testing.assert_allclose(got.sum(axis=1), slow.nearest(s, k).sum(axis=1), rtol=1e-4)


def test_two_tables_may_differ_left_and_right():
    x = random_table(4)
    indptr, indices, values = table(x)
    left, right = values, (values**2).astype(np.float32)
    mine, theirs = (np.random.default_rng(s).random(12).astype(np.float32) + 1 for s in (0, 1))
    got = full(closest(indptr, indices, left, right, k=12, mine=mine, theirs=theirs, shrink=0.5), 12)
    wanted = (x.T @ (x**2.0)) / (np.outer(mine, theirs) + 0.5)
    np.fill_diagonal(wanted, 0.0)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_ties_go_to_the_smaller_code_and_codes_ascend():
    x = np.ones((4, 9))
    indptr, indices, _ = nearest_columns(*table(x), 9, k=3)
    assert indices[indptr[0] : indptr[1]].tolist() == [1, 2, 3]
    assert indices[indptr[8] : indptr[9]].tolist() == [0, 1, 2]


def test_negative_similarities_and_cancelled_ones_are_not_kept():
    x = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -2.0]])
    indptr, indices, _ = nearest_columns(*table(x), 3, k=2)
    assert indptr.tolist() == [0, 0, 1, 2]
    assert indices.tolist() == [2, 1]


def test_shrink_only_lowers():
    x = random_table(1)
    plain, less = (full(nearest_columns(*table(x), 12, k=12, shrink=s), 12) for s in (0.0, 10.0))
    assert (less[plain > 0] < plain[plain > 0]).all()


def test_cosine_does_not_change_with_the_scale_of_the_log():
    x = random_table(4)
    a, b = (full(nearest_columns(*table(c * x), 12, k=4), 12) for c in (1, 8))
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_relabelled_columns_give_relabelled_neighbours():
    x = random_table(7)
    order = np.random.default_rng(0).permutation(12)
    a = full(nearest_columns(*table(x), 12, k=12), 12)
    b = full(nearest_columns(*table(x[:, order]), 12, k=12), 12)
    np.testing.assert_allclose(a[np.ix_(order, order)], b, rtol=1e-5)


def test_same_bits_for_any_number_of_threads():
    x = table(np.random.default_rng(0).random((300, 150)) < 0.1)
    results = []
    for count in (1, 3):
        set_threads(count)
        results.append(nearest_columns(*x, 150, k=20))
    set_threads(None)
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_equal_the_slow_twin(seed):
    x = random_table(seed)
    where = x > 0
    np.testing.assert_allclose(tf_idf(*table(x), 12), slow.tf_idf(x)[where], rtol=1e-6)
    np.testing.assert_allclose(bm25(*table(x), 12, k1=1.5, b=0.4), slow.bm25(x, 1.5, 0.4)[where], rtol=1e-6)


def test_tables_without_entries():
    empty = np.zeros((3, 4))
    assert nearest_columns(*table(empty), 4, k=2)[0].tolist() == [0, 0, 0, 0, 0]
    assert bm25(*table(empty), 4).tolist() == []
