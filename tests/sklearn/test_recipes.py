"""What the recommenders' estimators share: parameters of the recipes, answers of their models, an honest score."""

from __future__ import annotations

import inspect
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.utils import get_tags

import matweave as mw
from matweave.errors import ConfigError, DataError, UnknownId
from matweave.sklearn import (
    EASE,
    BiasedMF,
    ExplicitALS,
    ImplicitALS,
    InteractionKFold,
    Popularity,
    interactions,
)

LOG = mw.simulate_log(users=60, items=30, interactions=600, seed=0).log
SPLIT = mw.split_randomly(LOG, test=0.2, seed=0)


def matrix_of(log: mw.Interactions) -> sp.csr_array:
    found = log.recode(LOG.users, LOG.items).matrix
    return found.scipy()


def test_the_signature_is_the_recipes_and_a_wrong_name_is_told():
    parameters = inspect.signature(ImplicitALS).parameters
    assert list(parameters) == [f.name for f in fields(mw.ImplicitALS)]
    assert {n: p.default for n, p in parameters.items()} == {
        f.name: f.default for f in fields(mw.ImplicitALS)
    }
    with pytest.raises(ConfigError, match="unknown parameter 'rnak'; did you mean 'rank'"):
        ImplicitALS(rnak=3)
    with pytest.raises(ConfigError, match="rank is 0"):
        ImplicitALS(rank=0).fit(LOG)
    with pytest.raises(ValueError, match="Invalid parameter"):
        ImplicitALS().set_params(rnak=3)
    assert repr(ImplicitALS(rank=3)) == "ImplicitALS(rank=3)"


def test_answers_are_the_models():
    ours, theirs = (
        ImplicitALS(rank=4, epochs=3).fit(SPLIT.train),
        mw.ImplicitALS(rank=4, epochs=3).fit(SPLIT.train),
    )
    users = SPLIT.train.users.to_list()[:5]
    items = SPLIT.train.items.to_list()[:5]
    assert ours.recommend(users, k=3).equals(theirs.recommend(users, k=3))
    assert ours.recommend(users[:1], seen=True, exclude=[items[0]]).equals(
        theirs.recommend(users[:1], seen=True, exclude=[items[0]])
    )
    wanted = theirs.predict(users, items).column("score").to_numpy()
    np.testing.assert_allclose(ours.predict(list(zip(users, items, strict=True))), wanted, rtol=1e-6)
    np.testing.assert_allclose(ours.predict(pa.table({"user": users, "item": items})), wanted, rtol=1e-6)
    twice = ours.predict([(users[0], items[1])] * 2)
    assert twice[0] == twice[1] == pytest.approx(ours.predict([(users[0], items[1])])[0])


def test_a_matrix_a_frame_and_a_log_are_the_same():
    numbered = matrix_of(SPLIT.train)
    rows = interactions(numbered)
    first = EASE(regularization=10).fit(numbered)
    for form in (rows, pd.DataFrame({n: rows[n] for n in rows.dtype.names})):
        again = EASE(regularization=10).fit(form)
        np.testing.assert_allclose(again.predict(rows), first.predict(numbered), rtol=1e-5)
    assert first.matrix_shape_ == (60, 30)


def ndcg_by_hand(estimator, train: sp.csr_array, test: sp.csr_array) -> float:
    found = []
    for user in np.flatnonzero(np.diff(test.indptr)):
        held = set(test.indices[test.indptr[user] : test.indptr[user + 1]].tolist())
        scores = estimator.predict([(user, item) for item in range(train.shape[1])])
        scores[train.indices[train.indptr[user] : train.indptr[user + 1]]] = -np.inf
        best = np.argsort(-scores, kind="stable")[:10].tolist()
        gain = sum(1 / np.log2(place + 2) for place, item in enumerate(best) if item in held)
        found.append(gain / sum(1 / np.log2(place + 2) for place in range(min(10, len(held)))))
    return float(np.mean(found))


