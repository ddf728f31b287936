"""DeepMF: a network on each user's row and one on each item's column of the interaction matrix, compared by their cosine.

Model.  Y (users x items) holds the values, or 1 for each row of a log without, and 0 elsewhere. With layers W₁ … W_N, ReLU f:
            l₁ = W₁ Y_u·,  l_i = f(W_i l_{i-1} + b_i),  p_u = l_N;  the same with its own weights on Y_·j gives q_j
            score(u, j) = cos(p_u, q_j), in [0, 1] since f ≥ 0              (Xue, Dai, Zhang, Huang, Chen, IJCAI 2017)
Loss.   Normalised cross-entropy over the log's rows and, drawn anew each epoch, `negatives` items a row that the user has not:
            -[ y ln ŷ + (1 - y) ln(1 - ŷ) ],  y = Y_uj / max Y,  ŷ = max(10⁻⁶, score), and 1 - 10⁻⁶ at most
Step.   One optimizer step (Adam) on `batch_size` pairs. W₁ Y is a sparse product, made for all users and items once a step: a step
        costs the same whether it holds a thousand pairs or a hundred thousand, so batches are large (the paper: 256 rows).
Start.  Weights N(0, 0.01²) in the authors' code starve a ReLU network under Adam; here He et al. 2015 for both towers.
        With `init`, W₁ are the item and user factors of a fitted model in its first columns: l₁ starts as Y V and Yᵀ U.
Cost.   A step: 12 · nnz · width of the first layer, and the towers on all users and items; memory O((users + items) · width).
Fold-in.  exact: a stranger's values go through the user tower; training users have nothing of their own.
Checked by  tests/by_hand/deep_mf.py in float64 (scores, loss), relabelling, a planted log.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.forms import EncoderModel, encoder_model
from matweave.neural.sampling import Pointwise
from matweave.neural.settings import TRAINING
from matweave.neural.sparse import SparseMatrix
from matweave.neural.starting import start_from
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.train.task import Batch

LEAST = 1e-6  # ŷ is kept from 0 and 1 by so much


@final
@config
class DeepMF:
    """The recipe; `fit` returns an `EncoderModel`. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> DeepMF(rank=8, width=16, epochs=2, device="cpu").fit(log).recommend_for([], k=2, values=[]).num_rows
    2
    """

    rank: int = 64  # length of p and q
    width: int = 256  # of the layers before the last
    layers: int = 2  # of each tower, the last one included
    negatives: int = 7  # drawn for each row of the log
    epochs: int = 20
    batch_size: int = 32768  # pairs, negatives included
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 64, 128),
        "negatives": Span(low=3, high=10, whole=True),
        "learning_rate": Span(low=3e-4, high=3e-3, log=True),
        "epochs": Span(low=5, high=40, whole=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            width=integer(1),
            layers=integer(2),
            negatives=integer(1),
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
        """Learn from a log. init: a fitted model whose factors start the first layers.

        Raises DataError for an empty log or for values below 0 or none above, Diverged with the mend.
        """
        log = require.rows(train, "DeepMF")
        seen = log.by_user
        values = seen.weights()
        top = float(values.max())
        if values.min() < 0 or not top > 0:
            raise DataError(
                "DeepMF takes values from 0 up, some of them above 0, as how much a user likes an item",
                where="DeepMF.fit",
                mend="shift the values, or read the log without them",
            )
        rows = SparseMatrix(seen)
        columns = rows.transposed()
        structure = DeepMFStructure(
            items=log.n_items, widths=(self.width,) * (self.layers - 1) + (self.rank,)
        )
        with seeded(self.seed, "weights"):
            towers = nn.ModuleDict(
                {"user": Tower(log.n_items, structure.widths), "item": Tower(log.n_users, structure.widths)}
            )
        user, item = towers["user"], towers["item"]
        assert isinstance(user, Tower)
        assert isinstance(item, Tower)
        if init is not None:
            width = min(self.width, 64)
            start = start_from(init, log.users, log.items, width, seed=self.seed)
            user.start(start.items)
            item.start(start.users)
        batches = Pointwise(
            seen, batch_size=self.batch_size, negatives=self.negatives, seed=self.seed, labels=values / top
        )

        def vectors() -> tuple[Tensor, Tensor]:
            p = user.rest(rows @ user.first)
            return p, item.rest(columns @ item.first)

        def loss(batch: Batch) -> Tensor:
            users, items, labels = batch
            p, q = vectors()
            scores = (functional.embedding(users, p) * functional.embedding(items, q)).sum(1)
            return functional.binary_cross_entropy(scores.clamp(LEAST, 1 - LEAST), labels)

        def freeze(history: History, *, live: bool) -> EncoderModel:
            with torch.no_grad():
                table = item.rest(columns @ item.first)
            return encoder_model(self, log, seen, structure, UserTower(user, table), history, live=live)

        course = Course(module=towers, loss=loss, batches=batches, freeze=freeze)
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, EncoderModel)
        return fitted


@final
@dataclass(frozen=True, kw_only=True)
class DeepMFStructure(EncoderStructure):
    """What the user tower is rebuilt from: items, and the widths of its layers."""

    items: int
    widths: tuple[int, ...]

    empty: ClassVar[bool] = False  # an empty row has no direction

    def build(self) -> Encoder:
        return UserTower(Tower(self.items, self.widths), torch.zeros(0, self.widths[-1]))

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        return histories.indptr[:-1], histories.indices.astype(np.int64), np.array(histories.weights())


@final
class Tower(nn.Module):
    """Layers over a sparse row: `first` (columns, width), without bias or activation, and the `rest`."""

    def __init__(self, columns: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        # rows hold some tens to hundreds of entries; √ of a typical count in place of the fan-in of all columns
        self.first = nn.Parameter(torch.randn(columns, widths[0]) * (2.0 / max(columns, 1)) ** 0.5)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.01)  # no row starts at zero, which has no direction

    def rest(self, first: Tensor) -> Tensor:
        """Unit vectors (n, rank) from the first layer's outputs (n, width)."""
        x = first
        for layer in self.layers:
            x = functional.relu(layer(x))
        return functional.normalize(x, dim=1)

    def start(self, factors: np.ndarray) -> None:
        """The first columns of the first layer become factors (columns, k), at the spread that it has."""
        given = torch.from_numpy(np.array(factors, np.float32, order="C"))
        with torch.no_grad():
            spread = self.first.std() / given.std().clamp_min(1e-12)
            self.first[:, : given.shape[1]] = given * spread


@final
class UserTower(Encoder):
    """The user's side alone, as it serves; `table` (items, rank): the items' vectors as they were found."""

    def __init__(self, tower: Tower, table: Tensor) -> None:
        super().__init__()
        self.tower, self._table = tower, [table]  # in a list: no part of the module's state

    def encode(self, *inputs: Tensor) -> Tensor:
        starts, columns, values = inputs
        first = functional.embedding_bag(
            columns, self.tower.first, starts, per_sample_weights=values, mode="sum"
        )
        return self.tower.rest(first)

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self._table[0], None
