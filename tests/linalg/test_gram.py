from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import TooBig
from matweave.linalg.gram import Gram, columns_of, gram_upper, pieces
from matweave.threads import set_threads


def table(seed, rows=30, columns=17, density=0.3, binary=False):
    m = sp.random_array((rows, columns), density=density, format="csr", rng=np.random.default_rng(seed))
    m.sort_indices()
    values = None if binary else m.data.astype(np.float32)
    dense = (m.toarray() > 0).astype(float) if binary else m.toarray()
    return m.indptr.astype(np.int64), m.indices.astype(np.int32), values, dense


@given(st.integers(0, 1000), st.booleans(), st.integers(1, 70), st.integers(0, 40))
def test_equals_the_dense_product(seed, binary, columns, rows):
    indptr, indices, values, dense = table(seed, rows=rows, columns=columns, binary=binary)
    got = gram_upper(indptr, indices, values, columns)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.triu(dense.T @ dense), atol=1e-5)


def test_same_bits_for_any_number_of_threads():
    indptr, indices, values, _ = table(3, rows=200, columns=150)
    set_threads(1)
    one = gram_upper(indptr, indices, values, 150)
    set_threads(3)
    three = gram_upper(indptr, indices, values, 150)
    set_threads(None)
    assert np.array_equal(one, three)


def test_columns_are_the_transpose():
    indptr, indices, values, dense = table(5)
    columns = columns_of(indptr, indices, 17)
    back = sp.csr_array((values[columns.places], columns.rows, columns.starts), shape=(17, 30))
    np.testing.assert_allclose(back.toarray(), dense.T, rtol=1e-6)


def test_a_matrix_too_big_is_refused_before_it_is_built():
    with pytest.raises(TooBig, match="40 GB"):
        gram_upper(np.array([0]), np.array([], np.int32), None, 100_000)


@given(st.integers(0, 300), st.integers(1, 50))
def test_pieces_cover_once(count, size):
    covered = [i for low, high in pieces(count, size) for i in range(low, high)]
    assert covered == list(range(count))


@given(
    st.integers(0, 1000), st.booleans(), st.integers(1, 60), st.integers(0, 40), st.sampled_from([0, 10_000])
)
def test_the_whole_gram_dense_or_sparse_equals_the_dense_product(seed, binary, columns, rows, small):
    indptr, indices, values, dense = table(seed, rows=rows, columns=columns, density=0.1, binary=binary)
    got = Gram.of(indptr, indices, values, columns, small=small)
    wanted = dense.T @ dense
    full = (
        got.full
        if len(got.full)
        else sp.csr_array((got.values, got.columns, got.starts), shape=wanted.shape).toarray()
    )
    assert len(got) == columns
    np.testing.assert_allclose(full, wanted, atol=1e-5)
    np.testing.assert_allclose(got.diagonal, np.diag(wanted), atol=1e-5)
    if small == 0 and not len(got.full):
        assert 4 * len(got.values) < columns**2
        assert all(np.all(np.diff(got.columns[a:b]) > 0) for a, b in pairwise(got.starts))


def test_too_many_pairs_are_refused_before_they_are_summed(monkeypatch):
    monkeypatch.setattr("matweave.linalg.gram.LARGEST", 4)
    indptr, indices, values, _ = table(1, rows=30, columns=17)
    with pytest.raises(TooBig, match=r"pairs of 17 items"):
        Gram.of(indptr, indices, values, 17, small=0)
