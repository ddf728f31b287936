"""A history of the model's own items folds in as ever; new items in it count by their vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.item_content import united
from matweave.factor.content_fold import ContentFold

LOG = mw.simulate_log(users=40, items=30, rank=4, interactions=400, seed=1).log


def widened(model):
    more = mw.Vocabulary.of([f"new {n}" for n in range(4)])[0]
    drawn = np.random.default_rng(0).standard_normal((4, model.item_factors.shape[1])).astype(np.float32)
    bias = None if model.item_bias is None else np.append(model.item_bias, np.ones(4, np.float32))
    return replace(
        model,
        items=united(model.items, more),
        seen=replace(model.seen, n_columns=len(model.items) + 4),
        item_factors=np.concatenate([model.item_factors, drawn]),
        item_bias=bias,
        fold=ContentFold(inner=model.fold, warm=len(model.items)),
    )


@pytest.mark.parametrize(
    "recipe",
    [mw.ImplicitALS(rank=6, solver="cholesky"), mw.PureSVD(rank=6), mw.BiasedMF(rank=4, epochs=5)],
    ids=["implicit", "svd", "biased"],
)
def test_own_items_fold_as_before_and_rows_do_not_mix(recipe):
    model = recipe.fit(LOG)
    wide = widened(model)
    n = len(model.items)
    rows = Csr.from_pairs([0, 0, 2, 2, 3], [1, 5, 2, n + 1, 1], [3.0, 5.0, 4.0, 2.0, 1.0], shape=(4, n + 4))
    found = wide.fold_in(rows)
    own = model.fold_in(Csr.from_pairs([0, 0, 2], [1, 5, 1], [3.0, 5.0, 1.0], shape=(3, n)))
    np.testing.assert_array_equal(found.factors[[0, 1, 3]], own.factors)
    if own.bias is not None:
        assert found.bias is not None
        np.testing.assert_array_equal(found.bias[[0, 1, 3]], own.bias)
    mixed = replace(model.fold).solve(rows.rows([2]), wide)  # as if the new item had been learned
    np.testing.assert_allclose(found.factors[2], mixed.factors[0], rtol=1e-5)
    assert wide.recommend_for(["new 1"], k=3, values=[3]).num_rows == 3
