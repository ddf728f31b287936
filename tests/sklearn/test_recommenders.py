"""Every recipe has its estimator, which is the recipe."""

from __future__ import annotations

import pickle
from dataclasses import fields

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import matweave as mw
import matweave.sklearn as facade
from matweave.app.catalogue import METHODS
from matweave.sklearn import interactions, load
from matweave.sklearn.recipes import RecommenderEstimator

LOG = mw.simulate_log(users=40, items=25, interactions=300, seed=1).log
SMALL = {"rank": 3, "epochs": 2}
OURS = [recipe for recipe in METHODS.values() if recipe.__module__.startswith("matweave.factor.")]
"""The facade's: those of `neural` need more than a matrix, and are asked by `fit` and `evaluate`."""


def test_every_factorization_of_the_table_is_here():
    kinds = [getattr(facade, name) for name in facade.__all__ if name[0].isupper()]
    ours = {k.__name__: k.recipe for k in kinds if issubclass(k, RecommenderEstimator)}
    assert ours == {recipe.__name__: recipe for recipe in OURS}


@pytest.mark.parametrize("name", [recipe.__name__ for recipe in OURS])
def test_parameters_fit_answers_copies_and_folders(name, tmp_path):
    kind, recipe = getattr(facade, name), getattr(mw, name)
    settings = {k: v for k, v in SMALL.items() if k in {f.name for f in fields(recipe)}}
    estimator = kind(**settings)
    assert estimator.get_params() == {f.name: getattr(recipe(**settings), f.name) for f in fields(recipe)}
    assert clone(estimator).get_params() == estimator.get_params()
    assert estimator.fit(LOG) is estimator
    wanted = recipe(**settings).fit(LOG)
    assert type(estimator.model_) is type(wanted)
    user = LOG.users.to_list()[3]
    best = wanted.recommend([user], k=5)
    rows = interactions(LOG)
    for other in (
        estimator,
        pickle.loads(pickle.dumps(estimator)),
        load(estimator.save(tmp_path / "model")),
    ):
        assert other.recommend([user], k=5).equals(best)
        np.testing.assert_array_equal(other.predict(rows), estimator.predict(rows))
    matrix = sp.csr_array((np.ones(4), ([0, 0, 1, 2], [0, 1, 1, 0])), shape=(3, 2))
    assert kind(**settings).fit(matrix).predict(matrix).shape == (4,)
