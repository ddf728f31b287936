"""The squared loss of X_k ≈ W H_k Wᵀ + A_k over all cells of many relations, with no relation ever made dense.

    L = Σ_cells w (x - m)² + ω Σ_rest m²,   m = w_aᵀ H_k w_b + μ_k + b_a + c_b

cells: those of triples, and those that a log lists as known or unknown; rest: all others, zeros of weight ω (ω = 0:
unknown). Where all weights are one this is ‖X - M‖², and sparse products suffice. Otherwise L is majorized exactly at
the last fit M' (Kiers 1997, weighted least squares by majorization): with all weights over the largest,

    L(M) <= ‖X̃ - M‖² + constant,   X̃ = M' + w∘(X - M') = (1 - ω) M' + S,   S sparse over the cells

with equality at M = M', so a step that lowers the right side lowers L. X̃ is a sparse part and a part of low rank:
every product below costs 2 nnz r + O(n r²) for each relation.

    pull  Σ_k X̃_k W H_kᵀ + X̃_kᵀ W H_k  (n, r)       seen  Wᵀ X̃_k W  (K, r, r)        both with A_k taken off X̃_k

Relations are handled in pieces that the data fix, so any number of threads gives the same numbers.
Checked by  tests/factor/test_relation_squares.py against dense arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

import numpy as np

from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.linalg.slices import Slices
from matweave.threads import in_parallel

_PIECES = 8
ROUNDING = 1e-6
"""Of Σ x²: what single precision may leave of a loss that is zero."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Bilinear:
    """factors W (n, r), cores H (K, r, r) float32; means (K,), heads and tails (K or 1, n) float64, or None for no A."""

    factors: np.ndarray
    cores: np.ndarray
    means: np.ndarray | None = None
    heads: np.ndarray | None = None
    tails: np.ndarray | None = None

    def additive(self, k: int) -> tuple[float, np.ndarray, np.ndarray]:
        """μ_k, b and c of relation k; zeros where there are none."""
        nothing = np.zeros(len(self.factors))
        mean = 0.0 if self.means is None else float(self.means[k])
        b = nothing if self.heads is None else self.heads[k % len(self.heads)]
        c = nothing if self.tails is None else self.tails[k % len(self.tails)]
        return mean, b, c


