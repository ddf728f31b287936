import numpy as np
import pytest
from scipy.optimize import minimize

from matweave.linalg.logistic_row import best_row


def value(z, wide, offset, met, weights, ridge):
    s = wide @ z + offset
    return np.logaddexp(0, s).sum() + weights @ np.logaddexp(0, -s[met]) + 0.5 * (ridge * z * z).sum()


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_the_row_is_the_minimum(scale):
    random = np.random.default_rng(0)
    wide, offset = scale * random.normal(size=(60, 5)), random.normal(size=60)
    rest = offset, np.array([3, 8, 20]), np.array([1.0, 5.0, 0.5]), np.full(5, 0.3)
    z = best_row(wide, wide.astype(np.float32), *rest)
    found = minimize(value, np.zeros(5), (wide, *rest), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(z, found.x, atol=1e-3)
    assert value(z, wide, *rest) <= found.fun + 1e-5
