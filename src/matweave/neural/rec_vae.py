"""RecVAE: a variational autoencoder with a composite prior, a deep encoder and a linear decoder, trained in turns.

Model       (μ_u, log σ²_u) = f(x̂_u); z_u ~ N(μ_u, σ²_u) in training, μ_u when served; score(u, j) = y_j·z_u + b_j, and softmax of a user's
            scores over all items is the probability that the user's next item is j (Shenbin, Alekseev, Tutubalina, Malykh, Nikolenko, WSDM
            2020, "RecVAE", eqs. 3 and 4). f has five layers h_k = norm(swish(W_k h_{k-1} + Σ_{0<j<k} h_j)), h_0 = x̂_u (user_rows.py), then
            two linear ones (fig. 2; swish x·σ(x), layer norms with ε = 0.1, as in the authors' code).
Prior       p(z | φ_old, x) = 3/20 N(0, 1) + 3/4 q_φold(z | x) + 1/10 N(0, e^10), eq. 6 with the wide third part of section 4; the mixture is
            taken for each coordinate, as in the authors' code (the paper writes it for z as a whole). φ_old: the encoder as the
            last decoder turn found it; at first, as it starts; it reads whole rows.
Loss        a mean over users of  -Σ_{i in u} log π_ui + γ n_u (log q_φ(z|x̂) - log p(z | φ_old, x)), one draw of z, n_u = |x_u|  (eqs. 5 and 7)
Step        an epoch is one outer round of algorithm 1: `encoder_epochs` passes of encoder steps, rows thinned; φ_old ← φ;
            `decoder_epochs` passes of decoder steps, whole rows and the likelihood alone. Which of both a step is, its batch says;
            what stands still has no gradient, so the optimizer (Adam) leaves it and its moments alone. The objective of an epoch is the
            mean over all its steps.
Cost        2 · users · items · rank multiply-adds a pass for the last layer and entries · hidden for the first, and 12 hidden² a user between.
            Memory: tables of items · (hidden + rank) with their moments, and φ_old.
Low rank    `embedding_rank`: both item tables as products of two thin matrices; items then have that many numbers each, when served too.
Start       `init`: first and last table from the item factors of a fitted model, scaled to the usual spread. Weights as torch starts a
            linear layer, but normal for the tables.
Fold-in     exact: a stranger's history goes through the same network; training users have nothing of their own.
Checked by  by hand in float64 (tests/by_hand/rec_vae.py), gradients of each turn, φ_old by epoch, a planted log.
"""

from __future__ import annotations

from typing import ClassVar, final

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, seeded, torch
from matweave.factor import require
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.embeddings import EMBEDDING_RANK
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.forms import EncoderModel, encoder_model
from matweave.neural.mult_dae import start_tables
from matweave.neural.rec_vae_net import RecVAEPair, RecVAEStructure
from matweave.neural.settings import TRAINING
from matweave.neural.user_rows import Bags, UserRows
from matweave.train.task import Batch


@final
@config
class RecVAE:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=60, items=40, interactions=600, seed=0).log
    >>> model = RecVAE(rank=8, hidden=16, epochs=2, batch_size=20, device="cpu").fit(log)
    >>> model.recommend_for(log.items.to_list()[:3], k=2).num_rows
    2
    """

    rank: int = 200  # length of z
    hidden: int = 600  # width of the encoder's layers
    gamma: float = 0.005  # weight of the divergence for each entry of a row
    dropout: float = 0.5  # share of a row's entries that the input of encoder steps lacks
    encoder_epochs: int = 3  # passes of encoder steps in an epoch
    decoder_epochs: int = 1  # passes of decoder steps in an epoch
    embedding_rank: int | None = None  # item tables as products of two thin matrices
    epochs: int = 50
    batch_size: int = 500  # users
    learning_rate: float = 0.0005
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (64, 128, 200, 256),
        "hidden": (200, 400, 600),
        "gamma": Span(low=0.001, high=0.02, log=True),
        "dropout": Span(low=0.2, high=0.8),
        "learning_rate": Span(low=2e-4, high=2e-3, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            hidden=integer(1),
            gamma=number(0),
            dropout=number(0, 0.95),
            encoder_epochs=integer(1),
            decoder_epochs=integer(1),
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
        log = require.rows(train, "RecVAE")
        structure = RecVAEStructure.of(self, items=log.n_items)
        with seeded(self.seed, "weights"):
            pair = RecVAEPair(structure)
        net = pair.net
        if init is not None:
            start_tables(net.encoder.first, net.last, init, log, self.seed)
        pair.renew()

        def freeze(history: History, *, live: bool) -> EncoderModel:
            return encoder_model(self, log, log.by_user, structure, net, history, live=live)

        def loss(batch: Batch) -> Tensor:
            counts, codes, *rest = batch
            if len(rest) == _KEPT:
                return pair.encoder_loss(counts, codes, Bags(*rest), 1 - self.dropout, self.gamma)
            if rest:
                pair.renew()
            return pair.decoder_loss(counts, codes)

        batches = Turns(
            log.by_user,
            batch_size=self.batch_size,
            drop=self.dropout,
            passes=(self.encoder_epochs, self.decoder_epochs),
            seed=self.seed,
        )
        course = Course(module=pair, loss=loss, batches=batches, freeze=freeze)
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, EncoderModel)
        return fitted


_KEPT = 4  # tensors of `Bags` in a batch of an encoder step


@final
class Turns:
    """Batches of whole epochs in turns. An encoder step's are those of `UserRows` with thinned entries; a decoder step's are counts
    and codes alone, and a third, empty tensor where it is the first of its turn.

    >>> turns = Turns(Csr.from_pairs([0, 1], [0, 1]), batch_size=1, drop=0.5, passes=(1, 2))
    >>> [len(turns.batch(0, at)) for at in range(turns.steps_per_epoch)]
    [6, 6, 3, 2, 2, 2]
    """

    def __init__(
        self, rows: Csr, *, batch_size: int, drop: float, passes: tuple[int, int], seed: int = 0
    ) -> None:
        self.thinned = UserRows(rows, batch_size=batch_size, drop=drop, seed=seed)
        self.whole = UserRows(rows, batch_size=batch_size, drop=None, seed=seed)
        self.passes, self.examples = passes, self.whole.examples
        self.steps_per_epoch = sum(passes) * self.whole.steps_per_epoch

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self.thinned.to(device)
        self.whole.to(device)

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        turn, place = divmod(at, self.whole.steps_per_epoch)
        pass_ = epoch * sum(self.passes) + turn
        if turn < self.passes[0]:
            return self.thinned.batch(pass_, place)
        found = self.whole.batch(pass_, place)
        first = turn == self.passes[0] and place == 0
        return (*found, found[0][:0]) if first else found
