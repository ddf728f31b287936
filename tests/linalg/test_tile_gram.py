"""The products of exact and blockwise solutions over a tile, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from matweave.linalg.tile_gram import gather_columns, tile_combine, tile_dots, tile_gram, trailing_update
from matweave.linalg.vectors import aligned

WIDTH = 48


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@njit
def gram_block(tile, begin, a, stride, start, count, out):
    tile_gram(48, 8, 2, tile, begin, a, stride, start, count, 8, 16, out)


@pytest.mark.parametrize("stride", [0, 1])
def test_one_block_of_the_gram_matrix_is_added(rng, stride):
    tile, out = aligned(12, WIDTH), aligned(WIDTH * WIDTH)
    tile[:] = rng.normal(size=tile.shape)
    out[:] = 1
    a = rng.uniform(0.5, 2, 20).astype(np.float32)
    gram_block(tile, 2, a, stride, 5, 9, out)
    weight = a[5:14] if stride else np.full(9, a[0])
    t = tile[2:11].astype(np.float64)
    wanted = np.ones((WIDTH, WIDTH))
    wanted[8:16, 16:48] += (t.T @ (weight[:, None] * t))[8:16, 16:48]
    np.testing.assert_allclose(out.reshape(WIDTH, WIDTH), wanted, rtol=1e-5, atol=1e-5)


@njit
def columns(table, tile, indices, start, count, first):
    gather_columns(48, 16, table, tile, indices, start, count, first)


def test_only_the_columns_asked_for_are_gathered(rng):
    table, tile = aligned(6, WIDTH), aligned(5, 16)
    table[:] = rng.normal(size=table.shape)
    indices = np.array([9, 9, 5, 0, 3, 1, 9], np.int32)
    columns(table, tile, indices, 2, 4, 32)
    np.testing.assert_array_equal(tile[:4], table[[5, 0, 3, 1], 32:48])
    assert not tile[4].any()


@njit
def dots_and_combine(tile, blocks, p, begin, s, a, a_stride, b, b_stride, start, out):
    tile_dots(48, tile, blocks, p, begin, s)
    tile_combine(48, tile, a, a_stride, b, b_stride, start, blocks, s, begin, out)


@pytest.mark.parametrize("stride", [0, 1])
def test_scores_are_kept_and_residuals_combined(rng, stride):
    tile, p, out = aligned(8, WIDTH), aligned(WIDTH), aligned(WIDTH)
    tile[:], p[:], out[:] = rng.normal(size=tile.shape), rng.normal(size=WIDTH), 2
    s = rng.normal(size=14).astype(np.float32)
    a, b = rng.normal(size=(2, 20)).astype(np.float32)
    a[:4], b[:4] = (a[0], b[0]) if not stride else (a[:4], b[:4])
    before = s.copy()
    dots_and_combine(tile, 2, p, 4, s, a, stride, b, stride, 6, out)
    wanted = before[4:12] + tile @ p
    np.testing.assert_allclose(s[4:12], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(s[[0, 1, 2, 3, 12, 13]], before[[0, 1, 2, 3, 12, 13]])
    weight, target = (v[6:14] if stride else np.full(8, v[0]) for v in (a, b))
    np.testing.assert_allclose(out, 2 + tile.T @ (target - weight * wanted), rtol=1e-4, atol=1e-4)


@njit
def trailing(matrix, k, i):
    trailing_update(48, matrix, k, i)


@pytest.mark.parametrize(("k", "i"), [(0, 4), (4, 20), (40, 44)])
def test_trailing_rows_lose_what_four_pivot_rows_explain(rng, k, i):
    flat = aligned(WIDTH * WIDTH)
    flat[:] = rng.normal(size=flat.shape)
    before = flat.reshape(WIDTH, WIDTH).copy()
    trailing(flat, k, i)
    wanted, first = before.copy(), i // 16 * 16
    wanted[i : i + 4, first:] -= before[k : k + 4, i : i + 4].T @ before[k : k + 4, first:]
    np.testing.assert_allclose(flat.reshape(WIDTH, WIDTH), wanted, rtol=1e-4, atol=1e-5)
