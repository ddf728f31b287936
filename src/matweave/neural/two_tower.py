"""TwoTower: items by their content and their id, users by their histories, scored by a product.

Model. The item tower gives v_i = f(content_i) + k_i e_i, f an encoder of texts, attributes and images (content_encoders.py), e_i a
vector of the item's id, k_i 1 for items with rows and 0 for new ones; and a bias b_i in the same way. The user tower is
a dense layer, ReLU and another over the mean of the history's item vectors: u = MLP(mean_{i in h} v_i), after Covington, Adams, Sargin 2016
("Deep neural networks for YouTube recommendations"). score(u, j) = u·v_j + b_j; with `temperature` τ
vectors have length 1 and score(u, j) = u·v_j / τ + b_j. Without any content v_i = k_i e_i.

Objective / loss. Each row (u, i) of the log is a target once an epoch, its history the user's other items (up to `length`, drawn
anew). Softmax over the targets of the batch, corrected for how often an item is there (Yi et al. 2019, "Sampling-bias-corrected
neural modeling for large corpus item recommendations"):

    L = - mean_b log [ exp(s_b,b) / Σ_c exp(s_b,c) ],   s_b,c = score(u_b, i_c) - ln q(i_c)

q(i) is the item's share of the log's rows: the paper estimates it from a stream, here it is known. A target that stands in the batch
again is no negative of itself.

Cold items. In training the id of a candidate is dropped (k = 0) with probability `id_dropout`, so that content alone must
score it: the input dropout of DropoutNet (Volkovs, Yu, Poutanen 2017), for items. Histories keep theirs.

Step. One optimizer step (Adam) on a batch: gradients of both towers.

Cost. A step encodes the U distinct items of the batch, and multiplies B² rank for the softmax; memory O(B² + B length + U
rank). Served from a table of item vectors: content is not read again. Memory of a model: items · rank.

Fold-in of a stranger: exact, the same forward pass; users have nothing of their own. Items of `content` that the log
lacks are in the model, served and usable in histories.

Checked by tests/neural/test_two_tower.py: the loss by hand in float64, a planted taste for words, cold items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number, optional, settings_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.ragged import padded
from matweave.deep import seeded, torch
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.content_items import rows_of_items, with_items_of
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.content_encoders import content_parts, encoder_names
from matweave.neural.embeddings import EMBEDDING_RANK
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.forms import EncoderModel, encoder_model
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.neural.structure import EncoderStructure
from matweave.neural.two_tower_net import STD, Pairs, TwoTowerNet, TwoTowerServed


@final
@config
class TwoTower:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.Interactions.from_codes([0, 0, 1, 1], [0, 1, 1, 2])
    >>> films = mw.ItemContent.of([0, 1, 2, 9], texts=["a heist", "a heist again", "a love story", "the last heist"])
    >>> model = TwoTower(rank=4, hidden=8, epochs=2, device="cpu").fit(log, content=films)
    >>> model.items.to_list(), model.recommend_for([9], k=2).num_rows
    ([0, 1, 2, 9], 2)
    """

    rank: int = 64  # length of the vectors
    hidden: int = 128  # width of the hidden layer of the user tower
    length: int = 64  # items of a history that a step reads; served histories are read whole
    encoder: str = "bag"  # what reads texts: bag, words, characters or gru; several joined by +
    width: int = 128  # of each part's vector in the item tower
    words_read: int = 256  # words read at most by words and gru; characters: four times as many
    most_words: int = 20_000  # words known at most
    dropout: float = 0.3  # of words, of parts and in the user tower
    id_dropout: float = 0.5  # share of candidates without their id in training, where there is content
    temperature: float | None = None  # τ of vectors of length 1; None: vectors of any length
    embedding_rank: int | None = None  # id vectors as a product of two thin matrices
    epochs: int = 20
    batch_size: int = 2048  # rows
    learning_rate: float = 0.003
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 64, 128),
        "dropout": Span(low=0.0, high=0.6),
        "learning_rate": Span(low=5e-4, high=1e-2, log=True),
        "epochs": Span(low=5, high=40, log=True, whole=True),
        "batch_size": (512, 2048, 4096),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            hidden=integer(1),
            length=integer(1),
            encoder=encoder_names,
            width=integer(1),
            words_read=integer(1),
            most_words=integer(1),
            dropout=number(0, 0.95),
            id_dropout=number(0, 0.95),
            temperature=optional(number(above=0)),
            embedding_rank=EMBEDDING_RANK,
        )

    def fit(
        self,
        train: Interactions,
        *,
        content: ItemContent | None = None,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
        init: Recommender | None = None,
    ) -> EncoderModel:
        """Learn from a log. content: of its items and of new ones, which the model then knows too. init: a fitted model whose
        item factors start the id vectors. Raises DataError for an empty log or content of other items, Diverged with the mend.
        """
        log, laid = require.rows(train, type(self).__name__), None
        if content is not None:
            log, laid = with_items_of(log, content)
        rows = rows_of_items(log)
        module = self._module(rows, laid)
        if init is not None:
            start = start_from(init, log.users, log.items, self.rank, seed=self.seed).scaled(STD)
            module.items.start(start.items)
            with torch.no_grad():
                module.item_bias.copy_(torch.from_numpy(start.item_bias))
        structure = TwoTowerStructure.of(self, items=log.n_items)
        seen = log.by_user

        def freeze(history: History, *, live: bool) -> EncoderModel:
            was = module.training
            module.eval()
            with seeded(0, "weights"):  # drawn and then replaced
                served = structure.build()
            served.user = module.user
            served.table, served.bias = module.table()
            made = encoder_model(self, log, seen, structure, served.eval(), history, live=live)
            module.train(was and not live)
            return made

        course = Course(
            module=module,
            loss=lambda batch: module(*batch),
            batches=Pairs(seen, batch_size=self.batch_size, length=self.length, seed=self.seed),
            freeze=freeze,
        )
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, EncoderModel)
        return fitted

    def _module(self, rows: np.ndarray, content: ItemContent | None) -> TwoTowerNet:
        parts = None
        if content is not None:
            there = content.has_text | content.has_attributes | content.has_image
            warm = np.flatnonzero((rows > 0) & there)
            if not len(warm):
                raise DataError(
                    "no item with rows has any content",
                    where="TwoTower.fit",
                    mend="give content of the log's items",
                )
            parts = content_parts(
                content, warm, encoder=self.encoder, length=self.words_read, most_words=self.most_words
            )
        shares = np.maximum(rows, 1) / rows.sum()  # of an item without rows none is asked
        with seeded(self.seed, "weights"):
            return TwoTowerNet(
                rows > 0,
                np.log(shares),
                parts,
                **{name: settings_of(self)[name] for name in _SHAPE},
            )


_SHAPE = ("rank", "hidden", "width", "dropout", "id_dropout", "temperature", "embedding_rank")


@final
@dataclass(frozen=True, kw_only=True)
class TwoTowerStructure(EncoderStructure):
    """What the user tower is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    hidden: int
    dropout: float
    temperature: float | None

    def build(self) -> TwoTowerServed:
        return TwoTowerServed(self.items, self.rank, self.hidden, self.dropout, self.temperature)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Padded codes (n, longest) int64, and weights that make means of them."""
        counts = histories.counts
        weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
        codes = padded(histories.indices.astype(np.int64), histories.indptr)
        if not codes.shape[1]:
            return np.zeros((len(codes), 1), np.int64), np.zeros((len(codes), 1), np.float32)
        return codes, padded(weights, histories.indptr)
