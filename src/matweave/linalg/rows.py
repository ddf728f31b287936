"""Many small ridge systems that share one table of vectors: the half-step of every alternating method.

Row u has columns k in K(u) with weights a_uk >= 0 and targets b_uk. Given the columns' vectors y_k, find

    x_u = argmin_x  f_u(x),    f_u(x) = Σ_k (a_uk s_k² - 2 b_uk s_k) + ω Σ_all s_j² + ρ_u |x|²,    s = y·x
        = (Σ_k a_uk y_k y_kᵀ + ω G + ρ_u I)⁻¹ Σ_k b_uk y_k,    G = Σ_all y_j y_jᵀ

With `pull`, rows of p_u, each f_u also has the term - 2 p_u·x, and its solution p_u added to Σ b y: what a side of the model that
every row shares (its curvature is a part of ω G) says of this row alone, such as attributes (factor/collective.py).

A squared loss with target r and weight w is a = w, b = w r, up to Σ w r². With `Vectors.bias` on both sides the
score is s = x·y + b_u + c_k: the shift by c_k goes into the targets, b_u is one more unknown with its own ridge.

How to solve is one of the classes below; all write the solution into `own` and answer Σ_u f_u(x_u), exactly for
the x_u that they leave (up to float32 sums), so convergence costs no pass of its own.

| solver | cost of a row of n columns, rank d | |
|---|---|---|
| `ConjugateGradient` | 4 (steps + 1) n d | warm start; d + rotation of both tables, see rows_cg.py |
| `Cholesky` | n d² + d³/3 | exact; rows_cholesky.py |
| `BlockDescent` | n d size + d size²/3 + 4 n d | iALS++, exact in each block; rows_block.py |

Sources: Hu, Koren, Volinsky 2008 (eq. 4); Zhou et al. 2008 (ALS-WR); Rendle et al. 2021, arXiv 2110.14037 and
2110.14044. Rows are independent, so the numbers do not depend on threads. Checked against dense NumPy solutions
(tests/linalg/test_rows*.py), and by the slow twins of the two ALS methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from matweave.linalg.simd import ROWS
from matweave.linalg.vectors import Floats, Vectors, aligned
from matweave.threads import in_parallel

_PIECES = 24
_TILE = 1 << 22  # floats in a thread's tile (16 MB); a longer row is gathered part by part

Problem = tuple[
    NDArray[np.int64], NDArray[np.int32], Floats, int, Floats, int, Floats, Floats, Floats, Floats
]
"""What every kernel reads and writes: indptr, indices, a, its stride, b, its stride, other, own, own biases, ridge."""


@njit(nogil=True, cache=True)
def _pad(indptr, indices, empty, padded):  # pragma: no cover
    out = np.full(padded[-1], empty, np.int32)
    for u in range(len(indptr) - 1):
        n = indptr[u + 1] - indptr[u]
        out[padded[u] : padded[u] + n] = indices[indptr[u] : indptr[u + 1]]
    return out


@njit(nogil=True, cache=True)
def _pad_values(indptr, values, padded):  # pragma: no cover
    out = np.zeros(padded[-1], np.float32)
    for u in range(len(indptr) - 1):
        n = indptr[u + 1] - indptr[u]
        out[padded[u] : padded[u] + n] = values[indptr[u] : indptr[u + 1]]
    return out


@njit(nogil=True, cache=True)
def _shift(indices, a, b, bias, out, low, high):  # pragma: no cover
    for k in range(low, high):
        out[k] = b[k] - a[k] * bias[indices[k]]


@final
class Scratch:
    """Buffers that threads borrow, so that no row and no piece allocates; kept between half-steps."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free: SimpleQueue[Floats] = SimpleQueue()

    @contextmanager
    def borrow(self) -> Iterator[Floats]:
        try:
            buffer = self._free.get_nowait()
        except Empty:
            buffer = aligned(self.size)
        yield buffer
        self._free.put(buffer)


