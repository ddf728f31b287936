"""SLIM: a sparse item-item regression, each item's column predicted from the columns of the others.

Model       score(u, j) = Σ_i x_ui W_ij,  diag(W) = 0, and W >= 0 unless `nonnegative` is off
Objective   ½|X - XW|² + β/2 |W|² + λ|W|₁                      (Ning & Karypis 2011)
            The columns of W do not depend on each other: each is an elastic net. With λ = 0 and no sign it is EASE, whose λ
            is this β: both stand beside a squared error, here with ½ before either.
Solution    Coordinate descent on the Gram matrix XᵀX with active sets (linalg/elastic_net.py). Column j is done when no
            weights whatever could lower its objective by more than tolerance · |x_j|², which its duality gap proves.
Cost        Σ_u n_u² additions for XᵀX, then a few rows of it for each weight. Memory: XᵀX, items² floats, or 8 bytes for
            each pair of items that have a user in common where these are fewer than a quarter (over 4,096 items); past
            8.6 GB it is refused. W takes 8 bytes for each weight that is not 0.
Precision   float32; the objective that `history` tells is summed in float64.
Checked by  tests/by_hand/slim.py (plain coordinate descent on X), the optimality conditions, scikit-learn's ElasticNet,
            EASE where λ = 0, relabelled items, equal bits for 1, 2 and 3 threads.
Fold-in     Exact: a stranger's scores are those a training user with the same history gets.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.forms import ItemModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.factor.weights import SparseWeights
from matweave.linalg.elastic_net import elastic_net_columns
from matweave.linalg.gram import Gram


@final
@config
class SLIM:
    """regularization: β > 0. l1: λ >= 0, in interactions: what two items have in common beyond it counts.
    nonnegative: whether W >= 0. use_values: whether x_ui is the logged value, or 1.
    tolerance: how far a column's objective may be from its minimum, over |x_j|².

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
    >>> SLIM(regularization=1.0, l1=0.5).fit(log).recommend_for([0], k=1).to_pylist()
    [{'item': 1, 'score': 0.5, 'rank': 1}]
    """

    regularization: float = 500.0
    l1: float = 1.0
    nonnegative: bool = True
    use_values: bool = False
    tolerance: float = 1e-5

    space: ClassVar[Space] = {
        "regularization": Span(low=1.0, high=5_000.0, log=True),
        "l1": Span(low=0.1, high=50.0, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            regularization=number(above=0),
            l1=number(0),
            nonnegative=flag(),
            use_values=flag(),
            tolerance=number(1e-8, 1.0),
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> ItemModel:
        """Solve for W. Every column is solved to its end: validate, watch and resume have nothing to do.

        Raises DataError for an empty log and for values whose squares overflow, TooBig where XᵀX passes 8.6 GB, Diverged
        where a column does not come to its minimum (raise regularization).
        """
        began = time.perf_counter()
        log = require.rows(train, "SLIM").by_user
        values = require.moderate(log.values, "SLIM") if self.use_values else None
        gram = Gram.of(log.indptr, log.indices, values, log.n_columns)
        (starts, others, found), objectives = elastic_net_columns(
            gram,
            l1=self.l1,
            l2=self.regularization,
            nonnegative=self.nonnegative,
            tolerance=self.tolerance,
        )
        columns = Csr(indptr=starts, indices=others, values=found, n_columns=log.n_columns)
        return ItemModel(
            **origin(
                self,
                train,
                History(objective=(float(np.sum(objectives)),), seconds=time.perf_counter() - began),
                seen=log,
            ),
            weights=SparseWeights(matrix=columns.transpose()),
            use_values=self.use_values,
        )
