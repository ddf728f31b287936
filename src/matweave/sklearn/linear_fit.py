"""The two ways to a linear or logistic regression: a solver that needs no loop, or gradient steps through the training loop.

Standardised  Both work on z = (x - mean) / std; a constant column has z = 0 and the coefficient 0. What they find is put back into
              the units of the data, in float64.
Rates         None: 1 / L of the mean loss's curvature, c = 2 for squares and 1/2 for logits (Böhning 1992): L = c λ_max(Σ z zᵀ) / n
              for gd, which then never rises, and c times the mean of |z|² for sgd, where z has a 1 for the intercept.
Ridge         λ for the solvers; in the loop, whose loss is a mean, the weight decay 2 λ / n.
Checked by    tests/sklearn/test_linear_fit.py: planted truth, units, the ways against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.nets.closed_form import least_squares, logistic
from matweave.train.history import TrainHistory

EPOCHS = {"gd": 2000, "sgd": 50}
"""Where none are said; an epoch of gd is one step."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """scores = x · coefficients + intercept, float64 (d, outputs) and (outputs,), in the units of the data.

    solver: what found them; history: of the loop, None where it was not needed.

    >>> LinearModel(solver="exact", coefficients=np.array([[2.0]]), intercept=np.ones(1)).scores(np.array([[3.0]])).tolist()
    [[7.0]]
    """

    solver: str
    coefficients: np.ndarray
    intercept: np.ndarray
    history: TrainHistory | None = None

    def scores(self, X: np.ndarray) -> np.ndarray:
        """(n, outputs) for the rows of X (n, d)."""
        return X @ self.coefficients + self.intercept


def solved(X: np.ndarray, targets: Targets, ridge: float) -> LinearModel:
    """Least squares for numbers, Newton's method for classes (`nets.closed_form`), on X (n, d) float64.

    Raises Diverged where classes have no solution without a ridge, TooBig where Newton's matrix would be.

    >>> made = solved(np.array([[0.0], [1.0], [2.0]]), Targets.of_values([1.0, 3.0, 5.0]), 0.0)
    >>> made.coefficients.round(6).tolist(), made.intercept.round(6).tolist()
    ([[2.0]], [1.0])
    """
    numbers = targets.classes is None
    middle, spread, z = _standardised(X)
    fit = (least_squares if numbers else logistic)(z, targets.values, ridge)
    w = fit.coefficients.reshape(len(spread), -1) / spread[:, None]
    w[np.abs(z).max(axis=0) == 0] = 0  # exactly, where the solver says about
    return LinearModel(
        solver="exact" if numbers else "newton",
        coefficients=w,
        intercept=np.atleast_1d(fit.intercept) - middle @ w,
    )


def descended(
    X: np.ndarray,
    targets: Targets,
    ridge: float,
    *,
    solver: str,
    learning_rate: float | None = None,
    epochs: int | None = None,
    **settings: Any,
) -> LinearModel:
    """The net `linear` trained on X (n, d) by gd or sgd, which are float32 and so agree with `solved` to about six digits.

    settings: of `Network` (batch_size, device, seed). Raises as `Network.fit` does.

    >>> made = descended(np.array([[0.0], [1.0], [2.0]]), Targets.of_values([1.0, 3.0, 5.0]), 0.0, solver="gd", epochs=100)
    >>> made.coefficients.round(4).tolist(), made.intercept.round(4).tolist()
    ([[2.0]], [1.0])
    """
    from matweave.nets.network import Network  # torch, which the other solvers do not need

    decay = 2 * ridge / len(X)
    if learning_rate is None:
        learning_rate = 1 / ((2.0 if targets.classes is None else 0.5) * _size(X, solver) + decay)
    recipe = Network(
        net="linear",
        optimizer=solver,
        learning_rate=learning_rate,
        weight_decay=decay,
        schedule="constant" if solver == "gd" else "cosine",
        epochs=EPOCHS[solver] if epochs is None else epochs,
        precision="float32",
        **settings,
    )
    names = [f"x{k}" for k in range(X.shape[1])]
    columns = [pa.array(np.ascontiguousarray(column)) for column in X.T]
    made = recipe.fit(Table(features=pa.Table.from_arrays(columns, names=names), targets=targets))
    learned: Any = made.preparation
    at = [names.index(name) for name in learned.columns]
    weight, bias = (made.weights[f"0.{name}"].astype(np.float64) for name in ("weight", "bias"))
    w = np.zeros((X.shape[1], len(bias)))
    w[at] = made.scale * weight.T / learned.std[:, None]
    intercept = made.center + made.scale * bias - learned.mean @ w[at]
    return LinearModel(solver=solver, coefficients=w, intercept=intercept, history=made.history)


def _standardised(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means (d,), standard deviations (d,), 1 for constant columns, and z (n, d)."""
    middle, spread = X.mean(axis=0), X.std(axis=0)
    constant = X.min(axis=0) == X.max(axis=0)  # rounding gives it some spread
    spread[constant] = 1
    return middle, spread, np.where(constant, 0.0, (X - middle) / spread)


def _size(X: np.ndarray, solver: str) -> float:
    """λ_max(Σ z zᵀ) / n for gd, the mean of |z|² for sgd."""
    z = _standardised(X)[2]
    if solver == "sgd":
        return 1.0 + float((z**2).sum()) / len(z)
    return max(1.0, float(np.linalg.norm(z, 2)) ** 2 / len(z))