@final
class RowSystems:
    """The rows of one side: sparse, each padded to a multiple of four, and the order to solve them in.

    `weights` (a) and `targets` (b) are one float for all entries, or one per entry of the CSR.

    >>> s = RowSystems(np.array([0, 2, 3]), np.array([0, 2, 1], np.int32), 3, weights=1.0, targets=1.0)
    >>> s.n_rows, s.counts.tolist(), s.mass.tolist()
    (2, [2, 1], [2.0, 1.0])
    """

    def __init__(
        self,
        indptr: NDArray[np.integer],
        indices: NDArray[np.integer],
        n_columns: int,
        *,
        weights: float | NDArray,
        targets: float | NDArray,
    ) -> None:
        given = np.ascontiguousarray(indptr, np.int64)
        self.n_rows, self.n_columns = len(given) - 1, n_columns
        self.counts = np.diff(given)
        self.indptr = np.zeros(self.n_rows + 1, np.int64)
        np.cumsum(-(-self.counts // ROWS) * ROWS, out=self.indptr[1:])
        self.indices = _pad(given, np.ascontiguousarray(indices, np.int32), n_columns, self.indptr)
        self._given = given
        self.a, self.a_stride = self._laid(weights)
        self.b, self.b_stride = self._laid(targets)
        if isinstance(weights, np.ndarray):
            self.mass = np.add.reduceat(np.append(weights, 0.0), given[:-1]) * (self.counts > 0)
        else:
            self.mass = self.counts * float(weights)
        self.mass = self.mass.astype(np.float32)
        self.order = np.argsort(-self.counts, kind="stable")
        self.pieces = self._cut()
        self.longest = int(self.counts.max(initial=0))
        self._scratch: dict[int, Scratch] = {}

    @cached_property
    def _real(self) -> Floats:
        """1 for an entry, 0 for padding."""
        return (self.indices < self.n_columns).astype(np.float32)

    @cached_property
    def entry_weights(self) -> Floats:
        """A weight for every entry, zero for padding: where vectors have a constant 1, padding must weigh nothing."""
        return self.a if self.a_stride else self.a[0] * self._real

    @cached_property
    def popular(self) -> NDArray[np.int64]:
        """How many rows hold each column, (n_columns,)."""
        return np.bincount(self.indices, minlength=self.n_columns + 1)[: self.n_columns]

    def scratch(self, size: int) -> Scratch:
        """The buffers of `size` floats that the kernels of these rows borrow."""
        return self._scratch.setdefault(size, Scratch(size))

    def _laid(self, given: float | NDArray) -> tuple[Floats, int]:
        if isinstance(given, np.ndarray):
            return _pad_values(self._given, np.ascontiguousarray(given, np.float32), self.indptr), 1
        return np.full(ROWS, given, np.float32), 0

    def _cut(self) -> list[tuple[int, int]]:
        """Runs of `order` of about equal cost, the longest rows first."""
        cost = np.cumsum(self.counts[self.order] + 16)
        marks = np.searchsorted(cost, cost[-1] * np.arange(1, _PIECES) / _PIECES) if len(cost) else []
        edges = np.unique([0, *marks, self.n_rows])
        return list(pairwise(edges.tolist()))

    def shifted(self, bias: Floats) -> tuple[Floats, float]:
        """b - a bias[column] for every entry, and Σ a r² of the shifted targets r (for weights of 1: Σ b²)."""
        b = self.b if self.b_stride else self.b[0] * self._real
        out = np.empty(len(self.indices), np.float32)
        edges = np.linspace(0, len(out), 9).astype(np.int64)

        def work(low: int, high: int) -> float:
            _shift(self.indices, self.entry_weights, b, bias, out, low, high)
            part = out[low:high]
            return float(part @ part)

        total = sum(in_parallel(work, pairwise(edges.tolist())))
        return out, float(total)


def tile_rows(systems: RowSystems, width: int) -> int:
    """Vectors that a tile holds: the longest row, or 16 MB of them."""
    most = max(_TILE // width, ROWS) // ROWS * ROWS
    return min(max(-(-systems.longest // ROWS), 1) * ROWS, most)


class RowSolver(ABC):
    """How the rows are solved; see the classes of rows_cg.py, rows_cholesky.py and rows_block.py."""

    def gram(self, vectors: Vectors) -> NDArray[np.float64]:
        """Σ v vᵀ, (rank, rank), where the rows are solved."""
        return vectors.gram()

    @abstractmethod
    def step(
        self,
        systems: RowSystems,
        other: Vectors,
        own: Vectors,
        *,
        ridge: NDArray,
        shared: NDArray | None = None,
        bias_ridge: NDArray | None = None,
        pull: Vectors | None = None,
    ) -> float:
        """Solve every row into `own`; Σ_u f_u, plus Σ a r² of the shifted targets where there are biases.

        systems: n_rows rows over other.n columns; other: the columns' vectors; own: n_rows vectors, also the
        warm start; ridge: (n_rows,) ρ_u >= 0; shared: ω G, (rank, rank), None for zero; bias_ridge: (n_rows,),
        where both sides are biased; pull: n_rows vectors p_u, None for zero. A solver that turns other and own turns it too.
        """


def on_device(solver: RowSolver, device: str) -> RowSolver:
    """The solver itself for "cpu", the compiled kernels; the same on torch (extra `deep`) for "cuda", "cuda:1", or "torch", its CPU.

    Raises ConfigError for a device that is not there, MissingExtra without torch.

    >>> on_device(None, "cpu") is None
    True
    """
    if device == "cpu":
        return solver
    from matweave.linalg.rows_torch import OnTorch  # only here, so that the core needs no torch

    return OnTorch(solver=solver, device="cpu" if device == "torch" else device)


def a_device(value: object) -> str | None:
    """A check of the setting: what the value must be, None where it is.

    >>> a_device("cuda:0"), a_device("gpu")
    (None, 'cpu (compiled kernels), cuda (torch, a card), or torch (its CPU)')
    """
    good = value in ("cpu", "torch", "cuda") or (
        isinstance(value, str) and value.startswith("cuda:") and value[5:].isdecimal()
    )
    return None if good else "cpu (compiled kernels), cuda (torch, a card), or torch (its CPU)"


_NOTHING = np.zeros((1, 1), np.float32)


def pulled(pull: Vectors | None) -> Floats:
    """What a kernel reads of p: its padded rows, or nothing that it would read.

    >>> pulled(None).shape, pulled(Vectors(2, 3)).shape
    ((1, 1), (3, 16))
    """
    return _NOTHING if pull is None else pull.data


def run(
    systems: RowSystems,
    other: Vectors,
    own: Vectors,
    ridge: NDArray,
    scratch: int,
    kernel: Callable[..., None],
    *settings: object,
) -> float:
    """Call the kernel on every piece of the rows, with a buffer of `scratch` floats; Σ_u f_u and the biases' constant."""
    a, a_stride, b, b_stride, constant = systems.a, systems.a_stride, systems.b, systems.b_stride, 0.0
    if other.bias is not None:
        (b, constant), a, a_stride, b_stride = systems.shifted(other.bias), systems.entry_weights, 1, 1
    objective = np.zeros(systems.n_rows)
    biases = own.bias if own.bias is not None else np.zeros(1, np.float32)
    problem: Problem = (
        systems.indptr,
        systems.indices,
        a,
        a_stride,
        b,
        b_stride,
        other.data,
        own.data,
        biases,
        np.ascontiguousarray(ridge, np.float32),
    )

    def work(low: int, high: int) -> None:
        with systems.scratch(scratch).borrow() as buffer:
            kernel(*problem, *settings, systems.order[low:high], buffer, objective)

    in_parallel(work, systems.pieces)
    return float(objective.sum()) + constant
