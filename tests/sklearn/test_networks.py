"""The estimators of networks: a recipe from the parameters, a validation share, seeds, labels of every type, copies."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from matweave.config import settings_of
from matweave.errors import ConfigError, DataError
from matweave.nets.network import Network
from matweave.sklearn import CNNClassifier, MLPClassifier, MLPRegressor, RNNClassifier

X, Y = make_blobs(60, centers=3, random_state=0)
SMALL = MLPClassifier((8,), learning_rate=0.05, epochs=40, batch_size=20)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, CNNClassifier, RNNClassifier])
def test_the_parameters_make_a_recipe_of_the_same_names_and_defaults(kind):
    estimator = kind()
    recipe = estimator.network()
    of_net = {*estimator.spec, "valid", "net", "settings", "loss", "epochs"}
    for name, value in estimator.get_params().items():
        if name not in of_net:
            assert settings_of(recipe)[name] == value
            assert value == next(f.default for f in fields(Network) if f.name == name)
    assert {n: recipe.settings[n] for n in estimator.spec} == {
        n: estimator.get_params()[n] for n in estimator.spec
    }


def test_settings_go_to_the_net():
    fitted = clone(SMALL).set_params(hidden=(5, 4), activation="tanh").fit(X, Y)
    assert fitted.model_.settings["hidden"] == (5, 4)
    assert fitted.model_.settings["activation"] == "tanh"
    assert fitted.history_ is fitted.model_.history
    assert len(fitted.history_.epochs) == 40


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"optimizer": "adan"}, "did you mean 'adam'"),
        ({"epochs": 0, "seed": -1}, "(?s)epochs is 0.*seed is -1"),
        ({"hidden": (0,)}, "hidden is"),
        ({"valid": 1.0}, "valid is 1.0"),
        ({"valid": True}, "valid is True"),
        ({"patience": 3}, "validation part"),
        ({"judge": "rmse", "valid": 0.2}, "judge is 'rmse'"),
        ({"batch_size": 61}, "batch_size is 61"),
        ({"device": "cpux"}, "unknown device"),
    ],
)
def test_wrong_parameters_are_told_by_fit_and_not_before(wrong, match):
    estimator = clone(SMALL).set_params(**wrong)
    with pytest.raises(ConfigError, match=match):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "model_")


def test_a_validation_share_judges_and_stops():
    noise = np.random.default_rng(0).permutation(Y)  # nothing to learn: validation soon gets worse
    fitted = clone(SMALL).set_params(valid=0.25, patience=2, epochs=60, learning_rate=0.1).fit(X, noise)
    history = fitted.history_
    assert history.stopped == "early stopping"
    assert history.examples == 45
    assert history.measure == "log_loss"
    assert len(history.epochs) == history.best_epoch + 2 < 60


def test_seeds():
    first, same, other = (clone(SMALL).set_params(seed=seed).fit(X, Y).predict_proba(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-1, 7, 100]),
        np.array([True, False, True]),
        np.array([0.0, 1.0, 2.0]),
        np.array(["zebra", "ant", "item 2"]),
        np.array(["zebra", "ant", "item 2"], object),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_every_type_come_back_as_they_were(labels):
    fitted = clone(SMALL).fit(X, labels[Y])
    assert fitted.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(fitted.classes_, np.unique(labels))
    assert fitted.score(X, labels[Y]) > 0.8
    p = fitted.predict_proba(X)
    assert p.shape == (60, len(fitted.classes_))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[p.argmax(axis=1)], fitted.predict(X))


def test_one_class_is_refused_by_name():
    with pytest.raises(DataError, match="all 60 examples are of class '3'"):
        clone(SMALL).fit(X, np.full(60, 3))
    with pytest.raises(DataError, match="all 60 targets are 3"):
        MLPRegressor(epochs=1).fit(X, np.full(60, 3))


def test_copies_leave_the_built_module_behind():
    fitted = clone(SMALL).fit(X, Y)
    wanted = fitted.predict_proba(X)
    module = fitted.model_.module()
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert other.model_.module() is not module
        np.testing.assert_array_equal(other.predict_proba(X), wanted)
    assert fitted.model_.module() is module
    assert not hasattr(pickle.loads(pickle.dumps(SMALL)), "model_")


def test_balanced_classes_count_alike():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    y = np.arange(200) < 20
    x[y] += 1.0
    rare = [
        clone(SMALL).set_params(class_weights=how).fit(x, y).predict(x).sum() for how in ("none", "balanced")
    ]
    assert rare[0] < 20 < rare[1]
