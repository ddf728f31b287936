"""Estimators in folders: the same bits, parameters and classes come back, and nothing else is taken for one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

import matweave.sklearn as facade
from matweave import artifact
from matweave.errors import ArtifactError
from matweave.sklearn import load
from matweave.storage import load as load_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = X @ [1.0, -2.0, 0.5]
LABELS = np.where(Y > 0, "up", "down").astype(object)
IMAGES = RNG.integers(0, 256, (20, 6, 6)).astype(np.uint8)
TEXTS = ["ab" * k for k in range(1, 11)] + ["ba" * k for k in range(1, 11)]
HALVES = np.repeat([-1, 1], 10)
MATRIX = sp.csr_array(RNG.integers(0, 3, (12, 9)).astype(float))

CASES = {
    "MLPClassifier": (facade.MLPClassifier((4, np.int64(3)), epochs=2, learning_rate=0.01), X, LABELS),
    "MLPRegressor": (facade.MLPRegressor((4,), epochs=2, valid=0.2), X, Y),
    "LinearRegressor": (facade.LinearRegressor(ridge=0.1), X, Y),
    "LinearRegressor by gd": (facade.LinearRegressor("gd", epochs=3), X, Y),
    "LogisticClassifier": (facade.LogisticClassifier(), X, Y > 0),
    "CNNClassifier": (facade.CNNClassifier("cnn", settings={"channels": (2,)}, epochs=1), IMAGES, HALVES),
    "RNNClassifier": (facade.RNNClassifier(hidden=4, embedding=3, epochs=1), TEXTS, HALVES.astype(float)),
    "EASE": (facade.EASE(regularization=2.0), MATRIX, None),
    "BiasedMF": (facade.BiasedMF(rank=2, epochs=2), MATRIX, None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_comes_back(name, tmp_path):
    estimator, x, y = CASES[name]
    folder = estimator.fit(x, y).save(tmp_path / "model")
    again = load(folder)
    assert type(again) is type(estimator)
    assert again.get_params() == estimator.get_params()
    given = MATRIX if y is None else x
    np.testing.assert_array_equal(again.predict(given), estimator.predict(given))
    assert again.predict(given).dtype == estimator.predict(given).dtype
    for attribute in estimator.keeps:
        assert hasattr(again, attribute) == hasattr(estimator, attribute)
    if hasattr(estimator, "classes_"):
        assert again.classes_.dtype == estimator.classes_.dtype
        np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))
    assert getattr(again, "history_", None) == getattr(estimator, "history_", None)
    again.fit(x, y)  # it can be trained anew
    np.testing.assert_array_equal(again.predict(given), estimator.predict(given))


def test_names_of_columns_are_kept(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = facade.LinearRegressor().fit(frame, Y)
    again = load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(frame), fitted.predict(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(frame[["b", "a", "c"]])


def test_the_models_are_ours_and_open_without_the_facade(tmp_path):
    for name in ("MLPClassifier", "EASE"):
        estimator, x, y = CASES[name]
        model = load_model(estimator.fit(x, y).save(tmp_path / name))
        assert type(model) is type(estimator.model_)


def test_models_of_others_and_unknown_estimators_are_refused(tmp_path):
    fitted = facade.LinearRegressor().fit(X, Y)
    bare = artifact.save(fitted.model_, tmp_path / "bare")
    with pytest.raises(ArtifactError, match="not one that an estimator saved"):
        load(bare)
    for name in ("LinearRegresor", "load", "interactions", "InteractionKFold", None):
        notes = {"sklearn": {"estimator": name, "parameters": {}, "fitted": {}}}
        strange = artifact.save(fitted.model_, tmp_path / "strange", notes=notes)
        with pytest.raises(ArtifactError, match="no estimator of this version"):
            load(strange)


def test_notes_and_models_that_do_not_fit_are_refused(tmp_path):
    fitted = facade.LinearRegressor().fit(X, Y)
    good = {"estimator": "LinearRegressor", "parameters": {}, "fitted": {}}
    for change in ({"parameters": {"colour": 1}}, {"parameters": None}, {"fitted": 3}):
        folder = artifact.save(fitted.model_, tmp_path / "m", notes={"sklearn": {**good, **change}})
        with pytest.raises(ArtifactError, match="no LinearRegressor of this version"):
            load(folder)
    for name, reason in (("MLPRegressor", "LinearModel"), ("EASE", "LinearModel")):
        folder = artifact.save(fitted.model_, tmp_path / "m", notes={"sklearn": {**good, "estimator": name}})
        with pytest.raises(ArtifactError, match=reason):
            load(folder)
    card = tmp_path / "m" / "model.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "matweave": "edited"}))
    with pytest.raises(ArtifactError, match="edited or damaged"):
        load(tmp_path / "m")
