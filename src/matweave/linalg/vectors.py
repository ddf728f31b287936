"""A table of vectors laid out for the kernels: float32, every row on a cache line, one row of zeros at the end.

The width is the rank rounded up to a multiple of 16 (the columns past the rank stay zero), so kernels have no
remainder loops; the zero row at index n is what padding entries of a sparse row point at. Products between two
tables do not change by any of it. Memory: 4 (n + 1) width bytes.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from matweave.linalg.simd import LANES
from matweave.threads import in_parallel

Floats = NDArray[np.float32]

_STRIPE = 2048


def aligned(*shape: int) -> Floats:
    """Zeros, float32, that begin on a cache line of 64 bytes.

    >>> aligned(3, 16).ctypes.data % 64
    0
    """
    count = int(np.prod(shape))
    raw = np.zeros(count + LANES, np.float32)
    skip = (-raw.ctypes.data // 4) % LANES
    return raw[skip : skip + count].reshape(shape)


@final
class Vectors:
    """n vectors of a rank, and a bias for each where `biased`.

    >>> v = Vectors.of(np.ones((2, 3), np.float32))
    >>> v.data.shape, v.array.shape, v.bias is None
    ((3, 16), (2, 3), True)
    """

    def __init__(self, n: int, rank: int, *, biased: bool = False) -> None:
        self.n, self.rank = n, rank
        self.width = -(-rank // LANES) * LANES
        self.data = aligned(n + 1, self.width)
        self.bias = np.zeros(n + 1, np.float32) if biased else None

    @classmethod
    def of(cls, array: NDArray, bias: NDArray | None = None) -> Vectors:
        """A copy of an (n, rank) array and of its n biases."""
        made = cls(*array.shape, biased=bias is not None)
        made.array[:] = array
        if bias is not None and made.bias is not None:
            made.bias[:-1] = bias
        return made

    @property
    def array(self) -> Floats:
        """The (n, rank) part that means something; a view."""
        return self.data[: self.n, : self.rank]

    def gram(self, weights: NDArray | None = None) -> NDArray[np.float64]:
        """Σ w_i v_i v_iᵀ, (rank, rank), float64 sums of float32 products by stripes of 2,048 rows.

        The stripes do not depend on the number of threads, so neither do the sums.

        >>> Vectors.of(np.array([[1.0, 2.0], [0.0, 1.0]])).gram()
        array([[1., 2.],
               [2., 5.]])
        """

        def part(low: int, high: int) -> Floats:
            rows = self.array[low:high]
            scaled = rows if weights is None else rows * weights[low:high, None].astype(np.float32)
            return scaled.T @ rows

        total = np.zeros((self.rank, self.rank))
        for product in in_parallel(part, self._stripes()):
            total += product
        return total

    def rotate(self, basis: NDArray) -> None:
        """v_i <- basisᵀ v_i in place; (rank, rank) and orthogonal, so products between tables stay as they were."""
        basis = np.ascontiguousarray(basis, np.float32)

        def part(low: int, high: int) -> None:
            self.array[low:high] = self.array[low:high] @ basis

        in_parallel(part, self._stripes())

    def _stripes(self) -> list[tuple[int, int]]:
        return [(low, min(low + _STRIPE, self.n)) for low in range(0, self.n, _STRIPE)]
