"""TriFactorization: communities and what passes between them, X_k ≈ W H_k Wᵀ with W >= 0 and H_k >= 0.

Model. score(a, k, b) = w_aᵀ H_k w_b, rank r: w_a, how strongly an entity is in each community; H_k, how strongly a head of
one community relates to a tail of another. Directed, one relation or many. There are no biases: they could be negative, and a
community of all entities says the same.

Objective, over all cells (factor/relation_squares.py: weights, unknown cells, ω = unobserved_weight of cells without a triple):

    L = Σ_k Σ_ab w_kab (x_kab - score)² + λ |W|² + λ_H Σ_k |H_k|²

Step (multiplicative, cell by cell), with N = Σ_k X_k W H_kᵀ + X_kᵀ W H_k, S = Σ_k H_k WᵀW H_kᵀ + H_kᵀ WᵀW H_k, G = WᵀW:

    W <- W (N / (W S + λ W))^p        p = 1/2, and 1/4 where 1/2 would raise the objective
    H_k <- H_k (WᵀX_kW / (G H_k G + λ_H H_k))

W stands twice in the model, so its majorizer is a quartic, and p = 1/4 never raises L (the argument of Ding et al. for W Wᵀ);
1/2 usually does not, and is quicker. Both for the majorized X where there are weights. The H step is that of Lee & Seung.
orthogonal=True asks for WᵀW = I, and so for communities that hardly overlap, by the update of Ding, Li, Peng & Park 2006 for
three factors, W <- W (N / (W Wᵀ N))^(1/2), here with both sides of a directed X in N; L may then rise, since the constraint
is met only in the end. λ is not used there.

Cost of an epoch, n entities, K relations, m triples: 4 m r + 6 n r² K + 8 r³ K, again where p = 1/2 was too much; memory
4 (n + 2 K r) r bytes and 4 r for each (relation, head) that occurs.

Fold-in: none; a new entity's row has no closed solution under W >= 0 (`with_entities` says so).

Checked by  tests/by_hand/tri_factorization.py on dense arrays, the descent, planted communities (tests/factor/test_tri_factorization.py).
Source: Ding, Li, Peng & Park 2006, "Orthogonal nonnegative matrix tri-factorizations for clustering"; Lee & Seung 2001.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.factor.cores import DenseCores
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.relation_forms import RelationModel, origin
from matweave.factor.relation_squares import Bilinear, Squares, curvature, dots
from matweave.randomness import child
from matweave.threads import blas_threads

_TINY = np.float32(1e-30)
_ROUNDING = 2e-7  # of the objective: what float32 sums may add


@final
@config
class TriFactorization:
    """The recipe; `fit` returns a `RelationModel` with `communities()`. See the head of the file for every term.

    >>> from matweave.data.relations import Relations
    >>> trade = Relations.of(heads=["a", "b", "c"], tails=["b", "c", "a"])
    >>> model = TriFactorization(rank=2, epochs=5).fit(trade)
    >>> bool((model.entity_factors >= 0).all()), sorted(model.communities()["entity"].to_pylist())
    (True, ['a', 'b', 'c'])
    """

    rank: int = 10  # number of communities
    regularization: float = 0.0  # λ, of W
    core_regularization: float = 0.0  # λ_H, of the cores
    unobserved_weight: float = 1.0  # ω, weight of cells that are known to have no triple
    orthogonal: bool = False  # whether communities shall hardly overlap (WᵀW = I in the end)
    epochs: int = 200
    tolerance: float = 1e-5  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=2, high=60, log=True, whole=True),
        "regularization": Span(low=1e-3, high=10.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            core_regularization=number(0),
            unobserved_weight=number(0),
            orthogonal=flag(),
            epochs=integer(1),
            tolerance=number(0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Relations,
        *,
        weights: np.ndarray | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> RelationModel:
        """Learn from triples of values >= 0. weights: one for each triple, at least 0. Raises DataError for others, or none."""
        name = type(self).__name__
        cells = Squares(train, weights, self.unobserved_weight, name)
        refuse_negative(train, name)
        task = _Task(self, cells)

        def model(arrays: Arrays, history: History) -> RelationModel:
            return RelationModel(
                **origin(self, train, history),
                entity_factors=arrays["entity_factors"].copy(),
                core=DenseCores(values=arrays["cores"].copy()),
                nonnegative=True,
            )

        return iterate(
            method=name,
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            rounding=cells.rounding,
            mend="scale the values down",
            validate=validate,
            watch=watch,
            resume=resume,
        )


def refuse_negative(train: Relations, method: str) -> None:
    """Raise DataError where a value is below 0."""
    if train.values is not None and (train.values < 0).any():
        raise DataError(
            f"{int((train.values < 0).sum()):,} values are negative, and {method} is nonnegative",
            where=f"{method}.fit",
            mend="shift or drop them, or use DEDICOM or RESCAL",
        )


@final
class _Task:
    """One fit."""

    def __init__(self, recipe: TriFactorization, cells: Squares) -> None:
        self.recipe, self.cells = recipe, cells
        self.penalty = np.float32(recipe.regularization / cells.scale)
        self.ridge = np.float32(recipe.core_regularization / cells.scale)

    def start(self) -> Arrays:
        rank, cells = self.recipe.rank, self.cells
        draw = child(self.recipe.seed, "tri_factorization", "start")
        w = draw.uniform(0.1, 1.0, (cells.n, rank)).astype(np.float32)
        h = draw.uniform(0.1, 1.0, (cells.count, rank, rank)).astype(np.float32)
        h += np.float32(rank) * np.eye(rank, dtype=np.float32)  # most of a community's ties stay in it
        # so scaled that the model's sum over the listed cells is theirs
        sums = w.sum(axis=0)
        share = float((cells.w * cells.x).sum(dtype=np.float64)) / max(float((sums @ h @ sums).sum()), 1e-30)
        return self._arrays(Bilinear(factors=w, cores=h * np.float32(max(share, 1e-6))), np.inf)

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        """W, then every H; the objective never rises unless orthogonal."""
        with blas_threads(1):
            model = Bilinear(factors=arrays["entity_factors"], cores=arrays["cores"])
            self.cells.refresh(model)
            last = float(arrays["value"][0])
            ratio = self._ratio(model)
            made, value = self._moved(model, np.sqrt(ratio))
            if not self.recipe.orthogonal and value > last + _ROUNDING * abs(last):
                made, value = self._moved(model, np.sqrt(np.sqrt(ratio)))
            return self._arrays(made, value), value * self.cells.scale

    def _ratio(self, model: Bilinear) -> np.ndarray:
        w = model.factors
        pull = np.maximum(self.cells.pull(model), 0)
        if self.recipe.orthogonal:
            return pull / (w @ (w.T @ pull) + _TINY)
        system = curvature(model.cores, w.T @ w).astype(np.float32)
        return pull / (w @ system + self.penalty * w + _TINY)

    def _moved(self, model: Bilinear, by: np.ndarray) -> tuple[Bilinear, float]:
        w = model.factors * by
        gram = w.T @ w
        moved = replace(model, factors=w)
        seen = self.cells.seen(moved)
        h = model.cores
        h = h * (np.maximum(seen, 0) / (gram @ h @ gram + self.ridge * h + _TINY))
        made = replace(moved, cores=h)
        value = self.cells.loss(made, seen, gram) + float(self.ridge) * dots(h, h)
        if not self.recipe.orthogonal:
            value += float(self.penalty) * float(np.square(w, dtype=np.float64).sum())
        return made, value

    def _arrays(self, model: Bilinear, value: float) -> Arrays:
        return {"entity_factors": model.factors, "cores": model.cores, "value": np.array([value])}
