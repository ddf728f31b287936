import numpy as np
import pytest
import scipy.sparse as sp
from by_hand.pure_svd import triplets

from matweave.linalg.svd import product, randomized_svd
from matweave.threads import set_threads


def sparse(dense):
    m = sp.csr_array(dense.astype(np.float32))
    m.sort_indices()
    return m.indptr.astype(np.int64), m.indices.astype(np.int32), m.data, dense.shape[1]


def random_table(rows=60, columns=40, seed=0):
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, columns)) * (random.random((rows, columns)) < 0.3)


def test_leading_triplets_equal_the_dense_ones():
    x = random_table() @ np.diag(
        0.85 ** np.arange(40)
    )  # decaying strengths, so that each triplet is well defined
    got = randomized_svd(*sparse(x), rank=6, seed=1, iterations=8)
    left, values, right = triplets(x, 6)
    np.testing.assert_allclose(got.values, values, rtol=1e-4)
    np.testing.assert_allclose(got.left, left, atol=2e-3)
    np.testing.assert_allclose(got.right, right, atol=2e-3)


def test_a_planted_rank_is_recovered_without_power_iterations():
    random = np.random.default_rng(2)
    x = random.standard_normal((80, 5)) @ random.standard_normal((5, 50))
    got = randomized_svd(*sparse(x), rank=5, seed=0, iterations=0)
    np.testing.assert_allclose(got.left * got.values @ got.right.T, x, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 9), (9, 3), (1, 1), (4, 4)])
def test_rank_beyond_the_table_is_cut_to_it(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    got = randomized_svd(*sparse(x), rank=20, seed=0)
    assert got.values.shape == (min(shape),)
    np.testing.assert_allclose(got.left * got.values @ got.right.T, x, atol=1e-5)


def test_columns_are_orthonormal_descending_and_signed():
    got = randomized_svd(*sparse(random_table()), rank=8, seed=3)
    np.testing.assert_allclose(got.left.T @ got.left, np.eye(8), atol=1e-5)
    np.testing.assert_allclose(got.right.T @ got.right, np.eye(8), atol=1e-5)
    assert (np.diff(got.values) <= 0).all()
    assert (got.right[np.abs(got.right).argmax(axis=0), np.arange(8)] > 0).all()


def test_more_power_iterations_never_capture_less():
    x = random_table(200, 120)
    captured = [
        float((randomized_svd(*sparse(x), rank=10, seed=0, iterations=i).values ** 2).sum())
        for i in (0, 1, 4)
    ]
    assert (
        captured[0] < captured[1] < captured[2] <= float((np.linalg.svd(x)[1][:10] ** 2).sum()) * (1 + 1e-5)
    )


def test_transposing_swaps_left_and_right():
    x = random_table() @ np.diag(0.8 ** np.arange(40))
    a = randomized_svd(*sparse(x), rank=4, seed=0, iterations=8)
    b = randomized_svd(*sparse(x.T), rank=4, seed=0, iterations=8)
    np.testing.assert_allclose(a.values, b.values, rtol=1e-5)
    np.testing.assert_allclose(np.abs(a.left), np.abs(b.right), atol=1e-3)


def test_same_bits_for_any_number_of_threads():
    x = sparse(random_table(600, 90))
    results = []
    for count in (1, 3):
        set_threads(count)
        results.append(product(*x[:3], np.ones((90, 7), np.float32)))
    set_threads(None)
    assert np.array_equal(*results)
