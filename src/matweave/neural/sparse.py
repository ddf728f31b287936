"""A fixed sparse matrix times a learned dense one, with the gradient that autograd wants.

    Y = A X,  dX = Aᵀ dY:  A (m, n) by rows in both directions, X (n, width)

On the CPU both are the compiled product of `linalg/svd.py` on all threads (torch's own takes a dense copy of the gradient's
side or a sort); elsewhere torch's sparse CSR product. The matrix is data, not weights: it is not part of a module's state.

Checked by  tests/neural/test_sparse.py against dense products, in both directions.
"""

from __future__ import annotations

import warnings
from typing import Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.deep import Tensor, torch
from matweave.linalg.svd import product


@final
class SparseMatrix:
    """A matrix of float32 entries; `matrix @ x` is differentiable in x (n, width).

    >>> a = SparseMatrix(Csr.from_pairs([0, 1], [1, 0], [2.0, 3.0], shape=(2, 2)))
    >>> (a @ torch.tensor([[1.0], [10.0]])).flatten().tolist()
    [20.0, 3.0]
    """

    def __init__(self, matrix: Csr, transpose: Csr | None = None) -> None:
        self.across, self.down = matrix, matrix.transpose() if transpose is None else transpose
        self._there: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __matmul__(self, x: Tensor) -> Tensor:
        found = _Product.apply(x, self)
        assert isinstance(found, Tensor)
        return found

    def transposed(self) -> SparseMatrix:
        """The transpose; the arrays are shared."""
        return SparseMatrix(self.down, self.across)

    def times(self, x: Tensor, *, transposed: bool) -> Tensor:
        """A x, or Aᵀ x, without a gradient."""
        if x.device.type == "cpu" and x.dtype == torch.float32:
            matrix = self.down if transposed else self.across
            dense = x.detach().contiguous().numpy()
            return torch.from_numpy(product(matrix.indptr, matrix.indices, matrix.weights(), dense))
        if x.device not in self._there:
            self._there[x.device] = (_on(self.across, x), _on(self.down, x))
        return self._there[x.device][transposed] @ x


@final
class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: SparseMatrix) -> Tensor:
        ctx.matrix = matrix
        return matrix.times(x, transposed=False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.matrix.times(grads[0], transposed=True), None


def _on(matrix: Csr, like: Tensor) -> Tensor:
    columns = torch.from_numpy(matrix.indices.astype(np.int64))
    values = torch.from_numpy(np.array(matrix.weights()))
    rows = torch.from_numpy(matrix.indptr.astype(np.int64))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        made = torch.sparse_csr_tensor(rows, columns, values, size=matrix.shape, check_invariants=False)
    return made.to(device=like.device, dtype=like.dtype)
