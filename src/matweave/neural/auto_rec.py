"""AutoRec: an autoencoder of the ratings of items (I-AutoRec) or users (U-AutoRec) with one hidden layer.

Model       h(r; θ) = f(W g(V r + μ) + b), r the ratings of one item by all users (side "items") or of one user for all items ("users"), 0 where
            there is none (Sedhain, Menon, Sanner, Xie, WWW 2015, "AutoRec", eq. 1). f is the identity, which the paper found best
            with a sigmoid for g. Ratings go in with their training range brought to 1..5, which is how the paper's data
            are, so that who rated counts too; their training mean m is taken off what comes out (the paper leaves it to b).
Form        side "items": score(u, j) = m + b_u + w_u·g(V r_j + μ): a factor model whose item vectors come out of the network, so it is
            served without torch. side "users": the user's row is g(V r_u + μ), encoded when asked for; items have w_j and b_j.
Loss        Σ_there (r - h(r; θ))² + λ/2 |W|² + λ_in/2 |V|² over all rows (eq. 2, which has λ_in = λ), divided by the ratings there;
            λ = `regularization`, λ_in = `input_regularization`, None: λ. A batch's sum counts rows / batch_size times.
Step        one optimizer step (Adam; the paper has RProp on all rows) on `batch_size` rows, their outputs at observed ratings alone.
Cost        an epoch: 5 · ratings · hidden multiply-adds (observed.py), and a pass over both tables each step; 8 (users or items) hidden
            floats with Adam's moments.
Start       V, W ~ N(0, 2 / (in + out)), biases 0, rows of ids without ratings 0. `init`: V and W from the factors of the same ids
            (users for side "items") of a fitted model, scaled to that spread: directions are kept, not the scores.
Fold-in     side "items": a stranger's w_u, b_u minimise the row's own part of the loss with items fixed, exactly (RidgeFold with λ/2); a
            training user's own row is near it as far as training went to its end. side "users": exact, the same encoder.
Checked by  by hand in float64 (tests/by_hand/auto_rec.py), both sides, the fold's objective, a planted log, ml-1m (slow).
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, one_of, optional
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, seeded
from matweave.factor import require
from matweave.factor.fold import RidgeFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender, origin
from matweave.neural.auto_rec_net import ACTIVATIONS, AutoRecStructure
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.forms import EncoderModel, encoder_model
from matweave.neural.observed import ObservedRows, observed_bags, observed_loss
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.neural.structure import array_of
from matweave.train.task import Batch


@final
@config
class AutoRec:
    """The recipe; `fit` returns a `FactorModel` (side "items") or an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = AutoRec(hidden=8, epochs=2, device="cpu").fit(log)
    >>> model.user_factors.shape, model.item_factors.shape
    ((60, 8), (40, 8))
    """

    hidden: int = 500  # width of the hidden layer
    side: str = "items"  # items (I-AutoRec) or users (U-AutoRec): whose ratings a row is
    activation: str = "sigmoid"  # g: sigmoid, tanh, relu or identity
    regularization: float = 200.0  # λ, of W
    input_regularization: float | None = None  # of V; None: λ
    epochs: int = 60
    batch_size: int = 1024  # rows
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    predicts_values: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "hidden": (100, 200, 500),
        "regularization": Span(low=1.0, high=1000.0, log=True),
        "input_regularization": Span(low=1.0, high=1000.0, log=True),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            hidden=integer(1),
            side=one_of("items", "users"),
            activation=one_of(*ACTIVATIONS),
            regularization=number(0),
            input_regularization=optional(number(0)),
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> FactorModel | EncoderModel:
        """Learn from a log with values. init: a fitted model whose factors start V and W.

        Raises DataError for a log without values, ConfigError for an init without factors, Diverged with the mend.
        """
        values = require.values(train, "AutoRec", "MultVAE")
        log, mean = train, float(values.mean(dtype=np.float64))
        limits = (float(values.min()), float(values.max()))
        rows = log.by_item if self.side == "items" else log.by_user
        rows = replace(rows, values=rows.weights() - np.float32(mean), order=None)
        structure = AutoRecStructure(
            columns=rows.n_columns,
            hidden=self.hidden,
            activation=self.activation,
            low=limits[0],
            high=limits[1],
        )
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            found = start_from(init, log.users, log.items, self.hidden, seed=self.seed)
            module.start(found.users if self.side == "items" else found.items)
        module.leave_out(np.bincount(rows.indices, minlength=rows.n_columns) == 0)
        into = self.input_regularization
        scale, shift = structure.scale, structure.shift(mean)
        w, v = self.regularization, self.regularization if into is None else into

        def loss(batch: Batch) -> Tensor:
            h = module.hidden(observed_bags(batch, scale, shift))
            share = rows.n_rows / (len(batch[0]) * rows.nnz)
            errors = observed_loss(h, module.out, module.out_bias, batch)
            return share * errors + (w * _square(module.out) + v * _square(module.into)) / (2 * rows.nnz)

        def freeze(history: History, *, live: bool) -> FactorModel | EncoderModel:
            if self.side == "users":
                return encoder_model(
                    self, log, log.by_user, structure, module, history, live=live, limits=limits, mean=mean
                )
            return FactorModel(
                **origin(self, log, history),
                limits=limits,
                user_factors=array_of(module.out),
                item_factors=module.encoded(rows, scale, shift),
                fold=RidgeFold(
                    regularization=self.regularization / 2, bias_regularization=0.0, scale_by_count=False
                ),
                mean=mean,
                user_bias=array_of(module.out_bias),
            )

        batches = ObservedRows(rows, batch_size=self.batch_size, seed=self.seed)
        course = Course(module=module, loss=loss, batches=batches, freeze=freeze)
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, (FactorModel, EncoderModel))
        return fitted


def _square(matrix: Tensor) -> Tensor:
    flat = matrix.view(-1)
    return flat @ flat