def test_the_score_is_ndcg_by_hand_and_evaluates():
    train, test = matrix_of(SPLIT.train), matrix_of(SPLIT.test)
    fitted = EASE(regularization=5).fit(train)
    assert fitted.score(test) == pytest.approx(ndcg_by_hand(fitted, train, test), abs=1e-9)
    other = EASE(regularization=5).fit(SPLIT.train)
    wanted = mw.evaluate(other.model_, SPLIT.test, metrics=["ndcg@10"]).metrics["ndcg@10"].mean
    assert other.score(SPLIT.test) == pytest.approx(wanted)
    assert other.score(interactions(SPLIT.test), y=np.zeros(len(SPLIT.test))) == pytest.approx(wanted)


def test_searches_hold_interactions_out():
    rng = np.random.default_rng(0)
    taste = np.kron(np.eye(2), np.ones((20, 12)))  # two groups of users, each with items of its own
    rows = interactions(sp.csr_array(taste * (rng.random(taste.shape) < 0.5)))
    folds = InteractionKFold(3)
    search = GridSearchCV(EASE(), {"regularization": [1.0, 50.0]}, cv=folds).fit(rows)
    for i, regularization in enumerate([1.0, 50.0]):
        by_hand = [
            EASE(regularization=regularization).fit(rows[a]).score(rows[b]) for a, b in folds.split(rows)
        ]
        assert search.cv_results_["mean_test_score"][i] == pytest.approx(np.mean(by_hand))
    assert search.best_score_ > 1.3 * cross_val_score(Popularity(), rows, cv=folds).mean()
    assert search.best_estimator_.recommend([0], k=2).num_rows == 2
    assert np.isfinite(cross_val_score(Popularity(), rows, cv=KFold(3, shuffle=True, random_state=0))).all()


@pytest.mark.parametrize("kind", [BiasedMF, ExplicitALS])
def test_ratings_are_judged_by_scikit_learns_scorers(kind):
    rows = interactions(LOG)
    errors = -cross_val_score(
        kind(rank=4, epochs=10),
        rows[["user", "item"]],
        rows["value"],
        cv=KFold(4, shuffle=True, random_state=0),
        scoring="neg_root_mean_squared_error",
    )
    assert errors.mean() < rows["value"].std()


def test_ratings_of_strangers_fall_back_on_means_and_ranks_do_not():
    rated = pa.table({"user": ["u", "u", "v"], "item": ["a", "b", "a"], "value": [5.0, 1.0, 4.0]})
    model = BiasedMF(rank=1, epochs=5).fit(rated)
    stranger = model.predict([("nobody", "nothing"), ("u", "a")])
    assert 1 <= stranger[0] <= 5
    assert stranger[1] > stranger[0]
    with pytest.raises(UnknownId, match="nobody"):
        EASE().fit(rated).predict([("nobody", "a")])
    with pytest.raises(UnknownId, match="nothing"):
        EASE().fit(rated).predict([("u", "nothing")])


def test_rows_of_a_matrix_are_never_taken_for_samples():
    train = matrix_of(SPLIT.train)
    fitted = Popularity().fit(train)
    for later in (train[:30], train[:, :20]):
        with pytest.raises(DataError, match="row and column numbers are ids"):
            fitted.score(later)
        with pytest.raises(DataError, match="row and column numbers are ids"):
            fitted.predict(later)
    halves = Popularity().fit(train[:30])
    with pytest.raises(DataError, match="were trained on"):
        halves.score(train[30:])  # of the same shape, but of other users
    zeros = sp.csr_array((np.zeros(1), ([0], [train.indices[0]])), shape=train.shape)
    with pytest.raises(DataError, match="1 of 1 interactions"):
        fitted.score(zeros)


def test_what_is_no_log_is_refused_and_clones_are_bare():
    for wrong in (np.eye(3), [[0, 1]]):
        with pytest.raises(DataError, match="is no log"):
            EASE().fit(wrong)
        with pytest.raises(DataError, match="is no log"):
            EASE().fit(LOG).score(wrong)
    with pytest.raises(DataError, match="not pairs"):
        EASE().fit(LOG).predict([[1, 2, 3]])
    with pytest.raises(DataError, match="not pairs"):
        EASE().fit(LOG).predict([1, 2])
    assert not hasattr(clone(EASE().fit(LOG)), "model_")
    assert get_tags(EASE()).input_tags.sparse
    assert EASE().fit(LOG).predict([]).shape == (0,)
