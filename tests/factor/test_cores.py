"""Cores against their matrices."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.factor.cores import DenseCores, RotationCores

RNG = np.random.default_rng(0)
DENSE = DenseCores(values=RNG.standard_normal((3, 4, 4)).astype(np.float32))
TURNS = RotationCores(
    real=RNG.standard_normal((3, 2)).astype(np.float32),
    imaginary=RNG.standard_normal((3, 2)).astype(np.float32),
)


@pytest.mark.parametrize("cores", [DENSE, TURNS], ids=["dense", "rotations"])
def test_both_directions_are_products_with_the_matrix(cores):
    vectors = RNG.standard_normal((5, 4)).astype(np.float32)
    assert cores.shape == (3, 4, 4)
    for k in range(3):
        h = cores.matrix(k)
        np.testing.assert_allclose(cores.ahead(vectors, k), vectors @ h, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(cores.back(vectors, k), vectors @ h.T, rtol=1e-5, atol=1e-6)


def test_rotations_multiply_complex_numbers():
    a = RNG.standard_normal((1, 2)) + 1j * RNG.standard_normal((1, 2))
    b = RNG.standard_normal((1, 2)) + 1j * RNG.standard_normal((1, 2))
    r = TURNS.real[1] + 1j * TURNS.imaginary[1]
    w, v = (np.concatenate([z.real, z.imag], 1).astype(np.float32) for z in (a, b))
    np.testing.assert_allclose(TURNS.ahead(w, 1) @ v.T, (a * r * b.conj()).sum().real, rtol=1e-4)
