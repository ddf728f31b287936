"""Ragged arrays by index arithmetic: n sequences of any lengths in one array, cut by n + 1 offsets.

Sequence i is steps[offsets[i]:offsets[i + 1]]. Nothing here loops over sequences or steps, but `content_digests`
(one hash each). Cost is linear in the steps. Checked against loops in tests/data/test_ragged.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np

from matweave.errors import TooBig

LARGEST = 1 << 32
"""Most cells of a padded array: 17 GB of float32."""

FLOAT32 = float(np.finfo(np.float32).max)
"""The largest number that float32 holds."""


def offsets_of(lengths: Any) -> np.ndarray:
    """(n + 1,) int64 offsets from n lengths.

    >>> offsets_of([2, 0, 3])
    array([0, 2, 2, 5])
    """
    lengths = np.asarray(lengths, np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def taken(offsets: np.ndarray, index: Any) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the steps of some sequences, in their order, and the new offsets.

    index: integers, a mask or a slice. Raises IndexError outside the n sequences.

    >>> taken(np.array([0, 2, 2, 5]), [2, 0])
    (array([2, 3, 4, 0, 1]), array([0, 3, 5]))
    """
    at = chosen(index, len(offsets) - 1)
    new = offsets_of(offsets[at + 1] - offsets[at])
    shift = np.repeat(offsets[at] - new[:-1], np.diff(new))
    return np.arange(new[-1]) + shift, new


def chosen(index: Any, n: int) -> np.ndarray:
    """The integers (m,) in 0..n - 1 that an index of integers (negative ones from the end), a mask or a slice means.

    >>> chosen(slice(-2, None), 5), chosen([True, False, True], 3)
    (array([3, 4]), array([0, 2]))
    """
    if not isinstance(index, slice):
        index = np.atleast_1d(np.asarray(index, None if np.size(index) else np.int64))
    return np.arange(n)[index]


def step_major(lengths: np.ndarray, channels: int) -> np.ndarray:
    """(total, channels) positions of a flat array in which each sequence holds its channels one after the other.

    >>> step_major(np.array([2, 1]), 2)
    array([[0, 2],
           [1, 3],
           [4, 5]])
    """
    offsets = offsets_of(lengths)
    each = np.repeat(lengths, lengths)
    first = np.arange(offsets[-1]) + np.repeat(offsets[:-1], lengths) * (channels - 1)
    return first[:, None] + each[:, None] * np.arange(channels)


def padded(steps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(n, T) or (n, T, channels) of the type of `steps`, zeros at the end of each; T the longest length.

    Raises TooBig past LARGEST cells.

    >>> padded(np.array([1, 2, 3]), np.array([0, 2, 3]))
    array([[1, 2],
           [3, 0]])
    """
    lengths = np.diff(offsets)
    shape = (len(lengths), int(lengths.max(initial=0)), *steps.shape[1:])
    cells = int(np.prod(shape, dtype=np.float64))
    if cells > LARGEST:
        raise TooBig(
            f"{shape[0]:,} sequences padded to the longest of {shape[1]:,} steps are {cells:,} cells",
            where="padding",
            mend="cut the longest sequences, or give fewer at a time",
        )
    out = np.zeros(shape, steps.dtype)
    # the mask runs row by row, which is the order of the steps
    out[np.arange(shape[1]) < lengths[:, None]] = steps
    return out


def content_digests(steps: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(n,) uint64: equal for sequences of equal bytes, and for others only by a chance of 2^-64 a pair.

    >>> digests = content_digests(np.array([1, 2, 1, 2, 3]), np.array([0, 2, 4, 5]))
    >>> bool(digests[0] == digests[1]), bool(digests[0] == digests[2])
    (True, False)
    """
    data = memoryview(np.ascontiguousarray(steps).tobytes())
    width = steps.itemsize * int(np.prod(steps.shape[1:], dtype=np.int64))
    cuts = (offsets * width).tolist()
    parts = [blake2b(data[a:b], digest_size=8).digest() for a, b in pairwise(cuts)]
    return np.frombuffer(b"".join(parts), np.uint64)


def spread(lengths: np.ndarray) -> str:
    """The range of lengths in words.

    >>> spread(np.array([3, 7, 7])), spread(np.array([1, 1]))
    ('3 to 7 steps long', '1 step long')
    """
    low, high = int(lengths.min()), int(lengths.max())
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{size} step{'s' * (high > 1)} long"


def code_points(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The characters of n texts as Unicode code points (total,) uint32, and the offsets.

    >>> code_points(["ab", "c"])
    (array([97, 98, 99], dtype=uint32), array([0, 2, 3]))
    """
    whole = "".join(texts).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(whole, "<u4").astype(np.uint32), offsets_of([len(t) for t in texts])
