"""Tables of vectors, one for each user or item: kept whole, or as a product of two thin matrices.

    whole       row i of E (n, width)
    low rank    row i of A B,  A (n, rank), B (rank, width): n·rank + rank·width numbers instead of n·width

The gradient of a looked-up table is dense: every optimizer of `train` takes it, and a step costs a pass over the table.
"""

from __future__ import annotations

from typing import final

import numpy as np

from matweave.config import Rule, integer, optional
from matweave.deep import Tensor, functional, nn, torch
from matweave.errors import ConfigError

EMBEDDING_RANK: Rule = optional(integer(1))
"""The rule of the setting `embedding_rank`: None for whole tables."""


@final
class Table(nn.Module):
    """n vectors of `width` numbers, drawn N(0, std²); rank: columns of the left factor, None for a whole table.

    forward(codes (...)) gives (..., width). Raises ConfigError for a rank that saves nothing.

    >>> tuple(Table(5, 4, rank=2)(torch.tensor([[0, 4, 1]])).shape)
    (1, 3, 4)
    """

    def __init__(self, n: int, width: int, *, rank: int | None = None, std: float = 0.02) -> None:
        super().__init__()
        self.n, self.width, self.rank = n, width, rank
        if rank is not None and rank >= width:
            raise ConfigError(
                f"embedding_rank is {rank}, but the vectors have only {width} numbers",
                where="embedding_rank",
                mend="give a smaller rank, or none to keep the table whole",
            )
        if rank is None:
            self.weight = nn.Parameter(torch.randn(n, width) * std)
        else:  # entries of A B have the same spread: rank · (s/√rank)² · 1² = s²
            self.left = nn.Parameter(torch.randn(n, rank) * std)
            self.right = nn.Parameter(torch.randn(rank, width) / rank**0.5)

    def forward(self, codes: Tensor) -> Tensor:
        if self.rank is None:
            return functional.embedding(codes, self.weight)
        return functional.embedding(codes, self.left) @ self.right

    def whole(self) -> Tensor:
        """All vectors (n, width); of a low-rank table their product, which the caller asks for."""
        return self.weight if self.rank is None else self.left @ self.right

    def start(self, values: np.ndarray) -> None:
        """Take values (n, width) as they are, or their best product of this rank (Eckart & Young 1936)."""
        if values.shape != (self.n, self.width):
            raise ValueError(f"{values.shape} for a table of {(self.n, self.width)}")
        given = torch.from_numpy(np.array(values, np.float32, order="C"))
        with torch.no_grad():
            if self.rank is None:
                self.weight.copy_(given)
                return
            # by the small Gram matrix: the left side may have millions of rows
            _, vectors = torch.linalg.eigh(given.double().T @ given.double())
            top = vectors[:, -self.rank :].flip(1).float()
            self.left.copy_(given @ top)
            self.right.copy_(top.T)
