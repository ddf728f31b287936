"""Nonnegative factorization of a sparse table, X ≈ U Fᵀ with U, F >= 0: half-steps that never raise the objective.

Objective   D(X, U Fᵀ) + Σ_rows first |row|₁ + second |row|² / 2, over the rows of U and F, with
            frobenius  D = ½ Σ (x - x̂)²                          kl  D = Σ x ln(x / x̂) - x + x̂
            over all cells ("zeros": a cell without an entry is 0, and is never made: Gram matrices and column sums stand for them),
            or over the entries alone ("masked"), where the row's weights are times its number of entries.
Step        `HalfStep.step` improves every row of one side by coordinate descent or multiplicative updates, the other side fixed: see
            linalg/nonnegative_kernels.py. Rows are independent, so the numbers do not depend on the number of threads.
Sources     Lee & Seung 2001; Cichocki & Phan 2009 (HALS); Hsieh & Dhillon 2011 (coordinate steps for both losses);
            Gillis & Glineur 2012 (several sweeps for one product with X).
Checked by  tests/linalg/test_nonnegative.py: dense float64 twins for every combination, monotone objectives, known minima.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

from matweave.linalg import nonnegative_kernels as kernels
from matweave.linalg.sgd import width
from matweave.randomness import child
from matweave.threads import in_parallel

Floats = NDArray[np.float32]

LOSSES = ("frobenius", "kl")
SOLVERS = ("coordinate", "multiplicative")
MISSING = ("zeros", "masked")

_KERNELS = {
    ("frobenius", "coordinate", "zeros"): kernels.gram_coordinate,
    ("frobenius", "multiplicative", "zeros"): kernels.gram_multiplicative,
    ("frobenius", "coordinate", "masked"): kernels.seen_coordinate,
    ("frobenius", "multiplicative", "masked"): kernels.seen_multiplicative,
    ("kl", "coordinate", "zeros"): kernels.kl_coordinate,
    ("kl", "multiplicative", "zeros"): kernels.kl_multiplicative,
    ("kl", "coordinate", "masked"): kernels.kl_coordinate,
    ("kl", "multiplicative", "masked"): kernels.kl_multiplicative,
}

_PIECES = 24
_STRIPE = 2048


@final
@dataclass(frozen=True, kw_only=True)
class HalfStep:
    """How one side is improved. first, second: weights of |row|₁ and |row|²/2, times the row's entries where masked.

    sweeps: passes over the coordinates of a row at most; tolerance: a row ends when none moved more, relatively.
    """

    loss: str = "frobenius"
    solver: str = "coordinate"
    missing: str = "zeros"
    first: float = 0.0
    second: float = 0.0
    sweeps: int = 1
    tolerance: float = 0.0

    def step(self, indptr: NDArray, indices: NDArray, values: Floats, other: Floats, own: Floats) -> float:
        """Improve `own` (rows, width) in place; other (columns, width), width a multiple of 16, zeros where padded.

        Answers the objective at the result, without what is constant here: `constant`, and the other side's `penalty`.
        """
        indptr = np.ascontiguousarray(indptr, np.int64)
        counts = np.diff(indptr)
        scale = counts.astype(np.float32) if self.missing == "masked" else np.ones(len(counts), np.float32)
        shared = self._shared(other)
        kernel = _KERNELS[self.loss, self.solver, self.missing]
        tiled = self.solver == "coordinate" and (self.loss == "kl" or self.missing == "masked")
        table = indptr, np.ascontiguousarray(indices, np.int32).view(np.uint32), values, other, own
        first, second = np.float32(self.first) * scale, np.float32(self.second) * scale
        parts = np.zeros(len(counts))

        def work(low: int, high: int) -> None:
            longest = int(counts[low:high].max(initial=0)) if tiled else 0
            tile = np.empty((other.shape[1] + 1) * longest, np.float32)
            kernel(
                *table, first, second, self.sweeps, np.float32(self.tolerance), low, high, parts, shared, tile
            )

        in_parallel(work, _pieces(counts))
        return float(parts.sum())

    def constant(self, values: Floats) -> float:
        """What the entries alone add to the objective."""
        v = values.astype(np.float64)
        if self.loss == "kl":
            return float((v[v > 0] * np.log(v[v > 0])).sum() - v.sum())
        return 0.0 if self.missing == "masked" else 0.5 * float((v * v).sum())

    def penalty(self, own: Floats, counts: NDArray) -> float:
        """The penalty of one side; counts: entries of its rows."""
        sums = own.sum(axis=1, dtype=np.float64)
        squares = np.einsum("nf,nf->n", own, own).astype(np.float64)
        each = self.first * sums + 0.5 * self.second * squares
        return float((counts * each if self.missing == "masked" else each).sum())

    def _shared(self, other: Floats) -> Floats:
        """What stands for all cells of a row at once: G for squares, a for KL; empty where only entries count."""
        columns = other.shape[1]
        if self.missing == "masked":
            return np.empty((0, columns), np.float32)
        stripes = [(low, min(low + _STRIPE, len(other))) for low in range(0, len(other), _STRIPE)]
        if self.loss == "kl":
            return other.sum(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
        total = np.zeros((columns, columns))
        for product in in_parallel(lambda low, high: other[low:high].T @ other[low:high], stripes):
            total += product
        return total.astype(np.float32)


def _pieces(counts: NDArray) -> list[tuple[int, int]]:
    """Runs of rows of about equal cost, whatever the number of threads."""
    cost = np.cumsum(counts + 32)
    marks = np.searchsorted(cost, cost[-1] * np.arange(1, _PIECES) / _PIECES) if len(cost) else []
    return list(pairwise(np.unique([0, *marks, len(counts)]).tolist()))


def drawn(n: int, rank: int, *, size: float, seed: int, name: str) -> Floats:
    """A positive first side (n, width): |normal| entries whose products over the rank are about `size`.

    >>> side = drawn(4, 2, size=1.0, seed=0, name="users")
    >>> side.shape, bool((side[:, :2] > 0).all()), bool(side[:, 2:].any())
    ((4, 16), True, False)
    """
    rows = np.zeros((n, width(rank)), np.float32)
    rows[:, :rank] = np.abs(child(seed, "nonnegative", name).standard_normal((n, rank), np.float32))
    rows[:, :rank] += np.float32(1e-4)  # a zero would stay one under multiplicative updates
    return rows * np.float32(np.sqrt(size / rank))
