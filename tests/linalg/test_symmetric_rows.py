"""The quartic's least point against a fine grid; a sweep against the slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.symmetric_nmf import objective as slow_objective
from by_hand.symmetric_nmf import sweep as slow_sweep

from matweave.linalg.symmetric_rows import least, objective, sweep


def test_least_is_the_least_point_of_a_quartic():
    rng = np.random.default_rng(0)
    grid = np.linspace(0, 20, 200_001)
    for q, a, b in [(0.0, 2.0, -3.0), (0.0, 2.0, 3.0), (1.0, 0.0, 0.0), (1.0, -2.0, 0.0), *rng.standard_normal((60, 3)) * [1, 3, 3]]:  # fmt: skip
        q = abs(q)
        if q == 0 and a <= 0:
            continue
        t = least(q, a, b)
        values = q * grid**4 / 4 + a * grid**2 / 2 + b * grid
        if grid[values.argmin()] < 20:
            assert q * t**4 / 4 + a * t**2 / 2 + b * t <= values.min() + 1e-9
            assert t >= 0


@pytest.mark.parametrize("rest", [1.0, 0.3, 0.0])
def test_sweeps_are_those_of_the_slow_twin(rest):
    rng = np.random.default_rng(1)
    n, r, ridge = 6, 2, 0.2
    listed = np.triu(rng.random((n, n)) < 0.5, 1)
    listed = listed | listed.T
    x, weights = np.zeros((n, n)), np.full((n, n), rest)
    u = rng.uniform(0.2, 2, (n, n))
    v = rng.uniform(0, 3, (n, n))
    x[listed], weights[listed] = (v + v.T)[listed], (u + u.T)[listed]
    x[np.diag_indices(n)] = rng.uniform(0, 2, n)
    weights[np.diag_indices(n)] = np.array([0.0, 1, 1, 2, rest, 1])
    i, j = np.nonzero(listed)
    system = (
        np.searchsorted(i, np.arange(n + 1)),
        j,
        x[i, j],
        weights[i, j],
        np.diag(x).copy(),
        np.diag(weights).copy(),
        rest,
    )
    w = rng.uniform(0, 1, (n, r))
    for _ in range(3):
        slow = slow_sweep(x, weights, w, ridge)
        sweep(*system, ridge, w)
        np.testing.assert_allclose(w, slow, atol=1e-5)
        assert objective(*system, ridge, w) == pytest.approx(slow_objective(x, weights, w, ridge), rel=1e-9)
