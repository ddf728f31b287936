"""Draws of the matrix that links features to the means of Gaussian rows (Macau: Simm et al. 2015).

    row_n ~ N(βᵀ f_n, Λ⁻¹),     β (D, d) with rows N(0, (λ Λ)⁻¹),     λ ~ Gamma(SHAPE, RATE),     F (n, D): the rows f_n

    β | rows, Λ, λ  is matrix normal: mean (FᵀF + λ I)⁻¹ Fᵀ rows, covariance (FᵀF + λ I)⁻¹ between features, Λ⁻¹ between columns
    λ | β, Λ ~ Gamma(SHAPE + D d / 2, RATE + tr(β Λ βᵀ) / 2)

| link | draws | cost of a draw, and before | |
|---|---|---|---|
| `EigenLink` | in the eigenbasis of FᵀF, where every direction is on its own | 4 n k d; k³ once | k = min(n, D) small |
| `NoiseLink` | by conjugate gradients on a right side with noise injected, as in Macau | 4 steps nonzeros d; nothing | F sparse and large |

EigenLink keeps γ = Qᵀβ, FᵀF = Q diag(e) Qᵀ, e > 0, and G = F Q: γ_k ~ N(g_kᵀ rows / (e_k + λ), Λ⁻¹ / (e_k + λ)), F β = G γ,
whatever λ is, since Q does not depend on it. What β has outside of Q's span no row has seen: it is left out of the
chain (integrated over), and is zero, its mean, in `weights`. One decomposition serves every sweep, and a draw is two dense
products. NoiseLink solves (FᵀF + λ I) β = Fᵀ (rows + E₁) + √λ E₂, rows of E ~ N(0, Λ⁻¹), which has that very distribution,
up to TOLERANCE of its right side.

Checked by tests/linalg/test_links.py: means and covariances of many draws against the formulas, in both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh

from matweave.linalg.vectors import Floats
from matweave.threads import blas_threads, in_parallel

SHAPE, RATE = 1.0, 1.0
"""Of the prior of λ: broad, its mean is 1."""

TOLERANCE = 1e-5
"""Where conjugate gradients stop, relative to the right side, in each column."""

DECOMPOSED = 4096
"""Features or rows, the fewer of them, up to which the eigenbasis is taken: tens of seconds on one core."""

LARGEST = 1 << 28
"""Numbers of an eigenbasis seen from the rows, n k, up to which it is kept: 1 GB."""

Design = Any
"""A dense array or a SciPy CSR array, (n, D)."""


class Link(ABC):
    """One block of features of one side. features: D. size: rows of its `state`, independent normals with the precision λ Λ."""

    features: int
    size: int

    @abstractmethod
    def draw(self, random: np.random.Generator, rows: Floats, root: NDArray, strength: float) -> Floats:
        """A draw of the state (size, d), given rows (n, d), R (d, d) with Λ = R Rᵀ, and λ."""

    @abstractmethod
    def effect(self, state: Floats) -> Floats:
        """F β (n, d)."""

    @abstractmethod
    def weights(self, state: Floats) -> Floats:
        """β (D, d)."""


def link(design: Design, *, decomposed: int = DECOMPOSED) -> Link:
    """The link that suits a design (n, D), dense or sparse; both give draws of the same distribution."""
    n, few = design.shape[0], min(design.shape)
    small = few <= decomposed and n * few <= LARGEST
    return EigenLink(design) if small else NoiseLink(sp.csr_array(design))


def strength(random: np.random.Generator, state: Floats, root: NDArray) -> float:
    """A draw of λ given β's state and R.

    >>> strength(np.random.default_rng(0), np.full((10_000, 2), 0.1, np.float32), np.eye(2))
    99...
    """
    squares = float(np.sum((state @ root) ** 2, dtype=np.float64))
    return float(random.gamma(SHAPE + state.size / 2) / (RATE + squares / 2))


@final
class EigenLink(Link):
    """By one eigendecomposition; see the head of the file.

    >>> e = EigenLink(np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]))
    >>> e.size, e.weights(e.draw(np.random.default_rng(0), np.ones((3, 1), np.float32), 1e6 * np.eye(1), 1e-9)).round(3)
    (1, array([[0.5],
           [0.5]], dtype=float32))
    """

    def __init__(self, design: Design) -> None:
        n, self.features = design.shape
        self.design = design.astype(np.float32)
        few = self.features <= n
        with blas_threads(1):  # the same bits for any number of threads
            gram = self.design.T @ self.design if few else self.design @ self.design.T
            # float32: eigenvalues are wrong by 1e-7 of the largest, and count only beside λ
            gram = np.asarray(gram.todense() if sp.issparse(gram) else gram, np.float32)
            values, basis = eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
        kept = values > 1e-6 * max(float(values.max(initial=0.0)), 1e-30)
        values, basis = values[kept], basis[:, kept]
        if few:
            self.basis = np.ascontiguousarray(_product(self.design, basis))
            values = np.einsum("nk,nk->k", self.basis, self.basis, dtype=np.float64)
        else:
            self.basis = np.ascontiguousarray(basis * np.sqrt(values))
        self.values = values.astype(np.float64)
        self.size = len(values)

    def draw(self, random: np.random.Generator, rows: Floats, root: NDArray, strength: float) -> Floats:
        share = 1.0 / (self.values + strength)[:, None]
        noise = random.standard_normal((self.size, rows.shape[1])) @ np.linalg.inv(root)
        return (share * _across(self.basis, rows) + np.sqrt(share) * noise).astype(np.float32)

    def effect(self, state: Floats) -> Floats:
        return _product(self.basis, state)

    def weights(self, state: Floats) -> Floats:
        onto = _product(self.basis, (state / self.values[:, None]).astype(np.float32))
        return np.ascontiguousarray(self.design.T @ onto, np.float32)


@final
class NoiseLink(Link):
    """By noise injection and conjugate gradients; see the head of the file.

    >>> n = NoiseLink(sp.csr_array(np.array([[1.0, 0.0], [0.0, 2.0]])))
    >>> n.draw(np.random.default_rng(0), np.ones((2, 1), np.float32), 1e6 * np.eye(1), 1e-9).round(3).ravel().tolist()
    [1.0, 0.5]
    """

    def __init__(self, design: Design) -> None:
        self.features = self.size = design.shape[1]
        self.parts = _parts(sp.csr_array(design, dtype=np.float32))
        self.across = _parts(sp.csr_array(design.T, dtype=np.float32))

    def draw(self, random: np.random.Generator, rows: Floats, root: NDArray, strength: float) -> Floats:
        n, d = rows.shape
        inverse = np.linalg.inv(root).astype(np.float32)
        noisy = rows + (random.standard_normal((n, d), np.float32) @ inverse).astype(np.float32)
        right = _times(self.across, noisy)
        right += np.float32(np.sqrt(strength)) * (
            random.standard_normal((self.size, d), np.float32) @ inverse
        )
        return self._solved(right, np.float32(strength))

    def _solved(self, right: Floats, strength: np.float32) -> Floats:
        """(FᵀF + λ I)⁻¹ right, every column by its own conjugate gradients, side by side."""
        x, left, along = np.zeros_like(right), right.copy(), right.copy()
        begun = now = _squares(left)
        for _ in range(10 * len(right) + 10):
            if (now <= TOLERANCE**2 * begun).all():
                break
            image = _times(self.across, _times(self.parts, along)) + strength * along
            step = (now / np.maximum(np.einsum("nd,nd->d", along, image, dtype=np.float64), 1e-300)).astype(
                np.float32
            )
            x += step * along
            left -= step * image
            before, now = now, _squares(left)
            along = left + (now / np.maximum(before, 1e-300)).astype(np.float32) * along
        return x

    def effect(self, state: Floats) -> Floats:
        return _times(self.parts, state)

    def weights(self, state: Floats) -> Floats:
        return state


def _squares(rows: Floats) -> NDArray[np.float64]:
    return np.einsum("nd,nd->d", rows, rows, dtype=np.float64)


def _parts(matrix: Any) -> list[Any]:
    edges = np.linspace(0, matrix.shape[0], 17).astype(int)
    return [matrix[low:high] for low, high in pairwise(edges)]


def _times(parts: list[Any], dense: Floats) -> Floats:
    return np.concatenate(in_parallel(lambda part: part @ dense, [(part,) for part in parts]))


def _stripes(n: int) -> list[tuple[int, int]]:
    return [(low, min(low + 1024, n)) for low in range(0, n, 1024)]


def _product(left: Design, right: Floats) -> Floats:
    """left · right by stripes of rows."""
    done = in_parallel(lambda low, high: left[low:high] @ right, _stripes(left.shape[0]))
    return np.concatenate(done) if done else np.zeros((0, right.shape[1]), np.float32)


def _across(left: Floats, right: Floats) -> NDArray[np.float64]:
    """leftᵀ · right, stripes summed in float64."""
    total = np.zeros((left.shape[1], right.shape[1]))
    for part in in_parallel(lambda low, high: left[low:high].T @ right[low:high], _stripes(len(left))):
        total += part
    return total
