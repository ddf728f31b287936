"""PureSVD: the leading singular vectors of the log, missing entries read as 0.

Model       R ≈ U diag(s) Vᵀ of rank columns;  x_u = r_u V,  y_j = v_j, so score(u, ·) = r_u V Vᵀ
Objective   |R - U diag(s) Vᵀ|² = |R|² - Σ s²: the model's history holds this one value
Solution    randomized SVD with power iterations (linalg/svd.py: Halko, Martinsson & Tropp 2011)
Source      Cremonesi, Koren & Turrin 2010, section 3.2, eq. 10
Cost        2 (iterations + 1) products of 2 nnz (rank + 16) flops; (users + items)(rank + 16) floats
Checked by  tests/by_hand/pure_svd.py, a planted rank, relabelled users and items, scaling of the values
Fold-in     Exact: x = h V is what a training user with the same history gets; V itself does not move.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.fold import ProjectionFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.linalg.svd import product, randomized_svd


@final
@config
class PureSVD:
    """rank: singular vectors kept (fewer where the log has fewer users or items). iterations: power iterations;
    more separate close singular values better. use_values: whether r_uj is the logged value, or 1.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
    >>> PureSVD(rank=1).fit(log).recommend_for([0], k=1).to_pylist()
    [{'item': 1, 'score': 0.5, 'rank': 1}]
    """

    rank: int = 64
    iterations: int = 5
    use_values: bool = False
    seed: int = 0

    space: ClassVar[Space] = {"rank": Span(low=8, high=256, log=True, whole=True)}

    def __post_init__(self) -> None:
        check(self, rank=integer(1), iterations=integer(0), use_values=flag(), seed=integer(0))

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> FactorModel:
        """Find the singular vectors. Closed form: validate, watch and resume have nothing to do.

        Raises DataError for an empty log, and for values beyond 1e15 that are to be used.
        """
        began = time.perf_counter()
        log = require.rows(train, "PureSVD").by_user
        values = log.weights() if self.use_values else np.ones(log.nnz, np.float32)
        if np.abs(values).max(initial=0) > 1e15:
            raise DataError(
                f"values as large as {np.abs(values).max():.0e} overflow when squared",
                where="PureSVD.fit",
                mend="scale the values down, or set use_values=false",
            )
        table = (log.indptr, log.indices, values)
        found = randomized_svd(
            *table, log.n_columns, rank=self.rank, seed=self.seed, iterations=self.iterations
        )
        energy = float((values.astype(np.float64) ** 2).sum())
        left = energy - float((found.values.astype(np.float64) ** 2).sum())
        return FactorModel(
            **origin(
                self,
                train,
                History(objective=(max(0.0, left),), seconds=time.perf_counter() - began),
                seen=log,
            ),
            user_factors=product(*table, found.right),
            item_factors=found.right,
            fold=ProjectionFold(use_values=self.use_values),
        )
