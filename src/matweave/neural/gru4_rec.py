"""GRU4Rec: a gated recurrent network over a user's history, with the softmax or the authors' ranking-max losses.

Model       h_t = GRU(drop(e(item_t)), h_{t-1}), `layers` of them, dropped between; score(u, j) = W h_last · y_j + b_j  (Hidasi,
            Karatzoglou, Baltrunas, Tikk, ICLR 2016, section 3). tied: y is e, and W is there where hidden differs from
            rank; else y is a table of its own of `hidden` columns, without W.
Loss        of a target: the item of step t + 1, scored by the state after step t, for every step of a user's last `length` + 1 items:
            "softmax"   cross-entropy over all items, in bounded memory (softmax.py)
            "sampled"   cross-entropy against `negatives` shared by the batch, drawn uniformly
            "bpr_max"   or "top1_max": against the batch's other targets of the same step and `negatives` shared by the batch, drawn by
                        count^sample_alpha (gain_losses.py; Hidasi & Karatzoglou, CIKM 2018)
Step        one optimizer step on `batch_size` users, backpropagation through all their steps. The authors walk through sessions
            in parallel, one step at a time with the state kept and no gradient to it; here histories begin at zero.
Cost        P steps an epoch: 3·P·(3·hidden·(rank + hidden)) multiply-adds for the first layer and 3·P·items·rank for the softmax;
            memory O(batch · length · hidden + items · rank).
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/gru.py), no leak from the future, padded together against alone, planted order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of, optional
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, nn, seeded, torch
from matweave.errors import ConfigError
from matweave.factor import require
from matweave.factor.loop import FitState, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.nets.fast_dropout import FastDropout
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.forms import EncoderModel, fit_encoder
from matweave.neural.gain_losses import bpr_max, rivals, top1_max
from matweave.neural.histories import NextItems, last_steps
from matweave.neural.settings import TRAINING
from matweave.neural.softmax import sampled_softmax_loss, softmax_loss
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.train.task import Batch

LOSSES = ("softmax", "sampled", "bpr_max", "top1_max")
STD = 0.02  # of the item vectors at the start


@final
@config
class GRU4Rec:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = GRU4Rec(rank=8, hidden=8, length=10, epochs=2, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 64  # width of the item vectors
    hidden: int = 128  # width of the state
    layers: int = 1
    length: int = 50  # last items of a history that are read
    dropout: float = 0.3  # on item vectors
    hidden_dropout: float = 0.0  # on states, between layers and after the last
    tied: bool = True  # whether items are scored by the vectors that the network reads
    loss: str = "softmax"  # softmax, sampled, bpr_max or top1_max
    negatives: int | None = None  # shared by a batch; None: 512 (0 for softmax)
    sample_alpha: float | None = None  # of bpr_max, top1_max: draws by count to this power; None: 0.5
    score_regularization: float | None = None  # λ of bpr_max; None: 1
    embedding_rank: int | None = None  # item vectors as a product of two thin matrices
    epochs: int = 100
    batch_size: int = 128  # users
    learning_rate: float = 0.005
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 64, 128),
        "hidden": (64, 128, 256),
        "length": (50, 100, 200),
        "dropout": Span(low=0.1, high=0.5),
        "loss": ("softmax", "bpr_max"),
        "learning_rate": Span(low=1e-3, high=1e-2, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            hidden=integer(1),
            layers=integer(1),
            length=integer(1),
            dropout=number(0, 0.95),
            hidden_dropout=number(0, 0.95),
            tied=flag(),
            loss=one_of(*LOSSES),
            negatives=optional(integer(1)),
            sample_alpha=optional(number(0)),
            score_regularization=optional(number(0)),
            embedding_rank=EMBEDDING_RANK,
        )
        idle = [
            f"{name} is {value}, but the {self.loss} loss {says}"
            for name, value, says, losses in (
                ("negatives", self.negatives, "draws none", ("sampled", "bpr_max", "top1_max")),
                ("sample_alpha", self.sample_alpha, "draws by no count", ("bpr_max", "top1_max")),
                ("score_regularization", self.score_regularization, "has none", ("bpr_max",)),
            )
            if value is not None and self.loss not in losses
        ]
        if idle:
            raise ConfigError("\n".join(idle), where="GRU4Rec", mend="leave them out, or give another loss")

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> EncoderModel:
        """Learn from a log with times. init: a fitted model whose item factors start the item vectors.

        A log in which no user has two items trains nothing, and gives the network as it starts. Raises DataError for a log
        without times, Diverged with the mend.
        """
        require.times(train, "GRU4Rec", "the order of histories")
        log, seen = train, train.histories
        structure = GRU4RecStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            module.start(init, log, self.seed)
        batches = NextItems(
            seen,
            length=self.length,
            batch_size=self.batch_size,
            negatives=self.drawn,
            draw="batch",
            alpha=self.alpha,
            seed=self.seed,
        )

        def loss(batch: Batch) -> Tensor:
            inputs, targets, slots, _, lengths, *drawn = batch
            h = module.steps(inputs, slots, lengths)
            return self.loss_of(h, *module.item_side(), targets, drawn, (slots, lengths))

        data = (log, seen, structure, module)
        return fit_encoder(self, *data, loss, batches, validate=validate, watch=watch, resume=resume)

    @property
    def drawn(self) -> int:
        """Negatives that a batch brings."""
        usual = 0 if self.loss == "softmax" else 512
        return usual if self.negatives is None else self.negatives

    @property
    def alpha(self) -> float:
        """The power of an item's count by which it is drawn; 0: uniformly."""
        if self.loss not in ("bpr_max", "top1_max"):
            return 0.0
        return 0.5 if self.sample_alpha is None else self.sample_alpha

    def loss_of(
        self,
        h: Tensor,
        table: Tensor,
        bias: Tensor,
        targets: Tensor,
        drawn: list[Tensor],
        grid: tuple[Tensor, Tensor],
    ) -> Tensor:
        """The loss of packed steps h (P, width) against items' vectors and biases; grid: slots and lengths."""
        if self.loss == "softmax":
            return softmax_loss(h, table, bias, targets)
        if self.loss == "sampled":
            return sampled_softmax_loss(h, table, bias, targets, drawn[0])
        scored = rivals(h, table, bias, targets, drawn[0], grid)
        if self.loss == "top1_max":
            return top1_max(*scored)
        held = 1.0 if self.score_regularization is None else self.score_regularization
        return bpr_max(*scored, regularization=held)


