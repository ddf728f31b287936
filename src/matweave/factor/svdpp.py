"""SVDpp: ratings by factors, where a user's also hold a vector for every item of the history, whatever its rating.

Model       r̂_uj = μ + b_u + c_j + y_j·(x_u + |N(u)|^-1/2 Σ_{i∈N(u)} z_i)        (Koren 2008, SVD++)
            N(u): the items that u rated. Which items somebody rates tells of taste beside how they are rated.
Units       Ratings are standardised first, r ← (r - mean) / deviation, and the answer is put back.
Objective   Σ_(u,j) (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²) + λ_z |z_j|², over the standardised ratings
Step        SGD, the rate falling on a line from learning_rate to final_learning_rate over the epochs. The sum over the history is made
            once for a wave of users of about 32,000 ratings, and the gradient of the z_i, Σ_j e_uj y_j |N(u)|^-1/2, is gathered over the
            wave's ratings and applied once at its end; the paper makes both at every rating, which costs |N(u)| times as much. The
            two differ by O(learning_rate²); quality is the same for waves of 190 and of 50 users (ml-1m).
            The paper shrinks z_i once for each rating of each u that holds it, here once for each u: λ_z means another size.
Cost        An epoch is 16 rank operations per rating, and 6 rank more for the exact objective; memory: 24 bytes per rating, rank floats per
            user and two times rank per item.
Fold-in     The sum over a stranger's history is known, so what is left is ridge for (b, x), items fixed, weights n λ deviation and
            n λ_b: the minimum of the user's part of the objective. On ml-1m (90/10, defaults, the rows of 300 users left out of training) their
            test RMSE is 0.830 folded in and 0.823 refitted; tests/factor/test_svdpp.py holds the difference on planted data.
Checked by  tests/by_hand/svdpp.py (the gathered step, and the paper's step to first order), a planted implicit part recovered, equal bits for
            any number of threads and after a resume, shifted and scaled logs; RMSE in benchmarks/quality/svdpp.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.fold import FoldIn, RidgeFold, refitted
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.factor.rows import FactorRows
from matweave.linalg import implicit_sums as sums
from matweave.linalg.sgd import width
from matweave.linalg.waves import cut_waves
from matweave.randomness import child


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryFold(FoldIn):
    """x + |N|^-1/2 Σ_{i∈N} z_i: the sum over the history, and the ridge solution of (b, x) for what it leaves.

    implicit_factors: z (items, rank) float32. ridge: how (b, x) are solved, with the penalty on x alone.
    """

    implicit_factors: np.ndarray
    ridge: RidgeFold

    def solve(self, histories: Csr, model: FactorModel) -> FactorRows:
        rank = model.item_factors.shape[1]
        padded = np.zeros((len(model.items), width(rank)), np.float32)
        padded[:, :rank] = self.implicit_factors
        known = sums.history_sums(histories.indptr, histories.indices, padded)[:, :rank]
        rest = histories
        if histories.values is not None:
            at = np.repeat(np.arange(histories.n_rows), histories.counts)
            told = np.einsum("nf,nf->n", known[at], model.item_factors[histories.indices])
            rest = replace(histories, values=histories.values - told)
        found = self.ridge.solve(rest, model)
        return FactorRows(factors=found.factors + known, bias=found.bias)

    def turned(self, model: FactorModel) -> RidgeFold:
        """Of an item, whose users' factors are what they are."""
        return self.ridge

    def over(self, item_factors: np.ndarray) -> HistoryFold:
        """New items say nothing of who rated them."""
        z = self.implicit_factors
        more = np.zeros((len(item_factors) - len(z), z.shape[1]), np.float32)
        return replace(self, implicit_factors=np.concatenate([z, more]))

    def refit(self, model: FactorModel, log: Interactions) -> FactorModel:
        return refitted(SVDpp, model, log)