@final
class Squares:
    """The cells of a log as the loss sees them. weights (n triples,) >= 0 or None; unobserved_weight ω of cells without a triple.

    scale: the largest weight. square: Σ x². rounding: what is nothing in the objective's units.
    """

    def __init__(
        self, train: Relations, weights: np.ndarray | None, unobserved_weight: float, method: str
    ) -> None:
        self.n, self.count = len(train.entities), len(train.kinds)
        numbers, self.x, w, rest = listed_cells(train, checked(weights, train, method), unobserved_weight)
        heads, kinds, tails = train.places(numbers)
        self.scale = max(float(w.max(initial=0)), rest) or 1.0
        self.w, self.rest = (w / self.scale).astype(np.float32), rest / self.scale
        self.plain = self.rest == 1.0 and bool((self.w == 1).all())
        self.ahead = Slices(kinds, heads, tails, self.count)
        self.back = Slices(kinds, tails, heads, self.count)
        self.heads, self.kinds, self.tails = heads, kinds, tails
        self.square = float(np.square(self.x, dtype=np.float64).sum())
        self.rounding = ROUNDING * self.scale * max(self.square, 1e-30)
        self._values = self.x
        self._old: Bilinear | None = None
        self._fitted: tuple[tuple[np.ndarray | None, ...], np.ndarray] | None = None
        self._kept: tuple[np.ndarray | None, np.ndarray] = (None, self.x)
        cost = np.cumsum(np.diff(self.ahead.ends) + np.diff(self.back.ends) + 16)
        marks = np.searchsorted(cost, cost[-1] * np.arange(1, _PIECES) / _PIECES)
        self._pieces = list(pairwise(np.unique([0, *marks, self.count]).tolist()))

    def fitted(self, model: Bilinear) -> np.ndarray:
        """m of every cell, (cells,) float32."""
        parts = (model.factors, model.cores, model.means, model.heads, model.tails)
        if self._fitted is None or any(a is not b for a, b in zip(self._fitted[0], parts, strict=True)):
            first = np.empty((len(self.ahead.rows), model.factors.shape[1]), np.float32)

            def work(low: int, high: int) -> None:
                for k in range(low, high):
                    cut = slice(self.ahead.ends[k], self.ahead.ends[k + 1])
                    first[cut] = self._of(model.factors, self.ahead, k) @ model.cores[k]

            in_parallel(work, self._pieces)
            found = np.empty(len(self.x), np.float32)
            found[self.ahead.order] = self.ahead.pairs(first, model.factors)
            if model.means is not None:
                found += model.means[self.kinds].astype(np.float32)
            for side, codes in ((model.heads, self.heads), (model.tails, self.tails)):
                if side is not None:
                    found += side[self.kinds % len(side), codes].astype(np.float32)
            self._fitted = (parts, found)
        return self._fitted[1]

    def refresh(self, model: Bilinear) -> None:
        """Majorize at this model: X̃ from here on. Nothing to do where all weights are one."""
        if not self.plain:
            self._values = self.w * self.x + (np.float32(self.rest) - self.w) * self.fitted(model)
            self._old = model
            self._kept = (None, self.x)

    def pull(self, model: Bilinear) -> np.ndarray:
        """Σ_k (X̃_k - A_k) W H_kᵀ + (X̃_k - A_k)ᵀ W H_k, (n, r) float32."""
        w, h, old = model.factors, model.cores, self._old
        rank, keep = w.shape[1], np.float32(1 - self.rest)
        ahead, back = self._times(w), self.back.times(self._values[self.back.order], w)
        cross = old.factors.T @ w if old is not None and keep else None
        sums = w.sum(axis=0, dtype=np.float64)

        def work(low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            found = np.zeros((self.n, rank), np.float32)
            inner, ones = np.zeros((rank, rank), np.float32), np.zeros(rank)
            for k in range(low, high):
                cut = slice(self.ahead.ends[k], self.ahead.ends[k + 1])
                found[self.ahead.rows[cut]] += ahead[cut] @ h[k].T
                cut = slice(self.back.ends[k], self.back.ends[k + 1])
                found[self.back.rows[cut]] += back[cut] @ h[k]
                if old is not None and cross is not None:
                    inner += (old.cores[k] @ cross) @ h[k].T + (old.cores[k].T @ cross) @ h[k]
                if model.means is not None:
                    m, u, v = self._left_over(model, k)
                    one, other = h[k] @ sums, sums @ h[k]
                    found += (np.outer(m + u, one) + np.outer(m + v, other)).astype(np.float32)
                    ones += h[k] @ (v @ w) + (u @ w) @ h[k]
            return found, inner, ones

        parts = in_parallel(work, self._pieces)
        found = parts[0][0]
        for part in parts[1:]:
            found += part[0]
        if old is not None and cross is not None:
            found += old.factors @ (keep * sum(part[1] for part in parts))
        if model.means is not None:
            found += np.sum([part[2] for part in parts], axis=0).astype(np.float32)
        return found

    def seen(self, model: Bilinear) -> np.ndarray:
        """Wᵀ (X̃_k - A_k) W of every relation, (K, r, r) float32; the cores do not matter."""
        w, old = model.factors, self._old
        keep = np.float32(1 - self.rest)
        ahead = self._times(w)
        cross = old.factors.T @ w if old is not None and keep else None
        sums = w.sum(axis=0, dtype=np.float64)
        found = np.empty((self.count, w.shape[1], w.shape[1]), np.float32)

        def work(low: int, high: int) -> None:
            for k in range(low, high):
                cut = slice(self.ahead.ends[k], self.ahead.ends[k + 1])
                np.matmul(self._of(w, self.ahead, k).T, ahead[cut], out=found[k])
                if old is not None and cross is not None:
                    found[k] += keep * (cross.T @ (old.cores[k] @ cross))
                if model.means is not None:
                    m, u, v = self._left_over(model, k)
                    found[k] += (np.outer(m * sums + u @ w, sums) + np.outer(sums, v @ w)).astype(np.float32)

        in_parallel(work, self._pieces)
        return found

    def biased(self, model: Bilinear, ridge: float, kind: str) -> Bilinear:
        """The model with the best μ, then b, then c for X̃. kind: global (μ alone), shared (one b and c), own (one each)."""
        count, n = self.count, self.n
        sums = model.factors.sum(axis=0, dtype=np.float64)
        rows = np.bincount(self.kinds * np.int64(n) + self.heads, self._values, count * n).reshape(count, n)
        columns = np.bincount(self.kinds * np.int64(n) + self.tails, self._values, count * n).reshape(
            count, n
        )
        for k in range(count):
            rows[k] -= model.factors @ (model.cores[k] @ sums)
            columns[k] -= model.factors @ (sums @ model.cores[k])
            if self._old is not None and self.rest < 1:
                old, (m, u, v) = self._old, self._old.additive(k)
                at = old.factors.sum(axis=0, dtype=np.float64)
                rows[k] += (1 - self.rest) * (old.factors @ (old.cores[k] @ at) + n * m + n * u + v.sum())
                columns[k] += (1 - self.rest) * (old.factors @ (at @ old.cores[k]) + n * m + n * v + u.sum())
        both = [np.zeros((1, n)) if a is None else a for a in (model.heads, model.tails)]
        means = rows.sum(axis=1) / n**2 - both[0].mean(axis=1) - both[1].mean(axis=1)
        if kind == "global":
            return replace(model, means=means)
        for at, totals in ((0, rows), (1, columns)):
            left = totals - n * means[:, None] - both[1 - at].sum(axis=1)[:, None]
            own = kind == "own"
            both[at] = left / (n + ridge) if own else left.sum(axis=0, keepdims=True) / (count * n + ridge)
        return replace(model, means=means, heads=both[0], tails=both[1])

    def loss(self, model: Bilinear, seen: np.ndarray, gram: np.ndarray) -> float:
        """L over the largest weight, from what `seen` gave for these factors, and WᵀW (or its diagonal, where it is one)."""
        h, small = model.cores, gram.astype(np.float32)
        spread = h * (small[:, None] * small) if gram.ndim == 1 else small @ h @ small
        energy = dots(spread, h)
        if self.plain and model.means is None:
            return self.square - 2 * dots(seen, h) + energy
        m = self.fitted(model).astype(np.float64)
        told = float((self.w * (self.x - m) ** 2 - self.rest * m**2).sum())
        return told + self.rest * (energy + self._additive_energy(model)) if self.rest else told

    def _additive_energy(self, model: Bilinear) -> float:
        """Σ of m² less the part of W and H alone: of A_k, and of both together."""
        if model.means is None:
            return 0.0
        total, n, w = 0.0, self.n, model.factors.astype(np.float64)
        sums = w.sum(axis=0)
        for k in range(self.count):
            h, (m, b, c) = model.cores[k], model.additive(k)
            total += 2 * float(m * (sums @ h @ sums) + (b @ w) @ h @ sums + sums @ h @ (c @ w))
            total += float(n * n * m * m + n * (b @ b) + n * (c @ c))
            total += 2 * float(n * m * (b.sum() + c.sum()) + b.sum() * c.sum())
        return total

    def _left_over(self, model: Bilinear, k: int) -> tuple[float, np.ndarray, np.ndarray]:
        """What X̃ holds of the last A_k, less the present one."""
        m, b, c = model.additive(k)
        if self._old is None or self.rest == 1:
            return -m, -b, -c
        keep, (om, ob, oc) = 1 - self.rest, self._old.additive(k)
        return keep * om - m, keep * ob - b, keep * oc - c

    def _times(self, w: np.ndarray) -> np.ndarray:
        """S_k W by kept row; kept while the factors and S are the same."""
        if self._kept[0] is not w:
            self._kept = (w, self.ahead.times(self._values[self.ahead.order], w))
        return self._kept[1]

    def _of(self, w: np.ndarray, stack: Slices, k: int) -> np.ndarray:
        rows = stack.rows[stack.ends[k] : stack.ends[k + 1]]
        return w if len(rows) == self.n else w[rows]


def curvature(cores: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Σ_k H_k G H_kᵀ + H_kᵀ G H_k, (r, r) float64. gram: G (r, r), or its diagonal where it is one.

    >>> curvature(np.array([[[0.0, 2.0], [0.0, 0.0]]]), np.array([1.0, 3.0])).tolist()
    [[12.0, 0.0], [0.0, 4.0]]
    """
    if gram.ndim == 2:
        return (cores @ gram @ cores.mT + cores.mT @ gram @ cores).sum(axis=0, dtype=np.float64)
    root, rank = np.sqrt(np.maximum(gram, 0)).astype(cores.dtype), len(gram)

    def work(low: int, high: int) -> np.ndarray:
        some = cores[low:high]
        wide = np.ascontiguousarray((some * root).transpose(1, 0, 2)).reshape(rank, -1)
        tall = (root[:, None] * some).reshape(-1, rank)
        return (wide @ wide.T + tall.T @ tall).astype(np.float64)

    edges = np.unique(np.linspace(0, len(cores), _PIECES + 1).astype(int)).tolist()
    return sum(in_parallel(work, pairwise(edges)), np.zeros((rank, rank)))


def dots(first: np.ndarray, second: np.ndarray) -> float:
    """Σ_k first[k]·second[k]: single precision within a relation, double over them.

    >>> dots(np.ones((2, 3, 3), np.float32), np.ones((2, 3, 3), np.float32))
    18.0
    """
    return float(sum(float(np.vdot(a, b)) for a, b in zip(first, second, strict=True)))


def checked(weights: np.ndarray | None, train: Relations, method: str) -> np.ndarray | None:
    """Weights as float32, one for each triple. Raises DataError for others, and for a log without triples."""
    if not len(train):
        raise DataError("the log has no triples", where=f"{method}.fit", mend="give at least one triple")
    if weights is None:
        return None
    found = np.asarray(weights)
    if found.shape != (len(train),) or found.dtype.kind not in "biuf":
        raise DataError(
            f"weights are {found.dtype} {found.shape}, not {len(train):,} numbers of at least 0",
            where=f"{method}.fit",
            mend="give one weight for each triple, or none",
        )
    if (found < 0).any():
        raise DataError(
            f"{int((found < 0).sum()):,} weights are below 0",
            where=f"{method}.fit",
            mend="give weights of at least 0",
        )
    if not np.isfinite(found).all() or not found.any():
        raise DataError(
            "the weights are not finite, or all zero",
            where=f"{method}.fit",
            mend="give finite weights, and one above 0 at least",
        )
    return found.astype(np.float32)


def listed_cells(
    train: Relations, weights: np.ndarray | None, unobserved: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Numbers, values and weights of the cells that are listed, and the weight of all others."""
    mine, strengths = train.cells, train.strengths()
    w = np.ones(len(mine), np.float32) if weights is None else weights
    more = train.observed if train.observed is not None else train.missing
    if more is None:
        return mine, strengths, w, unobserved
    numbers = np.union1d(mine, more)
    at = np.searchsorted(numbers, mine)
    x = np.zeros(len(numbers), np.float32)
    every = np.full(len(numbers), unobserved if train.observed is not None else 0.0, np.float32)
    x[at], every[at] = strengths, w
    return numbers, x, every, 0.0 if train.observed is not None else unobserved
