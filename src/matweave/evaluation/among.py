"""A model that gives no items but some: what a ranking among cold items is asked of.

Scores are the model's own; only the lists, and what is counted over them, are restricted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.factor.blocks import Top, top_of
from matweave.factor.forms import Factored
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows, Rows
from matweave.linalg.topk import top_k_factors


@final
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Among(Recommender):
    """The model `inner` over the items at `codes` (rising) of its vocabulary; `items` and `seen` are cut to them."""

    inner: Recommender
    codes: np.ndarray

    def known(self, user_codes: np.ndarray) -> Rows:
        return self.inner.known(user_codes)

    def fold_in(self, histories: Csr) -> Rows:
        return self.inner.fold_in(self._wide(histories))

    def grown(self, histories: Csr, user_codes: np.ndarray) -> Rows:
        return self.inner.grown(self._wide(histories), user_codes)

    def _wide(self, histories: Csr) -> Csr:
        """The histories over the inner model's items."""
        return replace(histories, indices=self.codes[histories.indices], n_columns=len(self.inner.items))

    def scores(self, rows: Rows) -> np.ndarray:
        return np.ascontiguousarray(self.inner.scores(rows)[:, self.codes])

    def pair_scores(self, rows: Rows, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return self.inner.pair_scores(rows, at, self.codes[item_codes])

    def top(self, rows: Rows, k: int, leave_out: Csr | None = None) -> Top:
        out = None if leave_out is None else (leave_out.indptr, leave_out.indices)
        if isinstance(self.inner, Factored) and isinstance(rows, FactorRows):
            factors, bias, mean = self.inner.item_side()
            codes, scores, counts = top_k_factors(
                rows.factors,
                np.ascontiguousarray(factors[self.codes]),
                k=k,
                bias=None if bias is None else np.ascontiguousarray(bias[self.codes]),
                leave_out=out,
            )
            scores += np.float32(mean)
            return codes, scores if rows.bias is None else scores + rows.bias[:, None], counts
        return top_of(self.scores, rows, k, leave_out)

    def similar_codes(self, item_code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The most alike of these items."""
        codes, scores = self.inner.similar_codes(int(self.codes[item_code]), len(self.inner.items))
        place = np.full(len(self.inner.items), -1, np.int32)
        place[self.codes] = np.arange(len(self.codes), dtype=np.int32)
        mine = place[codes] >= 0
        return place[codes[mine]][:k], scores[mine][:k]


def among(model: Recommender, items: Sequence[Any] | Vocabulary) -> Among:
    """The model with lists of these items only; those that it does not know are passed over.

    Raises DataError where it knows none of them.

    >>> import matweave as mw
    >>> model = mw.Popularity().fit(mw.simulate_log(users=30, items=20, interactions=200, seed=0).log)
    >>> two = model.items.to_list()[:2]
    >>> sorted(among(model, two).recommend(k=5, seen=True)["item"].unique().to_pylist()) == sorted(two)
    True
    """
    ids = items.ids if isinstance(items, Vocabulary) else items
    found, known = model.items.encode(ids)
    codes = np.unique(found[known])
    if not len(codes):
        raise DataError(
            f"the model knows none of the {len(ids):,} items to rank",
            where="among",
            mend="give items of the model's vocabulary: a content model has those of its content",
        )
    return Among(
        method=model.method,
        settings=model.settings,
        users=model.users,
        items=model.items.take(codes),
        seen=columns_of(model.seen, codes),
        history=model.history,
        frame=model.frame,
        limits=model.limits,
        inner=model,
        codes=codes,
    )


def columns_of(matrix: Csr, codes: np.ndarray) -> Csr:
    """Some columns of a matrix, at rising codes; it keeps no order.

    >>> columns_of(Csr.from_pairs([0, 0, 1], [0, 2, 1], shape=(2, 3)), np.array([1, 2])).indices.tolist()
    [1, 0]
    """
    place = np.full(matrix.n_columns, -1, np.int32)
    place[codes] = np.arange(len(codes), dtype=np.int32)
    keep = place[matrix.indices] >= 0
    before = np.concatenate([[0], np.cumsum(keep)])
    return Csr(
        indptr=before[matrix.indptr],
        indices=place[matrix.indices[keep]],
        values=None if matrix.values is None else matrix.values[keep],
        n_columns=len(codes),
    )
