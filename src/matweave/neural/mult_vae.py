"""MultVAE: a variational autoencoder of users' rows with the multinomial likelihood.

Model       (μ_u, log σ²_u) = f(x̂_u), tanh layers over the thinned row of length 1 (user_rows.py), the last one linear; z_u ~ N(μ_u, σ²_u) in
            training, μ_u when served; h_u = tanh layers of z_u; score(u, j) = y_j·h_u + b_j. Widths: hidden · layers, rank,
            hidden · layers. Softmax of a user's scores over all items is π_u, the probability that the user's next item is j given
            the history (Liang, Krishnan, Hoffman, Jebara, WWW 2018, "Variational autoencoders for collaborative filtering", eq. 1).
Loss        a mean over the users of a batch, eq. 6 with one draw of z (eq. 5 is β = 1):
                -Σ_{i in u} log π_ui + β_t KL(N(μ, σ²) ‖ N(0, 1)),   KL = 1/2 Σ_k (μ_k² + σ_k² - 1 - log σ_k²)
            β_t = beta · min(1, t / anneal_steps), t the steps done (section 2.2.2); anneal_steps None: half the steps of the run.
Step        one optimizer step (Adam, as the authors) on `batch_size` users; thinned and drawn anew each time.
Cost        an epoch: 3 · users · items · hidden multiply-adds for the last layer; the first, a sum over what is there, entries · hidden.
            Memory: two tables of items · hidden with their moments, and a block of scores (multinomial.py).
Low rank    `embedding_rank`: both item tables as products of two thin matrices; items then have that many numbers each, when served too.
Start       `init`: as in mult_dae.py; weights as there.
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/mult_vae.py), gradients everywhere, the share of β by step, a planted log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, optional
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, seeded, torch
from matweave.factor import require
from matweave.factor.loop import FitState, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.embeddings import EMBEDDING_RANK
from matweave.neural.forms import EncoderModel, fit_encoder
from matweave.neural.mult_dae import (
    dense_layers,
    first_layer,
    last_layer,
    last_tied,
    row_inputs,
    start_tables,
)
from matweave.neural.settings import TRAINING
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.user_rows import Bags, UserRows, bags_of
from matweave.train.task import Batch


@final
@config
class MultVAE:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = MultVAE(rank=8, hidden=16, epochs=2, batch_size=20, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 200  # length of z
    hidden: int = 600  # width of the layers on each side of it, where layers >= 1
    layers: int = 1  # how many on each side
    dropout: float = 0.5  # share of a row's entries that the input lacks
    beta: float = 0.2  # weight of the divergence in the end
    anneal_steps: int | None = None  # steps until it has that weight; 0: at once; None: half the run
    embedding_rank: int | None = None  # item tables as products of two thin matrices
    epochs: int = 100
    batch_size: int = 500  # users
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (64, 128, 200, 256),
        "hidden": (200, 400, 600),
        "dropout": Span(low=0.2, high=0.8),
        "beta": Span(low=0.05, high=1.0, log=True),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            hidden=integer(1),
            layers=integer(0),
            dropout=number(0, 0.95),
            beta=number(0),
            anneal_steps=optional(integer(0)),
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
        log = require.rows(train, "MultVAE")
        structure = MultVAEStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            start_tables(module.first, module.last, init, log, self.seed)

        def loss(batch: Batch) -> Tensor:
            counts, codes, *kept, share = batch
            mean, log_variance = module.posterior(counts, Bags(*kept), 1 - self.dropout)
            z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
            likelihood = module.last.loss(module.decoded(z), counts, codes)
            return likelihood + self.beta * share.squeeze() * divergence(mean, log_variance)

        rows = UserRows(log.by_user, batch_size=self.batch_size, drop=self.dropout, seed=self.seed)
        steps = self.anneal_steps
        batches = Annealed(rows, self.epochs * rows.steps_per_epoch // 2 if steps is None else steps)
        data = (log, log.by_user, structure, module)
        return fit_encoder(self, *data, loss, batches, validate=validate, watch=watch, resume=resume)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) ‖ N(0, 1)), summed over columns, a mean over rows.

    >>> float(divergence(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2)))
    2.0
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2


@final
class Annealed:
    """Batches of rows, and behind each the share (1,) in [0, 1] of β that its step has: steps done over `steps`.

    >>> from matweave.data.csr import Csr
    >>> rows = UserRows(Csr.from_pairs([0, 1], [0, 1]), batch_size=1, drop=0.0)
    >>> [Annealed(rows, 4).batch(epoch, 1)[-1].tolist() for epoch in range(3)]
    [[0.25], [0.75], [1.0]]
    """

    def __init__(self, rows: UserRows, steps: int) -> None:
        self.rows, self.steps = rows, steps
        self.examples, self.steps_per_epoch = rows.examples, rows.steps_per_epoch

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self.rows.to(device)

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        done = epoch * self.steps_per_epoch + at
        found = self.rows.batch(epoch, at)
        share = min(1.0, done / self.steps) if self.steps else 1.0
        return (*found, torch.full((1,), share, device=found[0].device))


@final
@dataclass(frozen=True, kw_only=True)
class MultVAEStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    hidden: int
    layers: int
    embedding_rank: int | None

    def build(self) -> MultVAENet:
        return MultVAENet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Counts (n,) and the codes of all rows, one behind the other."""
        return row_inputs(histories)


@final
class MultVAENet(Encoder):
    """Tanh layers to the posterior's mean and log-variance, and from z to the last hidden layer."""

    def __init__(self, shape: MultVAEStructure) -> None:
        super().__init__()
        side = [shape.hidden] * shape.layers
        into, out = [*side, 2 * shape.rank], [shape.rank, *side]
        self.first = first_layer(shape.items, into[0], shape.embedding_rank)
        self.inward = dense_layers(into)
        self.outward = dense_layers(out)
        self.last = last_layer(shape.items, out[-1], shape.embedding_rank)
        self.tied = last_tied(shape.embedding_rank)

    def posterior(self, counts: Tensor, bags: Bags, kept: float = 1.0) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of z, (n, rank) each."""
        x = self.first(counts, bags, kept)
        for layer in self.inward:
            x = layer(torch.tanh(x))
        mean, log_variance = x.chunk(2, 1)
        return mean, log_variance

    def decoded(self, z: Tensor) -> Tensor:
        """The last hidden layer of latent rows; z itself where there are no layers between."""
        for layer in self.outward:
            z = torch.tanh(layer(z))
        return z

    def encode(self, *inputs: Tensor) -> Tensor:
        counts, codes = inputs
        return self.last.row(self.decoded(self.posterior(counts, bags_of(counts, codes))[0]))

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.last.item_table()
