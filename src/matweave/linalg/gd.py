"""Biased matrix factorization by full-batch gradient descent with momentum and a step that controls itself.

Objective   J of linalg/sgd.py, the same to the last term.
Gradient    -½ ∂J/∂x_u = Σ_j e_uj y_j - λ n_u x_u, and likewise for y_j, b_u, c_j: every row's is divided by its
            number of ratings n (a diagonal preconditioner: the curvature of a row grows with n).
Step        v ← β v + γ g,  θ ← θ + v (heavy ball: Polyak 1964, eq. 9). A step that raises J is taken back, v is
            set to 0 and γ halved; after a good step γ grows by a twentieth. So J never rises (function-value
            restart: O'Donoghue & Candès 2015, section 3.2), whatever the first γ was.
Cost        2 passes over the log per trial, 8 rank operations per rating each; J is exact and comes for free.
Checked by  numerical gradients in float64, tests/by_hand/biased_mf.py, monotone J, equal bits for any threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.errors import Diverged
from matweave.linalg.gram import Columns, columns_of
from matweave.linalg.grid import Floats, Ints
from matweave.linalg.sgd import Biased, Penalty, penalties
from matweave.threads import in_parallel

SMALLEST = 1e-8  # of the first rate: a step this short that still does not descend will never do


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """A ratings log by user, with the places of each item's ratings in it."""

    indptr: NDArray[np.int64]
    items: Ints
    values: Floats
    columns: Columns
    user_pieces: list[tuple[int, int]]
    item_pieces: list[tuple[int, int]]

    @property
    def user_counts(self) -> NDArray[np.int64]:
        """Ratings of each user."""
        return np.diff(self.indptr)

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """Ratings of each item."""
        return np.diff(self.columns.starts)


@final
@dataclass(frozen=True, kw_only=True)
class Descent:
    """Where gradient descent stands: the parameters, the velocity, the rate, and J there."""

    at: Biased
    velocity: Biased
    rate: float
    value: float


def table(indptr: NDArray, items: NDArray, values: NDArray, *, n_items: int) -> Table:
    """Prepare a CSR log (users x items) for gradient descent; pieces of work hold about equal ratings."""
    indptr = np.ascontiguousarray(indptr, dtype=np.int64)
    items = np.ascontiguousarray(items, dtype=np.int32)
    columns = columns_of(indptr, items, n_items)
    return Table(
        indptr=indptr,
        items=items,
        values=np.ascontiguousarray(values, dtype=np.float32),
        columns=columns,
        user_pieces=_even(indptr),
        item_pieces=_even(columns.starts),
    )


def _even(starts: NDArray[np.int64], count: int = 32) -> list[tuple[int, int]]:
    edges = np.searchsorted(starts, np.linspace(0, starts[-1], count + 1))
    edges[0], edges[-1] = 0, len(starts) - 1
    return [(a, b) for a, b in pairwise(edges.tolist()) if b > a]


def start_descent(log: Table, at: Biased, weight: Penalty, *, rate: float) -> Descent:
    """The first state: `at` as it is, no velocity, J computed."""
    still = Biased(mean=0.0, **{name: np.zeros_like(part) for name, part in at.arrays().items()})
    value = value_and_gradient(log, at, weight)[0]
    return Descent(at=at, velocity=still, rate=rate, value=value)


def descend(log: Table, state: Descent, weight: Penalty, *, momentum: float, first_rate: float) -> Descent:
    """One step that lowers J, or raises Diverged when even the shortest step does not.

    A state at rest (gradient 0) is returned as it is.
    """
    if not math.isfinite(state.value):
        raise _no_descent(state)
    gradient = value_and_gradient(log, state.at, weight)[1]
    if not any(part.any() for part in gradient.arrays().values()):
        return state
    rate, velocity = state.rate, state.velocity
    while rate > SMALLEST * first_rate:
        step = _mix(velocity, momentum, gradient, rate, mean=0.0)
        trial = _mix(state.at, 1.0, step, 1.0, mean=state.at.mean)
        value = squared_error(log, trial) + penalties(trial, weight, log.user_counts, log.item_counts)
        if math.isfinite(value) and value <= state.value:
            return Descent(at=trial, velocity=step, rate=rate * 1.05, value=value)
        rate, momentum = rate / 2, 0.0
    if _stationary(state, gradient):
        return state
    raise _no_descent(state)


def _stationary(state: Descent, gradient: Biased) -> bool:
    """Whether J cannot be told apart along the gradient in float32: the end, not an error."""
    largest = max(float(np.abs(part).max(initial=0)) for part in gradient.arrays().values())
    return largest < 1e-3


def _no_descent(state: Descent) -> Diverged:
    return Diverged(
        f"gradient descent finds no step that lowers the objective from {state.value:.6g} (rate {state.rate:.3g})",
        where="BiasedMF.fit, optimizer gd",
        mend="lower init_scale or learning_rate, and look for huge values in the log",
    )


