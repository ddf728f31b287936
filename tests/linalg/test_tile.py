"""The products of conjugate gradients over a tile, against NumPy, for short and long vectors."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numba import njit

from matweave.linalg.tile import gather_residual, tile_product
from matweave.linalg.vectors import aligned


@cache
def products(width, biased):
    @njit
    def both(table, tile, indices, a, a_stride, b, b_stride, start, blocks, x, left, p, out):
        scored = gather_residual(
            width, biased, table, tile, indices, a, a_stride, b, b_stride, start, blocks, x, left
        )
        tile_product(width, biased, tile, a, a_stride, start, blocks, p, out)
        return scored

    return both


@pytest.mark.parametrize("width", [16, 64, 80, 144, 272])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("stride", [0, 1])
def test_both_passes_against_numpy(width, biased, stride):
    rng = np.random.default_rng(width + biased)
    table, tile = aligned(9, width), aligned(8, width)
    table[:8] = rng.normal(size=(8, width))
    start, n = 4, 8
    indices = rng.integers(0, 9, start + n).astype(np.int32)
    a, b = (rng.normal(size=start + n if stride else 4).astype(np.float32) for _ in range(2))
    if not stride:
        a[:], b[:] = a[0], b[0]
    x, p, left, out = (aligned(width + 16) for _ in range(4))
    x[: width + biased], p[: width + biased] = rng.normal(size=(2, width + biased))
    out[: width + biased] = begin = rng.normal(size=width + biased).astype(np.float32)
    scored = products(width, biased)(
        table, tile, indices, a, stride, b, stride, start, n // 4, x, left, p, out
    )

    t = table[indices[start:]].astype(np.float64)
    weight, target = (v[start:] if stride else np.full(n, v[0]) for v in (a, b))
    if biased:
        t = np.column_stack([t, np.ones(n)])
    size = t.shape[1]
    s = t @ x[:size]
    np.testing.assert_array_equal(tile, table[indices[start:]])
    close = {"rtol": 2e-5, "atol": 2e-5 * np.sqrt(width)}
    np.testing.assert_allclose(left[:size], t.T @ (target - weight * s), **close)
    np.testing.assert_allclose(out[:size], begin + t.T @ (weight * (t @ p[:size])), **close)
    assert scored == pytest.approx(float(target @ s), rel=1e-4, abs=1e-3)


def test_no_rows_leave_zero_and_the_sum_as_it_was():
    table, tile = aligned(1, 16), aligned(4, 16)
    ones = np.ones(4, np.float32)
    x, p, left, out = (aligned(32) for _ in range(4))
    left[:], out[:] = 7, 7
    assert (
        products(16, False)(table, tile, np.zeros(0, np.int32), ones, 0, ones, 0, 0, 0, x, left, p, out) == 0
    )
    assert not left[:16].any()
    assert (out == 7).all()
