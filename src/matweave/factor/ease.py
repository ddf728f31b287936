"""EASE: an item-item regression in closed form.

Model       score(u, j) = Σ_i x_ui B_ij, diag(B) = 0
Objective   |X - XB|² + λ |B|² over B with a zero diagonal                            (Steck 2019, eq. 3)
Solution    P = (XᵀX + λI)⁻¹,  B_ij = -P_ij / P_jj for i ≠ j                          (eqs. 4 to 8)
Cost        Σ_u n_u²/2 additions for XᵀX and items³ multiply-adds for P; items² floats, once: the Gram matrix
            becomes its inverse and then B in the same array. Meant for up to some 10⁴ items.
Precision   float32. P is checked with random vectors v against |(XᵀX + λI) P v - v| ≤ 10⁻³ |v|, by two sparse
            products; where that fails, the inverse is made again in float64 (twice the memory).
Threads     The same bits for the same number of threads; with another number LAPACK sums in another order, and B
            differs in its last bits (set_threads(1): the same bits whatever the machine's cores).
Checked by  tests/by_hand/ease.py, stationarity of the objective, relabelled items, the residual.
Fold-in     Exact: a stranger's scores are those a training user with the same history gets.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import Diverged
from matweave.factor import require
from matweave.factor.forms import ItemModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.factor.weights import DenseWeights
from matweave.linalg.gram import gram_upper
from matweave.linalg.positive import ease_weights, invert_upper
from matweave.randomness import child

RESIDUAL = 1e-3
"""The largest |(XᵀX + λI) P v - v| / |v| that passes."""


@final
@config
class EASE:
    """regularization: λ > 0. use_values: whether x_ui is the logged value, or 1.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
    >>> EASE(regularization=1.0).fit(log).recommend_for([0], k=1).to_pylist()
    [{'item': 1, 'score': 0.667, 'rank': 1}]
    """

    regularization: float = 500.0
    use_values: bool = False

    space: ClassVar[Space] = {"regularization": Span(low=1.0, high=10_000.0, log=True)}

    def __post_init__(self) -> None:
        check(self, regularization=number(above=0), use_values=flag())

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> ItemModel:
        """Solve for B. Closed form: validate, watch and resume have nothing to do.

        Raises DataError for an empty log, TooBig beyond 46,340 items, Diverged where even float64 cannot
        invert the matrix (raise regularization).
        """
        began = time.perf_counter()
        log = require.rows(train, "EASE").by_user
        weights = solve(log if self.use_values else ones(log), self.regularization)
        return ItemModel(
            **origin(self, train, History(seconds=time.perf_counter() - began), seen=log),
            weights=DenseWeights(matrix=weights),
            use_values=self.use_values,
        )


def ones(log: Csr) -> Csr:
    """The same entries, each 1."""
    return Csr(indptr=log.indptr, indices=log.indices, values=None, n_columns=log.n_columns)


def solve(x: Csr, regularization: float) -> np.ndarray:
    """B (items, items) float32 for a table X, users x items."""
    for precision in (np.float32, np.float64):
        matrix = gram_upper(x.indptr, x.indices, x.values, x.n_columns).astype(precision, copy=False)
        matrix[np.diag_indices_from(matrix)] += precision(regularization)
        try:
            invert_upper(matrix)
        except Diverged:
            if precision is np.float64:
                raise
            continue
        diagonal = ease_weights(matrix)
        if precision is np.float64 or residual(x, matrix, diagonal, regularization) <= RESIDUAL:
            return matrix.astype(np.float32, copy=False)
    raise AssertionError("unreachable: float64 returns or raises")


def residual(x: Csr, weights: np.ndarray, diagonal: np.ndarray, regularization: float) -> float:
    """The largest |(XᵀX + λI) P v - v| / |v| over two random v, with P taken back from B: P = (I - B) diag(P)."""
    v = child(0, "ease", "probe").standard_normal((len(weights), 2), np.float32)
    scaled = diagonal[:, None] * v
    pv = scaled - weights @ scaled
    sparse = x.scipy()
    error = sparse.T @ (sparse @ pv) + regularization * pv - v
    return float((np.linalg.norm(error, axis=0) / np.linalg.norm(v, axis=0)).max())
