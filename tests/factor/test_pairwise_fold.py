import numpy as np
import pytest
from by_hand import bpr as slow

from matweave.data.csr import Csr
from matweave.data.simulate import simulate_log
from matweave.factor.bpr import BPR
from matweave.factor.warp import WARP

LOG = simulate_log(users=60, items=40, interactions=700, newcomers=0, seed=3).log
WEIGHTS = np.bincount(LOG.item_codes, minlength=LOG.n_items) ** 0.5


def empty_and_full(model):
    items = len(model.items)
    return Csr.from_pairs(np.zeros(items, int), np.arange(items), shape=(2, items))


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_the_fold_of_bpr_is_the_minimum_of_the_expected_objective(sampling):
    """No direction leads down from it, by the twin's loss of every pair."""
    model = BPR(rank=3, epochs=10, sampling=sampling, regularization=0.05).fit(LOG)
    met = np.array([3, 8, 20])
    row = model.fold_in(Csr.from_pairs([0, 0, 0], met, shape=(1, LOG.n_items))).factors[0].astype(np.float64)
    weights = WEIGHTS.copy() if sampling == "popularity" else np.ones(LOG.n_items)
    weights[met] = 0
    y, c = model.item_factors.astype(np.float64), model.item_bias.astype(np.float64)
    flat = np.zeros_like(y)  # the items' own penalty is no part of it

    def value(x):
        total = 3 * 0.05 / 2 * x @ x
        for i in met:
            for j in np.flatnonzero(weights):
                pair = slow.loss(0, i, j, x[None], y, c, 0.0, 0.0)
                total += weights[j] / weights.sum() * pair
        return total

    assert not flat.any()
    here = value(row)
    for direction in np.concatenate([np.eye(3), -np.eye(3)]):
        assert value(row + 0.02 * direction) > here


@pytest.mark.parametrize("recipe", [BPR(rank=3, epochs=5), WARP(rank=3, epochs=5)])
def test_rows_without_a_pair_are_zero(recipe):
    model = recipe.fit(LOG)
    rows = model.fold_in(empty_and_full(model))
    assert rows.factors.shape == (2, 3)
    assert not rows.factors.any()
    assert rows.bias is None
