"""BiasedMF: ratings as a mean, a bias for each user and item, and a product of thin factors, by gradient steps.

Model       r̂_uj = μ + b_u + c_j + x_u·y_j                       (Koren, Bell & Volinsky 2009, eq. 4)
Units       Ratings are standardised first, r ← (r - mean) / deviation, and the answer is put back: settings that suit
            ratings of 1 to 5 suit 0 to 100 too, and scaled or shifted logs give scaled or shifted predictions.
Objective   Σ_(u,j) (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²), over the standardised ratings
Step        sgd: one step per rating (eq. 5), blocks of a fixed grid in parallel, the rate falling on a line from
            learning_rate to final_learning_rate over the epochs: linalg/sgd.py
            gd: one step per epoch along the full gradient, with momentum, taken back where it does not lower the
            objective: linalg/gd.py. Deterministic descent, slower to a good prediction: the noise of sgd
            regularizes (ml-1m, 90/10, rank 64: RMSE 0.836 after 14 epochs of sgd; of gd 0.853 after 100, and
            0.847 with regularization 0.06).
Cost        An epoch is 12 (sgd) or 24 (gd) rank operations per rating, and 4 rank more for the exact objective;
            memory: 12 bytes per rating and rank floats per user and item (twice with gd's velocity).
Fold-in     Ridge for (b, x) with items fixed, weights n λ deviation and n λ_b in the units of the log: the minimum of the user's part of the objective.
            Training stops early and moves the items too, so a refit gives another row: on ml-1m (90/10, the rows of
            300 users left out of training) their test RMSE is 0.832 folded in and 0.826 refitted;
            tests/factor/test_biased_mf.py holds the difference on planted data.
Checked by  tests/by_hand/biased_mf.py, numerical gradients in float64, a planted low rank recovered, equal bits for any
            number of threads and after a resume, relabelled and shifted logs.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, one_of, optional
from matweave.data.interactions import Interactions
from matweave.factor import require
from matweave.factor.fold import RidgeFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.recommender import origin
from matweave.linalg import gd, sgd
from matweave.linalg.grid import cut

RATES = {"sgd": 0.062, "gd": 1.0}
"""First learning rates: per rating, and per row's mean gradient."""

SCALES = {"sgd": 0.002, "gd": 0.1}
"""First factors' standard deviations."""

FLAT = {"sgd": 1, "gd": 20}
"""Epochs in a row that must change little: gd crosses plateaus, near the saddle at zero factors first of all."""

MENDS = {
    "sgd": "lower learning_rate, or raise regularization",
    "gd": "lower init_scale",
}


