"""LightGCN: vectors of users and items, averaged over the layers of a graph of who had what, learned by BPR.

Model       e_u^(k+1) = Σ_i e_i^(k) / (√|N_u| √|N_i|), and the same for items; E^(0) is what is learned
            score(u, i) = e_u · e_i, e = (e^(0) + ... + e^(layers)) / (layers + 1)                          (eqs. 3, 4, 6)
Loss        1/B Σ over B positives (u, i) with `negatives` items j drawn uniformly from those that u has not:
                -mean_j ln σ(s_ui - s_uj) + λ/2 (|e_u^(0)|² + |e_i^(0)|² + mean_j |e_j^(0)|²),    λ = `regularization`    (eq. 15)
            The paper writes the penalty over all of E^(0); its authors' code takes it on the rows of the batch, as here.
Step        one optimizer step (Adam) on `batch_size` positives; the whole graph is propagated, exactly, in every step.
Start       N(0, 0.1²), as the authors' code (the paper says Xavier). With `init`, E^(0) is solved so that the
            propagated vectors are a fitted model's factors (conjugate gradients; propagation.py).
Paper       He, Deng, Wang, Li, Zhang, Wang, SIGIR 2020 (arXiv 2002.02126). No dropout, no self-connections, α_k = 1/(layers + 1).
Cost        a step: 4·layers·nnz·rank multiply-adds and a pass over the tables; an epoch: nnz / batch_size steps, so large batches
            pay. Memory 4·7 (users + items) rank bytes with Adam. With `embedding_rank` only the thin factor is propagated.
Fold-in     linear: a stranger's layers are the layers of the history's items, with a layer-0 vector of zero:
            x = Σ_{i in N_u} (e_i^(0) + ... + e_i^(layers - 1)) / √|N_i| / (√|N_u| (layers + 1)).
            Error for a training user: exactly the missing own vector, e_u^(0) / (layers + 1). On a planted log scores shrink by
            half or so, and their order stays (correlation within a user 0.95 to 0.99). For a true stranger, too, the items'
            vectors and degrees stay as they were without this history.
Checked by  dense matrices in float64 (tests/by_hand/light_gcn.py), gradients numerically, the fold's error to the letter.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, integer, number
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, functional, nn, seeded, torch
from matweave.factor import require
from matweave.factor.fold import PropagationFold
from matweave.factor.forms import FactorModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender, origin
from matweave.neural.embeddings import EMBEDDING_RANK, Table
from matweave.neural.fitting import Course
from matweave.neural.fitting import train as train_course
from matweave.neural.propagation import Propagation
from matweave.neural.sampling import Pairwise
from matweave.neural.settings import TRAINING
from matweave.neural.starting import start_from
from matweave.neural.structure import array_of

STD = 0.1
"""Spread of the first vectors."""


@final
@config
class LightGCN:
    """The recipe; `fit` returns a `FactorModel` of the propagated vectors. See the head of the file for every term.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> model = LightGCN(rank=8, epochs=2, device="cpu").fit(log)
    >>> model.item_factors.shape, len(model.history.objective)
    ((30, 8), 2)
    """

    rank: int = 64  # length of the vectors
    layers: int = 3  # how far vectors are sent
    negatives: int = 1  # drawn for each positive, each epoch
    regularization: float = 1e-4  # λ, of the vectors before they are sent
    embedding_rank: int | None = None  # vectors as a product of two thin matrices
    epochs: int = 100
    batch_size: int = 2048  # positives
    learning_rate: float = 0.005  # the paper's 0.001 wants up to 1,000 epochs
    weight_decay: float = 0.0
    optimizer: str = "adam"
    device: str = "auto"
    seed: int = 0

    space: ClassVar[Space] = {
        "rank": (32, 64, 128),
        "layers": Span(low=1, high=4, whole=True),
        "regularization": Span(low=1e-6, high=1e-2, log=True),
        "learning_rate": Span(low=5e-4, high=1e-2, log=True),
    }

    def __post_init__(self) -> None:
        check(
            self,
            **TRAINING,
            rank=integer(1),
            layers=integer(1),
            negatives=integer(1),
            regularization=number(0),
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
    ) -> FactorModel:
        """Learn from a log. init: a fitted model with factors, whose scores are the start.

        Raises DataError for an empty log, ConfigError for an init without factors, Diverged with the mend.
        """
        log = require.rows(train, "LightGCN")
        seen = log.by_user
        graph = Propagation(seen, self.layers)
        with seeded(self.seed, "weights"):
            module = LightGCNNet(graph, log.n_users + log.n_items, self.rank, self.embedding_rank)
        if init is not None:
            start = start_from(init, log.users, log.items, self.rank, seed=self.seed)
            module.table.start(graph.solved(np.concatenate([start.users, start.items])))

        def freeze(history: History, *, live: bool) -> FactorModel:
            users, items, fold = module.frozen()
            return FactorModel(
                **origin(self, log, history, seen=seen),
                user_factors=users,
                item_factors=items,
                fold=PropagationFold(item_layers=fold),
            )

        course = Course(
            module=module,
            loss=lambda batch: module(*batch, self.regularization),
            batches=Pairwise(seen, batch_size=self.batch_size, negatives=self.negatives, seed=self.seed),
            freeze=freeze,
        )
        fitted = train_course(self, course, validate=validate, watch=watch, resume=resume)
        assert isinstance(fitted, FactorModel)
        return fitted


@final
class LightGCNNet(nn.Module):
    """E^(0) of users and then items, and the graph along which it is sent."""

    def __init__(self, graph: Propagation, n: int, rank: int, embedding_rank: int | None) -> None:
        super().__init__()
        self.graph = graph
        self.table = Table(n, rank, rank=embedding_rank, std=STD)

    def forward(self, users: Tensor, positives: Tensor, negatives: Tensor, regularization: float) -> Tensor:
        """The mean loss of users (b,) with a positive (b,) and negatives (b, k) each."""
        thin = self.table.weight if self.table.rank is None else self.table.left
        items = self.graph.n_users + torch.cat([positives[:, None], negatives], 1)
        sent = self.graph(thin)
        e_u, e_i = self._vectors(users, sent), self._vectors(items, sent)
        scores = torch.bmm(e_i, e_u.unsqueeze(2)).squeeze(2)
        loss = functional.softplus(scores[:, 1:] - scores[:, :1]).mean()
        if regularization:
            own_u, own_i = self.table(users), self.table(items)
            sizes = own_u.square().sum() + own_i[:, 0].square().sum()
            sizes = sizes + own_i[:, 1:].square().sum() / negatives.shape[1]
            loss = loss + 0.5 * regularization * sizes / len(users)
        return loss

    def frozen(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Propagated users and items, and what an item adds to a stranger's row before the division by √|N_u|."""
        with torch.no_grad():
            own = self.table.whole()
            n, graph = self.graph.n_users, self.graph
            sent = array_of(graph.summed(own, graph.layers))
            before = array_of(graph.summed(own, graph.layers - 1)[n:])
        return sent[:n].copy(), sent[n:].copy(), before * graph.item_root[:, None]

    def _vectors(self, codes: Tensor, sent: Tensor) -> Tensor:
        found = functional.embedding(codes, sent)
        return found if self.table.rank is None else found @ self.table.right
