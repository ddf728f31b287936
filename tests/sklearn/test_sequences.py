"""RNNClassifier: arrays, ragged lists and texts through scikit-learn's tools."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils import get_tags

from matweave.errors import ConfigError, DataError
from matweave.sklearn import RNNClassifier

NET = RNNClassifier(hidden=12, output="mean", learning_rate=0.03, epochs=25)


def waves(n: int = 80) -> tuple[list[np.ndarray], np.ndarray]:
    """Slow and quick sines of 10 to 20 steps, from any phase."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    x = [
        np.sin((0.5 + 1.5 * label) * np.arange(rng.integers(10, 21)) + rng.uniform(0, 6.28))[:, None]
        for label in y
    ]
    return x, np.array(["slow", "quick"])[y]


X, Y = waves()


@pytest.mark.parametrize("net", ["gru", "lstm", "rnn"])
def test_planted_waves_of_any_length_are_told_apart(net):
    fitted = clone(NET).set_params(net=net).fit(X[:50], Y[:50])
    assert fitted.score(X[50:], Y[50:]) > 0.9
    assert fitted.model_.net == net
    alone = np.concatenate([fitted.predict_proba([x]) for x in X[50:]])
    np.testing.assert_allclose(fitted.predict_proba(X[50:]), alone, atol=1e-5)


def test_arrays_and_lists_are_the_same_sequences():
    even = np.stack([x[:10, 0] for x in X])
    forms = (even, even[:, :, None], list(even), [x[:, None] for x in even])
    found = [clone(NET).set_params(epochs=2).fit(form, Y).predict_proba(form) for form in forms]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_texts_are_read_by_character():
    x = ["ab" * k for k in range(2, 22)] + ["ba" * k for k in range(2, 22)]
    y = np.repeat([0, 1], 20)
    net = RNNClassifier(hidden=8, embedding=4, output="mean", learning_rate=0.05, epochs=30).fit(x, y)
    assert net.score(np.array(x), y) == 1.0
    assert net.predict(["ab?ab"]).shape == (1,)  # a character that training lacks
    assert net.model_.preparation.alphabet == ("a", "b")


def test_searches_over_lists_of_arrays():
    search = GridSearchCV(clone(NET).set_params(epochs=8), {"learning_rate": [1e-6, 0.05]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"learning_rate": 0.05}
    assert cross_val_predict(search.best_estimator_, X, Y, cv=2, method="predict_proba").shape == (80, 2)


def test_what_is_wrong_is_told():
    with pytest.raises(ConfigError, match=r"(?s)net is 'gur'.*did you mean 'gru'.*output is 'steps'"):
        RNNClassifier("gur", output="steps").fit(X, Y)
    with pytest.raises(DataError, match=r"without a single step: x\[1\]"):
        clone(NET).fit([[1.0], [], [2.0]], [0, 1, 0])
    with pytest.raises(ValueError, match="inconsistent"):
        clone(NET).fit(X, Y[:-1])
    fitted = clone(NET).set_params(epochs=1).fit(X, Y)
    with pytest.raises(DataError, match="numbers of 2 channels"):
        fitted.predict([np.zeros((5, 2))])
    with pytest.raises(DataError, match="text"):
        fitted.predict(["abc"])


def test_the_tags_say_that_it_takes_sequences():
    tags = get_tags(NET).input_tags
    assert (tags.two_d_array, tags.three_d_array, tags.string) == (False, True, True)
