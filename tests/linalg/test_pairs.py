import numpy as np
import pytest
from numba import njit

from matweave.linalg.pairs import logistic, pair_gap, pair_margin, pair_update, prefetch, row_product


def products(width):
    @njit
    def run(x, y, i, j, pushes, keeps):
        prefetch(width, y, i)
        found = (
            pair_margin(width, x, width, y, i, j),
            row_product(width, x, width, y, i),
            pair_gap(width, y, i, j),
        )
        pair_update(width, x, width, y, i, j, pushes, keeps)
        return found

    return run


@pytest.mark.parametrize("width", [16, 80])
def test_a_step_against_numpy(width):
    random = np.random.default_rng(width)
    x, y = (random.standard_normal(n * width).astype(np.float32) for n in (3, 5))
    own, first, second = (
        v.astype(np.float64) for v in (x[width : 2 * width], y[width : 2 * width], y[-width:])
    )
    before = x.copy(), y.copy()
    pushes, keeps = (tuple(np.float32(v) for v in row) for row in ((0.1, 0.2, 0.3), (0.9, 0.8, 0.7)))
    margin, product, gap = products(width)(x, y, width, 4 * width, pushes, keeps)
    assert margin == pytest.approx(own @ (first - second), abs=1e-5)
    assert product == pytest.approx(own @ first, abs=1e-5)
    assert gap == pytest.approx(((first - second) ** 2).sum(), rel=1e-6)
    np.testing.assert_allclose(x[width : 2 * width], 0.9 * own + 0.1 * (first - second), atol=1e-6)
    np.testing.assert_allclose(y[width : 2 * width], 0.8 * first + 0.2 * own, atol=1e-6)
    np.testing.assert_allclose(y[-width:], 0.7 * second - 0.3 * own, atol=1e-6)
    for now, then, touched in ((x, before[0], (1,)), (y, before[1], (1, 4))):
        for row in range(len(now) // width):
            same = np.array_equal(now[row * width :][:width], then[row * width :][:width])
            assert same == (row not in touched)


def test_the_logistic_function():
    one = njit(lambda s: logistic(s))
    scores = np.concatenate([np.linspace(-20, 20, 401), [-1000, -90, 90, 1000, -np.inf, np.inf]])
    with np.errstate(over="ignore"):
        wanted = 1 / (1 + np.exp(-scores))
    found = np.array([one(np.float32(s)) for s in scores])
    np.testing.assert_allclose(found, wanted, atol=1e-7)
    np.testing.assert_allclose(found[:401], wanted[:401], rtol=3e-6)
    assert (found > 0).all()
    assert np.isnan(one(np.float32(np.nan)))
