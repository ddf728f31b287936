"""NeuMF: a product of vectors and a multilayer perceptron over other vectors of the same pair, joined by one last layer.

Model. He, Liao, Zhang, Nie, Hu, Chua 2017, "Neural collaborative filtering", eq. 12, with vectors of its own for each part:

    φ_G = p_u^G ∘ q_i^G                                             (rank numbers)
    φ_M = f(W_L(... f(W_1 [p_u^M; q_i^M] + b_1) ...) + b_L)         (f = ReLU; a tower: each layer half as wide as the one before)
    ŷ_ui = σ(s_ui),  s_ui = hᵀ [φ_G; φ_M] + b                       (b: the authors' code has it, the paper's equations have not)

W_1 = [A B] is taken apart, A p + B q: a user's half is computed once for a positive and all its negatives, and in ranking once for all items.

Objective / loss. As GMF (gmf.py): the mean logistic loss of positives and k = `negatives` drawn for each, anew each epoch (eq. 7),
+ λ/2 (Σ_f |h_f| (p_uf² + q_if²) + |p_u^M|² + |q_i^M|²) by row with λ = `regularization`. `dropout` falls on the tower's vectors and between its layers
(not in the paper; RecBole has it there), the user's the same for a positive and its negatives.

Start. Vectors N(0, 0.01²), layers as torch starts them. The paper starts a second run from GMF and MLP trained before, with last
layer [α h_G; (1 - α) h_M], α = 1/2 (eq. 13). `init` is the same with any factorization in the place of GMF and α = 1: the G vectors start from
the model's factors, h_G = a·1 and b calibrate its scores (gmf.py), the tower's vectors from the leading columns at a spread of TOWER_STD, and h_M = 0. So training
starts from the model's own ranking, and the tower learns what is left over.

Step. One optimizer step (Adam) on a batch of `batch_size` rows, negatives included.

Cost. A row takes 6 (width · mlp_rank · (1 + 1/(1+k)) + Σ width_l width_{l+1}) operations and a step passes over the tables; memory 4 (users + items)
(rank + mlp_rank) floats with Adam's moments. On the CPU a step is one compiled pass (pair_step.py); on ml-1m, with RecBole's defaults, the tower is nearly half of it.

Fold-in of a stranger: the vectors of the stranger alone are learned (pair_model.py), by a fixed number of steps, with everything else as it is: not
exact, since neither this nor training ends at the minimum; tests/neural/test_pair_model.py holds the distance on a planted log.

Checked by tests/by_hand/neu_mf.py (scores and loss from the equations in float64), gradients to every weight, a planted log, `init` keeping its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.errors import ConfigError
from matweave.factor import require
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender, origin
from matweave.nets.fast_dropout import FastDropout
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.gmf import STD, calibration, logistic, penalty
from matweave.neural.pair_model import PairHead, PairModel, PairStructure
from matweave.neural.pair_step import compiled, rank_tower, step
from matweave.neural.sampling import Pairwise
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.train.run import arrays_of

TOWER_STD = 0.1
"""Spread of the tower's vectors where they start from factors."""


