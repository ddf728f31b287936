"""SASRec: a causal transformer over a user's history, with binary, softmax, sampled or gBCE loss.

Model       x_t = √width · e(item_t) + p(position), drop; `blocks` times self_attention.Block; h = N(x).
            score(u, j) = h_last · e_j with the item table tied to the input                (Kang & McAuley, ICDM 2018)
Loss        over every step t of a history, target the item of t + 1 (softmax.py):
            "bce"      `negatives` a step, one in the paper, not of the user's own items
            "gbce"     `negatives` a step of all items, and calibration t: gSASRec             (Petrov & Macdonald, RecSys 2023)
            "softmax"  cross-entropy over all items, in bounded memory (SASRec so trained: Klenitskiy & Vasilev, RecSys 2023)
            "sampled"  cross-entropy against `negatives` shared by the batch, for catalogues too large for that
Step        one optimizer step (Adam) on `batch_size` users; an epoch reads each user's last `length` + 1 items.
Paper       no output layer after the heads joins; residuals, norm before each part, dropout on what each part adds and on the input.
            The authors' code also drops attention weights and inside F; this follows the paper.
Cost        P steps an epoch: forward and backward 3·P·blocks·(7 width² + length·width) multiply-adds, and 3·P·items·width for
            the softmax; memory O(batch · length · width · blocks + items · width).
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/transformer.py), no leak from the future, packed against alone, planted order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
from matweave.neural.histories import NextItems, last_steps, packed
from matweave.neural.self_attention import Block
from matweave.neural.settings import TRAINING
from matweave.neural.softmax import binary_loss, gbce_power, sampled_softmax_loss, softmax_loss
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.train.task import Batch

LOSSES = ("bce", "gbce", "softmax", "sampled")
STD = 0.02  # of the item and position vectors at the start


@final
@config
class SASRec:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = SASRec(rank=8, length=10, epochs=2, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 64  # width of the item vectors and of every layer
    blocks: int = 2
    heads: int = 1  # a divisor of rank
    length: int = 50  # last items of a history that are read
    dropout: float = 0.2
    loss: str = "softmax"  # bce, gbce, softmax or sampled
    negatives: int | None = None  # a step's; None: 1 for bce, 256 for gbce, 512 for sampled
    calibration: float | None = None  # t of gbce; None: 0.75
    output_layer: bool = False  # a dense layer where the heads join
    inner: int = 1  # width of the inner layer of F, in ranks
    embedding_rank: int | None = None  # item vectors as a product of two thin matrices
    epochs: int = 100
    batch_size: int = 128  # users
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 64, 128),
        "blocks": Span(low=1, high=3, whole=True),
        "length": (50, 100, 200),
        "dropout": Span(low=0.1, high=0.5),
        "loss": ("softmax", "gbce"),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            blocks=integer(1),
            heads=integer(1),
            length=integer(1),
            dropout=number(0, 0.95),
            loss=one_of(*LOSSES),
            negatives=optional(integer(1)),
            calibration=optional(number(0, 1)),
            output_layer=flag(),
            inner=integer(1),
            embedding_rank=EMBEDDING_RANK,
        )
        problems = []
        if self.rank % self.heads:
            problems.append(f"rank {self.rank} cannot be shared by {self.heads} heads")
        if self.negatives is not None and self.loss == "softmax":
            problems.append(f"negatives is {self.negatives}, but the softmax loss draws none")
        if self.calibration is not None and self.loss != "gbce":
            problems.append(f"calibration is {self.calibration}, but only the loss gbce has one")
        if problems:
            raise ConfigError("\n".join(problems), where="SASRec", mend="correct the settings of SASRec")

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> EncoderModel:
        """Learn from a log with times. init: a fitted model whose item factors start the item table.

        A log in which no user has two items trains nothing, and gives the network as it starts. Raises DataError for a log
        without times, Diverged with the mend.
        """
        require.times(train, "SASRec", "the order of histories")
        log = train
        seen = log.histories
        structure = SASRecStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            start = start_from(init, log.users, log.items, self.rank, seed=self.seed).scaled(STD)
            module.items.start(start.items)
        batches = NextItems(
            seen,
            length=self.length,
            batch_size=self.batch_size,
            negatives=self.drawn,
            draw={"gbce": "any", "sampled": "batch"}.get(self.loss, "step"),
            seed=self.seed,
        )

        def loss(batch: Batch) -> Tensor:
            inputs, targets, slots, positions, lengths, *negatives = batch
            h = module.steps(inputs, slots, positions, lengths)
            return self.loss_of(h, module.items.whole(), targets, negatives)

        data = (log, seen, structure, module)
        return fit_encoder(self, *data, loss, batches, validate=validate, watch=watch, resume=resume)

    @property
    def drawn(self) -> int:
        """Negatives that a batch brings."""
        usual = {"bce": 1, "gbce": 256, "softmax": 0, "sampled": 512}
        return usual[self.loss] if self.negatives is None else self.negatives

    def loss_of(self, h: Tensor, table: Tensor, targets: Tensor, negatives: list[Tensor]) -> Tensor:
        """The loss of packed steps h (P, rank) against items' vectors."""
        if self.loss == "softmax":
            return softmax_loss(h, table, None, targets)
        if self.loss == "sampled":
            return sampled_softmax_loss(h, table, None, targets, negatives[0])
        t = 0.75 if self.calibration is None else self.calibration
        beta = gbce_power(self.drawn, len(table), t) if self.loss == "gbce" else 1.0
        return binary_loss(h, table, None, targets, negatives[0], beta=beta)


