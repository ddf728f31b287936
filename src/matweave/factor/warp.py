"""WARP: items ranked by a loss that weighs a pair by how far down the list its positive seems to be.

Model       s_uj = x_u·y_j + c_j; c where `item_bias`. Only differences of scores mean anything.
Objective   min Σ_(u,i) L(rank of i for u), L(k) = 1 + 1/2 + ... + 1/k, by its stochastic approximation: items that u has not had are drawn evenly
            until one scores within 1 of the positive or above it, at most `max_sampled` of them; if it was the N-th of Y,
            the pair's hinge counts L(⌊Y/N⌋). The history's objective is the mean of L |1 - s_ui + s_uj|₊ over an
            epoch's rows, each as its step found it. With penalty λ, and vectors no longer than `max_norm` (the
            paper's constraint; none: any length).
Step        One for each row and epoch, in random order; rates by AdaGrad for each row: linalg/rank_loss.py has every term. The paper steps at a constant
            rate, which was worse here (ncf-ml-1m, validation nDCG@10: 0.37 at the better of two settings, 0.43 with AdaGrad).
Modes       "deterministic": in blocks that share no row, a negative from its positive's group of items, redrawn for each epoch; the same bits for
            any number of threads (linalg/cells.py). N counts draws from a random eighth of the items, whose share of
            violations is that of all on average. "hogwild": negatives from all items, threads write without
            locks, other bits each time (ncf-ml-1m, rank 64, 20 epochs, validation nDCG@10: both 0.436).
Cost        An epoch is about 2 N + 18 rank operations a row; memory: the vectors, 12 bytes a row.
Fold-in     The loss is not convex: a stranger's row is the mean path of the training steps, items fixed, 60 evaluations of the exact mean step
            (linalg/rank_loss_row.py). On ncf-ml-1m (rank 64, 302 users left out of training) strangers' scores are 0.29 of their
            spread off a refit's, each row's mean taken off; HR@10 and nDCG@10 on the validation cut are 0.695 and 0.431
            folded in, 0.682 and 0.414 refitted: the drawn path is one of many, the mean path is smoother.
Checked by  tests/by_hand/warp.py (one row at a time, float64), planted preferences found, the same bits for any number of threads
            and after a resume.
Source      Weston, Bengio & Usunier 2011 (WSABIE), with a user's vector in place of a mapped image.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

import numpy as np

from matweave.config import (
    Space,
    Span,
    check,
    config,
    flag,
    integer,
    number,
    one_of,
    optional,
)
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.pairwise_fold import RankLossFold
from matweave.factor.recommender import origin
from matweave.linalg import rank_loss
from matweave.linalg.cells import cut
from matweave.linalg.pairwise import Rates
from matweave.linalg.sgd import width
from matweave.linalg.vectors import aligned
from matweave.randomness import child

MODES = {"deterministic": rank_loss.epoch, "hogwild": rank_loss.race}
"""How an epoch is taken."""


@final
@config
class WARP:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = WARP(rank=8, epochs=10, seed=0).fit(log)
    >>> model.item_factors.shape, len(model.history.objective)
    ((40, 8), 10)
    """

    rank: int = 64  # length of the vectors
    learning_rate: float = 0.05  # γ, before AdaGrad divides it
    final_learning_rate: float = 1.0  # the last epoch's, as a share of the first; on a line between
    regularization: float = 0.01  # λ, for the vectors of each step
    bias_regularization: float = 0.0  # λ_b
    max_norm: float | None = 3.0  # greatest length of a vector; none: any
    max_sampled: int = 30  # draws for a violation, at most
    epochs: int = 30
    item_bias: bool = True
    mode: str = "deterministic"  # or hogwild
    init_scale: float = 0.01  # standard deviation of the first factors
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=16, high=256, log=True, whole=True),
        "learning_rate": Span(low=0.01, high=0.2, log=True),
        "max_sampled": Span(low=5, high=100, log=True, whole=True),
        "epochs": Span(low=5, high=50, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            learning_rate=number(above=0),
            final_learning_rate=number(0, 1),
            regularization=number(0),
            bias_regularization=number(0),
            max_norm=optional(number(above=0)),
            max_sampled=integer(1),
            epochs=integer(1),
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
        log = require.rows(train, "WARP")
        task = _Task(self, log.by_user)

        def model(arrays: Arrays, history: History) -> FactorModel:
            return FactorModel(
                **origin(self, log, history),
                user_factors=arrays["user_factors"][:, : self.rank].copy(),
                item_factors=arrays["item_factors"][:, : self.rank].copy(),
                item_bias=arrays["item_bias"].copy() if self.item_bias else None,
                fold=RankLossFold(
                    epochs=self.epochs,
                    learning_rate=self.learning_rate,
                    final_learning_rate=self.final_learning_rate,
                    regularization=self.regularization,
                    max_norm=self.max_norm or 0.0,
                    max_sampled=self.max_sampled,
                ),
            )

        fitted = iterate(
            method="WARP",
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

        >>> [round(WARP(epochs=3, learning_rate=0.1, final_learning_rate=0).rate(e), 3) for e in range(3)]
        [0.1, 0.05, 0.0]
        """
        gone = epoch / max(1, self.epochs - 1)
        return self.learning_rate * (1.0 + gone * (self.final_learning_rate - 1.0))


@final
class _Task:
    """One fit: the log cut for its epochs."""

    def __init__(self, recipe: WARP, log: Csr) -> None:
        self.recipe = recipe
        self.log = cut(log.indptr, log.indices, log.n_columns)
        self.search = rank_loss.Search(most=recipe.max_sampled, longest=recipe.max_norm or 0.0)

    def start(self) -> Arrays:
        r, sides = self.recipe, []
        for side, n in (("user", self.log.n_users), ("item", self.log.n_items)):
            drawn = child(r.seed, "warp", side).standard_normal((n, r.rank), np.float32)
            sides.append(aligned(n, width(r.rank)))
            np.multiply(drawn, np.float32(r.init_scale), out=sides[-1][:, : r.rank])
        return rank_loss.start(*sides)

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        r = self.recipe
        rates = Rates(
            step=r.rate(number),
            bias=float(r.item_bias),
            pull=r.regularization,
            bias_pull=r.bias_regularization,
        )
        lost, count = MODES[r.mode](self.log, arrays, r.rank, rates, self.search, seed=r.seed, number=number)
        return arrays, lost / max(count, 1)
