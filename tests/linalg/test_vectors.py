"""Tables of vectors: layout, Gram, rotation; the same bits for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.linalg.vectors import Vectors, aligned
from matweave.threads import set_threads


@pytest.mark.parametrize("shape", [(1,), (3, 16), (5, 7), (2, 3, 4)])
def test_aligned_is_zero_and_on_a_cache_line(shape):
    made = aligned(*shape)
    assert made.shape == shape
    assert made.dtype == np.float32
    assert made.ctypes.data % 64 == 0
    assert not made.any()


@pytest.mark.parametrize(("rank", "width"), [(1, 16), (16, 16), (17, 32), (64, 64)])
def test_padding_is_zero_and_every_row_starts_on_a_cache_line(rank, width):
    array = np.random.default_rng(0).normal(size=(5, rank)).astype(np.float32)
    v = Vectors.of(array, bias=np.arange(5))
    assert v.data.shape == (6, width)
    assert v.data.ctypes.data % 64 == 0
    np.testing.assert_array_equal(v.array, array)
    assert not v.data[:, rank:].any()
    assert not v.data[5].any()
    assert v.bias is not None
    np.testing.assert_array_equal(v.bias, [0, 1, 2, 3, 4, 0])


def test_gram_with_and_without_weights_does_not_depend_on_threads():
    rng = np.random.default_rng(1)
    array, weights = rng.normal(size=(5000, 24)).astype(np.float32), rng.integers(0, 9, 5000)
    v, grams = Vectors.of(array), []
    try:
        for threads in (1, 2):
            set_threads(threads)
            grams.append((v.gram(), v.gram(weights)))
    finally:
        set_threads(None)
    full = array.astype(np.float64)
    np.testing.assert_allclose(grams[0][0], full.T @ full, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(grams[0][1], full.T @ (weights[:, None] * full), rtol=1e-4, atol=1e-1)
    np.testing.assert_array_equal(grams[0], grams[1])


def test_a_rotation_of_both_tables_keeps_their_products():
    rng = np.random.default_rng(2)
    x, y = Vectors.of(rng.normal(size=(3000, 20))), Vectors.of(rng.normal(size=(40, 20)))
    before = x.array @ y.array.T
    basis = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    x.rotate(basis)
    y.rotate(basis)
    np.testing.assert_allclose(x.array @ y.array.T, before, atol=1e-4)
    assert not x.data[:, 20:].any()
    assert not x.data[3000].any()
