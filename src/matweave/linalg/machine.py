"""Coordinate steps of a factorization machine over two blocks of features, those of users and those of items.

Row (u, j) of a log has the features of its user (an id of its own, and attributes) and those of its item, so that

    ŷ_uj = w0 + l_u + l_j + Σ_f [S_uf + S_jf + a_uf b_jf],     a_uf = v_uf + Σ_i z_ui v_if,   S_uf = ½ (a_uf² - q_uf),
    l_u = w_u + Σ_i z_ui w_i,   q_uf = v_uf² + Σ_i z_ui² v_if²;   b, l, S, q of items alike                (Rendle 2010)

In one coordinate v_if of a user's feature, all else fixed, ŷ is linear with slope h_uj = z_ui (c_u + b_jf), c_u = a_uf - z_ui v_if.
What Σ h² and Σ h e need of a user's rows are four sums, of e, e b, b and b²: `gather` makes them in one pass over the log, after which each
feature costs a step for each of its users, not for each of their rows (the block structure of Rendle 2013). `apply` brings the
errors e up to date in a second pass. A step is

    p = strength_i + α Σ h²,    v ← (strength_i mean_i + α Σ h (e + v h)) / p  + z_i / √p

the minimum where the normal z_i is 0 (alternating least squares: α = 1, mean 0), a draw where it is standard (Gibbs).

Cost        A pass over the log and one over the features for each side and factor; parallel over users, the numbers do not
            depend on threads: features follow one another in their order.
Checked by  tests/linalg/test_machine.py: against a machine over the whole design matrix, coordinate by coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from matweave.threads import in_parallel

Doubles = NDArray[np.float64]

_FAST = {"reassoc", "contract", "nsz"}
_PIECES = 32


@njit(nogil=True, cache=True, fastmath=_FAST)
def _gather(indptr, columns, place, errors, other, sums, low, high):  # pragma: no cover
    for u in range(low, high):
        e_sum = eb = b_sum = bb = 0.0
        for k in range(indptr[u], indptr[u + 1]):
            e, b = errors[place[k]], other[columns[k]]
            e_sum += e
            eb += e * b
            b_sum += b
            bb += b * b
        sums[u, 0], sums[u, 1], sums[u, 2], sums[u, 3] = e_sum, eb, b_sum, bb


@njit(nogil=True, cache=True, fastmath=_FAST)
def _apply(indptr, columns, place, errors, other, shift, slope, low, high):  # pragma: no cover
    for u in range(low, high):
        for k in range(indptr[u], indptr[u + 1]):
            errors[place[k]] -= shift[u] + slope[u] * other[columns[k]]


@njit(nogil=True, cache=True)
def _own(counts, sums, a, q, v, mean, strength, alpha, normals, low, high):  # pragma: no cover
    """The features of one id each: z = 1."""
    for u in range(low, high):
        c, n = a[u] - v[u], counts[u]
        e, eb, b, bb = sums[u, 0], sums[u, 1], sums[u, 2], sums[u, 3]
        hh = c * c * n + 2 * c * b + bb
        p = strength[u] + alpha * hh
        if p <= 0:
            continue
        new = (strength[u] * mean[u] + alpha * (c * e + eb + v[u] * hh)) / p + normals[u] / np.sqrt(p)
        step = new - v[u]
        q[u] += new * new - v[u] * v[u]
        a[u] += step
        v[u] = new
        sums[u, 0] -= step * (c * n + b)
        sums[u, 1] -= step * (c * b + bb)


@njit(nogil=True, cache=True)
def _shared(indptr, rows, z, counts, sums, a, q, v, mean, strength, alpha, normals):  # pragma: no cover
    """Features of several ids, one after the other."""
    for i in range(len(indptr) - 1):
        old, hh, he = v[i], 0.0, 0.0
        for t in range(indptr[i], indptr[i + 1]):
            u, x = rows[t], np.float64(z[t])
            c = a[u] - old * x
            hh += x * x * (c * c * counts[u] + 2 * c * sums[u, 2] + sums[u, 3])
            he += x * (c * sums[u, 0] + sums[u, 1])
        p = strength[i] + alpha * hh
        if p <= 0:
            continue
        new = (strength[i] * mean[i] + alpha * (he + old * hh)) / p + normals[i] / np.sqrt(p)
        step, squares = new - old, new * new - old * old
        v[i] = new
        for t in range(indptr[i], indptr[i + 1]):
            u, x = rows[t], np.float64(z[t])
            c = a[u] - old * x
            a[u] += step * x
            q[u] += x * x * squares
            sums[u, 0] -= step * x * (c * counts[u] + sums[u, 2])
            sums[u, 1] -= step * x * (c * sums[u, 2] + sums[u, 3])


@njit(nogil=True, cache=True)
def _own_linear(counts, sums, l, w, mean, strength, alpha, normals):  # pragma: no cover
    for u in range(len(w)):
        p = strength[u] + alpha * counts[u]
        if p <= 0:
            continue
        new = (strength[u] * mean[u] + alpha * (sums[u, 0] + w[u] * counts[u])) / p + normals[u] / np.sqrt(p)
        l[u] += new - w[u]
        sums[u, 0] -= (new - w[u]) * counts[u]
        w[u] = new


@njit(nogil=True, cache=True)
def _shared_linear(indptr, rows, z, counts, sums, l, w, mean, strength, alpha, normals):  # pragma: no cover
    for i in range(len(indptr) - 1):
        hh, he = 0.0, 0.0
        for t in range(indptr[i], indptr[i + 1]):
            x = np.float64(z[t])
            hh += x * x * counts[rows[t]]
            he += x * sums[rows[t], 0]
        p = strength[i] + alpha * hh
        if p <= 0:
            continue
        new = (strength[i] * mean[i] + alpha * (he + w[i] * hh)) / p + normals[i] / np.sqrt(p)
        step = new - w[i]
        w[i] = new
        for t in range(indptr[i], indptr[i + 1]):
            l[rows[t]] += step * z[t]
            sums[rows[t], 0] -= step * z[t] * counts[rows[t]]


@njit(nogil=True, cache=True, fastmath=_FAST)
def _errors(indptr, columns, values, a, b, left, right, out, low, high):  # pragma: no cover
    """out = values - (left_u + right_j + a_u·b_j); a (users, d), b (items, d)."""
    for u in range(low, high):
        for k in range(indptr[u], indptr[u + 1]):
            j, dot = columns[k], 0.0
            for f in range(a.shape[1]):
                dot += a[u, f] * b[j, f]
            out[k] = values[k] - (left[u] + right[j] + dot)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Normals:
    """What the coordinates of one side and one factor are drawn from: of ids (n,) and of shared features (D,).

    mean, strength: of each coordinate's prior. noise: standard normals for a draw, zeros for the minimum.
    """

    own_mean: Doubles
    own_strength: Doubles
    own_noise: Doubles
    mean: Doubles
    strength: Doubles
    noise: Doubles


@final
class MachineSide:
    """One block of features over the log: ids of its own, and `design` (D x n), the ids of each shared feature with z.

    table: the rows of each id over the other side's codes; place: where the error of each of its entries stands.

    >>> table = sp.csr_array(np.array([[1, 1], [0, 1]]))
    >>> side = MachineSide(table, np.arange(3), sp.csr_array(np.ones((1, 2))))
    >>> side.counts.tolist(), side.features
    ([2.0, 1.0], 1)
    """

    def __init__(self, table: sp.csr_array, place: np.ndarray, design: sp.csr_array) -> None:
        self.rows, self.columns = _shape(table)
        self.indptr, self.indices = table.indptr.astype(np.int64), table.indices.astype(np.int32)
        self.place = place.astype(np.int64)
        self.counts = np.diff(self.indptr).astype(np.float64)
        self.design = design
        self.features = _shape(design)[0]
        self.shared = (
            design.indptr.astype(np.int64),
            design.indices.astype(np.int32),
            design.data.astype(np.float32),
        )
        edges = np.searchsorted(self.indptr, np.linspace(0, table.nnz, _PIECES + 1)[1:-1])
        marks = np.unique([0, *edges.tolist(), self.rows])
        self.pieces = list(zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True))

    @property
    def weights(self) -> Doubles:
        """Rows in which each shared feature stands, (D,)."""
        there = self.design.copy()
        there.data = (there.data != 0).astype(np.float64)
        return there @ self.counts

    def linear(
        self, errors: Doubles, l: Doubles, own: Doubles, shared: Doubles, alpha: float, given: Normals
    ) -> None:
        """One step of every linear weight; l, own, shared and errors are brought up to date in place."""
        nothing = np.zeros(self.columns)
        sums, before = self._gathered(errors, nothing), l.copy()
        _own_linear(self.counts, sums, l, own, given.own_mean, given.own_strength, alpha, given.own_noise)
        _shared_linear(
            *self.shared, self.counts, sums, l, shared,
            given.mean, given.strength, alpha, given.noise,
        )  # fmt: skip
        self._applied(errors, nothing, l - before, np.zeros_like(l))

    def factor(
        self,
        errors: Doubles,
        a: Doubles,
        q: Doubles,
        own: Doubles,
        shared: Doubles,
        other: Doubles,
        alpha: float,
        given: Normals,
    ) -> None:
        """One step of every coordinate of one factor; other (columns,): that factor of the other side.

        a, q, own, shared and errors are brought up to date in place.
        """
        sums, before, within = self._gathered(errors, other), a.copy(), a * a - q

        def ids(low: int, high: int) -> None:
            _own(
                self.counts, sums, a, q, own, given.own_mean, given.own_strength, alpha,
                given.own_noise, low, high,
            )  # fmt: skip

        in_parallel(ids, self.pieces)
        _shared(
            *self.shared, self.counts, sums, a, q, shared,
            given.mean, given.strength, alpha, given.noise,
        )  # fmt: skip
        self._applied(errors, other, 0.5 * (a * a - q - within), a - before)

    def _gathered(self, errors: Doubles, other: Doubles) -> Doubles:
        sums = np.empty((self.rows, 4))

        def work(low: int, high: int) -> None:
            _gather(self.indptr, self.indices, self.place, errors, other, sums, low, high)

        in_parallel(work, self.pieces)
        return sums

    def _applied(self, errors: Doubles, other: Doubles, shift: Doubles, slope: Doubles) -> None:
        def work(low: int, high: int) -> None:
            _apply(self.indptr, self.indices, self.place, errors, other, shift, slope, low, high)

        in_parallel(work, self.pieces)

    def sums(self, own: Doubles, shared: Doubles) -> tuple[Doubles, Doubles]:
        """a and q (d, n) from coordinates of ids (d, n) and of shared features (d, D)."""
        z = self.design.astype(np.float64)
        return own + shared @ z, own * own + (shared * shared) @ z.power(2)


def _shape(matrix: sp.csr_array) -> tuple[int, int]:
    assert matrix.shape is not None  # SciPy's stubs allow it
    return int(matrix.shape[0]), int(matrix.shape[1])


def errors_of(
    table: sp.csr_array, values: Doubles, a: Doubles, b: Doubles, left: Doubles, right: Doubles
) -> Doubles:
    """values - (left_u + right_j + Σ_f a_fu b_fj) for every entry of a table; a (d, users), b (d, items).

    >>> table = sp.csr_array(np.array([[1, 1]]))
    >>> errors_of(table, np.array([3.0, 3.0]), np.ones((1, 1)), np.array([[1.0, 2.0]]), np.zeros(1), np.zeros(2))
    array([2., 1.])
    """
    out = np.empty(table.nnz)
    left_rows, right_rows = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    edges = np.linspace(0, _shape(table)[0], _PIECES + 1).astype(np.int64)

    def work(low: int, high: int) -> None:
        _errors(table.indptr, table.indices, values, left_rows, right_rows, left, right, out, low, high)

    in_parallel(work, list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)))
    return out
