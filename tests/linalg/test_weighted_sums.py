import numpy as np
import pytest
import scipy.sparse as sp

from matweave.linalg.weighted_sums import products
from matweave.threads import set_threads


@pytest.mark.parametrize("columns", [1, 3, 16, 40])
def test_products_are_scipys(columns: int) -> None:
    random = np.random.default_rng(columns)
    a = sp.random_array((700, 50), density=0.1, rng=random, format="csr")
    table = random.standard_normal((50, columns)).astype(np.float32)
    found = products(a.indptr, a.indices, a.data, table)
    np.testing.assert_allclose(found, a @ table, rtol=1e-4, atol=1e-5)


def test_rows_without_entries_are_zero_and_threads_change_nothing() -> None:
    random = np.random.default_rng(0)
    a = sp.random_array((900, 30), density=0.02, rng=random, format="csr")
    table = random.standard_normal((30, 8)).astype(np.float32)
    made = []
    for count in (1, 2, 3):
        set_threads(count)
        made.append(products(a.indptr, a.indices, a.data, table))
    set_threads(None)
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()
    assert not made[0][np.diff(a.indptr) == 0].any()
