"""FactorizationMachine: ratings from any features of users and items, each with a weight and a vector.

Model       Over standardised ratings r ← (r - mean) / deviation, with every feature i of a row, its value z_i, weight w_i and vector v_i,

                ŷ(z) = w0 + Σ_i w_i z_i + Σ_{i<i'} (v_i·v_i') z_i z_i'                             (Rendle 2010)

            The features of a row are the user's id and attributes (`user_features`), the item's id and attributes
            (`item_features`), and, where `implicit`, the set of items that the user rated and the set of users that rated the item, each member
            with one over the root of the set's size (which is SVD++ as a machine). Whatever there is, the sum over pairs is a factor
            model, a_u·b_j + bias_u + bias_j with a_u = Σ z_i v_i over the user's features, so that it is ranked and served as one.
Solvers     gibbs   draws from the posterior (Freudenthaler, Schmidt-Thieme & Rendle 2011): a Gaussian prior for each group of features (ids of
                    users, of items, each attribute's levels, sets) and factor, its mean and precision drawn too, and the noise:
                    no regularization to choose. burn_in + samples · thinning sweeps, of which the last `samples` draws are kept.
            als     the minimum of J = Σ_rows [e² + Σ_{i: z_i ≠ 0} (λ |v_i|² + λ_w w_i²)], one coordinate after another, each exact: J never rises.
            sgd     gradient steps on J, row by row, at a rate that falls on a line to final_learning_rate of the first.
            A coordinate's sums are taken over the rows of its users, not over rows: linalg/machine.py, machine_sgd.py.
Objective   J after each epoch; with gibbs 1 + half the squared errors of the sweep's draw, a trace.
Cost        A sweep of gibbs or als passes twice over the log for each side and factor, and over the features: about 8 n d operations for n ratings;
            with sets twice that. sgd: 4 d operations for each feature of each row, on one thread.
Fold-in     The new id's weights given all else, ridge or posterior (factor/machine_fold.py): for a training user of als the trained weights
            up to what the item side moved since. Attributes alone: the prior's mean for the id.
Checked by  tests/by_hand/machine.py (the whole design matrix), coordinate by coordinate; numerical gradients; planted
            attributes; equal bits for any number of threads and after a resume.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.factor import require
from matweave.factor.content_items import with_items_of
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch, iterate
from matweave.factor.machine_run import MachineRun
from matweave.factor.posterior import PosteriorModel, kept_of
from matweave.factor.recommender import origin


@final
@config
class FactorizationMachine:
    """The recipe; `fit` returns a `PosteriorModel`, of one draw for als and sgd. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, shape="ratings", seed=0).log
    >>> model = FactorizationMachine(rank=4, burn_in=10, samples=20, thinning=1).fit(log)
    >>> model.user_draws.shape, len(model.history.objective)
    ((20, 60, 6), 30)
    """

    rank: int = 16  # length of the vectors
    solver: str = "gibbs"  # gibbs (Bayesian), als or sgd
    implicit: bool = False  # whether the sets of rated items and of raters are features too
    burn_in: int = 40  # sweeps before the first draw that is kept (gibbs)
    samples: int = 100  # draws kept (gibbs); the model is as large as so many factor models
    thinning: int = 2  # sweeps between two draws (gibbs)
    epochs: int = 30  # passes over the log (als, sgd)
    regularization: float = 0.08  # λ, for each row in which a feature stands (als, sgd)
    linear_regularization: float = 0.04  # λ_w (als, sgd)
    learning_rate: float = 0.02  # of the first epoch (sgd)
    final_learning_rate: float = 0.05  # of the last, as a share of the first (sgd)
    init_scale: float = 0.1  # standard deviation of the first vectors
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": Span(low=4, high=64, log=True, whole=True),
        "implicit": (False, True),
    }
    predicts_values: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(
            self,
            rank=integer(1),
            solver=one_of("gibbs", "als", "sgd"),
            implicit=flag(),
            burn_in=integer(0),
            samples=integer(2),
            thinning=integer(1),
            epochs=integer(1),
            regularization=number(0),
            linear_regularization=number(0),
            learning_rate=number(above=0),
            final_learning_rate=number(0, 1),
            init_scale=number(above=0),
            seed=integer(0),
        )

    def fit(
        self,
        train: Interactions,
        *,
        user_features: ItemContent | None = None,
        item_features: ItemContent | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> PosteriorModel:
        """Learn the weights. user_features, item_features: attributes of users and of items, by id.

        The same seed gives the same bits for any number of threads. Raises DataError for a log that is empty or has no
        values and for features without attributes of the log's ids, Diverged with the mend.
        """
        values = require.values(train, "FactorizationMachine", "ImplicitALS")
        if item_features is not None:  # items that only they know join without rows
            train, item_features = with_items_of(train, item_features)
        run = MachineRun(self, train, values, [user_features, item_features])

        def model(arrays: Arrays, history: History) -> PosteriorModel:
            kept = run.kept(arrays)
            return PosteriorModel(
                **origin(self, train, history),
                limits=(float(values.min()), float(values.max())),
                mean=run.mean,
                user_draws=kept_of(arrays["user_draws"], kept, history),
                item_draws=kept_of(arrays["item_draws"], kept, history),
                noise=arrays["noise"][kept],
                fold=run.fold(arrays, kept),
            )

        gibbs = self.solver == "gibbs"
        fitted = iterate(
            method="FactorizationMachine",
            start=run.start,
            epoch=run.epoch,
            model=model,
            epochs=self.burn_in + self.samples * self.thinning if gibbs else self.epochs,
            mend="see whether a few values are far from all others"
            if gibbs
            else "lower learning_rate, or raise regularization",
            validate=validate,
            watch=watch,
            resume=resume,
        )
        return cast(PosteriorModel, fitted)
