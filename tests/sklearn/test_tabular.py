"""MLPClassifier and MLPRegressor: every check of scikit-learn, and its own tools around them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from matweave.sklearn import MLPClassifier, MLPRegressor

CHECKED = {"hidden": (16,), "learning_rate": 0.02, "epochs": 20}
"""So that the checks, which train some hundred networks, take seconds."""


@parametrize_with_checks([MLPClassifier(**CHECKED), MLPRegressor(**CHECKED)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_defaults_do_well_on_iris():
    parts = train_test_split(*load_iris(return_X_y=True), random_state=0)
    assert MLPClassifier().fit(parts[0], parts[2]).score(parts[1], parts[3]) >= 0.94


def test_a_curve_is_learned_in_the_units_of_the_data():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (300, 2))
    y = 1e6 + 1e4 * (np.sin(2 * x[:, 0]) + x[:, 1])
    net = MLPRegressor((32,), learning_rate=0.02, epochs=60)
    assert net.fit(x[:200], y[:200]).score(x[200:], y[200:]) > 0.97
    again = MLPRegressor((32,), learning_rate=0.02, epochs=60).fit(x[:200] * [1e-3, 1e3], y[:200])
    np.testing.assert_allclose(again.predict(x * [1e-3, 1e3]), net.predict(x), rtol=1e-4)


def test_hubers_loss_is_pulled_less_by_outliers():
    x = np.linspace(-1, 1, 100)[:, None]
    y = 3 * x[:, 0]
    spoiled = y.copy()
    spoiled[::10] += 30
    errors = [
        np.abs(
            MLPRegressor((), loss=loss, learning_rate=0.05, epochs=40).fit(x, spoiled).predict(x) - y
        ).mean()
        for loss in ("mse", "huber")
    ]
    assert errors[1] < 0.5 * errors[0]


def test_pipelines_and_searches():
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**{**CHECKED, "epochs": 60}))
    search = GridSearchCV(pipe, {"mlpclassifier__hidden": [(), (8,)], "mlpclassifier__seed": [0]}, cv=3)
    search.fit(x, names)
    assert search.best_score_ > 0.9
    assert search.predict_proba(x[:2]).shape == (2, 3)
    assert search.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    scores = cross_val_score(pipe, x, names, cv=3, scoring="neg_log_loss")
    assert scores.min() > -0.5


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_keep_their_names(frame):
    rng = np.random.default_rng(0)
    columns = {"age": rng.normal(size=40), "height": rng.normal(size=40)}
    x, y = frame(columns), columns["age"] > 0
    net = MLPClassifier(**CHECKED).fit(x, y)
    assert net.feature_names_in_.tolist() == list(net.model_.preparation.columns) == ["age", "height"]
    array = np.column_stack(list(columns.values()))
    np.testing.assert_array_equal(
        MLPClassifier(**CHECKED).fit(array, y).predict_proba(array), net.predict_proba(x)
    )
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(x[["height", "age"]])


def test_an_example_is_predicted_alike_in_any_company():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 7))
    net = MLPRegressor((64, 64), epochs=2, norm="batch").fit(x, x.sum(axis=1))
    whole = net.predict(x)
    for part in (x[:1], x[:33], x[::7]):
        at = [int(np.flatnonzero((x == row).all(axis=1))[0]) for row in part]
        np.testing.assert_allclose(net.predict(part), whole[at], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_bad_inputs_are_told(kind):
    good, y = np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]
    fitted = kind(**{**CHECKED, "epochs": 1}).fit(good, y)
    for x, match in (
        (np.where(good == 3, np.nan, good), "NaN"),
        (good.astype(str) + "x", "could not convert"),
        (np.zeros((4, 2)), "no column of the table is of use"),
        (good[:, :0], "0 feature"),
    ):
        with pytest.raises(ValueError, match=match):
            kind(**CHECKED).fit(x, y)
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed"):
        kind(**CHECKED).fit(sp.csr_array(good), y)
    with pytest.raises(ValueError, match="X has 1 features, but"):
        fitted.predict(good[:, :1])
    with pytest.raises(ValueError, match="requires y"):
        kind(**CHECKED).fit(good, None)


def test_columns_that_do_not_vary_in_training_may_do_so_later():
    x = np.column_stack([np.arange(20.0), np.full(20, 5.0)])
    net = MLPRegressor(**CHECKED).fit(x, x[:, 0])
    np.testing.assert_array_equal(net.predict(x + np.array([0, 100])), net.predict(x))
