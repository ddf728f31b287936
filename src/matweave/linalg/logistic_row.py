"""The best vector for one row of a logistic loss over all of its cells, the columns as they are.

    min over z of  f(z) = Σ_j ln(1 + e^s_j) + Σ_{i in h} a_i ln(1 + e^-s_i) + ½ Σ_f ρ_f z_f²,      s = D z + o

D (columns, width) the columns' vectors, o their offsets, a_i > 0 the weights of the met ones h. Convex: Newton's method from 0, the
Hessian's products in float32; a step is halved while the slope along it turns around by more than it was.
Cost        A step is columns width² multiply-adds; about 8 steps.
Checked by  tests/linalg/test_logistic_row.py: SciPy's minimum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEPS = 100


def best_row(
    wide: NDArray, table: NDArray, offset: NDArray, met: NDArray, weights: NDArray, ridge: NDArray
) -> NDArray[np.float64]:
    """The minimum, (width,) float64; wide (columns, width) float64, table the same in float32, ridge (width,) > 0.

    >>> d = np.ones((2, 1))
    >>> best_row(d, d.astype(np.float32), np.zeros(2), np.array([0]), np.array([2.0]), np.array([1e-9])).round(4)
    array([0.])
    """

    def slope(z: NDArray) -> tuple[NDArray, NDArray]:
        share = 0.5 * (1.0 + np.tanh(0.5 * (wide @ z + offset)))  # the logistic function, safe for any score
        pull, curve = share.copy(), share * (1.0 - share)
        pull[met] -= weights * (1.0 - share[met])
        curve[met] *= 1.0 + weights
        return wide.T @ pull + ridge * z, curve

    z = np.zeros(wide.shape[1])
    gradient, curve = slope(z)
    for _ in range(STEPS):
        heavy = np.sqrt(curve).astype(np.float32)[:, None] * table
        hessian = (heavy.T @ heavy).astype(np.float64)
        hessian[np.diag_indices_from(hessian)] += ridge
        step = np.linalg.solve(hessian, gradient)
        fall, length = float(gradient @ step), 1.0
        if not fall > 1e-9 * (1.0 + weights.sum()):
            break
        while True:
            there, curve = slope(z - length * step)
            if there @ step >= -0.9 * fall or length < 1e-4:
                break
            length /= 2
        z, gradient = z - length * step, there
    return z
