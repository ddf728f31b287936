"""Linear and logistic regression solved to the end, in NumPy and float64: what training a `Linear` net is measured against.

least_squares   min Σ_i |y_i - x_i W - b|² + λ |W|², b unpenalised. With centred X = U S V': W = V S / (S² + λ) U' Y,
                b = mean(y) - mean(x) W. Singular values below ε max(n, d) of the largest count as zero: W is then the
                smallest of all solutions. Cost n d² operations.
logistic        min -Σ_i log p(c_i | x_i) + λ |W|², p = softmax(x W + b), b unpenalised. Newton's method with a backtracking
                line search, in the coordinates U √n of centred X, in which the Hessian is well scaled; the classes'
                coefficients, and intercepts, sum to zero (softmax sees differences only), and W lies in the rows of X.
                Cost per step n (k d)² + (k d)³ operations for k classes.
In a loop       A loss that is a mean over n examples, with weight decay μ |W|²/2 added, has the same minimum for λ = n μ / 2.
Source          Hastie, Tibshirani & Friedman 2009, eqs. 3.44 and 4.26 (ridge, IRLS); Böhning 1992 (multinomial).
Checked by      tests/nets/test_closed_form.py: planted truth, zero gradients, scikit-learn, separable data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from matweave.config import Rule, number
from matweave.errors import ConfigError, DataError, Diverged, TooBig, listed

MOST_PARAMETERS = 5000
"""Of a logistic regression: its Hessian has the square of that (200 MB)."""

STEPS = 200
"""Of Newton's method, at most; 5 to 20 are usual."""

