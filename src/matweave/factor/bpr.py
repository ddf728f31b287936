"""BPR: items ranked so that what a user has had comes before what it has not, one drawn pair at a time.

Model       s_uj = x_u·y_j + c_j; c where `item_bias`. Only differences of scores mean anything.
Objective   max Σ_(u,i,j) ln σ(s_ui - s_uj) - λ/2 (|x_u|² + |y_i|² + |y_j|²) - λ_b/2 (c_i² + c_j²)       (BPR-Opt)
            over rows (u, i) and items j that u has not had, j drawn anew: evenly (`sampling="uniform"`, the paper's), or with chances that grow
            as popularity^popularity_exponent (`sampling="popularity"`). The history's objective is the mean of
            -ln σ over an epoch's samples, each as its step found it, without the penalty.
Step        LearnBPR: one stochastic step for each row and epoch, in random order; linalg/pairwise.py.
Modes       "deterministic": users and items are cut into 8 groups, the items' anew for each epoch; blocks that share no row are worked on at
            once, and a negative comes from its positive's group. Over the groupings every unmet item is drawn as
            often as by drawing from all of them: why, and what is done for weighted draws, is the head of linalg/cells.py.
            The same seed gives the same bits for any number of threads.
            "hogwild": rows in one random order, negatives from all items, threads write without locks: other bits each
            time where there are several threads. It is the reference for the quality of the first (ncf-ml-1m, rank
            64, λ 0.01, constant rate, validation: HR@10 0.711 and nDCG@10 0.424 by one thread of it, 0.714 and 0.423 in blocks), and slower.
Cost        An epoch is 12 rank operations a row, three vectors read and written; memory: the vectors, 12 bytes a row.
Fold-in     The minimum of the user's part of the expected objective with the items fixed, by Newton's method: linalg/pairwise_row.py.
            Training does not go all the way there, so that a trained row is shorter: on ncf-ml-1m (rank 64, 302 users left out of
            training) strangers' scores are 0.24 of their spread off a refit's, each row's mean taken off; HR@10 and
            nDCG@10 on the validation cut are 0.659 and 0.401 folded in, 0.666 and 0.393 refitted.
Checked by  tests/by_hand/bpr.py (one sample at a time, float64), planted preferences found, draws that are even, the same bits
            for any number of threads and after a resume.
Source      Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009. The paper draws rows with replacement; here each comes once an epoch.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.pairwise_fold import PairwiseFold
from matweave.factor.recommender import origin
from matweave.linalg import pairwise, unmet
from matweave.linalg.cells import cut
from matweave.linalg.sgd import width
from matweave.linalg.vectors import aligned
from matweave.randomness import child

MODES = {"deterministic": pairwise.epoch, "hogwild": pairwise.race}
"""How an epoch is taken."""


@final
@config
class BPR:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = BPR(rank=8, epochs=20, seed=0).fit(log)
    >>> model.item_factors.shape, model.history.objective[-1] < 0.7
    ((40, 8), True)
    """

    rank: int = 64  # length of the vectors
    learning_rate: float = 0.05  # γ of the first epoch
    final_learning_rate: float = (
        0.05  # the last epoch's, as a share of the first; on a line between; 1: constant
    )
    regularization: float = 0.006  # λ, for each sample's three vectors
    bias_regularization: float = 0.01  # λ_b
    epochs: int = 60
    sampling: str = "uniform"  # negatives: uniform over what the user has not had, or by popularity
    popularity_exponent: float = 0.5  # sampling popularity: 0 is uniform, 1 in proportion to an item's rows
    item_bias: bool = True
    mode: str = "deterministic"  # or hogwild
    init_scale: float = 0.01  # standard deviation of the first factors
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=16, high=256, log=True, whole=True),
        "learning_rate": Span(low=0.01, high=0.2, log=True),
        "regularization": Span(low=1e-3, high=0.1, log=True),
        "epochs": Span(low=10, high=100, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            learning_rate=number(above=0),
            final_learning_rate=number(0, 1),
            regularization=number(0),
            bias_regularization=number(0),
            epochs=integer(1),
            sampling=one_of("uniform", "popularity"),
            popularity_exponent=number(0, 2),
            item_bias=flag(),
            mode=one_of(*MODES),
            init_scale=number(above=0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> FactorModel:
        """Learn from a log; values are not used. Raises DataError for an empty log, Diverged with the mend."""
        log = require.rows(train, "BPR")
        task = _Task(self, log.by_user)

        def model(arrays: Arrays, history: History) -> FactorModel:
            return FactorModel(
                **origin(self, log, history),
                user_factors=arrays["user_factors"][:, : self.rank].copy(),
                item_factors=arrays["item_factors"][:, : self.rank].copy(),
                item_bias=arrays["item_bias"].copy() if self.item_bias else None,
                fold=PairwiseFold(regularization=self.regularization, weights=task.draws.weights),
            )

        fitted = iterate(
            method="BPR",
            start=task.start,
            epoch=task.epoch,
            model=model,
            epochs=self.epochs,
            mend="lower learning_rate",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)

    def rate(self, epoch: int) -> float:
        """γ of an epoch, from 0.

        >>> [round(BPR(epochs=3, learning_rate=0.1, final_learning_rate=0).rate(e), 3) for e in range(3)]
        [0.1, 0.05, 0.0]
        """
        gone = epoch / max(1, self.epochs - 1)
        return self.learning_rate * (1.0 + gone * (self.final_learning_rate - 1.0))

    def weights(self, log: Csr) -> np.ndarray | None:
        """Weights of the items as negatives, (items,) float64; None where all are alike."""
        if self.sampling == "uniform":
            return None
        return np.bincount(log.indices, minlength=log.n_columns) ** float(self.popularity_exponent)


@final
class _Task:
    """One fit: the log cut for its epochs."""

    def __init__(self, recipe: BPR, log: Csr) -> None:
        self.recipe = recipe
        self.log = cut(log.indptr, log.indices, log.n_columns)
        self.draws = unmet.draws(self.log, recipe.weights(log))

    def start(self) -> Arrays:
        r, arrays = self.recipe, {}
        for side, n in (("user", self.log.n_users), ("item", self.log.n_items)):
            drawn = child(r.seed, "bpr", side).standard_normal((n, r.rank), np.float32)
            factors = arrays[f"{side}_factors"] = aligned(n, width(r.rank))
            np.multiply(drawn, np.float32(r.init_scale), out=factors[:, : r.rank])
        return {**arrays, "item_bias": np.zeros(self.log.n_items, np.float32)}

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        r = self.recipe
        rates = pairwise.Rates(
            step=r.rate(number),
            bias=float(r.item_bias),
            pull=r.regularization,
            bias_pull=r.bias_regularization,
        )
        lost, count = MODES[r.mode](
            self.log,
            arrays["user_factors"],
            arrays["item_factors"],
            arrays["item_bias"],
            self.draws,
            rates,
            seed=r.seed,
            number=number,
        )
        return arrays, lost / max(count, 1)
