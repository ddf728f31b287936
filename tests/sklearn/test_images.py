"""CNNClassifier: arrays of images through scikit-learn's tools."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from matweave.errors import ConfigError, DataError
from matweave.sklearn import CNNClassifier

NET = CNNClassifier("cnn", settings={"channels": (6,), "dense": (16,)}, learning_rate=0.01, epochs=8)


def crosses_and_rings(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (n, 8, 8) with a cross or a ring of 3 × 3 at any place, on noise."""
    rng = np.random.default_rng(0)
    shapes = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[1, 1, 1], [1, 0, 1], [1, 1, 1]]])
    y = np.arange(n) % 2
    x = rng.integers(0, 60, (n, 8, 8))
    for image, label in zip(x, y, strict=True):
        row, column = rng.integers(0, 6, 2)
        image[row : row + 3, column : column + 3] += 180 * shapes[label]
    return x.astype(np.uint8), np.array(["cross", "ring"])[y]


X, Y = crosses_and_rings()


def test_planted_shapes_are_told_apart():
    fitted = clone(NET).fit(X[:80], Y[:80])
    assert fitted.score(X[80:], Y[80:]) > 0.85
    assert fitted.classes_.tolist() == ["cross", "ring"]
    assert fitted.predict_proba(X[80:]).shape == (40, 2)
    assert fitted.model_.net == "cnn"
    assert fitted.model_.preparation.shape == (1, 8, 8)


def test_one_channel_may_be_said_or_not_and_bytes_are_shares():
    fitted = clone(NET).set_params(epochs=2).fit(X, Y)
    wanted = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.predict_proba(X[:, None]), wanted)
    np.testing.assert_allclose(fitted.predict_proba(X / 255), wanted, atol=1e-4)
    colours = np.repeat(X[:, None], 3, axis=1)
    assert clone(NET).set_params(epochs=1).fit(colours, Y).predict(colours).shape == (120,)


def test_pipelines_and_searches_over_images():
    pipe = make_pipeline(FunctionTransformer(lambda x: x / 255.0), clone(NET).set_params(epochs=4))
    search = GridSearchCV(pipe, {"cnnclassifier__learning_rate": [1e-6, 0.02]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"cnnclassifier__learning_rate": 0.02}
    assert search.predict(X[:3]).shape == (3,)


def test_the_usual_net_with_augmentation_and_a_validation_share():
    fitted = CNNClassifier(augment="shift=0.1,flip", epochs=1, valid=0.2).fit(X, Y)
    assert fitted.model_.net == "small_cnn"
    assert fitted.history_.measure == "log_loss"
    assert fitted.history_.examples == 96


def test_what_is_wrong_is_told():
    with pytest.raises(DataError, match="flat rows"):
        clone(NET).fit(X.reshape(120, 64), Y)
    with pytest.raises(DataError, match="channels last"):
        clone(NET).fit(np.zeros((4, 8, 8, 3)), list("abab"))
    with pytest.raises(ConfigError, match="no net is called 'small_cn'"):
        CNNClassifier("small_cn").fit(X, Y)
    with pytest.raises(ConfigError, match="takes sequence"):
        CNNClassifier("gru").fit(X, Y)
    with pytest.raises(ConfigError, match="unknown setting 'chanels'"):
        CNNClassifier("cnn", settings={"chanels": (4,)}).fit(X, Y)
    with pytest.raises(ValueError, match="inconsistent"):
        clone(NET).fit(X, Y[:-1])
    fitted = clone(NET).set_params(epochs=1).fit(X, Y)
    with pytest.raises(DataError, match="8 × 7"):
        fitted.predict(X[:, :, :7])


def test_the_tags_say_that_it_takes_images():
    tags = get_tags(NET)
    assert (tags.estimator_type, tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (
        "classifier",
        False,
        True,
    )