def _mix(a: Biased, scale: float, b: Biased, factor: float, *, mean: float) -> Biased:
    """scale a + factor b, part by part, in float32."""
    theirs, s, f = b.arrays(), np.float32(scale), np.float32(factor)
    return Biased(mean=mean, **{name: s * part + f * theirs[name] for name, part in a.arrays().items()})


@cache
def _residual_kernel(columns: int) -> Callable[..., Any]:
    """Residuals of the users low to high, their sum of squares, and the user side's gradient over n."""

    @njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
    def residuals(low, high, indptr, items, values, x, y, b, c, mean, pull, bias_pull, errors, gx, gb):
        total = 0.0
        for u in range(low, high):
            n = indptr[u + 1] - indptr[u]
            if n == 0:
                continue
            sum_e = np.float64(0)
            for t in range(indptr[u], indptr[u + 1]):
                j = items[t]
                dot = x.dtype.type(0)
                for f in range(columns):
                    dot += x[u, f] * y[j, f]
                e = values[t] - (mean + b[u] + c[j] + dot)
                errors[t] = e
                total += np.float64(e) * np.float64(e)
                sum_e += e
                for f in range(columns):
                    gx[u, f] += e * y[j, f]
            for f in range(columns):
                gx[u, f] = gx[u, f] / n - pull * x[u, f]
            gb[u] = sum_e / n - bias_pull * b[u]
        return total

    return residuals


@cache
def _item_kernel(columns: int) -> Callable[..., Any]:
    """The item side's gradient over n, from the residuals."""

    @njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
    def items_side(low, high, starts, rows, places, x, y, c, pull, bias_pull, errors, gy, gc):
        for j in range(low, high):
            n = starts[j + 1] - starts[j]
            if n == 0:
                continue
            sum_e = np.float64(0)
            for k in range(starts[j], starts[j + 1]):
                u, e = rows[k], errors[places[k]]
                sum_e += e
                for f in range(columns):
                    gy[j, f] += e * x[u, f]
            for f in range(columns):
                gy[j, f] = gy[j, f] / n - pull * y[j, f]
            gc[j] = sum_e / n - bias_pull * c[j]

    return items_side


def _residuals(log: Table, at: Biased, weight: Penalty, errors, out: Biased) -> float:
    kernel, kind = _residual_kernel(at.user_factors.shape[1]), at.user_factors.dtype.type
    numbers = tuple(kind(v) for v in (at.mean, weight.factors, weight.bias))
    values = log.values.astype(kind, copy=False)

    def work(low: int, high: int) -> float:
        return kernel(
            low, high, log.indptr, log.items, values, at.user_factors, at.item_factors,
            at.user_bias, at.item_bias, *numbers, errors, out.user_factors, out.user_bias,
        )  # fmt: skip

    return float(sum(in_parallel(work, log.user_pieces)))


def squared_error(log: Table, at: Biased) -> float:
    """Σ (r - r̂)² over the log, summed in a fixed order."""
    kernel, kind = _loss_kernel(at.user_factors.shape[1]), at.user_factors.dtype.type
    values = log.values.astype(kind, copy=False)

    def work(low: int, high: int) -> float:
        return kernel(
            low, high, log.indptr, log.items, values,
            at.user_factors, at.item_factors, at.user_bias, at.item_bias, kind(at.mean),
        )  # fmt: skip

    return float(sum(in_parallel(work, log.user_pieces)))


@cache
def _loss_kernel(columns: int) -> Callable[..., Any]:
    @njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
    def loss(low, high, indptr, items, values, x, y, b, c, mean):
        total = 0.0
        for u in range(low, high):
            for t in range(indptr[u], indptr[u + 1]):
                j = items[t]
                dot = x.dtype.type(0)
                for f in range(columns):
                    dot += x[u, f] * y[j, f]
                e = values[t] - (mean + b[u] + c[j] + dot)
                total += np.float64(e) * np.float64(e)
        return total

    return loss


def value_and_gradient(log: Table, at: Biased, weight: Penalty) -> tuple[float, Biased]:
    """J, and the descent direction: -½ ∂J/∂θ of every row divided by the row's number of ratings.

    Rows without ratings have gradient 0. The factors may be float32 or float64 (the tests differentiate J).
    """
    out = Biased(mean=0.0, **{name: np.zeros_like(part) for name, part in at.arrays().items()})
    kind = at.user_factors.dtype.type
    errors = np.empty(len(log.items), at.user_factors.dtype)
    value = _residuals(log, at, weight, errors, out)
    kernel = _item_kernel(at.user_factors.shape[1])
    places = log.columns

    def work(low: int, high: int) -> None:
        kernel(
            low, high, places.starts, places.rows, places.places, at.user_factors, at.item_factors,
            at.item_bias, kind(weight.factors), kind(weight.bias), errors, out.item_factors, out.item_bias,
        )  # fmt: skip

    in_parallel(work, log.item_pieces)
    return value + penalties(at, weight, log.user_counts, log.item_counts), out
