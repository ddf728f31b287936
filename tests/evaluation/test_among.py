"""Lists among some items are those of the whole scores with the others crossed out, for every form of model."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import evaluation as by_hand

import matweave as mw
from matweave.data.csr import Csr
from matweave.errors import DataError
from matweave.evaluation.among import among, columns_of

LOG = mw.simulate_log(users=40, items=30, rank=4, interactions=400, seed=1).log
CODES = np.array([2, 3, 7, 11, 12, 29])


@pytest.mark.parametrize(
    "model",
    [
        mw.EASE(regularization=20.0).fit(LOG),
        mw.ImplicitALS(rank=6).fit(LOG),
        mw.BiasedMF(rank=4, epochs=5).fit(LOG),
    ],
    ids=["items", "factors", "biases"],
)
def test_lists_are_of_these_items_with_the_models_own_scores(model):
    ids = model.items.decode(CODES).to_pylist()
    few = among(model, ids[::-1])
    rows = model.known(np.arange(40))
    whole = model.scores(rows)
    np.testing.assert_allclose(few.scores(rows), whole[:, CODES], rtol=1e-6)
    seen = columns_of(model.seen, CODES)
    codes, scores, counts = few.top(rows, 4, leave_out=seen)
    for user in range(40):
        left = [c for c in range(len(CODES)) if CODES[c] not in model.seen.row(user)[0]]
        wanted = sorted(left, key=lambda c: (-whole[user, CODES[c]], c))[:4]
        n = counts[user]
        assert n == len(wanted)
        np.testing.assert_allclose(scores[user, :n], whole[user, CODES[wanted]], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            whole[user, CODES[codes[user, :n]]], whole[user, CODES[wanted]], rtol=1e-5, atol=1e-6
        )
    at, items = np.array([0, 3, 39]), np.array([5, 0, 2])
    np.testing.assert_allclose(
        few.pair_scores(rows, at, items), whole[at, CODES[items]], rtol=1e-5, atol=1e-6
    )


def test_a_stranger_and_similar_items_stay_within():
    model = mw.ImplicitALS(rank=6).fit(LOG)
    few = among(model, model.items.decode(CODES))
    ids = few.items.to_list()
    found = few.recommend_for(ids[:2], k=10)["item"].to_pylist()
    assert set(found) == set(ids[2:])
    near = few.similar(ids[0], k=10)["item"].to_pylist()
    assert set(near) == set(ids[1:])
    best = [i for i in model.similar(ids[0], k=30)["item"].to_pylist() if i in ids]
    assert near == best


def test_items_that_the_model_does_not_know_are_passed_over_unless_all_are():
    model = by_hand.scored(LOG, np.zeros((40, 30)))
    known = model.items.to_list()[5]
    assert among(model, ["nobody", known]).items.to_list() == [known]
    with pytest.raises(DataError, match="knows none of the 1 items"):
        among(model, ["nobody"])


def test_columns_keep_their_values():
    matrix = Csr.from_pairs([0, 0, 1], [0, 2, 1], [1.0, 2.0, 3.0], shape=(3, 3))
    cut = columns_of(matrix, np.array([1, 2]))
    np.testing.assert_array_equal(cut.scipy().toarray(), matrix.scipy().toarray()[:, 1:])