@final
@config
class SVDpp:
    """The recipe; `fit` returns a `FactorModel` whose user factors are x_u plus the sum over the history.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> model = SVDpp(rank=8, epochs=4).fit(log)
    >>> model.user_factors.shape, model.history.stopped
    ((60, 8), 'epochs')
    """

    rank: int = 64  # length of the vectors
    regularization: float = 0.034  # λ, of x and y, per rating
    bias_regularization: float = 0.01  # λ_b, per rating
    implicit_regularization: float = 0.1  # λ_z, of the vectors of the history, per rating
    epochs: int = 14  # passes over the log
    learning_rate: float = 0.05  # of the first epoch
    final_learning_rate: float = 0.05  # of the last epoch, as a share of the first
    bias_rate: float = 0.5  # of the biases, as a share
    implicit_rate: float = 0.12  # of the vectors of the history, as a share
    init_scale: float = 0.005  # standard deviation of the first x and y; z starts at zero
    tolerance: float = 0.0  # stop when the objective falls by less, relatively; 0: never
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=8, high=128, log=True, whole=True),
        "regularization": Span(low=0.005, high=0.3, log=True),
        "epochs": Span(low=6, high=40, log=True, whole=True),
    }
    predicts_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            regularization=number(0),
            bias_regularization=number(0),
            implicit_regularization=number(0),
            epochs=integer(1),
            learning_rate=number(above=0),
            final_learning_rate=number(0, 1),
            bias_rate=number(0),
            implicit_rate=number(0),
            init_scale=number(above=0),
            tolerance=number(0),
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
        """Learn the factors. The same seed gives the same bits for any number of threads.

        Raises DataError for a log that is empty or has no values, Diverged when the objective blows up.
        """
        values = require.values(train, "SVDpp", "ImplicitALS")
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
        run = _Run(self, train, mean, deviation)
        stretch = np.float32(np.sqrt(deviation))  # of each side of a product

        def model(arrays: Arrays, history: History) -> FactorModel:
            implicit = arrays["implicit_factors"]
            users = arrays["user_factors"] + sums.history_sums(run.log.indptr, run.log.indices, implicit)
            back = np.argsort(run.log.order)  # from places in the waves to codes
            return FactorModel(
                **origin(self, train, history),
                limits=(float(values.min()), float(values.max())),
                mean=mean,
                user_bias=arrays["user_bias"][back] * np.float32(deviation),
                item_bias=arrays["item_bias"] * np.float32(deviation),
                user_factors=users[back, : self.rank] * stretch,
                item_factors=arrays["item_factors"][:, : self.rank] * stretch,
                fold=HistoryFold(
                    implicit_factors=implicit[:, : self.rank] * stretch,
                    ridge=RidgeFold(
                        regularization=self.regularization * deviation,
                        bias_regularization=self.bias_regularization,
                        scale_by_count=True,
                    ),
                ),
            )

        fitted = iterate(
            method="SVDpp",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            mend="lower learning_rate or implicit_rate, or raise regularization",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)

    def rates(self, epoch: int) -> sums.Rates:
        """The learning rates of an epoch, from 0.

        >>> [round(SVDpp(epochs=3, learning_rate=0.1, final_learning_rate=0).rates(e).factors, 3) for e in range(3)]
        [0.1, 0.05, 0.0]
        """
        gone = epoch / max(1, self.epochs - 1)
        rate = self.learning_rate * (1.0 + gone * (self.final_learning_rate - 1.0))
        return sums.Rates(factors=rate, bias=rate * self.bias_rate, implicit=rate * self.implicit_rate)


@final
class _Run:
    """Epochs over one log; the arrays of users are in the order of its waves."""

    def __init__(self, recipe: SVDpp, train: Interactions, mean: float, deviation: float) -> None:
        self.recipe, log = recipe, train.by_user
        values = ((log.weights() - np.float64(mean)) / deviation).astype(np.float32)
        self.log = cut_waves(log.indptr, log.indices, values, n_items=train.n_items, seed=recipe.seed)
        self.penalties = sums.Penalties(
            factors=recipe.regularization,
            bias=recipe.bias_regularization,
            implicit=recipe.implicit_regularization,
        )

    def start(self) -> Arrays:
        """Zero biases and z, small normal x and y: the biases settle first, and factors grow where the data pull them."""
        r, sizes = self.recipe, {"user": len(self.log.order), "item": self.log.n_items}
        arrays: Arrays = {f"{side}_bias": np.zeros(n, np.float32) for side, n in sizes.items()}
        for side, n in sizes.items():
            drawn = child(r.seed, "svdpp", side, "start").standard_normal((n, r.rank), np.float32)
            arrays[f"{side}_factors"] = np.zeros((n, width(r.rank)), np.float32)
            arrays[f"{side}_factors"][:, : r.rank] = drawn * np.float32(r.init_scale)
        return arrays | {"implicit_factors": np.zeros_like(arrays["item_factors"])}

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        at, r = sums.Parameters(**arrays), self.recipe
        sums.epoch(self.log, at, self.penalties, r.rates(number), seed=r.seed, number=number)
        return arrays, sums.objective(self.log, at, self.penalties)
