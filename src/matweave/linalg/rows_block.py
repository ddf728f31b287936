"""Block coordinate descent on many small ridge systems (iALS++).

The unknowns of a row are taken `size` at a time, the scores s_k = t_k·x being kept up to date. For the block B

    δ = (Σ_k a_k t_kB t_kBᵀ + ω G_BB + ρ I)⁻¹ (Σ_k (b_k - a_k s_k) t_kB - ω G_B: x - ρ x_B (+ p_B)),
    x_B += δ,    s_k += t_kB·δ

which is exact in every block, so the objective never rises. Only the block's columns of the tile are in the caches.
If `size` does not divide the padded rank, the last block overlaps the one before it.
Source: Rendle, Krichene, Zhang, Koren 2021, arXiv 2110.14044, algorithm 2 (there the loop over blocks is outside
the loop over rows; rows are independent, so this order gives the same numbers).
Cost of a row per sweep: n d size + 4 n d + d² + d size² / 3 flops. Slow twin: tests/by_hand/ials_block.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.errors import ConfigError
from matweave.linalg.rows import RowSolver, RowSystems, pulled, run, tile_rows
from matweave.linalg.rows_cholesky import factor, padded, solve, sum_gram
from matweave.linalg.simd import LANES, ROWS
from matweave.linalg.tile_gram import gather_columns, tile_combine, tile_dots
from matweave.linalg.vectors import Vectors

_FAST = {"contract", "reassoc", "nsz", "arcp"}


@cache
def kernel(width: int, block: int, sided: bool = False):
    """The compiled kernel for one width and one block size (multiples of 16)."""

    @njit(nogil=True, cache=True, fastmath=_FAST)
    def rows_block(
        indptr, indices, a, a_stride, b, b_stride, other, own, own_bias, ridge,
        gram, pull, longest, capacity, rows, buffer, objective,
    ):  # pragma: no cover  # fmt: skip
        tile, rest = buffer[: capacity * block], buffer[capacity * block :]
        matrix, rest = rest[: block * block], rest[block * block :]
        step, x, s = rest[:block], rest[block : block + width], rest[block + width : block + width + longest]
        for u in rows:
            start = indptr[u]
            n = indptr[u + 1] - start
            x[:] = own[u]
            s[:n] = 0
            for first in range(0, width, block):
                column = min(first, width - block)
                step[:] = x[column : column + block]
                step[: first - column] = 0  # counted with the block before
                for low in range(0, n, capacity):
                    count = min(capacity, n - low)
                    gather_columns(width, block, other, tile, indices, start + low, count, column)
                    tile_dots(block, tile, count // 4, step, low, s)
            for first in range(0, width, block):
                column = min(first, width - block)
                for i in range(block):
                    row = gram[column + i]
                    total = np.float32(0)
                    for j in range(width):
                        total += row[j] * x[j]
                    step[i] = -total - ridge[u] * x[column + i]
                    for j in range(block):
                        matrix[i * block + j] = row[column + j]
                    matrix[i * block + i] += ridge[u]
                if sided:
                    for i in range(block):
                        step[i] += pull[u, column + i]
                for low in range(0, n, capacity):
                    count, at = min(capacity, n - low), start + low
                    gather_columns(width, block, other, tile, indices, at, count, column)
                    tile_combine(block, tile, a, a_stride, b, b_stride, at, count // 4, s, low, step)
                    sum_gram(block, tile, a, a_stride, at, count, matrix)
                factor(block, matrix)
                solve(block, matrix, step)
                for i in range(block):
                    x[column + i] += step[i]
                for low in range(0, n, capacity):
                    count = min(capacity, n - low)
                    if n > capacity:
                        gather_columns(width, block, other, tile, indices, start + low, count, column)
                    tile_dots(block, tile, count // 4, step, low, s)
            f = np.float64(0)
            for k in range(n):
                f += (a[(start + k) * a_stride] * s[k] - 2 * b[(start + k) * b_stride]) * s[k]
            for i in range(width):
                total = ridge[u] * x[i]
                for j in range(width):
                    total += gram[i, j] * x[j]
                f += x[i] * total
                own[u, i] = x[i]
            if sided:
                for i in range(width):
                    f -= 2 * x[i] * pull[u, i]
            objective[u] = f

    return rows_block


@final
@dataclass(frozen=True, kw_only=True)
class BlockDescent(RowSolver):
    """One sweep over blocks of `size` unknowns from where the row was; without biases.

    >>> s = RowSystems(np.array([0, 2]), np.array([0, 1], np.int32), 2, weights=1.0, targets=1.0)
    >>> x = Vectors(1, 2)
    >>> BlockDescent(size=16).step(s, Vectors.of(np.eye(2)), x, ridge=np.array([1.0]))
    -1.0
    """

    size: int = 64

    def __post_init__(self) -> None:
        if self.size < LANES or self.size % LANES:
            raise ConfigError(
                f"the block size is {self.size}", where="BlockDescent", mend="give a multiple of 16"
            )

    def step(
        self,
        systems: RowSystems,
        other: Vectors,
        own: Vectors,
        *,
        ridge: NDArray,
        shared: NDArray | None = None,
        bias_ridge: NDArray | None = None,
        pull: Vectors | None = None,
    ) -> float:
        if other.bias is not None:
            raise ConfigError(
                "block descent has no biases",
                where="BlockDescent.step",
                mend="use ConjugateGradient or Cholesky",
            )
        block = min(self.size, other.width)
        capacity, longest = tile_rows(systems, block), -(-systems.longest // ROWS) * ROWS
        return run(
            systems,
            other,
            own,
            ridge,
            capacity * block + block * block + block + other.width + longest,
            kernel(other.width, block, pull is not None),
            padded(shared, other),
            pulled(pull),
            longest,
            capacity,
        )