@final
@config
class BiasedMF:
    """rank: columns of the factors. regularization, bias_regularization: λ and λ_b, per rating.
    epochs: passes over the log. optimizer: sgd or gd. learning_rate: the first; none: 0.062 for sgd, 1 for gd.
    final_learning_rate: sgd's last, as a share of the first. bias_rate: sgd's rate for biases, as a share.
    momentum: gd's. init_scale: standard deviation of the first factors; none: 0.002 for sgd, since small ones overfit
    less, and 0.1 for gd, which would stand still for long beside the saddle at zero.
    tolerance: the fit ends when the objective falls by less than this share, for gd in 20 epochs in a row; 0: never.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 1], values=[5, 1, 5, 1, 1])
    >>> model = BiasedMF(rank=1, epochs=200, regularization=0.001).fit(log)
    >>> model.predict([2], [0]).to_pylist()
    [{'user': 2, 'item': 0, 'score': 5...}]
    """

    rank: int = 64
    regularization: float = 0.034
    bias_regularization: float = 0.01
    epochs: int = 14
    optimizer: str = "sgd"
    learning_rate: float | None = None
    final_learning_rate: float = 0.05
    bias_rate: float = 0.5
    momentum: float = 0.9
    init_scale: float | None = None
    tolerance: float = 0.0
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
            epochs=integer(1),
            optimizer=one_of("sgd", "gd"),
            learning_rate=optional(number(above=0)),
            final_learning_rate=number(0, 1),
            bias_rate=number(0),
            momentum=number(0, 0.999),
            init_scale=optional(number(above=0)),
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
        values = require.values(train, "BiasedMF", "ImplicitALS")
        limits = (float(values.min()), float(values.max()))
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
        run = (_Stochastic if self.optimizer == "sgd" else _Batch)(self, train, mean, deviation)
        stretch = np.float32(np.sqrt(deviation))  # of each side of x·y

        def model(arrays: Arrays, history: History) -> FactorModel:
            return FactorModel(
                **origin(self, train, history),
                limits=limits,
                mean=mean,
                user_bias=arrays["user_bias"] * np.float32(deviation),
                item_bias=arrays["item_bias"] * np.float32(deviation),
                user_factors=arrays["user_factors"][:, : self.rank] * stretch,
                item_factors=arrays["item_factors"][:, : self.rank] * stretch,
                fold=RidgeFold(
                    regularization=self.regularization * deviation,
                    bias_regularization=self.bias_regularization,
                    scale_by_count=True,
                ),
            )

        fitted = iterate(
            method="BiasedMF",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.epochs,
            tolerance=self.tolerance,
            flat_epochs=FLAT[self.optimizer],
            mend=MENDS[self.optimizer],
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(FactorModel, fitted)

    @property
    def first_rate(self) -> float:
        """The learning rate of the first epoch."""
        return RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def first_scale(self) -> float:
        """The standard deviation of the first factors."""
        return SCALES[self.optimizer] if self.init_scale is None else self.init_scale

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch of sgd, from 0.

        >>> [round(BiasedMF(epochs=3, learning_rate=0.1, final_learning_rate=0).rate(e), 3) for e in range(3)]
        [0.1, 0.05, 0.0]
        """
        gone = epoch / max(1, self.epochs - 1)
        return self.first_rate * (1.0 + gone * (self.final_learning_rate - 1.0))

    @property
    def penalty(self) -> sgd.Penalty:
        """λ and λ_b."""
        return sgd.Penalty(factors=self.regularization, bias=self.bias_regularization)


def _standard(values: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return ((values - np.float64(mean)) / deviation).astype(np.float32)


def _begin(recipe: BiasedMF, train: Interactions) -> sgd.Biased:
    shape = (train.n_users, train.n_items)
    return sgd.start(*shape, mean=0.0, rank=recipe.rank, scale=recipe.first_scale, seed=recipe.seed)


@final
class _Stochastic:
    """Epochs of stochastic gradient descent over one log."""

    def __init__(self, recipe: BiasedMF, train: Interactions, mean: float, deviation: float) -> None:
        self.recipe, self.train = recipe, train
        assert train.values is not None
        self.grid = cut(
            train.user_codes,
            train.item_codes,
            _standard(train.values, mean, deviation),
            n_users=train.n_users,
            n_items=train.n_items,
            seed=recipe.seed,
        )
        self.counts = self.grid.user_counts, self.grid.item_counts

    def start(self) -> Arrays:
        return _begin(self.recipe, self.train).arrays()

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        r = self.recipe
        at, rate = sgd.Biased(mean=0.0, **arrays), r.rate(number)
        sgd.epoch(
            self.grid, at, r.penalty, rate=rate, bias_rate=rate * r.bias_rate, seed=r.seed, number=number
        )
        value = sgd.squared_error(self.grid, at) + sgd.penalties(at, r.penalty, *self.counts)
        return arrays, value


@final
class _Batch:
    """Epochs of full-batch gradient descent over one log; the state also holds velocity, rate and value."""

    def __init__(self, recipe: BiasedMF, train: Interactions, mean: float, deviation: float) -> None:
        self.recipe, self.train = recipe, train
        log = train.by_user
        values = _standard(log.weights(), mean, deviation)
        self.log = gd.table(log.indptr, log.indices, values, n_items=train.n_items)

    def start(self) -> Arrays:
        r = self.recipe
        return _arrays(gd.start_descent(self.log, _begin(r, self.train), r.penalty, rate=r.first_rate))

    def epoch(self, number: int, arrays: Arrays) -> tuple[Arrays, float]:
        r = self.recipe
        parts = {name: arrays[name] for name in sgd.PARTS}
        velocity = {name: arrays[f"velocity_{name}"] for name in sgd.PARTS}
        state = gd.Descent(
            at=sgd.Biased(mean=0.0, **parts),
            velocity=sgd.Biased(mean=0.0, **velocity),
            rate=float(arrays["rate"][0]),
            value=float(arrays["value"][0]),
        )
        state = gd.descend(self.log, state, r.penalty, momentum=r.momentum, first_rate=r.first_rate)
        return _arrays(state), state.value


def _arrays(state: gd.Descent) -> Arrays:
    velocity = {f"velocity_{name}": part for name, part in state.velocity.arrays().items()}
    scalars = {"rate": np.array([state.rate]), "value": np.array([state.value])}
    return {**state.at.arrays(), **velocity, **scalars}