@final
@dataclass(frozen=True, kw_only=True)
class GRU4RecStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    hidden: int
    layers: int
    length: int
    dropout: float
    hidden_dropout: float
    tied: bool
    embedding_rank: int | None

    empty: ClassVar[bool] = False

    def build(self) -> GRU4RecNet:
        return GRU4RecNet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        return last_steps(histories, self.length)


@final
class GRU4RecNet(Encoder):
    """Item vectors, recurrent layers on the grid of histories, and what items are scored by.

    Layers are one nn.GRU each, so that what is dropped between them is drawn like all else. A grid is quicker on the CPU than packed
    sequences (64 against 86 ms for 128 histories of 50 steps, forward and backward), and its padding, at the right, is never looked at.
    """

    def __init__(self, shape: GRU4RecStructure) -> None:
        super().__init__()
        self.items = Table(shape.items, shape.rank, rank=shape.embedding_rank, std=STD)
        widths = [shape.rank, *[shape.hidden] * shape.layers]
        self.layers = nn.ModuleList(nn.GRU(a, b, batch_first=True) for a, b in pairwise(widths))
        self.drop, self.between = FastDropout(shape.dropout), FastDropout(shape.hidden_dropout)
        own = not shape.tied
        self.out = Table(shape.items, shape.hidden, rank=shape.embedding_rank, std=STD) if own else None
        self.dense = (
            nn.Linear(shape.hidden, shape.rank) if shape.tied and shape.hidden != shape.rank else None
        )
        self.item_bias = nn.Parameter(torch.zeros(shape.items))
        if shape.embedding_rank is None:
            self.tied = ("out.weight",) if own else ("items.weight",)

    def start(self, init: Recommender, log: Interactions, seed: int) -> None:
        """Take the item factors of a fitted model; items' two tables take the same ones."""
        for table in (self.items, self.out):
            if table is not None:
                found = start_from(init, log.users, log.items, table.width, seed=seed).scaled(STD)
                table.start(found.items)

    def steps(self, inputs: Tensor, slots: Tensor, lengths: Tensor) -> Tensor:
        """What is known after each step, (P, width of the items' side); see `NextItems.batch` for the inputs."""
        users, longest = len(lengths), int(lengths.max())
        x = self.drop(self.items(inputs))
        grid = x.new_zeros(users * longest, x.shape[1]).index_copy(0, slots, x)
        states = self._states(grid.view(users, longest, -1))
        return self._scored(states.flatten(0, 1).index_select(0, slots))

    def encode(self, *inputs: Tensor) -> Tensor:
        """Rows of padded histories (n, T) with lengths (n,), each at least 1."""
        codes, lengths = inputs
        states = self._states(self.drop(self.items(codes)))
        return self._scored(states[torch.arange(len(codes), device=codes.device), lengths - 1])

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.item_side()

    def item_side(self) -> tuple[Tensor, Tensor]:
        """The items' vectors and biases."""
        table = self.items if self.out is None else self.out
        return table.whole(), self.item_bias

    def _states(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.between(layer(x)[0])
        return x

    def _scored(self, h: Tensor) -> Tensor:
        return h if self.dense is None else self.dense(h)