@final
@config
class NeuMF:
    """The recipe; `fit` returns a `PairModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> model = NeuMF(rank=4, mlp_rank=4, width=8, epochs=2, device="cpu").fit(log)
    >>> model.user_vectors.shape, model.recommend(k=3).num_rows
    ((40, 8), 120)
    """

    rank: int = 64  # length of the product's vectors
    mlp_rank: int = 64  # length of the tower's vectors
    width: int = 128  # of the tower's first layer; each next one is half as wide
    layers: int = 2  # of the tower
    dropout: float = 0.0  # in the tower
    negatives: int = 4  # drawn for each positive, each epoch
    regularization: float = 0.0  # λ, by row
    embedding_rank: int | None = None  # both vectors of a side, joined, as a product of two thin matrices
    epochs: int = 20
    batch_size: int = 2048  # rows, negatives included
    learning_rate: float = 0.001
    weight_decay: float = 0.0  # of vectors and layers in each step, by the optimizer
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (16, 32, 64, 128),
        "mlp_rank": (16, 32, 64),
        "layers": (1, 2, 3),
        "dropout": Span(low=0.0, high=0.5),
        "regularization": Span(low=1e-4, high=0.1, log=True),
        "negatives": (2, 4, 8),
        "learning_rate": Span(low=3e-4, high=5e-3, log=True),
        "epochs": Span(low=5, high=40, log=True, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            mlp_rank=integer(1),
            width=integer(1),
            layers=integer(1),
            dropout=number(0, 0.95),
            negatives=integer(1),
            regularization=number(0),
            embedding_rank=EMBEDDING_RANK,
        )
        if self.width >> (self.layers - 1) == 0:
            raise ConfigError(
                f"width is {self.width}, which halved for each of {self.layers} layers leaves nothing",
                where="NeuMF",
                mend="give fewer layers, or a greater width",
            )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> PairModel:
        """Learn from a log. init: a fitted model whose factors start the vectors. Raises DataError for an empty log, Diverged with the mend."""
        log = require.rows(train, type(self).__name__)
        seen = log.by_user
        structure = NeuMFStructure(
            rank=self.rank,
            mlp_rank=self.mlp_rank,
            width=self.width,
            layers=self.layers,
            dropout=self.dropout,
        )
        with seeded(self.seed, "weights"):
            module = NeuMFNet(log.n_users, log.n_items, structure, self.embedding_rank)
        if init is not None:
            self._start(module, init, log)

        def freeze(history: History, *, live: bool) -> PairModel:
            with torch.no_grad():
                users = _joined(module.users, module.tower_users)
                items = _joined(module.items, module.tower_items)
                columns = np.ones(self.rank + self.mlp_rank, np.float32)
                columns[: self.rank] = module.head.product[0].abs().cpu().numpy()
                columns *= np.float32(self.regularization)
            return PairModel(
                **origin(self, log, history, seen=seen),
                structure=structure,
                weights=arrays_of(module.head),
                user_vectors=users,
                item_vectors=items,
                negatives=self.negatives,
                regularization=columns,
                ridge=self.weight_decay * seen.nnz * (1 + self.negatives),
            )

        course = Course(
            module=module,
            loss=lambda batch: module(*batch, self.regularization),
            batches=Pairwise(
                seen,
                batch_size=max(1, self.batch_size // (1 + self.negatives)),
                negatives=self.negatives,
                seed=self.seed,
            ),
            freeze=freeze,
            threaded=compiled(*module.tables()),
        )
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, PairModel)
        return fitted

    def _start(self, module: NeuMFNet, init: Recommender, log: Interactions) -> None:
        starts = [
            start_from(init, log.users, log.items, r, seed=self.seed) for r in (self.rank, self.mlp_rank)
        ]
        scale, offset = calibration(starts[0], log.by_user, self.negatives, self.seed)
        module.users.start(starts[0].users)
        module.items.start(starts[0].items)
        module.tower_users.start(_spread(starts[1].users, TOWER_STD))
        module.tower_items.start(_spread(starts[1].items, TOWER_STD))
        with torch.no_grad():
            module.head.product.fill_(scale)
            module.head.last.weight.zero_()
            module.head.last.bias.fill_(offset)


@final
class NeuMFNet(nn.Module):
    """The tables of both parts, and the head."""

    def __init__(self, users: int, items: int, structure: NeuMFStructure, embedding_rank: int | None) -> None:
        super().__init__()
        rank, mlp_rank = structure.rank, structure.mlp_rank
        self.users = Table(users, rank, rank=embedding_rank, std=STD)
        self.items = Table(items, rank, rank=embedding_rank, std=STD)
        self.tower_users = Table(users, mlp_rank, rank=embedding_rank, std=STD)
        self.tower_items = Table(items, mlp_rank, rank=embedding_rank, std=STD)
        self.head = structure.build()

    def tables(self) -> tuple[Table, ...]:
        """Users' and items' vectors of the product, then of the tower."""
        return self.users, self.items, self.tower_users, self.tower_items

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor, regularization: float) -> Tensor:
        """The mean loss of users (b,) with a positive (b,) and negatives (b, k) each."""
        items = torch.cat([positives[:, None], negatives], 1)
        flat, head = items.view(-1), self.head
        tables = self.tables()
        if compiled(*tables, users):
            p, q, p_tower, q_tower = (table.weight for table in tables)
            first = head.of_user, head.of_item.weight, head.of_item.bias
            deeper = [w for layer in head.tower for w in layer.parameters()]
            weights = (
                p,
                q,
                head.product,
                head.last.bias,
                p_tower,
                q_tower,
                *first,
                head.last.weight,
                *deeper,
            )
            return step(users, items, regularization, head.dropout.p if self.training else 0.0, *weights)
        parts = self.users(users), self.items(flat), self.tower_users(users), self.tower_items(flat)
        loss = logistic(self.head.joined(*parts).view(items.shape))
        if regularization:
            p, q, p_tower, q_tower = parts
            sizes = p_tower.square().sum(1).mean() + q_tower.square().sum(1).mean()
            loss = loss + regularization * (penalty(self.head.product, p, q) + 0.5 * sizes)
        return loss


