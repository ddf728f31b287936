"""H·B as a dense table, for two sparse tables by row: what ranking by sparse item weights computes.

Product     out_u = Σ_i h_ui B_i, summed in the order of row u of H into one dense row that stays in cache.
Cost        one addition for each entry of each row B_i that u meets; the result is the only memory.
Threads     Rows of H in fixed pieces; they do not depend on each other, so neither do bits on the threads.
Checked by  SciPy's sparse product, whose bits it has, since both add in the same order.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.gram import pieces
from matweave.threads import in_parallel

Rows = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]
"""indptr, indices and values of a table by row."""


def sparse_product(left: Rows, right: Rows, n_columns: int) -> NDArray[np.float32]:
    """The product (rows of left, n_columns) float32; right has n_columns columns.

    >>> left = np.array([0, 2]), np.array([0, 1], np.int32), np.array([1, 2], np.float32)
    >>> right = np.array([0, 1, 2]), np.array([1, 1], np.int32), np.array([3, 4], np.float32)
    >>> sparse_product(left, right, 2).tolist()
    [[0.0, 11.0]]
    """
    out = np.zeros((len(left[0]) - 1, n_columns), np.float32)
    in_parallel(lambda low, high: _rows(low, high, *left, *right, out), pieces(len(out), 16))
    return out


@njit(nogil=True, cache=True)
def _rows(low, high, indptr, indices, values, starts, columns, weights, out):
    for u in range(low, high):
        row = out[u]
        for p in range(indptr[u], indptr[u + 1]):
            v, i = values[p], indices[p]
            for t in range(starts[i], starts[i + 1]):
                row[columns[t]] += v * weights[t]
