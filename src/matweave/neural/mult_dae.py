"""MultDAE: a denoising autoencoder of users' rows with the multinomial likelihood.

Model       h_u = tanh layers of x̂_u, the thinned row of length 1 (user_rows.py), widths hidden · layers, rank, hidden · layers;
            score(u, j) = y_j·h_u + b_j, h_u the last hidden layer, and softmax of a user's scores over all items is π_u,
            the probability that the user's next item is j given the history (Liang, Krishnan, Hoffman, Jebara, WWW 2018,
            "Variational autoencoders for collaborative filtering", eqs. 1, 2 and 10: q_φ a point).
Loss        -Σ_{i in u} log π_ui, a mean over the users of a batch, and λ/2 |W|² by `weight_decay` = λ, added to the gradient (the authors add
            0.01 / batch_size · |W|², so λ = 0.02 / 500).
Step        one optimizer step (Adam, as the authors) on `batch_size` users; the input is thinned anew each time.
Cost        an epoch: 3 · users · items · hidden multiply-adds for the last layer; the first, a sum over what is there, entries · hidden.
            Memory: two tables of items · hidden with their moments, and a block of scores (multinomial.py).
Low rank    `embedding_rank`: both item tables as products of two thin matrices; items then have that many numbers each, when served too.
Start       `init`: first and last table from the item factors of a fitted model, scaled to the usual spread; layers between are
            drawn, so the directions are kept, not the scores. Weights N(0, 2 / (in + out)), biases N(0, 0.001²).
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/mult_vae.py), gradients everywhere, a planted log.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, nn, seeded, torch
from matweave.factor import require
from matweave.factor.loop import FitState, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.embeddings import EMBEDDING_RANK
from matweave.neural.forms import EncoderModel, fit_encoder
from matweave.neural.multinomial import LastLayer
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.user_rows import Bags, FirstLayer, UserRows, bags_of, gathered
from matweave.train.task import Batch

BIAS_STD = 0.001


@final
@config
class MultDAE:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = MultDAE(rank=8, epochs=2, batch_size=20, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 200  # width of the narrowest layer
    hidden: int = 600  # width of the layers on each side of it, where layers >= 1
    layers: int = 0  # how many of them on each side; 0: items, rank, items
    dropout: float = 0.5  # share of a row's entries that the input lacks
    embedding_rank: int | None = None  # item tables as products of two thin matrices
    epochs: int = 100
    batch_size: int = 500  # users
    learning_rate: float = 0.001
    weight_decay: float = 4e-5
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (64, 128, 200, 256),
        "layers": (0, 1),
        "dropout": Span(low=0.2, high=0.8),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
        "weight_decay": Span(low=1e-6, high=1e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            hidden=integer(1),
            layers=integer(0),
            dropout=number(0, 0.95),
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
    ) -> EncoderModel:
        """Learn from a log; values are not looked at. init: a fitted model whose item factors start both item tables.

        Raises DataError for an empty log, ConfigError for an init without factors, Diverged with the mend.
        """
        log = require.rows(train, "MultDAE")
        structure = MultDAEStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            start_tables(module.first, module.last, init, log, self.seed)

        def loss(batch: Batch) -> Tensor:
            counts, codes, *kept = batch
            h = module.hidden(counts, Bags(*kept), 1 - self.dropout)
            return module.last.loss(h, counts, codes)

        batches = UserRows(log.by_user, batch_size=self.batch_size, drop=self.dropout, seed=self.seed)
        data = (log, log.by_user, structure, module)
        return fit_encoder(self, *data, loss, batches, validate=validate, watch=watch, resume=resume)


@final
@dataclass(frozen=True, kw_only=True)
class MultDAEStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    hidden: int
    layers: int
    embedding_rank: int | None

    def build(self) -> MultDAENet:
        return MultDAENet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Counts (n,) and the codes of all rows, one behind the other."""
        return row_inputs(histories)


@final
class MultDAENet(Encoder):
    """First layer, tanh layers, last layer."""

    def __init__(self, shape: MultDAEStructure) -> None:
        super().__init__()
        side = [shape.hidden] * shape.layers
        widths = [*side, shape.rank, *side]
        self.first = first_layer(shape.items, widths[0], shape.embedding_rank)
        self.between = dense_layers(widths)
        self.last = last_layer(shape.items, widths[-1], shape.embedding_rank)
        self.tied = last_tied(shape.embedding_rank)

    def hidden(self, counts: Tensor, bags: Bags, kept: float = 1.0) -> Tensor:
        """The last hidden layer (n, width) of rows, thinned or whole."""
        h = torch.tanh(self.first(counts, bags, kept))
        for layer in self.between:
            h = torch.tanh(layer(h))
        return h

    def encode(self, *inputs: Tensor) -> Tensor:
        counts, codes = inputs
        return self.last.row(self.hidden(counts, bags_of(counts, codes)))

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.last.item_table()


def row_inputs(histories: Csr) -> tuple[np.ndarray, np.ndarray]:
    """What these networks read of n histories: counts (n,) int64 and the codes of all, one behind the other, int32."""
    return gathered(histories, np.arange(histories.n_rows))


def first_layer(items: int, width: int, rank: int | None) -> FirstLayer:
    """The layer that reads rows, as Glorot & Bengio 2010 start it."""
    return FirstLayer(items, width, rank=rank, std=_spread(items, width), bias_std=BIAS_STD)


def last_layer(items: int, width: int, rank: int | None) -> LastLayer:
    """The layer that scores items, as Glorot & Bengio 2010 start it."""
    return LastLayer(items, width, rank=rank, std=_spread(items, width), bias_std=BIAS_STD)


def last_tied(rank: int | None) -> tuple[str, ...]:
    """The name, in a network whose `last` is a `LastLayer`, of the weights that are the item table."""
    return ("last.table.weight",) if rank is None else ("last.table.left",)


def dense_layers(widths: list[int]) -> nn.ModuleList:
    """Linear layers from each width to the next, weights N(0, 2 / (in + out)), biases N(0, 0.001²)."""
    made = nn.ModuleList()
    for a, b in pairwise(widths):
        layer = nn.Linear(a, b)
        nn.init.normal_(layer.weight, std=_spread(a, b))
        nn.init.normal_(layer.bias, std=BIAS_STD)
        made.append(layer)
    return made


def start_tables(first: FirstLayer, last: LastLayer, init: Recommender, log: Interactions, seed: int) -> None:
    """Both item tables from the item factors of a fitted model, each with the spread that it has."""
    for table in (first.table, last.table):
        std = float(table.whole().detach().std())
        table.start(start_from(init, log.users, log.items, table.width, seed=seed).scaled(std).items)


def _spread(a: int, b: int) -> float:
    return (2 / (a + b)) ** 0.5
