"""Random numbers of rows that carry a key: what a row gets depends on the seed and its key, never on the rows beside it.

    row_normals   standard normal numbers, by the method of Box & Muller 1958 on 53-bit uniforms
    row_choices   one of `count` for each row
    history_keys  a key of what a row of a sparse matrix holds, for rows that have no name

All are hashes of a counter (linalg/hashes.py), so any thread may make any part, in any order.

Cost        about 25 ns a number.
Checked by  tests/linalg/test_row_draws.py: moments, independence of place, of neighbours and of the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from matweave.linalg.hashes import GOLDEN, mixed
from matweave.threads import in_parallel

_ROWS = 256
_UNIT = 2.0**-53


def row_normals(seed: int, keys: np.ndarray, width: int) -> np.ndarray:
    """Standard normal numbers (n, width) float32. seed: 63 bits; keys (n,) uint64.

    >>> two = row_normals(7, np.array([3, 5], np.uint64), 4)
    >>> bool((row_normals(7, np.array([5], np.uint64), 4) == two[1:]).all())
    True
    """
    out = np.empty((len(keys), width), np.float32)
    base = np.uint64(seed)

    def part(low: int, high: int) -> None:
        _normals(base, keys[low:high], out[low:high])

    in_parallel(part, [(a, min(a + _ROWS, len(keys))) for a in range(0, len(keys), _ROWS)])
    return out


def row_choices(seed: int, keys: np.ndarray, count: int) -> np.ndarray:
    """A number below `count` for each key, (n,) int64.

    >>> int(row_choices(7, np.arange(100, dtype=np.uint64), 3).max())
    2
    """
    return _choices(np.uint64(seed), keys, count)


def history_keys(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """A key (n,) uint64 of each row's entries: equal rows have equal keys, others hardly ever.

    >>> found = history_keys(np.array([0, 2, 4, 5]), np.array([1, 2, 1, 2, 1]), None)
    >>> bool(found[0] == found[1]), bool(found[0] == found[2])
    (True, False)
    """
    said = np.zeros(0, np.float32) if values is None else values.astype(np.float32)
    return _keys(indptr, indices, said.view(np.uint32))


@njit(nogil=True, cache=True)
def _normals(seed, keys, out):  # pragma: no cover
    for row in range(len(keys)):
        start = mixed(mixed(seed + GOLDEN) + keys[row])
        for at in range(0, out.shape[1], 2):
            one = mixed(start + np.uint64(at + 1) * GOLDEN) >> np.uint64(11)
            two = mixed(start + np.uint64(at + 2) * GOLDEN) >> np.uint64(11)
            radius = math.sqrt(-2.0 * math.log((float(one) + 1.0) * _UNIT))
            angle = 2.0 * math.pi * float(two) * _UNIT
            out[row, at] = radius * math.cos(angle)
            if at + 1 < out.shape[1]:
                out[row, at + 1] = radius * math.sin(angle)


@njit(nogil=True, cache=True)
def _choices(seed, keys, count):  # pragma: no cover
    out = np.empty(len(keys), np.int64)
    for row in range(len(keys)):
        bits = mixed(mixed(seed + GOLDEN) + keys[row]) >> np.uint64(11)
        out[row] = min(int(float(bits) * _UNIT * count), count - 1)
    return out


@njit(nogil=True, cache=True)
def _keys(indptr, indices, bits):  # pragma: no cover
    out = np.empty(len(indptr) - 1, np.uint64)
    for row in range(len(out)):
        key = np.uint64(indptr[row + 1] - indptr[row])
        for at in range(indptr[row], indptr[row + 1]):
            key = mixed(key + GOLDEN + np.uint64(indices[at]))
            if len(bits):
                key = mixed(key + GOLDEN + np.uint64(bits[at]))
        out[row] = key
    return out
