"""ItemKNN: an item's score is the sum of its similarities to the items of the history.

Model       score(u, j) = Σ_(i in h_u) h_ui B_ij;  B_ij = s_ij / (Σ_i s_ij)^normalization for the k nearest i of j
Similarity  s_ij = G_ij / (|a_i|^(2 - 2α) |a_j|^(2α) + shrink), G = AᵀA, α = asymmetry; ½ is the cosine
            (Sarwar et al. 2001; Deshpande & Karypis 2004, section 4; α: Aiolli 2013). α < ½ lifts popular j.
Weighting   A is the log, its tf-idf or its BM25 weights, so that users who know everything say less
            (linalg/neighbors.py). BM25 also scales history i by the item's length factor; here it is in s_ij only.
Cost        Σ_u n_u² additions; neighbors entries per item; the dense items x items matrix is never built.
Checked by  tests/by_hand/item_knn.py, ties to the smaller item, relabelled items, growth with k.
Fold-in     Exact: a stranger's scores are those a training user with the same history gets.
"""

from __future__ import annotations

import time
from typing import ClassVar, final

import numpy as np

from matweave.config import Space, Span, check, config, flag, integer, number, one_of
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require
from matweave.factor.forms import ItemModel
from matweave.factor.loop import FitState, History, Validation, Watch
from matweave.factor.recommender import origin
from matweave.factor.weights import SparseWeights
from matweave.linalg.neighbors import bm25, nearest_columns, tf_idf


@final
@config
class ItemKNN:
    """neighbors: kept for each item. shrink: added below the fraction, in units of weighted co-occurrences.
    weighting: none, tf_idf or bm25. asymmetry: α. normalization: 0 sums the neighbours, 1 averages them.
    use_values: whether the log's values count, or 1 for each row.

    >>> log = Interactions.from_codes([0, 0, 1, 1, 2], [0, 1, 0, 1, 2])
    >>> ItemKNN(shrink=0).fit(log).similar(0, k=1).to_pylist()
    [{'item': 1, 'similarity': 1.0, 'rank': 1}]
    """

    neighbors: int = 100
    shrink: float = 20.0
    weighting: str = "tf_idf"
    asymmetry: float = 0.4
    normalization: float = 0.5
    use_values: bool = False

    space: ClassVar[Space] = {
        "neighbors": Span(low=20, high=800, log=True, whole=True),
        "shrink": Span(low=0.1, high=1000.0, log=True),
        "weighting": ("none", "tf_idf", "bm25"),
    }

    def __post_init__(self) -> None:
        check(
            self,
            neighbors=integer(1),
            shrink=number(0),
            weighting=one_of("none", "tf_idf", "bm25"),
            asymmetry=number(0, 1),
            normalization=number(0, 1),
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
        """Find the neighbours. Closed form: validate, watch and resume have nothing to do.

        Raises DataError for an empty log, and for negative values that are to be weighted.
        """
        began = time.perf_counter()
        log = require.rows(train, "ItemKNN").by_user
        weights = self.weights(log)
        return ItemModel(
            **origin(self, train, History(seconds=time.perf_counter() - began), seen=log),
            weights=SparseWeights(matrix=weights),
            use_values=self.use_values,
        )

    def weights(self, log: Csr) -> Csr:
        """B as sparse rows, items x items."""
        values = log.weights() if self.use_values else np.ones(log.nnz, np.float32)
        if self.weighting != "none" and values.min(initial=0) < 0:
            raise DataError(
                f"{self.weighting} weights counts, and {int((values < 0).sum())} values of this log are negative",
                where="ItemKNN.fit",
                mend="set weighting=none, or use_values=false",
            )
        if np.abs(values).max(initial=0) > 1e15:
            raise DataError(
                f"values as large as {np.abs(values).max():.0e} overflow when squared",
                where="ItemKNN.fit",
                mend="scale the values down, or set use_values=false",
            )
        table, n = (log.indptr, log.indices), log.n_columns
        if self.weighting != "none":
            values = (tf_idf if self.weighting == "tf_idf" else bm25)(*table, values, n)
        starts, near, how = nearest_columns(
            *table, values, n, k=self.neighbors, shrink=self.shrink, asymmetry=self.asymmetry
        )
        target = np.repeat(np.arange(n), np.diff(starts))
        if self.normalization > 0:
            sums = np.bincount(target, weights=how, minlength=n)
            how = (how / np.maximum(sums, np.finfo(np.float32).tiny)[target] ** self.normalization).astype(
                np.float32
            )
        return Csr(indptr=starts, indices=near, values=how, n_columns=n).transpose()
