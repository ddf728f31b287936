"""RESCAL: many relations over shared entities, X_k ≈ W H_k Wᵀ, each H_k free.

Model. score(a, k, b) = w_aᵀ H_k w_b (+ μ_k + b_a + c_b, by `biases`), rank r: one vector for an entity as head and as tail.

Objective, over all cells (factor/relation_squares.py: weights, unknown cells, ω = unobserved_weight of cells without a triple):

    L = Σ_k Σ_ab w_kab (x_kab - score)² + λ_W |W|² + λ_H Σ_k |H_k|²  (+ λ_b of b and c)

Half of it is the objective of Nickel, Tresp & Kriegel 2011; the minima are the same. λ_W = regularization, λ_H = core_regularization.

Step. W as there (factor/relation_als.py); then every H_k exactly. The objective does not change when W turns and the H_k
turn back, so W is kept with orthogonal columns, of lengths σ, the longest first: W⁺ᵀW⁺ = V diag(σ²) Vᵀ, W = W⁺ V, and

    H_k = (Wᵀ X_k W) / (σ_i² σ_j² + λ_H)   cell by cell,      L = Σ|X_k|² - Σ_k (Wᵀ X_k W)·H_k + λ_W Σ σ²

which is the update by a singular value decomposition of Nickel's later paper (Nickel, Tresp & Kriegel 2012) without its turning
every core back; both sums of the step for W are then symmetric products of one wide and one tall matrix of all cores.
Start: the eigenvectors of Σ_k X_k + X_kᵀ of largest absolute eigenvalue ("nvecs", as published; where that sum is zero, those
of Σ_k X_k X_kᵀ + X_kᵀ X_k), or random numbers.

Cost of an epoch, n entities, K relations, m triples: 4 m r + (6 n + 2 r) r² K + O(r³), rows of entities without triples of a
relation left out; memory 4 (n + K r) r bytes and 4 r for each (relation, head) that occurs, no dense n x n.

Fold-in of a new entity (`with_entities`): its exact ridge row (factor/relation_fold.py).

Checked by  tests/by_hand/rescal.py, the published algorithm slowly (tests/factor/test_rescal.py), planted truth, and AUC-PR
on kinships in benchmarks/quality/relations.py. Source: Nickel, Tresp & Kriegel 2011, "A three-way model for collective learning
on multi-relational data"; 2012, "Factorizing YAGO".
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, one_of
from matweave.data.relations import Relations
from matweave.factor.loop import Arrays, FitState, Validation, Watch
from matweave.factor.relation_als import RelationALS
from matweave.factor.relation_forms import RelationModel
from matweave.factor.relation_squares import Bilinear, dots


@final
@config
class RESCAL:
    """The recipe; `fit` returns a `RelationModel`. See the head of the file for every term.

    >>> from matweave.data.relations import Relations
    >>> trade = Relations.of(heads=["a", "b", "c"], relations=["sells", "sells", "owes"], tails=["b", "c", "a"])
    >>> model = RESCAL(rank=2, regularization=0.1, core_regularization=0.1, epochs=5).fit(trade)
    >>> model.entity_factors.shape, model.cores.shape
    ((3, 2), (2, 2, 2))
    """

    rank: int = 50  # length of the vectors
    regularization: float = 10.0  # λ_W, of the entities' vectors
    core_regularization: float = 10.0  # λ_H, of the relations' cores
    unobserved_weight: float = 1.0  # ω, weight of cells that are known to have no triple
    biases: str = "none"  # none, global (μ), shared (and b, c for all relations), own (and b, c for each)
    bias_regularization: float = 1.0  # λ_b, of b and c
    init: str = "nvecs"  # first vectors: nvecs (eigenvectors) or random
    epochs: int = 50
    tolerance: float = 1e-5  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=5, high=150, log=True, whole=True),
        "regularization": Span(low=0.01, high=100.0, log=True),
        "core_regularization": Span(low=0.01, high=100.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            core_regularization=number(0),
            unobserved_weight=number(0),
            biases=one_of("none", "global", "shared", "own"),
            bias_regularization=number(0),
            init=one_of("nvecs", "random"),
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
        """Learn from triples. weights: one for each triple, at least 0. Raises DataError where there are none."""
        task = _Task(self, train, weights)
        return task.fitted(
            mend="raise regularization and core_regularization", validate=validate, watch=watch, resume=resume
        )


@final
class _Task(RelationALS):
    """One fit: the cores for given factors, after turning these."""

    def __init__(self, recipe: RESCAL, train: Relations, weights: np.ndarray | None) -> None:
        super().__init__(recipe, train, weights)
        self.ridge = recipe.core_regularization / self.cells.scale

    def gram(self, factors: np.ndarray) -> np.ndarray:
        return np.square(factors, dtype=np.float64).sum(axis=0)

    def cores(self, model: Bilinear, arrays: Arrays) -> tuple[Bilinear, Arrays, float]:
        wide = model.factors.astype(np.float64)
        squares, turn = np.linalg.eigh(wide.T @ wide)
        w = (wide @ turn[:, ::-1]).astype(np.float32)
        squares = self.gram(w)
        turned = replace(model, factors=w, cores=model.cores[:, : w.shape[1]])
        seen = self.cells.seen(turned)
        under = np.outer(squares, squares)
        floor = 1e-12 * under.max(initial=0.0) + 1e-30
        made = replace(turned, cores=seen / (under + max(self.ridge, floor)).astype(np.float32))
        if self.cells.plain and made.means is None:  # the cores are the best: what is left is known
            return made, {}, self.cells.square - dots(seen, made.cores)
        lost = self.cells.loss(made, seen, squares)
        return made, {}, lost + self.ridge * dots(made.cores, made.cores)
