import numpy as np
import pytest
from numba import njit

from matweave.linalg import logistic
from matweave.linalg.logistic import gradient, logistic_run
from matweave.threads import set_threads


def problem(users=70, items=45, width=7, seed=0, scale=1.0):
    random = np.random.default_rng(seed)
    x, y = (scale * random.normal(size=(n, width)).astype(np.float32) for n in (users, items))
    weights = random.random((users, items)) * (random.random((users, items)) < 0.2)
    indptr = np.concatenate([[0], np.cumsum((weights > 0).sum(axis=1))]).astype(np.int64)
    return x, y, indptr, np.nonzero(weights)[1].astype(np.int32), weights


def test_a_run_of_scores():
    run = njit(lambda s: logistic_run(s, 0, 2))
    scores = np.array(
        [-1e30, -100, -87, -20, -3, -1e-6, 0, 1e-6, 0.3, 1, 5, 20, 87, 100, 1e30, 2] * 2, np.float32
    )
    made, exact = scores.copy(), scores.astype(np.float64)
    lost = run(made)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(made, 1 / (1 + np.exp(-exact)), rtol=1e-6, atol=1e-37)
    assert lost == pytest.approx(np.logaddexp(0, exact).sum(), rel=1e-6)
    small = np.linspace(-4, 4, 32).astype(np.float32)
    assert run(small.copy()) == pytest.approx(np.logaddexp(0, small.astype(np.float64)).sum(), rel=1e-6)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_the_gradient_and_the_loss_against_numpy(monkeypatch: pytest.MonkeyPatch, scale):
    monkeypatch.setattr(logistic, "COLUMNS", 20)  # tiles of 20, 20 and 5: with a tail, and all tail
    x, y, indptr, indices, a = problem(scale=scale)
    slope, lost = gradient(x, y, indptr, indices, a[a > 0].astype(np.float32))
    s = x.astype(np.float64) @ y.T.astype(np.float64)
    p = 1 / (1 + np.exp(-s))
    np.testing.assert_allclose(slope, (p - a * (1 - p)) @ y, rtol=1e-4, atol=1e-4)
    assert lost == pytest.approx((np.logaddexp(0, s) + a * np.logaddexp(0, -s)).sum(), rel=1e-6)


def test_one_weight_for_all_entries():
    x, y, indptr, indices, _ = problem()
    many, few = (gradient(x, y, indptr, indices, np.full(n, 2.5, np.float32)) for n in (len(indices), 1))
    assert np.array_equal(many[0], few[0])
    assert many[1] == few[1]


def test_the_same_bits_for_any_number_of_threads():
    x, y, indptr, indices, a = problem(users=300)
    found = []
    for threads in (1, 2, 3):
        set_threads(threads)
        slope, lost = gradient(x, y, indptr, indices, a[a > 0].astype(np.float32))
        found.append((slope.tobytes(), lost))
    set_threads(None)
    assert found[0] == found[1] == found[2]
