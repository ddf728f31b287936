"""SparseMatrix against dense products, forward and backward, in both directions."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.deep import torch
from matweave.neural.sparse import SparseMatrix


@pytest.fixture
def matrix():
    rng = np.random.default_rng(0)
    cells = rng.permutation(7 * 5)[:16]
    return Csr.from_pairs(cells // 5, cells % 5, rng.standard_normal(16), shape=(7, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_products_and_gradients_are_those_of_the_dense_matrix(matrix, dtype, turned):
    dense = torch.from_numpy(matrix.scipy().toarray()).to(dtype)
    sparse = SparseMatrix(matrix)
    if turned:
        dense, sparse = dense.T, sparse.transposed()
    x = torch.randn(dense.shape[1], 3, dtype=dtype, requires_grad=True)
    weight = torch.randn(len(dense), 3, dtype=dtype)
    found, wanted = sparse @ x, dense @ x
    torch.testing.assert_close(found, wanted)
    (mine,) = torch.autograd.grad((found * weight).sum(), x)
    (theirs,) = torch.autograd.grad((wanted * weight).sum(), x)
    torch.testing.assert_close(mine, theirs)


def test_a_matrix_without_values_counts_ones():
    ones = Csr.from_pairs([0, 0, 1], [0, 1, 1], shape=(2, 2))
    assert (SparseMatrix(ones) @ torch.ones(2, 1)).flatten().tolist() == [2.0, 1.0]