@final
@dataclass(frozen=True, kw_only=True)
class SASRecStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    blocks: int
    heads: int
    length: int
    dropout: float
    output_layer: bool
    inner: int
    embedding_rank: int | None

    empty: ClassVar[bool] = False

    def build(self) -> SASRecNet:
        return SASRecNet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        return last_steps(histories, self.length)


@final
class SASRecNet(Encoder):
    """Item and position vectors, blocks, a last norm."""

    def __init__(self, shape: SASRecStructure) -> None:
        super().__init__()
        self.length, self.scale = shape.length, math.sqrt(shape.rank)
        self.items = Table(shape.items, shape.rank, rank=shape.embedding_rank, std=STD)
        self.places = Table(shape.length, shape.rank, std=STD)
        self.blocks = nn.ModuleList(
            Block(
                shape.rank,
                shape.heads,
                shape.dropout,
                inner=shape.inner * shape.rank,
                output=shape.output_layer,
            )
            for _ in range(shape.blocks)
        )
        self.norm, self.drop = nn.LayerNorm(shape.rank), FastDropout(shape.dropout)
        self.tied = ("items.weight",) if shape.embedding_rank is None else ()

    def steps(self, inputs: Tensor, slots: Tensor, positions: Tensor, lengths: Tensor) -> Tensor:
        """What is known after each step, (P, rank); see `NextItems.batch` for the inputs."""
        x = self._entered(inputs, positions)
        users, longest = len(lengths), int(lengths.max())
        for block in self.blocks:
            x = block(x, slots, users, longest)
        return self.norm(x)

    def encode(self, *inputs: Tensor) -> Tensor:
        """Rows (n, rank) of padded histories (n, T) with lengths (n,), each at least 1."""
        codes, lengths = inputs
        entered, slots, positions = packed(codes, lengths, self.length)
        x = self._entered(entered, positions)
        *first, final_block = self.blocks
        for block in first:
            x = block(x, slots, len(codes), codes.shape[1])
        assert isinstance(final_block, Block)
        return self.norm(final_block.last(x, slots, lengths, codes.shape[1]))

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.items.whole(), None

    def _entered(self, inputs: Tensor, positions: Tensor) -> Tensor:
        return self.drop(torch.add(self.places(positions), self.items(inputs), alpha=self.scale))
