"""B of an item model: dense, sparse and absent say the same as the full product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.factor.weights import DenseWeights, ItemWeights, NoWeights, SparseWeights
from matweave.threads import set_threads

ITEMS = 7


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_threads(None)


def draw(rows: int, columns: int, seed: int, values: bool = True) -> Csr:
    rng = np.random.default_rng(seed)
    at = np.nonzero(rng.random((rows, columns)) < 0.4)
    return Csr.from_pairs(*at, rng.standard_normal(len(at[0])) if values else None, shape=(rows, columns))


B = draw(ITEMS, ITEMS, 0)
FULL = B.scipy().toarray()
FORMS: dict[str, tuple[ItemWeights, np.ndarray]] = {
    "dense": (DenseWeights(matrix=FULL), FULL),
    "sparse": (SparseWeights(matrix=B), FULL),
    "sparse ones": (
        SparseWeights(matrix=Csr(indptr=B.indptr, indices=B.indices, values=None, n_columns=ITEMS)),
        (FULL != 0).astype(np.float32),
    ),
    "none": (NoWeights(items=ITEMS), np.zeros_like(FULL)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows", [0, 1, 150])
@pytest.mark.parametrize("values", [True, False])
def test_apply_is_the_product(form: str, rows: int, values: bool) -> None:
    weights, full = FORMS[form]
    histories = draw(rows, ITEMS, 1, values)
    found = weights.apply(histories)
    assert (found.dtype, found.shape) == (np.float32, (rows, ITEMS))
    np.testing.assert_allclose(found, histories.scipy().toarray() @ full, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_row_is_a_row_of_b(form: str) -> None:
    weights, full = FORMS[form]
    for item in range(ITEMS):
        row = weights.row(item)
        assert (row.dtype, row.shape) == (np.float32, (ITEMS,))
        assert np.array_equal(row, full[item])


@pytest.mark.parametrize("form", FORMS)
def test_rows_alone_or_together_and_on_any_number_of_threads(form: str) -> None:
    weights, histories = FORMS[form][0], draw(150, ITEMS, 2)
    set_threads(1)
    one = weights.apply(histories)
    set_threads(3)
    assert np.array_equal(one, weights.apply(histories))
    assert np.array_equal(one[70:90], weights.apply(histories.rows(np.arange(70, 90))))
