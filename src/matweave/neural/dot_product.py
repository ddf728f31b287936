"""DotProduct: matrix factorization of ratings written as a network, a linear layer on one-hot users times one on one-hot items.

Model. r̂_uj = μ + b_u + c_j + (Uᵀ e_u)·(Fᵀ e_j), e_u and e_j one-hot: the weights of the two bias-free linear layers are the
factors themselves (Koren, Bell & Volinsky 2009, eq. 4; the reading as a network is that of He et al. 2017, section 3.2, and of Rendle et
al. 2020, section 2). A product with a one-hot vector is a row looked up, which is how it is computed.

Units. Ratings are standardised, r ← (r - mean) / deviation, as in BiasedMF, and the answer is put back.

Objective / loss. BiasedMF's own, over the standardised ratings, as a mean over the rows of a batch; the L2 is the objective's, by row,
not the optimizer's, so that a row's penalty grows with its number of ratings:

    L = 1/n Σ_(u,j) [ (r_uj - r̂_uj)² + λ (|x_u|² + |y_j|²) + λ_b (b_u² + c_j²) ]

Step. One optimizer step (Adam) on `batch_size` rows; with batch_size no less than the log, full-batch descent to the same minimum as
BiasedMF(optimizer="gd"): tests/neural/test_dot_product.py holds the objectives within 1 %.

Start. Factors N(0, init_scale²), biases 0; with `init`, a fitted model's factors and biases in standardised units.

Cost. An epoch: 3 · 4 · rank operations a row, and a pass over the tables each step; memory 4 (users + items) rank floats with Adam's moments.
BiasedMF's compiled steps are many times as fast: this is the plain network that the others are measured by, and it runs on a GPU.

Fold-in of a stranger: ridge for (b, x) with items fixed, the minimum of the row's part of L (RidgeFold), as BiasedMF; it differs from a
trained row by what training stopped short of, and from a refit by what the row would have moved the items.

Checked by tests/by_hand/biased_mf.py (the objective and its gradient in float64), the objective reached by BiasedMF, shifted logs.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.factor import require
from matweave.factor.fold import RidgeFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender, origin
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.train.batches import InMemory


@final
@config
class DotProduct:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, rank=2, interactions=390, seed=0).log
    >>> model = DotProduct(rank=4, epochs=30, batch_size=64, learning_rate=0.02, device="cpu").fit(log)
    >>> model.scores(model.known([2])).shape, model.history.objective[-1] < model.history.objective[0]
    ((1, 30), True)
    """

    rank: int = 64  # columns of the factors
    regularization: float = 0.034  # λ, by row
    bias_regularization: float = 0.01  # λ_b, by row
    init_scale: float = 0.01  # spread of the first factors
    embedding_rank: int | None = None  # factors as a product of two thin matrices
    epochs: int = 20
    batch_size: int = 2048  # ratings; all of them where there are fewer
    learning_rate: float = 0.002
    weight_decay: float = 0.0  # of all factors in each step, by the optimizer, beside the objective's
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    predicts_values: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "rank": (16, 32, 64, 128),
        "regularization": Span(low=0.005, high=0.2, log=True),
        "learning_rate": Span(low=3e-4, high=1e-2, log=True),
        "epochs": Span(low=5, high=60, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            regularization=number(0),
            bias_regularization=number(0),
            init_scale=number(above=0),
            embedding_rank=EMBEDDING_RANK,
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> FactorModel:
        """Learn from a log with values. init: a fitted model whose factors and biases start these; one that ranks gives directions only.

        Raises DataError for a log that is empty or has no values, Diverged with the mend.
        """
        values = require.values(train, type(self).__name__, "ImplicitALS")
        limits = (float(values.min()), float(values.max()))
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
        stretch = float(np.sqrt(deviation))  # of each side of x·y
        seen = train.by_user
        with seeded(self.seed, "weights"):
            module = DotProductNet(
                train.n_users, train.n_items, self.rank, self.init_scale, self.embedding_rank
            )
        if init is not None:
            self._start(module, init, train, mean, deviation)
        standard = ((seen.weights().astype(np.float64) - mean) / deviation).astype(np.float32)
        columns = np.repeat(np.arange(seen.n_rows), seen.counts), seen.indices.astype(np.int64), standard
        batches = InMemory(
            [torch.from_numpy(column) for column in columns],
            batch_size=min(self.batch_size, seen.nnz),
            seed=self.seed,
        )
        fold = RidgeFold(
            regularization=self.regularization * deviation,
            bias_regularization=self.bias_regularization,
            scale_by_count=True,
        )

        def freeze(history: History, *, live: bool) -> FactorModel:
            with torch.no_grad():
                parts = (
                    module.users.whole() * stretch,
                    module.items.whole() * stretch,
                    module.user_bias * deviation,
                    module.item_bias * deviation,
                )
                x, y, b, c = (np.array(part.cpu().numpy(), np.float32, order="C") for part in parts)
            return FactorModel(
                **origin(self, train, history, seen=seen),
                limits=limits,
                mean=mean,
                user_factors=x,
                item_factors=y,
                user_bias=b,
                item_bias=c,
                fold=fold,
            )

        course = Course(
            module=module,
            loss=lambda batch: module(*batch, self.regularization, self.bias_regularization),
            batches=batches,
            freeze=freeze,
        )
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, FactorModel)
        return fitted

    def _start(
        self, module: DotProductNet, init: Recommender, log: Interactions, mean: float, deviation: float
    ) -> None:
        start = start_from(init, log.users, log.items, self.rank, seed=self.seed)
        if init.limits is None:  # scores of no unit: as small as a first draw
            start = start.scaled(self.init_scale)
            module.items.start(start.items)
            module.users.start(
                start.users * np.float32(self.init_scale / max(float(start.users.std()), 1e-12))
            )
            return
        stretch = np.float32(1 / np.sqrt(deviation))
        module.users.start(start.users * stretch)
        module.items.start(start.items * stretch)
        with torch.no_grad():
            shift = start.mean - mean
            module.user_bias[:] = torch.from_numpy(
                (start.user_bias + np.float32(shift)) / np.float32(deviation)
            )
            module.item_bias[:] = torch.from_numpy(start.item_bias / np.float32(deviation))


@final
class DotProductNet(nn.Module):
    """Two linear layers without bias on one-hot vectors, and a bias for each user and item."""

    def __init__(self, users: int, items: int, rank: int, std: float, embedding_rank: int | None) -> None:
        super().__init__()
        self.users = Table(users, rank, rank=embedding_rank, std=std)
        self.items = Table(items, rank, rank=embedding_rank, std=std)
        self.user_bias = nn.Parameter(torch.zeros(users))
        self.item_bias = nn.Parameter(torch.zeros(items))

    def forward(
        self, users: Tensor, items: Tensor, values: Tensor, regularization: float, bias_regularization: float
    ) -> Tensor:
        """The mean, over the ratings (n,) of a batch, of the squared error and the penalties of their rows."""
        x, y = self.users(users), self.items(items)
        b = functional.embedding(users, self.user_bias[:, None]).squeeze(1)
        c = functional.embedding(items, self.item_bias[:, None]).squeeze(1)
        error = values - b - c - torch.einsum("nr,nr->n", x, y)
        total = error.square().sum()
        if regularization:
            total = total + regularization * (x.square().sum() + y.square().sum())
        if bias_regularization:
            total = total + bias_regularization * (b.square().sum() + c.square().sum())
        return total / len(values)
