import numpy as np
import pytest
import scipy.sparse as sp
from by_hand import slim as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from matweave.errors import Diverged
from matweave.linalg.elastic_net import elastic_net_columns
from matweave.linalg.gram import Gram


def table(seed, rows=60, columns=20, density=0.3):
    made = sp.random_array((rows, columns), density=density, format="csr", rng=np.random.default_rng(seed))
    made.sort_indices()
    parts = made.indptr.astype(np.int64), made.indices.astype(np.int32), made.data.astype(np.float32)
    return parts, made.toarray()


def solved(parts, columns, small=10_000, **settings):
    (starts, others, weights), objectives = elastic_net_columns(
        Gram.of(*parts, columns, small=small), **settings
    )
    w = sp.csr_array((weights, others, starts), shape=(columns, columns)).toarray().T
    return w, objectives


@settings(max_examples=6)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0, 10_000]), st.sampled_from([0.0, 0.3]))
def test_equals_plain_coordinate_descent_dense_and_sparse(seed, nonnegative, small, l1):
    parts, x = table(seed, columns=12)
    w, objectives = solved(parts, 12, small, l1=l1, l2=0.7, nonnegative=nonnegative, tolerance=1e-8)
    wanted = slow.slim(x, 0.7, l1, nonnegative)
    np.testing.assert_allclose(w, wanted, atol=1e-3)
    np.testing.assert_allclose(objectives, slow.objective(x, w, 0.7, l1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("small", [0, 10_000])
def test_active_sets_that_grow_end_where_one_over_all_ends(small):
    """More columns than the first set and its buffer hold."""
    parts, x = table(3, rows=500, columns=300, density=0.1)
    w, _ = solved(parts, 300, small, l1=0.0, l2=2.0, nonnegative=False, tolerance=1e-7)
    gram = x.T @ x
    for j in (0, 17, 299):
        others = np.delete(np.arange(300), j)
        ridge = np.linalg.solve(gram[np.ix_(others, others)] + 2.0 * np.eye(299), gram[others, j])
        np.testing.assert_allclose(w[others, j], ridge, atol=2e-3)
    assert (slow.violation(x, w, 2.0, 0.0, False).max(axis=0) ** 2 / 4 <= 1e-7 * np.diag(gram) + 1e-9).all()


def test_a_column_that_does_not_converge_is_told():
    parts, _ = table(4)
    with pytest.raises(Diverged, match="20 columns, the first of them 0, did not come within 1e-08"):
        solved(parts, 20, l1=0.0, l2=0.1, tolerance=1e-8, sweeps=1)


def test_columns_without_entries_and_tables_without_columns():
    none = np.zeros(1, np.int64), np.zeros(0, np.int32), None
    w, objectives = solved(none, 3, l1=1.0, l2=1.0)
    assert not w.any()
    assert not objectives.any()
