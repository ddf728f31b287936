"""The leading singular triplets of a sparse table by random projection and power iterations.

A ≈ U diag(s) Vᵀ, rank columns each (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1):

    Y = A Ω, Ω normal (n x width);  repeat `iterations` times: Q = qr(Y), Z = qr(Aᵀ Q), Y = A Z
    Q = qr(Y);  B = Qᵀ A;  B = U' diag(s) Vᵀ;  U = Q U'

with width = rank + oversampling. The orthonormalisation between the products keeps directions whose singular values
differ by more than 1/ε in float32. Signs are fixed: the largest entry of each column of V is positive.

Error   E |A - U S Vᵀ| ≤ [1 + 4 √(2 min(m, n) / (rank - 1))]^(1 / (2 iterations + 1)) σ_(rank+1)   (corollary 10.10)
Cost    2 (iterations + 1) products of 2 nnz width flops; (m + n) width floats.
Checked by  tests/by_hand/pure_svd.py, scipy.sparse.linalg.svds, exact recovery of a planted rank, equal bits for
            any number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import qr

from matweave.linalg.gram import columns_of, pieces
from matweave.randomness import child
from matweave.threads import blas_threads, in_parallel

Floats = NDArray[np.float32]
Table = tuple[NDArray[np.int64], NDArray[np.int32], Floats]
"""indptr, indices, values."""


class Triplets(NamedTuple):
    """left (m, rank) and right (n, rank) with orthonormal columns, values (rank,) descending; float32."""

    left: Floats
    values: Floats
    right: Floats


def randomized_svd(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: Floats,
    n_columns: int,
    *,
    rank: int,
    seed: int,
    iterations: int = 5,
    oversampling: int = 16,
) -> Triplets:
    """The `rank` leading triplets of the CSR table; fewer where the table has fewer rows or columns.

    >>> table = np.array([0, 1, 2]), np.array([0, 1], np.int32), np.array([2, 1], np.float32)
    >>> randomized_svd(*table, 2, rank=1, seed=0).values.tolist()
    [2.0]
    """
    n_rows = len(indptr) - 1
    rank = min(rank, n_rows, n_columns)
    wide = min(rank + oversampling, n_rows, n_columns)
    indptr = np.ascontiguousarray(indptr, dtype=np.int64)
    values = np.ascontiguousarray(values, dtype=np.float32)
    columns = columns_of(indptr, indices, n_columns)
    across = (indptr, indices, values)
    down = (columns.starts, columns.rows, values[columns.places])
    # BLAS on one thread: on several its sums, and so the bits, depend on their number
    with blas_threads(1):
        return _triplets(across, down, n_columns, rank, wide, iterations, seed)


def _triplets(
    across: Table, down: Table, n_columns: int, rank: int, wide: int, iterations: int, seed: int
) -> Triplets:
    y = product(*across, child(seed, "svd", "start").standard_normal((n_columns, wide), np.float32))
    for _ in range(iterations):
        y = product(*across, _orthonormal(product(*down, _orthonormal(y))))
    q = _orthonormal(y)
    basis, corner = _qr(product(*down, q))  # Bᵀ = basis corner, so only a width x width SVD is left
    inner, strengths, outer = np.linalg.svd(corner.T.astype(np.float64))
    left, right = q @ inner[:, :rank].astype(np.float32), basis @ outer[:rank].T.astype(np.float32)
    signs = np.sign(right[np.abs(right).argmax(axis=0), np.arange(rank)])
    signs[signs == 0] = 1
    return Triplets(
        left=np.ascontiguousarray(left * signs.astype(np.float32)),
        values=strengths[:rank].astype(np.float32),
        right=np.ascontiguousarray(right * signs, dtype=np.float32),
    )


def _qr(y: Floats) -> tuple[Floats, Floats]:
    # SciPy's stays in float32, twice as fast as NumPy's
    factors: Any = qr(y, mode="economic", overwrite_a=True, check_finite=False)
    return factors


def _orthonormal(y: Floats) -> Floats:
    return _qr(y)[0]


def product(indptr: NDArray[np.int64], indices: NDArray[np.int32], values: Floats, dense: Floats) -> Floats:
    """A·D for a CSR table A (m x n) and dense D (n x width), float32, rows of the result in parallel.

    >>> product(np.array([0, 2]), np.array([0, 1], np.int32), np.float32([2, 1]), np.float32([[1], [3]])).tolist()
    [[5.0]]
    """
    dense = np.ascontiguousarray(dense, dtype=np.float32)
    out = np.zeros((len(indptr) - 1, dense.shape[1]), np.float32)
    in_parallel(
        lambda low, high: _product(low, high, indptr, indices, values, dense, out), pieces(len(out), 256)
    )
    return out


@njit(nogil=True, cache=True, fastmath=True)
def _product(low, high, indptr, indices, values, dense, out):
    width = dense.shape[1]
    for u in range(low, high):
        for t in range(indptr[u], indptr[u + 1]):
            v, j = values[t], indices[t]
            for f in range(width):
                out[u, f] += v * dense[j, f]
