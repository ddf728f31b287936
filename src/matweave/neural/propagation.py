"""Vectors sent along the edges of a log: each user's become a normalised sum of their items', and the other way round.

    Â = D^-1/2 A D^-1/2,  A = [[0, R], [Rᵀ, 0]] over users and items, D its row sums, R the log with every row as 1
    P_k = (I + Â + ... + Â^k) / (layers + 1),     P = P_layers: the mean over the layers
                                                                     (He, Deng, Wang, Li, Zhang, Wang, SIGIR 2020, eqs. 3, 4, 8)

Â is symmetric, so the gradient of P E is P itself times the gradient of what came out: nothing is kept between the passes.

Cost        2·layers products of nnz·width multiply-adds a pass, and as many for the gradient; memory 3 (users + items) width.
            By sparse.py: on the CPU the compiled product, whose bits do not depend on the number of threads.
Checked by  tests/neural/test_propagation.py: against dense matrices, gradients numerically, both ways against each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.deep import Tensor, torch
from matweave.neural.sparse import SparseMatrix


@final
class Propagation:
    """P of a log (users x items); a table is (users + items, width), users first.

    >>> graph = Propagation(Csr.from_pairs([0, 0], [0, 1], shape=(1, 2)), layers=1)
    >>> graph(torch.tensor([[2.0], [0.0], [0.0]])).flatten().tolist()[0]
    1.0
    """

    def __init__(self, log: Csr, layers: int) -> None:
        self.n_users, self.layers = log.n_rows, layers
        by_user, by_item = _root(log.counts), _root(np.bincount(log.indices, minlength=log.n_columns))
        self.item_root = by_item  # D^-1/2 of the items, float32
        self._links = SparseMatrix(
            replace(log, values=np.repeat(by_user, log.counts) * by_item[log.indices], order=None)
        )

    def __call__(self, table: Tensor) -> Tensor:
        """P E, differentiable."""
        found = _Mean.apply(table, self)
        assert isinstance(found, Tensor)
        return found

    def summed(self, table: Tensor, layers: int) -> Tensor:
        """(layers' + 1) / (layers + 1) of a mean over the first layers' + 1 layers: P_k E for k = layers; without a gradient."""
        found = table.detach()
        start = found
        for _ in range(layers):  # Horner: E + Â (E + Â (E + ...))
            found = self._sent(found).add_(start)
        return found / (self.layers + 1)

    def solved(self, wanted: np.ndarray, *, steps: int = 30, ridge: float = 1e-3) -> np.ndarray:
        """E that P sends nearly to `wanted`: conjugate gradients on min |P E - wanted|² + ridge |E|², each column by itself.

        P shrinks what changes from neighbour to neighbour to nothing, and that part of `wanted` cannot be had.
        """
        goal = torch.from_numpy(np.array(wanted, np.float32, order="C"))

        def p(table: Tensor) -> Tensor:
            return self.summed(table, self.layers)

        found = torch.zeros_like(goal)
        left = p(goal)
        way, size = left.clone(), (left * left).sum(0)
        for _ in range(steps):
            image = p(p(way)).add_(way, alpha=ridge)
            length = size / (way * image).sum(0).clamp(min=1e-30)
            found += length * way
            left = left - length * image
            before, size = size, (left * left).sum(0)
            way = left + way * (size / before.clamp(min=1e-30))
        return found.numpy()

    def _sent(self, table: Tensor) -> Tensor:
        """Â E, a table of its own."""
        users, items = table[: self.n_users], table[self.n_users :]
        return torch.cat(
            [self._links.times(items, transposed=False), self._links.times(users, transposed=True)]
        )


@final
class _Mean(torch.autograd.Function):
    """P E; its gradient is P once more."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, graph: Propagation) -> Tensor:
        ctx.graph = graph
        return graph.summed(table, graph.layers)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.graph.summed(grads[0], ctx.graph.layers), None


def _root(counts: np.ndarray) -> np.ndarray:
    """Counts to the power -1/2, float32; 0 for what has no edge."""
    return np.where(counts > 0, 1 / np.sqrt(np.maximum(counts, 1)), 0).astype(np.float32)
