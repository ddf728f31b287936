"""BERT4Rec: a bidirectional transformer that guesses hidden items of a history from both sides.

Model       x_t = e(item_t) + p(position), drop; `blocks` times self_attention.PostNormBlock with GELU;      (Sun et al., CIKM 2019)
            score(u, j) = GELU(h W + b) · e_j + c_j at a hidden step, with the item table tied to the input
            A hidden item has a vector of its own, the mask's.
Loss        -mean log of the softmax over all items at the hidden steps, in bounded memory (softmax.py). Each step of a user's
            last `length` items is hidden with probability `mask_share`; a `last_share` of the examples hide the last only (cloze.py)
Step        one optimizer step (Adam) on `batch_size` users; every epoch hides other items, each user once an epoch. The paper's
            linear decay of the rate and cut of the gradient's length are not made.
Serving     the last `length` - 1 items and a mask behind them; h is that of the mask.
Cost        P steps an epoch, M of them hidden: 3·P·blocks·((4 + 2 inner) width² + 2 length·width) + 3·M·items·width multiply-adds;
            memory O(batch · length · (inner·width + heads·length) + items · width).
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/transformer.py), packed against alone, serving against training's steps, planted order.

Norms, dropout and sizes follow the paper; the authors' code adds a norm to the input and dropout to attention weights, as BERT does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.errors import ConfigError
from matweave.factor import require
from matweave.factor.loop import FitState, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.nets.fast_dropout import FastDropout
from matweave.neural.cloze import Cloze
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.forms import EncoderModel, fit_encoder
from matweave.neural.histories import last_steps, packed
from matweave.neural.self_attention import PostNormBlock
from matweave.neural.settings import TRAINING
from matweave.neural.softmax import softmax_loss
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.train.task import Batch

STD = 0.02  # of all weights at the start, drawn again where beyond two of them, as in BERT


@final
@config
class BERT4Rec:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = BERT4Rec(rank=8, length=10, epochs=2, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 64  # width of the item vectors and of every layer
    blocks: int = 2
    heads: int = 2  # a divisor of rank
    length: int = 200  # last items of a history that are read
    inner: int = 4  # width of the inner layer of F, in ranks
    dropout: float = 0.2
    mask_share: float = 0.2  # of the steps, hidden in training
    last_share: float = 0.1  # of the examples, with their last item hidden alone
    embedding_rank: int | None = None  # item vectors as a product of two thin matrices
    epochs: int = 200
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
        "mask_share": Span(low=0.15, high=0.6),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            blocks=integer(1),
            heads=integer(1),
            length=integer(2),
            inner=integer(1),
            dropout=number(0, 0.95),
            mask_share=number(0, 1),
            last_share=number(0, 1),
            embedding_rank=EMBEDDING_RANK,
        )
        if self.rank % self.heads:
            raise ConfigError(
                f"rank {self.rank} cannot be shared by {self.heads} heads",
                where="BERT4Rec",
                mend="give a number of heads that divides rank",
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
        """Learn from a log with times. init: a fitted model whose item factors start the item table.

        A log in which no user has two items trains nothing, and gives the network as it starts. Raises DataError for a log
        without times, Diverged with the mend.
        """
        require.times(train, "BERT4Rec", "the order of histories")
        log, seen = train, train.histories
        structure = BERT4RecStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            start = start_from(init, log.users, log.items, self.rank, seed=self.seed).scaled(STD)
            module.items.start(start.items)
        batches = Cloze(
            seen,
            length=self.length,
            share=self.mask_share,
            last_share=self.last_share,
            batch_size=self.batch_size,
            seed=self.seed,
        )

        data = (log, seen, structure, module)
        return fit_encoder(self, *data, module.loss, batches, validate=validate, watch=watch, resume=resume)


@final
@dataclass(frozen=True, kw_only=True)
class BERT4RecStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    blocks: int
    heads: int
    length: int
    inner: int
    dropout: float
    embedding_rank: int | None

    def build(self) -> BERT4RecNet:
        return BERT4RecNet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """The last length - 1 items with the mask, `items`, behind them: codes (n, T), lengths (n,)."""
        codes, lengths = last_steps(histories, self.length - 1)
        codes = np.concatenate([codes, np.zeros((len(codes), 1), np.int64)], axis=1)
        codes[np.arange(len(codes)), lengths] = self.items
        return codes, lengths + 1


@final
class BERT4RecNet(Encoder):
    """Vectors of items, the mask and positions, blocks, and the layer before the scores."""

    def __init__(self, shape: BERT4RecStructure) -> None:
        super().__init__()
        self.length, self.n_items = shape.length, shape.items
        self.items = Table(shape.items, shape.rank, rank=shape.embedding_rank, std=STD)
        self.mask = Table(1, shape.rank, std=STD)
        self.places = Table(shape.length, shape.rank, std=STD)
        self.blocks = nn.ModuleList(
            PostNormBlock(shape.rank, shape.heads, shape.dropout, inner=shape.inner * shape.rank)
            for _ in range(shape.blocks)
        )
        self.dense = nn.Linear(shape.rank, shape.rank)
        self.item_bias = nn.Parameter(torch.zeros(shape.items))
        self.drop = FastDropout(shape.dropout)
        self.tied = ("items.weight",) if shape.embedding_rank is None else ()
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=STD, a=-2 * STD, b=2 * STD)
                nn.init.zeros_(part.bias)

    def loss(self, batch: Batch) -> Tensor:
        """Mean over the hidden steps; see `Cloze.batch`."""
        targets, hidden, inputs, slots, positions, lengths = batch
        h = self.steps(inputs, slots, positions, lengths, hidden)
        return softmax_loss(self.guess(h), self.items.whole(), self.item_bias, targets)

    def steps(
        self, inputs: Tensor, slots: Tensor, positions: Tensor, lengths: Tensor, hidden: Tensor
    ) -> Tensor:
        """What is known at the hidden steps, (M, rank); of the last block no more is made."""
        x = self._entered(inputs, positions)
        there = torch.arange(int(lengths.max()), device=x.device) < lengths[:, None]
        *first, final_block = self.blocks
        for block in first:
            x = block(x, slots, there)
        return final_block(x, slots, there, hidden)

    def guess(self, h: Tensor) -> Tensor:
        """What items' vectors are multiplied by, (n, rank)."""
        return functional.gelu(self.dense(h))

    def encode(self, *inputs: Tensor) -> Tensor:
        """Rows (n, rank) of padded histories (n, T) that end with the mask, with lengths (n,)."""
        codes, lengths = inputs
        entered, slots, positions = packed(codes, lengths, self.length)
        x = self._entered(entered, positions)
        there = torch.arange(codes.shape[1], device=x.device) < lengths[:, None]
        *first, final_block = self.blocks
        for block in first:
            x = block(x, slots, there)
        assert isinstance(final_block, PostNormBlock)
        return self.guess(final_block.last(x, slots, lengths, codes.shape[1]))

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.items.whole(), self.item_bias

    def _entered(self, inputs: Tensor, positions: Tensor) -> Tensor:
        items = self.items(inputs.clamp(max=self.n_items - 1))
        items = torch.where((inputs == self.n_items)[:, None], self.mask.weight, items)
        return self.drop(items + self.places(positions))
