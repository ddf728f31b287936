"""DEDICOM: one asymmetric relation as roles and what they are to each other, X ≈ W H Wᵀ; several as X_k ≈ W D_k H D_k Wᵀ.

Model. score(a, k, b) = w_aᵀ D_k H D_k w_b (+ μ_k + b_a + c_b, by `biases`), rank r. One H for all relations: who leads to
whom; D_k = diag(d_k): how much each component counts in relation k. With one relation D = I (Harshman 1978); with
several it is the three-way form that ASALSAN fits (Bader, Harshman & Kolda 2007).

Objective, over all cells (factor/relation_squares.py: weights, unknown cells, ω = unobserved_weight of cells without a triple):

    L = Σ_k Σ_ab w_kab (x_kab - score)² + λ (|W|² + |H|² + Σ_k |d_k - 1|²)  (+ λ_b of b and c)

ASALSAN has λ = 0; there the scale of W, H and D is free, and columns of W of length one would be as good.

Step. W as ASALSAN does, both sides at once (factor/relation_als.py); then, with G = WᵀW and T_k = Wᵀ X_k W (r x r each), the
objective in H and D_k has no n in it:

    H    one relation: T divided by γ_i γ_j + λ in the eigenbasis of G (γ its values), exact;  several: the r² equations
         Σ_k (D_k G D_k) H (D_k G D_k) + λ H = Σ_k D_k T_k D_k, exact up to r = 32, beyond by conjugate gradients
    d_k  one Newton step on its quartic, all relations at once (ASALSAN's); the Hessian's eigenvalues are made positive and
         the step halved until the objective falls

Start: the eigenvectors of Σ_k X_k + X_kᵀ of largest absolute eigenvalue ("nvecs"; where that sum is zero, as for net flows,
those of Σ_k X_k X_kᵀ + X_kᵀ X_k), or random numbers.

Cost of an epoch, n entities, K relations, m triples: 4 m r + 6 n r² K + O(K r³), H of several 2 K r⁴ + r⁶ (r <= 32) or up to
8 K r⁴; memory 4 (n + 2 K r) r bytes and 4 r for each (relation, head) that occurs.

Fold-in of a new entity (`with_entities`): its exact ridge row (factor/relation_fold.py).

Checked by  tests/by_hand/dedicom.py (updates written out with Kronecker products), gradient and Hessian by differences, planted
truth (tests/factor/test_dedicom.py), and AUC-PR on kinships in benchmarks/quality/relations.py.
Source: Harshman 1978, "Models for analysis of asymmetrical relationships"; Bader, Harshman & Kolda 2007, "Temporal analysis of
semantic graphs using ASALSAN".
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
from matweave.factor.relation_squares import Bilinear
from matweave.linalg.dedicom_cores import newton_scales, one_core, shared_core, value_of


@final
@config
class DEDICOM:
    """The recipe; `fit` returns a `RelationModel`. See the head of the file for every term.

    >>> from matweave.data.relations import Relations
    >>> trade = Relations.of(heads=["a", "b", "c"], tails=["b", "c", "a"], values=[5.0, 3.0, 1.0])
    >>> model = DEDICOM(rank=2, epochs=5).fit(trade)
    >>> model.entity_factors.shape, model.cores.shape
    ((3, 2), (1, 2, 2))
    """

    rank: int = 10  # number of roles
    regularization: float = 0.1  # λ, of W, H and D
    unobserved_weight: float = 1.0  # ω, weight of cells that are known to have no triple
    biases: str = "none"  # none, global (μ), shared (and b, c for all relations), own (and b, c for each)
    bias_regularization: float = 1.0  # λ_b, of b and c
    init: str = "nvecs"  # first vectors: nvecs (eigenvectors) or random
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
        return task.fitted(mend="raise regularization", validate=validate, watch=watch, resume=resume)


@final
class _Task(RelationALS):
    """One fit: the shared core and the scales of relations for given factors."""

    def gram(self, factors: np.ndarray) -> np.ndarray:
        wide = factors.astype(np.float64)
        return wide.T @ wide

    def cores(self, model: Bilinear, arrays: Arrays) -> tuple[Bilinear, Arrays, float]:
        kinds, rank = self.cells.count, model.factors.shape[1]
        gram, seen = self.gram(model.factors), self.cells.seen(model)
        wide, ridge = seen.astype(np.float64), self.penalty
        scales = arrays.get("scales", np.ones((kinds, rank)))
        if kinds == 1:
            core = one_core(wide[0], gram, ridge)
        else:
            last = arrays.get("core")
            core = shared_core(wide, gram, scales, ridge, np.zeros((rank, rank)) if last is None else last)
            scales = newton_scales(wide, gram, core, scales, ridge)
        values = scales[:, :, None] * core * scales[:, None, :]
        made = replace(model, cores=values.astype(np.float32))
        size = float(np.square(core).sum() + np.square(scales - 1).sum())
        if self.cells.plain and made.means is None:  # in double precision, as the steps see it
            lost = self.cells.square + float(value_of(wide, gram, core, scales).sum())
        else:
            lost = self.cells.loss(made, seen, gram)
        return made, {"core": core, "scales": scales}, lost + ridge * size
