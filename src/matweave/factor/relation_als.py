"""What RESCAL and DEDICOM share: one epoch of alternating least squares on X_k ≈ W H_k Wᵀ + A_k.

Step. Majorize where there are weights (factor/relation_squares.py), set μ, b and c in turn (each exactly), then all of W at once,
left and right side alike (Bader, Harshman & Kolda 2007; Nickel, Tresp & Kriegel 2011):

    W⁺ = (Σ_k X̃_k W H_kᵀ + X̃_kᵀ W H_k) (Σ_k H_k WᵀW H_kᵀ + H_kᵀ WᵀW H_k + λ I)⁻¹

then the cores given W⁺. The step for W holds its other occurrence fixed, so by itself it need not lower the objective. But
W⁺ - W is minus the gradient over a positive matrix, a direction of descent: where the objective would rise, the step is halved
until it does not (rare; the published algorithms take it whole).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matweave.data.relations import Relations
from matweave.factor.cores import DenseCores
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.relation_fold import RowFold
from matweave.factor.relation_forms import RelationModel, origin
from matweave.factor.relation_squares import Bilinear, Squares, curvature
from matweave.randomness import child
from matweave.threads import blas_threads

if TYPE_CHECKING:
    from matweave.factor.dedicom import DEDICOM
    from matweave.factor.rescal import RESCAL

_HALVINGS = 20
_ROUNDING = 2e-7  # of the objective: what float32 sums may add
_DENSE = 1000  # entities up to which all eigenvectors are found at once
_CANCELLED = 1e-12  # of the largest value: what sums of float64 leave of a zero


class RelationALS(ABC):
    """One fit of a recipe: weights (triples,) or None."""

    def __init__(self, recipe: DEDICOM | RESCAL, train: Relations, weights: np.ndarray | None) -> None:
        self.recipe, self.train = recipe, train
        self.cells = Squares(train, weights, recipe.unobserved_weight, type(recipe).__name__)
        self.penalty = recipe.regularization / self.cells.scale
        self.bias_ridge = recipe.bias_regularization / self.cells.scale

    @abstractmethod
    def gram(self, factors: np.ndarray) -> np.ndarray:
        """WᵀW (r, r) float64, or its diagonal (r,) where `cores` leaves the columns orthogonal."""

    @abstractmethod
    def cores(self, model: Bilinear, arrays: Arrays) -> tuple[Bilinear, Arrays, float]:
        """The model with the best cores for its factors (which may be turned), other arrays to keep, and the objective
        without the penalties of W and A. The arrays are those of the last epoch."""

    def start(self) -> Arrays:
        """Factors as `first` gives them, cores to fit, no biases."""
        with blas_threads(1):
            w, kinds = self._first(), self.cells.count
            model = Bilinear(factors=w, cores=np.zeros((kinds, w.shape[1], w.shape[1]), np.float32))
            if self.recipe.biases != "none":
                model = replace(model, means=np.zeros(kinds))
            self.cells.refresh(model)
            made, more, _ = self.cores(model, {})
            return self._arrays(made, more, np.inf)

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        """A step of everything; the objective never rises."""
        with blas_threads(1):
            model = bilinear(arrays)
            self.cells.refresh(model)
            if self.recipe.biases != "none":
                model = self.cells.biased(model, self.bias_ridge, self.recipe.biases)
            before, last, there = model.factors, float(arrays["value"][0]), self._toward(model)
            most = last + _ROUNDING * abs(last)
            for step in np.float32(0.5) ** np.arange(_HALVINGS, dtype=np.float32):
                trial = there if step == 1 else before + step * (there - before)
                made, more, value = self.cores(replace(model, factors=trial), arrays)
                value += self._penalties(made)
                if not value > most:  # NaN goes through, and is told as divergence
                    return self._arrays(made, more, value), value * self.cells.scale
            return arrays, last * self.cells.scale

    def fitted(
        self, *, mend: str, validate: Validation | None, watch: Watch | None, resume: FitState | None
    ) -> RelationModel:
        """All epochs, and the model. mend: what helps where the fit diverges."""
        recipe = self.recipe

        def model(arrays: Arrays, history: History) -> RelationModel:
            return RelationModel(
                **origin(recipe, self.train, history),
                entity_factors=arrays["entity_factors"].copy(),
                core=DenseCores(values=arrays["cores"].copy()),
                means=single(arrays, "means"),
                head_bias=single(arrays, "head_bias"),
                tail_bias=single(arrays, "tail_bias"),
                fold=RowFold(
                    regularization=recipe.regularization, unobserved_weight=recipe.unobserved_weight
                ),
            )

        return iterate(
            method=type(recipe).__name__,
            start=self.start,
            epoch=self.epoch,
            model=model,
            epochs=recipe.epochs,
            tolerance=recipe.tolerance,
            rounding=self.cells.rounding,
            mend=mend,
            validate=validate,
            watch=watch,
            resume=resume,
        )

    def _first(self) -> np.ndarray:
        """The first factors, (n, r) float32."""
        recipe = self.recipe
        draw = child(recipe.seed, type(recipe).__name__.casefold(), "start")
        if recipe.init == "nvecs":
            return nvecs(self.cells, recipe.rank, draw)
        return draw.standard_normal((self.cells.n, recipe.rank), np.float32)

    def _toward(self, model: Bilinear) -> np.ndarray:
        system = curvature(model.cores, self.gram(model.factors).astype(np.float32))
        system[np.diag_indices_from(system)] += self.penalty + 1e-7 * np.trace(system) / len(system) + 1e-30
        return np.linalg.solve(system, self.cells.pull(model).T).T.astype(np.float32)

    def _penalties(self, model: Bilinear) -> float:
        total = self.penalty * float(np.square(model.factors, dtype=np.float64).sum())
        for side in (model.heads, model.tails):
            if side is not None:
                total += self.bias_ridge * float(np.square(side).sum())
        return total

    def _arrays(self, model: Bilinear, more: Arrays, value: float) -> Arrays:
        named = {"entity_factors": model.factors, "cores": model.cores, "means": model.means,
                 "head_bias": model.heads, "tail_bias": model.tails}  # fmt: skip
        kept = {name: array for name, array in named.items() if array is not None}
        return {**kept, **more, "value": np.array([value])}


def bilinear(arrays: Arrays) -> Bilinear:
    """The model that an epoch's arrays hold.

    >>> bilinear({"entity_factors": np.ones((2, 1)), "cores": np.ones((1, 1, 1))}).means is None
    True
    """
    return Bilinear(
        factors=arrays["entity_factors"],
        cores=arrays["cores"],
        means=arrays.get("means"),
        heads=arrays.get("head_bias"),
        tails=arrays.get("tail_bias"),
    )


def single(arrays: Arrays, name: str) -> np.ndarray | None:
    """A copy in float32 of an array that may be absent.

    >>> single({}, "means") is None
    True
    """
    return arrays[name].astype(np.float32) if name in arrays else None


def nvecs(cells: Squares, rank: int, draw: np.random.Generator) -> np.ndarray:
    """Eigenvectors of Σ_k X_k + X_kᵀ of largest absolute eigenvalue, (n, rank) float32; small random columns beyond n.

    X as weighed: w times x. Where that sum is zero (what a gives b, b takes from a) or ARPACK finds nothing of it:
    eigenvectors of Σ_k X_k X_kᵀ + X_kᵀ X_k; where no value is above or below 0, small random columns alone.

    >>> from matweave.data.relations import Relations
    >>> one = Squares(Relations.from_codes([0, 1], None, [1, 0], n_entities=3), None, 1.0, "RESCAL")
    >>> np.abs(nvecs(one, 1, np.random.default_rng(0))).round(3).ravel().tolist()
    [0.707, 0.707, 0.0]
    """
    import scipy.sparse as sp
    from scipy.sparse.linalg import aslinearoperator

    n, weighed = cells.n, (cells.w * cells.x).astype(np.float64)
    first = draw.standard_normal(n)  # drawn always, so that the columns beyond n do not depend on the way
    found = 0.01 * draw.standard_normal((n, rank))
    if not weighed.any():
        return found.astype(np.float32)
    sums = sp.coo_array((weighed, (cells.heads, cells.tails)), shape=(n, n)).tocsr()
    both = sums + sums.T
    values, vectors = np.zeros(0), np.zeros((n, 0))
    with blas_threads(1):
        if abs(both).max() > _CANCELLED * np.abs(weighed).max():
            values, vectors = _leading(both, both.toarray, rank, first)
        if not len(values):
            # [X_1 ... X_K X_1ᵀ ... X_Kᵀ], of the columns that hold anything
            columns = (
                cells.kinds * np.int64(n) + cells.tails,
                (cells.kinds + cells.count) * np.int64(n) + cells.heads,
            )
            at = np.unique(np.concatenate(columns), return_inverse=True)[1]
            rows = np.concatenate([cells.heads, cells.tails])
            wide = sp.coo_array((np.tile(weighed, 2), (rows, at)), shape=(n, int(at.max()) + 1)).tocsr()
            tall = wide.T.tocsr()
            squares = aslinearoperator(wide) @ aslinearoperator(tall)  # never formed
            values, vectors = _leading(squares, lambda: (wide @ tall).toarray(), rank, first)
    order = np.argsort(-np.abs(values), kind="stable")[:rank]
    found[:, : len(order)] = vectors[:, order]
    return found.astype(np.float32)


def _leading(
    matrix: Any, dense: Callable[[], np.ndarray], rank: int, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of a symmetric matrix, `rank` of largest absolute value or all: those that converged, or none."""
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, eigsh

    n = len(first)
    if n <= _DENSE or rank > n // 3:
        return np.linalg.eigh(dense())
    try:
        values, vectors = eigsh(matrix, k=rank, which="LM", v0=first)
        return values, vectors
    except ArpackNoConvergence as stopped:
        return stopped.eigenvalues, stopped.eigenvectors
    except ArpackError:
        return np.zeros(0), np.zeros((n, 0))
