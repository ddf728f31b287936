"""LinearRegressor and LogisticClassifier: every check of scikit-learn, and its own estimators beside them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from matweave.errors import ArtifactError, ConfigError, DataError
from matweave.sklearn import LinearRegressor, LogisticClassifier, MLPRegressor


@parametrize_with_checks(
    [
        LinearRegressor(),
        LogisticClassifier(),
        LinearRegressor("gd", epochs=20),
        LogisticClassifier("gd", epochs=20),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("ridge", [0.0, 5.0])
def test_scikit_learns_regressions_are_the_same(ridge):
    x, y = load_diabetes(return_X_y=True)
    theirs = Ridge(alpha=ridge) if ridge else LinearRegression()
    pipe = make_pipeline(StandardScaler(), theirs).fit(x, y)
    ours = LinearRegressor(ridge=ridge).fit(x, y)
    np.testing.assert_allclose(ours.predict(x), pipe.predict(x), rtol=1e-8)
    np.testing.assert_allclose(ours.coef_ * x.std(axis=0), theirs.coef_, rtol=1e-6)
    assert ours.score(x, y) == pytest.approx(pipe.score(x, y))
    np.testing.assert_allclose(x @ ours.coef_ + ours.intercept_, ours.predict(x))


@pytest.mark.parametrize(("load", "classes"), [(load_iris, 3), (load_breast_cancer, 2)])
def test_scikit_learns_logistic_regression_is_the_same(load, classes):
    x, y = load(return_X_y=True)
    theirs = LogisticRegression(C=1 / (2 if classes > 2 else 1), tol=1e-10, max_iter=10_000)
    pipe = make_pipeline(StandardScaler(), theirs).fit(x, y)
    ours = LogisticClassifier(ridge=1.0).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(x), pipe.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(ours.coef_ * x.std(axis=0), theirs.coef_, atol=1e-3)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    assert ours.decision_function(x).shape == pipe.decision_function(x).shape


def test_decisions_agree_with_classes():
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    two = LogisticClassifier().fit(x, ["lo", "lo", "up", "up"])
    np.testing.assert_array_equal(two.decision_function(x) > 0, two.predict(x) == "up")
    p = two.predict_proba(x)
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), two.decision_function(x))
    three = LogisticClassifier().fit(x, ["a", "b", "b", "c"])
    np.testing.assert_array_equal(three.classes_[three.decision_function(x).argmax(axis=1)], three.predict(x))


def test_only_the_loop_has_a_history():
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    assert LinearRegressor().fit(x, y).history_ is None
    assert len(LinearRegressor("sgd", epochs=3, batch_size=2).fit(x, y).history_.epochs) == 3


def test_the_ridge_is_searched():
    x, y = load_diabetes(return_X_y=True)
    search = GridSearchCV(LinearRegressor(), {"ridge": [0.1, 10.0, 1e6]}, cv=3).fit(x, y)
    assert search.best_params_["ridge"] in (0.1, 10.0)


def test_wrong_parameters_and_targets_are_told():
    x = np.arange(6.0)[:, None]
    with pytest.raises(ConfigError, match=r"(?s)solver is 'newton'.*ridge is -1"):
        LinearRegressor("newton", ridge=-1).fit(x, x[:, 0])
    with pytest.raises(ConfigError, match="did you mean 'newton'"):
        LogisticClassifier("newtn").fit(x, [0, 1] * 3)
    with pytest.raises(DataError, match="all 6 examples are of class '1'"):
        LogisticClassifier().fit(x, [1] * 6)
    with pytest.raises(ValueError, match="minimum of 2"):
        LinearRegressor().fit(x[:1], [1.0])


def test_a_folder_of_another_model_is_no_linear_one(tmp_path):
    x = np.arange(6.0)[:, None]
    net = MLPRegressor((2,), epochs=1).fit(x, x[:, 0]).save(tmp_path / "net")
    with pytest.raises(ArtifactError):
        LinearRegressor._form(net)
