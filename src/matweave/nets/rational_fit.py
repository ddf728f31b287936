"""Coefficients of a rational function that starts as a known activation, by least squares; NumPy only.

Model       f(x) ≈ P(x) / (1 + |Q(x)|), P = a_0 + ... + a_5 x^5, Q = b_1 x + ... + b_4 x^4 (Molina et al. 2020, eq. 3)
Objective   Σ_i w_i² (f(x_i) - P(x_i) / (1 + |Q(x_i)|))² over 801 points of [-8, 8], w = 1 within [-3, 3] as in the paper,
            and 0.1 beyond: left out, the best fit of GELU is off by 2.4 at -8.
Step        Start: f(x) (1 + Q(x)) ≈ P(x) is linear in a and b; solved again with weights 1 / (1 + |Q|) of the last
            answer (Sanathanan & Koerner 1963), and with the sign that Q had. Then Levenberg-Marquardt on the objective.
Reached     Largest error over [-3, 3] and over [-8, 8]: ReLU and leaky ReLU 0.06 (the kink) and 0.14, GELU 0.004
            and 0.01, SiLU, tanh and sigmoid below 0.0003 and 0.003.
Cost        Under 0.1 s, once per function and process.
Checked by  tests/nets/test_rational_fit.py: the errors above, no better neighbour, SciPy's least squares from there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import erf, sqrt

import numpy as np

NUMERATOR, DENOMINATOR = 6, 4  # coefficients of P and of Q

STARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "gelu": lambda x: x * (1 + np.vectorize(erf)(x / sqrt(2))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
"""The functions that a rational activation can start as."""


@cache
def fitted(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The 6 coefficients of P, from a_0, and the 4 of Q, from b_1, fitted to that function of `STARTS`.

    >>> above, below = fitted("tanh")
    >>> len(above), len(below)
    (6, 4)
    """
    x = np.linspace(-8, 8, 801)
    theta = fit(x, STARTS[name](x), np.where(np.abs(x) <= 3, 1.0, 0.1))
    return tuple(theta[:NUMERATOR].tolist()), tuple(theta[NUMERATOR:].tolist())


def rational(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P(x) / (1 + |Q(x)|) for theta = (a_0..a_5, b_1..b_4); float64 (n,).

    >>> rational(np.array([0, 1, 0, 0, 0, 0, 1, 0, 0, 0.0]), np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return _value(_powers(x), theta)


def fit(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, *, rounds: int = 10, steps: int = 200
) -> np.ndarray:
    """theta (10,) that brings `rational` close to y (n,) at x (n,) in least squares: a local minimum.

    weight (n,): of each difference before it is squared; none: 1.

    >>> x = np.linspace(-3, 3, 301)
    >>> bool(np.abs(rational(fit(x, np.tanh(x)), x) - np.tanh(x)).max() < 1e-3)
    True
    """
    powers, w = _powers(x), np.ones_like(x) if weight is None else weight
    theta = np.zeros(NUMERATOR + DENOMINATOR)
    sign = np.ones_like(x)
    for _ in range(rounds):
        scale = w / (1 + np.abs(_q(powers, theta)))
        known = _joined(powers, -y * sign)
        theta = np.linalg.lstsq(known * scale[:, None], y * scale)[0]
        sign = np.where(_q(powers, theta) < 0, -1.0, 1.0)
    return _descend(powers, y, w, theta, steps)


def _descend(powers: np.ndarray, y: np.ndarray, w: np.ndarray, theta: np.ndarray, steps: int) -> np.ndarray:
    """Levenberg-Marquardt: damped Gauss-Newton steps, each taken only where it lowers the objective."""
    damping, error = 1e-3, w * (_value(powers, theta) - y)
    for _ in range(steps):
        q = _q(powers, theta)
        slope = _joined(powers, -_value(powers, theta) * np.sign(q)) * (w / (1 + np.abs(q)))[:, None]
        normal, right = slope.T @ slope, slope.T @ error
        tried = theta - np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-12), right)
        new = w * (_value(powers, tried) - y)
        if new @ new < error @ error:
            theta, error, damping = tried, new, damping / 3
        else:
            damping *= 4
        if damping > 1e9:  # no step lowers it
            break
    return theta


def _joined(powers: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The columns that the coefficients of P and of Q stand for, the latter times `by`."""
    return np.column_stack([powers[:, :NUMERATOR], by[:, None] * powers[:, 1 : 1 + DENOMINATOR]])


def _value(powers: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return powers[:, :NUMERATOR] @ theta[:NUMERATOR] / (1 + np.abs(_q(powers, theta)))


def _powers(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float64)[:, None] ** np.arange(NUMERATOR)


def _q(powers: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return powers[:, 1 : 1 + DENOMINATOR] @ theta[NUMERATOR:]
