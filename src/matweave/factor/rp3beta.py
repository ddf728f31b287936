"""RP3beta: a random walk of three steps from the user to items, with popular ends made less likely.

Model       score(u, j) = Σ_i h_ui W_ij,  W_ij = Σ_v P_iv^α P_vj^α / pop_j^β for j ≠ i
            P_iv = x_vi / Σ_v x_vi: from item i to user v; P_vj = x_vj / Σ_j x_vj: from user v to item j; pop_j: users of j.
            β: Paudel et al. 2017 (RP³β). α: an exponent on each probability (P³α: Cooper et al. 2014); both together as
            Ferrari Dacrema et al. 2019 tuned them.
First step  From user u to the items of u it is P_ui^α too. Without values that is the same for all items of u and changes
            no list, so h_ui is 1 here; `use_values` makes every transition proportional to its value, and h_ui the
            value itself, as in the code of Ferrari Dacrema et al. (who take P_iv without values even then).
Kept        The `neighbors` largest W_ij of each i, ties to the smaller j; then each row is divided by its sum where
            `normalize` asks, and the `neighbors` largest of each column j stay, so that no item is fed by everything.
Cost        Σ_u n_u² additions; a dense row of items numbers a thread, and `neighbors` entries an item: no items x items
            matrix is built.
Checked by  tests/by_hand/rp3beta.py, a walk counted by hand, relabelled items, equal bits for 1, 2 and 3 threads.
Fold-in     Exact: a stranger's scores are those a training user with the same history gets.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.forms import ItemModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.factor.weights import SparseWeights
from matweave.linalg.neighbors import closest


@final
@config
class RP3beta:
    """neighbors: kept of each row of W, then of each column. alpha: α >= 0. beta: β >= 0.
    normalize: whether each row sums to 1 after the cut. use_values: whether the log's values weigh the steps, or 1.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
    >>> RP3beta(beta=0.0).fit(log).recommend_for([0], k=1).to_pylist()
    [{'item': 1, 'score': 1.0, 'rank': 1}]
    """

    neighbors: int = 200
    alpha: float = 0.8
    beta: float = 0.6
    normalize: bool = True
    use_values: bool = False

    space: ClassVar[Space] = {
        "neighbors": Span(low=20, high=800, log=True, whole=True),
        "alpha": Span(low=0.2, high=2.0),
        "beta": Span(low=0.0, high=1.5),
        "normalize": (True, False),
    }

    def __post_init__(self) -> None:
        check(
            self,
            neighbors=integer(1),
            alpha=number(0, 10),
            beta=number(0, 10),
            normalize=flag(),
            use_values=flag(),
        )

    def fit(
        self,
        train: Interactions,
        *,
        validate: Validation | None = None,
        watch: Watch | None = None,
        resume: FitState | None = None,
    ) -> ItemModel:
        """Walk. Closed form: validate, watch and resume have nothing to do.

        Raises DataError for an empty log, and for values below 0 that are to weigh the steps.
        """
        began = time.perf_counter()
        log = require.rows(train, "RP3beta").by_user
        weights = self.weights(log)
        return ItemModel(
            **origin(self, train, History(seconds=time.perf_counter() - began), seen=log),
            weights=SparseWeights(matrix=weights),
            use_values=self.use_values,
        )

    def weights(self, log: Csr) -> Csr:
        """W as sparse rows, items x items."""
        x = (log.weights() if self.use_values else np.ones(log.nnz)).astype(np.float64)
        if x.min(initial=0) < 0:
            raise DataError(
                f"steps are probabilities, and {int((x < 0).sum())} values of this log are negative",
                where="RP3beta.fit",
                mend="set use_values=false, or shift the values",
            )
        n = log.n_columns
        at = np.repeat(np.arange(log.n_rows), log.counts)
        to_user = _shares(x, log.indices, n) ** self.alpha
        to_item = _shares(x, at, log.n_rows) ** self.alpha
        popularity = np.bincount(log.indices, minlength=n).astype(np.float64)
        found = closest(
            log.indptr,
            log.indices,
            to_user.astype(np.float32),
            to_item.astype(np.float32),
            k=self.neighbors,
            mine=np.ones(n, np.float32),
            theirs=(popularity**self.beta).astype(np.float32),
        )
        starts, near, how = found
        if self.normalize:
            source = np.repeat(np.arange(n), np.diff(starts))
            how = _shares(how.astype(np.float64), source, n).astype(np.float32)
        return largest(Csr(indptr=starts, indices=near, values=how, n_columns=n).transpose(), self.neighbors)


def largest(columns: Csr, k: int) -> Csr:
    """The k largest entries of each row, ties to the smaller column, and the result by column.

    >>> wide = Csr(indptr=np.array([0, 3]), indices=np.arange(3, dtype=np.int32), values=np.array([1, 3, 3], np.float32), n_columns=3)
    >>> largest(wide, 1).indices.tolist(), largest(wide, 1).indptr.tolist()
    ([0], [0, 0, 1, 1])
    """
    row = np.repeat(np.arange(columns.n_rows), columns.counts)
    order = np.lexsort((columns.indices, -columns.weights(), row))
    place = np.arange(columns.nnz) - columns.indptr[row]  # rows stay where they are when sorted within
    kept = np.sort(order[place < k])
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=columns.n_rows))])
    cut = Csr(
        indptr=starts.astype(np.int64),
        indices=columns.indices[kept],
        values=columns.weights()[kept],
        n_columns=columns.n_columns,
    )
    return cut.transpose()


def _shares(x: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """x over the sum of its group, 0 where that is 0."""
    sums = np.bincount(group, weights=x, minlength=n)
    return x / np.where(sums > 0, sums, 1.0)[group]
