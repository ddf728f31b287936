"""GMF: generalized matrix factorization, a product of user and item vectors with a learned weight for each column, by the logistic loss.

Model. ŷ_ui = σ(s_ui), s_ui = b + c_i + hᵀ (p_u ∘ q_i): He, Liao, Zhang, Nie, Hu, Chua 2017, "Neural collaborative filtering",
eqs. 8 and 9, with the identity before h. b is the bias of the authors' last layer (the paper's equations have
none; ranking does not see it); c_i is there only with `item_bias`. Frozen, item vectors are h ∘ q_i: a factor model.

Objective / loss, a mean over rows: each positive and, drawn anew each epoch, k = `negatives` items that the user has not (eq. 7):

    L = 1/rows Σ_rows [ ln(1 + e^-s) for a positive, ln(1 + e^s) for a negative, + λ/2 Σ_f |h_f| (p_uf² + q_if²) ]

λ = `regularization`, by row. With x = √|h| ∘ p and y = √|h| ∘ q it is the penalty that Rendle, Krichene, Zhang, Anderson 2020 (arXiv 2005.09683) tune for the
dot product; without |h| in it, vectors would shrink and h grow, and nothing be regularized. The paper has λ = 0.

Step. One optimizer step (Adam, as the paper) on a batch of `batch_size` rows, negatives included.

Start. Vectors N(0, 0.01²), h and b as torch starts a linear layer. With `init`, the vectors of a fitted model's scores z, h = a·1 and b where a and b
minimise the logistic loss of a z + b on the log with one draw of negatives: so GMF starts from the model's own ranking, calibrated.

Cost. An epoch: 3 · 4 · rank operations a row, and a pass over the tables each step; memory 4 (users + items) rank floats with Adam's moments.

Fold-in of a stranger: the minimum of the row's own part of L in expectation over the draws, items fixed (factor/fold.py, LogisticFold:
Newton's method). Training by noisy steps ends near it, not at it: a training user's folded row gives scores within a few percent of
the trained ones' spread where training went on to its end (tests/neural/test_gmf.py).

Checked by tests/by_hand/gmf.py (loss and gradients in float64 from the equations), a planted log, the fold's gradient.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.factor import require
from matweave.factor.fold import LogisticFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender, origin
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.pair_step import compiled, step
from matweave.neural.sampling import Pairwise, draw_negatives
from matweave.neural.settings import TRAINING
from matweave.neural.starting import Start, start_from
from matweave.neural.structure import array_of
from matweave.randomness import child_seed

STD = 0.01
"""Spread of the first vectors."""


@final
@config
class GMF:
    """The recipe; `fit` returns a `FactorModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> model = GMF(rank=8, epochs=2, device="cpu").fit(log)
    >>> model.user_factors.shape, len(model.history.objective)
    ((40, 8), 2)
    """

    rank: int = 64  # length of the vectors
    negatives: int = 4  # drawn for each positive, each epoch
    regularization: float = 0.0  # λ, by row
    item_bias: bool = False  # a bias for each item
    embedding_rank: int | None = None  # vectors as a product of two thin matrices
    epochs: int = 20
    batch_size: int = 2048  # rows, negatives included
    learning_rate: float = 0.001
    weight_decay: float = 0.0  # of all vectors in each step, by the optimizer
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (16, 32, 64, 128, 192),
        "regularization": Span(low=1e-4, high=0.1, log=True),
        "negatives": (2, 4, 8),
        "learning_rate": Span(low=3e-4, high=1e-2, log=True),
        "epochs": Span(low=5, high=60, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            negatives=integer(1),
            regularization=number(0),
            item_bias=flag(),
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
        """Learn from a log. init: a fitted model whose factors start the vectors. Raises DataError for an empty log, Diverged with the mend."""
        log = require.rows(train, type(self).__name__)
        seen = log.by_user
        with seeded(self.seed, "weights"):
            module = GMFNet(log.n_users, log.n_items, self.rank, self.item_bias, self.embedding_rank)
        if init is not None:
            start = start_from(init, log.users, log.items, self.rank, seed=self.seed)
            module.start(start, *calibration(start, seen, self.negatives, self.seed))
        positives = max(1, self.batch_size // (1 + self.negatives))
        fold = LogisticFold(
            negatives=self.negatives,
            regularization=np.zeros(self.rank, np.float32),
            ridge=self.weight_decay * seen.nnz * (1 + self.negatives),
        )

        def freeze(history: History, *, live: bool) -> FactorModel:
            users, items, bias, offset = module.frozen()
            columns = np.abs(array_of(module.last.weight[0])) * np.float32(self.regularization)
            return FactorModel(
                **origin(self, log, history, seen=seen),
                mean=offset,
                user_factors=users,
                item_factors=items,
                item_bias=bias,
                fold=replace(fold, regularization=columns),
            )

        course = Course(
            module=module,
            loss=lambda batch: module(*batch, self.regularization),
            batches=Pairwise(seen, batch_size=positives, negatives=self.negatives, seed=self.seed),
            freeze=freeze,
            threaded=module.item_bias is None and compiled(module.users, module.items),
        )
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, FactorModel)
        return fitted


@final
class GMFNet(nn.Module):
    """Vectors of users and items, the weight of each column, and the bias."""

    def __init__(
        self, users: int, items: int, rank: int, item_bias: bool, embedding_rank: int | None
    ) -> None:
        super().__init__()
        self.users = Table(users, rank, rank=embedding_rank, std=STD)
        self.items = Table(items, rank, rank=embedding_rank, std=STD)
        self.last = nn.Linear(rank, 1)
        self.item_bias = nn.Parameter(torch.zeros(items)) if item_bias else None

    def start(self, start: Start, scale: float, offset: float) -> None:
        """Vectors as given, and scores scale · (their product) + offset; an item bias takes the model's own, scaled."""
        self.users.start(start.users)
        self.items.start(start.items)
        with torch.no_grad():
            self.last.weight.fill_(scale)
            self.last.bias.fill_(offset)
            if self.item_bias is not None:
                self.item_bias.copy_(torch.from_numpy(start.item_bias) * scale)

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor, regularization: float) -> Tensor:
        """The mean loss of users (b,) with a positive (b,) and negatives (b, k) each."""
        items = torch.cat([positives[:, None], negatives], 1)
        tables, last = (self.users, self.items), self.last
        if self.item_bias is None and compiled(*tables, users):
            weights = (*(table.weight for table in tables), last.weight, last.bias)
            return step(users, items, regularization, 0.0, *weights)
        p, q = self.users(users), self.items(items)
        scores = (q * (p * self.last.weight)[:, None]).sum(2) + self.last.bias
        if self.item_bias is not None:
            scores = scores + functional.embedding(items, self.item_bias[:, None]).squeeze(2)
        loss = logistic(scores)
        if regularization:
            loss = loss + regularization * penalty(self.last.weight, p, q)
        return loss

    def frozen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, float]:
        """User vectors, item vectors with h in them, item biases or None, b."""
        with torch.no_grad():
            users, items = self.users.whole(), self.items.whole() * self.last.weight
            bias = None if self.item_bias is None else array_of(self.item_bias)
            return array_of(users), array_of(items), bias, float(self.last.bias)


def logistic(scores: Tensor) -> Tensor:
    """The mean logistic loss of scores (b, 1 + k): a positive in the first column, negatives in the others.

    >>> round(logistic(torch.zeros(2, 3)).item(), 4)
    0.6931
    """
    signs = torch.ones_like(scores[:1])
    signs[:, 0] = -1.0
    return functional.softplus(scores * signs).mean()


def penalty(weight: Tensor, users: Tensor, items: Tensor) -> Tensor:
    """1/2 Σ_f |h_f| (p_f² + q_f²), the mean over rows: users (b, rank), each with items (b, k, rank) or (b k, rank); h (1, rank).

    >>> penalty(torch.tensor([[-2.0, 0.0]]), torch.ones(1, 2), torch.full((1, 3, 2), 2.0)).item()
    5.0
    """
    flat = items.reshape(-1, items.shape[-1])
    sizes = users.square().mean(0) + flat.square().mean(0)
    return 0.5 * (weight[0].abs() * sizes).sum()


def calibration(start: Start, log: Csr, negatives: int, seed: int) -> tuple[float, float]:
    """a > 0 and b that minimise the mean of ln(1 + e^-(a z + b)) over positives and ln(1 + e^(a z + b)) over drawn negatives.

    z = x·y, of a sample of at most 50,000 positives; by Newton's method, with a ridge that keeps them finite.
    """
    owners = np.repeat(np.arange(log.n_rows), log.counts)
    step = -(-max(1, log.nnz) // 50_000)
    owners, positives = owners[::step], log.indices[::step]
    drawn = draw_negatives(log, owners, negatives, child_seed(seed, "calibration"))
    items = np.concatenate([positives[:, None], drawn], axis=1)
    z = np.einsum("nr,nkr->nk", start.users[owners], start.items[items]).astype(np.float64)
    spread = max(float(z.std()), 1e-12)
    design = np.stack([z.ravel() / spread, np.ones(z.size)], axis=1)
    wanted = np.zeros(z.shape)
    wanted[:, 0] = 1.0
    found, ridge = np.zeros(2), 1e-4
    for _ in range(30):
        share = 0.5 * (1.0 + np.tanh(0.5 * (design @ found)))
        gradient = design.T @ (share - wanted.ravel()) / len(design) + ridge * found
        hessian = (design.T * (share * (1.0 - share))) @ design / len(design) + ridge * np.eye(2)
        found -= np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
    return max(float(found[0]), 0.1) / spread, float(found[1])
