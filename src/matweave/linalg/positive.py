"""Inverse of a symmetric positive definite matrix, in place, and what EASE makes of it.

Inverse     G = LLᵀ (Cholesky, LAPACK potrf), then G⁻¹ = L⁻ᵀL⁻¹ (potri: Golub & Van Loan 2013, section 4.2).
Weights     B_ij = -P_ij / P_jj for i ≠ j, B_jj = 0, with P = G⁻¹ (Steck 2019, eq. 8).
Cost        n³ multiply-adds in BLAS-3 (1/3 potrf, 2/3 potri); n² floats, nothing besides the matrix itself.
            Here potrf and potri run at 160 of 224 GFLOP/s, so no blocked inverse of our own is needed.
Checked by  G·G⁻¹ = I in float64 and float32, refusal of indefinite matrices, NumPy's inverse.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

from matweave.errors import Diverged
from matweave.linalg.gram import pieces
from matweave.threads import blas_threads, in_parallel, threads

TILE = 64  # rows and columns of a tile: two tiles of float32 (32 KB) fit in the first-level cache


def invert_upper(matrix: NDArray) -> None:
    """Replace the upper triangle of a positive definite matrix by that of its inverse; the rest is left as is.

    `matrix` is (n, n), float32 or float64, best C-contiguous (no copy); only its upper triangle is read.
    Raises Diverged where it is not positive definite at its precision; the content is then lost.

    >>> g = np.array([[2.0, 1.0], [0.0, 2.0]]); invert_upper(g); np.triu(g)
    array([[ 0.667, -0.333],
           [ 0.   ,  0.667]])
    """
    n = len(matrix)
    if n == 0:
        return
    factor, inverse = get_lapack_funcs(("potrf", "potri"), dtype=matrix.dtype)
    with blas_threads(threads()):
        # the transpose of a C array is a Fortran array without a copy, whose lower triangle is our upper one
        done, info = factor(matrix.T, lower=1, overwrite_a=1, clean=0)
        if info == 0:
            done, info = inverse(done, lower=1, overwrite_c=1)
    if done.base is not matrix and not np.may_share_memory(done, matrix):
        matrix[:] = done.T  # LAPACK worked on a copy: the array was not C-contiguous
    diagonal = matrix.diagonal()
    if info != 0 or not (np.isfinite(diagonal) & (diagonal > 0)).all():
        raise Diverged(
            f"a {n} x {n} matrix is not positive definite in {matrix.dtype} (pivot {abs(info)})",
            where="Cholesky factorization",
            mend="raise regularization",
        )


def mirror(matrix: NDArray) -> None:
    """Copy the upper triangle onto the lower one, in place.

    >>> a = np.array([[1.0, 2.0], [0.0, 3.0]]); mirror(a); a.tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    ones = np.ones(len(matrix), matrix.dtype)
    in_parallel(lambda low, high: _spread(matrix, ones, low, high), pieces(len(matrix), TILE))


def ease_weights(inverse_upper: NDArray) -> NDArray:
    """Turn the upper triangle of P into the full B of EASE, in place; returns the diagonal that P had.

    >>> p = np.array([[2.0, 1.0], [0.0, 4.0]]); d = ease_weights(p); p.tolist(), d.tolist()
    ([[0.0, -0.25], [-0.5, 0.0]], [2.0, 4.0])
    """
    diagonal = inverse_upper.diagonal().copy()
    over = -1.0 / diagonal
    in_parallel(lambda low, high: _spread(inverse_upper, over, low, high), pieces(len(over), TILE))
    np.fill_diagonal(inverse_upper, 0.0)
    return diagonal


@njit(nogil=True, cache=True)
def _spread(matrix, scale, low, high):
    """B_ij = P_ij scale_j and B_ji = P_ij scale_i for the tiles of rows low to high, right of the diagonal."""
    n = len(matrix)
    for left in range(low, n, TILE):
        right = min(left + TILE, n)
        for i in range(low, high):
            for j in range(max(left, i), right):
                value = matrix[i, j]
                matrix[j, i] = value * scale[i]
                matrix[i, j] = value * scale[j]