@final
class NeuMFHead(PairHead):
    """h over the product of the first `rank` numbers of two vectors, and over the tower of the others."""

    def __init__(self, structure: NeuMFStructure) -> None:
        super().__init__()
        self.rank, self.widths = structure.rank, structure.widths()
        self.product = nn.Parameter(torch.empty(1, self.rank).uniform_(-1, 1) / self.rank**0.5)  # h_G
        both = nn.Linear(2 * structure.mlp_rank, self.widths[0])  # W_1, taken apart
        self.of_user = nn.Parameter(both.weight[:, : structure.mlp_rank].detach().clone())
        self.of_item = nn.Linear(structure.mlp_rank, self.widths[0])
        with torch.no_grad():
            self.of_item.weight.copy_(both.weight[:, structure.mlp_rank :])
            self.of_item.bias.copy_(both.bias)
        self.tower = nn.ModuleList(
            nn.Linear(a, b) for a, b in zip(self.widths, self.widths[1:], strict=False)
        )
        self.last = nn.Linear(self.widths[-1], 1)  # h_M, b
        self.dropout = FastDropout(structure.dropout)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        b, k, _ = items.shape
        flat = items.view(b * k, -1)
        scores = self.joined(
            users[:, : self.rank], flat[:, : self.rank], users[:, self.rank :], flat[:, self.rank :]
        )
        return scores.view(b, k)

    def joined(self, p: Tensor, q: Tensor, p_tower: Tensor, q_tower: Tensor) -> Tensor:
        """Scores (b k,) of users' vectors p (b, rank), p_tower (b, mlp_rank), each with k items' q (b k, rank), q_tower."""
        b, rows = len(p), len(q)
        together = (q.view(b, rows // b, -1) * (p * self.product)[:, None]).sum(2).view(rows)
        mine = functional.linear(self.dropout(p_tower), self.of_user)
        hidden = self.of_item(self.dropout(q_tower))
        hidden = (hidden.view(b, rows // b, -1) + mine[:, None]).view(rows, -1)
        return together + self.last(self._hidden(hidden, self.dropout)).squeeze(1)

    def every(self, users: Tensor, items: Tensor) -> Tensor:
        together = (users[:, : self.rank] * self.product) @ items[:, : self.rank].T + self.last.bias
        mine = functional.linear(users[:, self.rank :], self.of_user)
        theirs = self.of_item(items[:, self.rank :])
        last = self.last.weight[0]
        if together.dtype is torch.float32 and together.device.type == "cpu" and not together.requires_grad:
            layers = [tuple(w.detach().numpy() for w in layer.parameters()) for layer in self.tower]
            rank_tower(mine.numpy(), theirs.numpy(), layers, last.detach().numpy(), together.numpy())
            return together
        hidden = (mine[:, None] + theirs).flatten(0, 1)
        return together + (self._hidden(hidden, nn.Identity()) @ last).view(together.shape)

    def _hidden(self, sums: Tensor, dropout: nn.Module) -> Tensor:
        """The last hidden layer (b, its width) from the first one's sums (b, width), which are changed."""
        hidden = sums.relu_()
        for layer in self.tower:
            hidden = layer(dropout(hidden)).relu_()
        return hidden


@final
@dataclass(frozen=True, kw_only=True)
class NeuMFStructure(PairStructure):
    """What the head is rebuilt from; see the recipe for each name."""

    rank: int
    mlp_rank: int
    width: int
    layers: int
    dropout: float

    def build(self) -> NeuMFHead:
        return NeuMFHead(self)

    def widths(self) -> tuple[int, ...]:
        """Of the tower's layers.

        >>> NeuMFStructure(rank=8, mlp_rank=8, width=64, layers=3, dropout=0.0).widths()
        (64, 32, 16)
        """
        return tuple(self.width >> layer for layer in range(self.layers))


def _joined(*tables: Table) -> np.ndarray:
    return np.concatenate([table.whole().float().cpu().numpy() for table in tables], axis=1)


def _spread(values: np.ndarray, std: float) -> np.ndarray:
    return values * np.float32(std / max(float(values.std()), 1e-12))
