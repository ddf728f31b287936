"""Caser: the last items of a history as an image, read by convolutions along time and across it, beside the user's taste.

Model       E (L x d) the vectors of the last L items, zeros at the left of a shorter history.                    (Tang & Wang, WSDM 2018)
            horizontal  for every height 1..L, `horizontal` filters of height x d, ReLU, the largest over time: o
            vertical    `vertical` filters of L x 1: weighted sums of the rows of E: õ
            z = ReLU(W drop[o; õ] + b);  score(u, j) = w_j · [z; p_u] + c_j, w of 2 d columns
Loss        every window of L items and T next ones: -Σ log σ(score of each next item) - Σ log(1 - σ(of `negatives` wrong items for
            each)), over the targets of the batch; wrong items are those that the user has nowhere
Step        one optimizer step (Adam) on `batch_size` windows; an epoch reads every window once, in drawn order, none kept (windows.py)
Cost        W windows an epoch: 3·W·(d·horizontal·L³/6 + d·(d·vertical + L·horizontal) + 2d·T·(1 + negatives)) multiply-adds;
            memory O(batch·L²·(d + horizontal) + (3 items + users)·d).
Fold-in     a stranger has no p_u: the mean of all users' stands for it. The image is exact.
Checked by  by hand in float64 (tests/by_hand/caser.py), windows listed by a slow loop, padding is nothing, planted order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.factor import require
from matweave.factor.loop import FitState, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.nets.fast_dropout import FastDropout
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.forms import EncoderModel, fit_encoder
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.windows import Windows, last_images
from matweave.train.task import Batch


@final
@config
class Caser:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = Caser(rank=8, horizontal=4, epochs=2, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 50  # width of the item and user vectors: d
    length: int = 5  # items of an image: L
    targets: int = 3  # next items of a window: T
    horizontal: int = 16  # filters of each height
    vertical: int = 4
    dropout: float = 0.5  # on what the convolutions give
    negatives: int = 3  # wrong items for each target
    embedding_rank: int | None = None  # item and user vectors as products of two thin matrices
    epochs: int = 30
    batch_size: int = 512  # windows
    learning_rate: float = 0.001
    weight_decay: float = 1e-6
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 50, 100),
        "length": Span(low=3, high=9, whole=True),
        "targets": Span(low=1, high=3, whole=True),
        "horizontal": (4, 8, 16, 32),
        "dropout": Span(low=0.2, high=0.6),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            length=integer(1),
            targets=integer(1),
            horizontal=integer(1),
            vertical=integer(1),
            dropout=number(0, 0.95),
            negatives=integer(1),
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
        """Learn from a log with times. init: a fitted model whose factors start the vectors of users and of items: the tables
        that are read, and the half of the items' output that meets the users.

        A log in which no user has two items trains nothing, and gives the network as it starts. Raises DataError for a log
        without times, Diverged with the mend.
        """
        require.times(train, "Caser", "the order of histories")
        log, seen = train, train.histories
        structure = CaserStructure.of(self, items=log.n_items, users=log.n_users)
        with seeded(self.seed, "weights"):
            module = structure.build()
        if init is not None:
            module.start(init, log, self.seed)
        batches = Windows(
            seen,
            length=self.length,
            targets=self.targets,
            negatives=self.negatives,
            batch_size=self.batch_size,
            seed=self.seed,
        )

        data = (log, seen, structure, module)
        return fit_encoder(self, *data, module.loss, batches, validate=validate, watch=watch, resume=resume)


@final
@dataclass(frozen=True, kw_only=True)
class CaserStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    users: int
    rank: int
    length: int
    horizontal: int
    vertical: int
    dropout: float
    embedding_rank: int | None

    def build(self) -> CaserNet:
        return CaserNet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Images (n, L), and the users' codes (n,), -1 for strangers."""
        n = histories.n_rows
        codes = np.full(n, -1, np.int64) if users is None else np.asarray(users, np.int64)
        codes = np.where(codes < self.users, codes, -1)  # users who came after training are strangers
        return last_images(histories, self.length), codes