FLAT = 1e-13
"""Curvature per example below which the objective has no bottom: scores beyond 30 part the classes."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LinearFit:
    """coefficients: float64 (d, outputs), or (d,) where Y was (n,). intercept: (outputs,), or a number as (). steps: taken."""

    coefficients: np.ndarray
    intercept: np.ndarray
    steps: int = 1

    def scores(self, X: np.ndarray) -> np.ndarray:
        """x W + b for the rows of X; (n, outputs) or (n,)."""
        return np.asarray(X, np.float64) @ self.coefficients + self.intercept


def least_squares(X: Any, Y: Any, ridge: float = 0.0) -> LinearFit:
    """Regression of Y (n,) or (n, outputs) on X (n, d), with an intercept.

    Raises DataError for shapes that do not fit, no rows, or numbers that are not finite; ConfigError for ridge < 0.

    >>> fit = least_squares([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> fit.coefficients.round(6).tolist(), round(float(fit.intercept), 6)
    ([2.0], 1.0)
    """
    x, y = _matrix(X, "least_squares"), np.asarray(Y, np.float64)
    _check("least_squares", ("ridge", ridge, number(0)))
    if y.ndim not in (1, 2) or len(y) != len(x) or not np.isfinite(y).all():
        raise DataError(
            f"Y of shape {y.shape} is not {len(x)} finite values, or rows of them",
            where="least_squares",
            mend="give one finite value, or row of values, for each row of X",
        )
    middle, level = x.mean(0), y.mean(0)
    left, size, right = _thin(x - middle)
    w = (right * (size / (size**2 + ridge))) @ (left.T @ (y - level))
    return LinearFit(coefficients=w, intercept=np.asarray(level - middle @ w))


def logistic(X: Any, codes: Any, ridge: float = 0.0, tolerance: float = 1e-10) -> LinearFit:
    """Softmax regression of classes 0..k-1, int (n,), on X (n, d), to convergence.

    It has converged when a step changes no score of an example by more than `tolerance`.

    Raises:
        DataError: shapes that do not fit, numbers that are not finite, a class without examples, fewer than 2 classes.
        ConfigError: ridge < 0 or tolerance <= 0.
        Diverged: without ridge, where some plane parts classes without error: larger coefficients are ever better.
        TooBig: more than `MOST_PARAMETERS` coefficients.

    >>> fit = logistic([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    >>> fit.scores(np.array([[1.5]])).round(6).tolist()
    [[0.0, 0.0]]
    """
    x = _matrix(X, "logistic")
    _check("logistic", ("ridge", ridge, number(0)), ("tolerance", tolerance, number(above=0)))
    truth = _one_hot(codes, len(x))
    middle = x.mean(0)
    left, size, right = _thin(x - middle)
    if truth.shape[1] * (len(size) + 1) > MOST_PARAMETERS:
        raise TooBig(
            f"{truth.shape[1]} classes of {len(size) + 1} coefficients are more than {MOST_PARAMETERS}",
            where="logistic",
            mend="train the net 'linear', which needs no Hessian",
        )
    n = len(x)
    problem = _Softmax(np.column_stack([left * np.sqrt(n), np.ones(n)]), truth, ridge * n / size**2)
    theta, steps = problem.solve(tolerance)
    w = (right * (np.sqrt(n) / size)) @ theta[:-1]
    return LinearFit(coefficients=w, intercept=theta[-1] - middle @ w, steps=steps)


@final
class _Softmax:
    """The objective in whitened coordinates: rows z (n, r + 1), the last a 1; penalty (r,) of each coordinate."""

    def __init__(self, z: np.ndarray, truth: np.ndarray, penalty: np.ndarray) -> None:
        self.z, self.truth = z, truth
        self.penalty = np.append(penalty, 0.0)[:, None]

    def value(self, theta: np.ndarray) -> float:
        scores = self.z @ theta
        top = scores.max(1, keepdims=True)
        logs = scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))
        return float(-(self.truth * logs).sum() + (self.penalty * theta**2).sum())

    def shares(self, theta: np.ndarray) -> np.ndarray:
        scores = self.z @ theta
        grown = np.exp(scores - scores.max(1, keepdims=True))
        return grown / grown.sum(1, keepdims=True)

    def step(self, theta: np.ndarray) -> tuple[np.ndarray, float]:
        """Newton's direction, and how fast the objective falls along it. Raises LinAlgError where there is none."""
        (n, r), k = self.z.shape, self.truth.shape[1]
        p = self.shares(theta)
        slope = self.z.T @ (p - self.truth) + 2 * self.penalty * theta
        hessian = np.empty((k, r, k, r))
        for a in range(k):
            for b in range(a, k):
                weight = p[:, a] * ((a == b) - p[:, b])
                hessian[a, :, b] = hessian[b, :, a] = (self.z * weight[:, None]).T @ self.z
        for a in range(k):
            hessian[a, :, a] += np.diag(2 * self.penalty[:, 0])
        # a vector added to all classes changes nothing: the Hessian is given a curvature there, the slope has no part
        hessian += np.full((k, 1, k, 1), n / k**2) * np.eye(r)[:, None]
        square = hessian.reshape(k * r, k * r)
        factor = np.linalg.cholesky(square)
        if float(factor.diagonal().min()) ** 2 < FLAT * n:
            raise np.linalg.LinAlgError
        half = np.linalg.solve(factor, slope.T.ravel())
        way = -np.linalg.solve(factor.T, half).reshape(k, r).T
        return way, float((slope * way).sum())

    def solve(self, tolerance: float) -> tuple[np.ndarray, int]:
        free = not self.penalty.any()
        theta = np.zeros((self.z.shape[1], self.truth.shape[1]))
        value = self.value(theta)
        for count in range(1, STEPS + 1):
            try:
                way, slope = self.step(theta)
            except np.linalg.LinAlgError:
                break
            moved = float(np.abs(self.z @ way).max())
            length = 1.0
            # near the end the objective shows progress no longer: a step below the tolerance is taken as it is
            least = value * (1 + 1e-13)
            while moved > tolerance and length > 1e-8:
                if self.value(theta + length * way) <= least + 1e-4 * length * slope:
                    break
                length /= 2
            theta = theta + length * way
            value = self.value(theta)
            if moved <= tolerance:
                return theta, count
        raise Diverged(
            "planes part some classes without error, so larger coefficients are ever better"
            if free
            else f"no convergence to {tolerance} within {STEPS} steps",
            where="logistic",
            mend="give ridge > 0" if free else "give a larger tolerance, or a larger ridge",
        )


def _matrix(X: Any, where: str) -> np.ndarray:
    x = np.asarray(X, np.float64)
    if x.ndim != 2 or not x.size:
        raise DataError(
            f"X has the shape {x.shape}",
            where=where,
            mend="give a matrix: a row per example, a column per feature",
        )
    bad = np.flatnonzero(~np.isfinite(x).all(1))
    if len(bad):
        raise DataError(
            f"{len(bad)} rows of X are not finite: {listed(bad.tolist())}",
            where=where,
            mend="fill or leave out what is missing",
        )
    return x


def _check(where: str, *settings: tuple[str, object, Rule]) -> None:
    found = [(name, value, rule(value)) for name, value, rule in settings]
    problems = [f"{name} is {value!r}, but must be {wanted}" for name, value, wanted in found if wanted]
    if problems:
        raise ConfigError("\n".join(problems), where=where, mend=f"correct the settings of {where}")


def _one_hot(codes: Any, n: int) -> np.ndarray:
    c = np.asarray(codes)
    if c.shape != (n,) or not np.issubdtype(c.dtype, np.integer) or c.min() < 0:
        raise DataError(
            f"codes of type {c.dtype} and shape {c.shape} are not {n} class codes",
            where="logistic",
            mend="give an integer from 0 for each row of X",
        )
    counts = np.bincount(c)
    empty = np.flatnonzero(counts == 0)
    if len(empty) or len(counts) < 2:
        raise DataError(
            f"classes without examples: {listed(empty.tolist())}"
            if len(empty)
            else "all examples are of one class",
            where="logistic",
            mend="number the classes that have examples from 0, at least two of them",
        )
    return np.eye(len(counts))[c]


def _thin(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U (n, r), S (r,), V (d, r) of x, without the singular values that are zero but for rounding."""
    left, size, right = np.linalg.svd(x, full_matrices=False)
    keep = size > np.finfo(np.float64).eps * max(x.shape) * max(size[0], np.finfo(np.float64).tiny)
    return left[:, keep], size[keep], right[keep].T
