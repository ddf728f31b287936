"""The shared core against one Kronecker system, the scales' derivatives by differences, and descent."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.dedicom import best_core

from matweave.linalg.dedicom_cores import derivatives, newton_scales, one_core, shared_core, value_of


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((8, 3)), rng.standard_normal((4, 8, 8))
    return x, w, w.T @ x @ w, w.T @ w, rng.standard_normal((3, 3)), rng.uniform(0.5, 2, (4, 3))


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_cores_solve_the_normal_equations(task, ridge, monkeypatch):
    x, w, seen, gram, core, scales = task
    wanted = best_core(x, w, scales, ridge)
    near = {"rtol": 1e-6, "atol": 1e-8} if ridge else {"rtol": 1e-4, "atol": 1e-5}  # without one, a floor
    np.testing.assert_allclose(shared_core(seen, gram, scales, ridge, core), wanted, **near)
    monkeypatch.setattr("matweave.linalg.dedicom_cores.DIRECT", 0)
    last = np.inf
    for _ in range(5):  # each call goes on where the one before stopped
        core = shared_core(seen, gram, scales, ridge, core)
        now = value_of(seen, gram, core, scales).sum() + ridge * np.square(core).sum()
        assert now <= last + 1e-12 * abs(now)
        last = now
    np.testing.assert_allclose(core, wanted, rtol=1e-3, atol=1e-5)
    alone = best_core(x[:1], w, np.ones((1, 3)), ridge)
    np.testing.assert_allclose(one_core(seen[0], gram, ridge), alone, rtol=1e-8, atol=1e-10)


def test_the_value_is_the_squared_loss_up_to_the_data(task):
    x, w, seen, gram, core, scales = task
    m = scales[:, :, None] * core * scales[:, None, :]
    whole = ((x - w @ m @ w.T) ** 2).sum(axis=(1, 2)) - (x**2).sum(axis=(1, 2))
    np.testing.assert_allclose(value_of(seen, gram, core, scales), whole, rtol=1e-10)


def test_gradient_and_hessian_are_those_by_differences(task):
    _, _, seen, gram, core, scales = task
    gradient, hessian = derivatives(seen, gram, core, scales)
    for p in range(3):
        step = np.zeros_like(scales)
        step[:, p] = 1e-5
        slope = (value_of(seen, gram, core, scales + step) - value_of(seen, gram, core, scales - step)) / 2e-5
        np.testing.assert_allclose(gradient[:, p], slope, rtol=1e-5, atol=1e-4)
        bend = (
            derivatives(seen, gram, core, scales + step)[0] - derivatives(seen, gram, core, scales - step)[0]
        )
        np.testing.assert_allclose(hessian[:, :, p], bend / 2e-5, rtol=1e-4, atol=1e-3)


def test_newton_never_rises_and_ends_where_the_gradient_is_nothing(task):
    _, _, seen, gram, core, scales = task
    ridge, last = 0.1, np.inf
    for _ in range(40):
        scales = newton_scales(seen, gram, core, scales, ridge)
        now = value_of(seen, gram, core, scales).sum() + ridge * np.square(scales - 1).sum()
        assert now <= last + 1e-12 * abs(now)
        last = now
    gradient = derivatives(seen, gram, core, scales)[0] + 2 * ridge * (scales - 1)
    assert np.abs(gradient).max() < 1e-5
