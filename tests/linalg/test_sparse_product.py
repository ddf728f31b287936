import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from matweave.linalg.sparse_product import sparse_product
from matweave.threads import set_threads


def table(seed, rows, columns, density=0.3):
    made = sp.random_array((rows, columns), density=density, format="csr", rng=np.random.default_rng(seed))
    made.sort_indices()
    return made.astype(np.float32)


def parts(m):
    return m.indptr.astype(np.int64), m.indices.astype(np.int32), m.data


@given(st.integers(0, 1000), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30))
def test_has_the_bits_of_scipys_product(seed, rows, middle, columns):
    left, right = table(seed, rows, middle), table(seed + 1, middle, columns)
    wanted = (left @ right).toarray()
    assert sparse_product(parts(left), parts(right), columns).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(threads):
    left, right = table(1, 100, 50), table(2, 50, 60)
    set_threads(threads)
    found = sparse_product(parts(left), parts(right), 60)
    set_threads(None)
    assert found.tobytes() == (left @ right).toarray().tobytes()