@final
class CaserNet(Encoder):
    """The two kinds of convolutions, the dense layer, and the tables."""

    def __init__(self, shape: CaserStructure) -> None:
        super().__init__()
        d, self.n_items = shape.rank, shape.items
        # the authors' code: vectors N(0, 1/d²), since sums of d products stand for scores
        self.items = Table(shape.items, d, rank=shape.embedding_rank, std=1 / d)
        self.users = Table(shape.users, d, rank=shape.embedding_rank, std=1 / d)
        self.heights = nn.ModuleList(nn.Linear(h * d, shape.horizontal) for h in range(1, shape.length + 1))
        self.vertical = nn.Linear(shape.length, shape.vertical)
        self.dense = nn.Linear(shape.length * shape.horizontal + shape.vertical * d, d)
        self.out = Table(shape.items, 2 * d, rank=shape.embedding_rank, std=1 / (2 * d))
        self.item_bias = nn.Parameter(torch.zeros(shape.items))
        self.drop = FastDropout(shape.dropout)
        self.tied = ("out.weight",) if shape.embedding_rank is None else ()

    def start(self, init: Recommender, log: Interactions, seed: int) -> None:
        """Take the factors of a fitted model: scores p_u · y_j are there before the first step, beside what the images say."""
        d = self.items.width
        found = start_from(init, log.users, log.items, d, seed=seed)
        output = self.out.whole().detach().numpy().copy()
        output[:, d:] = found.items
        self.out.start(output)
        self.users.start(found.users)
        self.items.start(found.scaled(1 / d).items)
        with torch.no_grad():
            self.item_bias.copy_(torch.from_numpy(found.item_bias))

    def loss(self, batch: Batch) -> Tensor:
        """Mean over the windows' targets; see `Windows.batch`."""
        images, users, targets, negatives = batch
        there = targets >= 0
        h = torch.cat([self.image(images), self.users(users)], 1).unsqueeze(1)
        asked = torch.cat([targets.clamp(min=0), negatives], 1)
        biases = functional.embedding(asked, self.item_bias[:, None]).squeeze(2)
        scores = (self.out(asked) * h).sum(
            2
        ) + biases  # batched products of single vectors are slower on the CPU
        good, bad = scores[:, : targets.shape[1]], scores[:, targets.shape[1] :]
        # wrong items of a target that is not there are not counted either
        bad = functional.softplus(bad).view(len(h), targets.shape[1], -1).sum(2)
        losses = (functional.softplus(-good) + bad) * there
        return losses.sum() / there.sum()

    def image(self, codes: Tensor) -> Tensor:
        """z (n, d) of images (n, L); `n_items` in them is a row of zeros."""
        x = self.items(codes.clamp(max=self.n_items - 1)) * (codes < self.n_items).unsqueeze(2)
        found = [self._horizontal(x, h, dense) for h, dense in enumerate(self.heights, 1)]
        across = self.vertical(x.transpose(1, 2)).transpose(1, 2).flatten(1)
        return functional.relu(self.dense(self.drop(torch.cat([*found, across], 1))))

    def encode(self, *inputs: Tensor) -> Tensor:
        """Rows [z; p] (n, 2 d) of images and users' codes; -1 is the mean of all users."""
        images, users = inputs
        known = self.users(users.clamp(min=0))
        mean = self.users.whole().mean(0)
        own = torch.where((users >= 0).unsqueeze(1), known, mean)
        return torch.cat([self.image(images), own], 1)

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.out.whole(), self.item_bias

    def _horizontal(self, x: Tensor, height: int, dense: nn.Module) -> Tensor:
        """The largest over time of ReLU of each filter: filters of one height are a dense layer on runs of rows."""
        places = x.shape[1] - height + 1
        runs = torch.cat([x[:, first : first + places] for first in range(height)], 2)
        return functional.relu(dense(runs).amax(1))
