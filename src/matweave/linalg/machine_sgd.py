"""Stochastic gradient steps of a factorization machine over two blocks of features; the model is that of machine.py.

For one row with error e = y - ŷ, a and b the sums of its user's and its item's features, and every feature i of the row with value z_i:

    w0 += γ e      w_i += γ (e z_i - λ_w w_i)      v_if += γ (e z_i (a_f + b_f - z_i v_if) - λ v_if)

all from the same a and b (Rendle 2010): half the gradient of e² + λ |v_i|² + λ_w w_i² over the row's features.
Rows follow one another in the order given, on one thread: features shared by many rows leave no two rows apart.

Cost        4 rank operations for each feature of each row.
Checked by  tests/linalg/test_machine_sgd.py: numerical gradients of the whole-matrix machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SideWeights:
    """One side's weights: of ids w (n,) and v (n, d), of shared features w (D,) and v (D, d); float64, written in place."""

    own_linear: Doubles
    own: Doubles
    linear: Doubles
    shared: Doubles


@njit(nogil=True, cache=True)
def _summed(at, w, v, indptr, index, z, fw, fv, total):  # pragma: no cover
    """total = Σ z v of one id's features; their linear part and pairs among them."""
    d = len(total)
    line, squares = w[at], 0.0
    for f in range(d):
        total[f] = v[at, f]
        squares += v[at, f] * v[at, f]
    for t in range(indptr[at], indptr[at + 1]):
        i, x = index[t], np.float64(z[t])
        line += x * fw[i]
        for f in range(d):
            total[f] += x * fv[i, f]
            squares += x * x * fv[i, f] * fv[i, f]
    for f in range(d):
        line += 0.5 * total[f] * total[f]
    return line - 0.5 * squares


@njit(nogil=True, cache=True)
def _stepped(at, w, v, indptr, index, z, fw, fv, both, e, rate, pull, linear_pull):  # pragma: no cover
    w[at] += rate * (e - linear_pull * w[at])
    for f in range(len(both)):
        v[at, f] += rate * (e * (both[f] - v[at, f]) - pull * v[at, f])
    for t in range(indptr[at], indptr[at + 1]):
        i, x = index[t], np.float64(z[t])
        if x == 0.0:
            continue
        fw[i] += rate * (e * x - linear_pull * fw[i])
        for f in range(len(both)):
            fv[i, f] += rate * (e * x * (both[f] - x * fv[i, f]) - pull * fv[i, f])


@njit(nogil=True, cache=True)
def _rows(
    order, users, items, y, w0, user, user_z, item, item_z, rate, pull, linear_pull
):  # pragma: no cover
    d = user[1].shape[1]
    a, b, both = np.empty(d), np.empty(d), np.empty(d)
    for t in order:
        u, j = users[t], items[t]
        guess = w0[0]
        guess += _summed(u, user[0], user[1], user_z[0], user_z[1], user_z[2], user[2], user[3], a)
        guess += _summed(j, item[0], item[1], item_z[0], item_z[1], item_z[2], item[2], item[3], b)
        for f in range(d):
            guess += a[f] * b[f]
            both[f] = a[f] + b[f]
        e = y[t] - guess
        w0[0] += rate * e
        _stepped(
            u,
            user[0],
            user[1],
            user_z[0],
            user_z[1],
            user_z[2],
            user[2],
            user[3],
            both,
            e,
            rate,
            pull,
            linear_pull,
        )
        _stepped(j, item[0], item[1], item_z[0], item_z[1], item_z[2], item[2], item[3], both, e, rate, pull, linear_pull)  # fmt: skip


def sgd_epoch(
    order: np.ndarray,
    users: np.ndarray,
    items: np.ndarray,
    values: Doubles,
    w0: Doubles,
    sides: tuple[SideWeights, SideWeights],
    designs: tuple[sp.csr_array, sp.csr_array],
    *,
    rate: float,
    regularization: float,
    linear_regularization: float,
) -> None:
    """Steps over the rows in `order`, in place. designs: ids x shared features, of users and of items; w0 (1,).

    >>> side = lambda: SideWeights(own_linear=np.zeros(1), own=np.zeros((1, 1)), linear=np.zeros(0), shared=np.zeros((0, 1)))
    >>> w0, none = np.zeros(1), sp.csr_array((1, 0))
    >>> sgd_epoch(np.array([0]), np.array([0]), np.array([0]), np.array([2.0]), w0, (side(), side()), (none, none),
    ...           rate=0.5, regularization=0.0, linear_regularization=0.0)
    >>> w0
    array([1.])
    """
    told = [(s.own_linear, s.own, s.linear, s.shared) for s in sides]
    read = [
        (d.indptr.astype(np.int64), d.indices.astype(np.int32), d.data.astype(np.float32)) for d in designs
    ]
    _rows(
        order, users, items, values, w0, told[0], read[0], told[1], read[1], rate, regularization,
        linear_regularization,
    )  # fmt: skip
