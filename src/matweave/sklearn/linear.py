"""Linear and logistic regression: solved to the end, or descended to through the training loop.

Objective   linear     min Σ_i (y_i - x_i·w - b)² + λ |D w|²
            logistic   min -Σ_i log softmax(x_i W + b)[c_i] + λ |D W|²
            D holds the standard deviations of the columns, so that λ (`ridge`) means the same whatever their units; b is free.
            On standardised columns that is Ridge(alpha=λ) of scikit-learn, and its LogisticRegression with C = 1 / (2 λ),
            or 1 / λ for two classes, whose one vector is the difference of our two.
Solvers     exact (linear)      least squares; where columns depend on each other, the smallest of all solutions
            newton (logistic)   Newton's method to convergence
            gd, sgd             the net `linear` in the loop, in float32: about six digits; see linear_fit.py
Checked by  tests/sklearn/test_linear.py: every check of scikit-learn, without exclusions; its own estimators.
"""

from __future__ import annotations

import os
from abc import ABC
from typing import Any, ClassVar, final

import numpy as np

from matweave import artifact
from matweave.config import number, one_of
from matweave.data.targets import Targets
from matweave.errors import ArtifactError, ConfigError
from matweave.sklearn.base import (
    ClassifierMixin,
    Estimator,
    RegressorMixin,
    check_is_fitted,
    class_names,
    classes_of,
    validate_data,
)
from matweave.sklearn.linear_fit import LinearModel, descended, solved
from matweave.train.history import Epoch, TrainHistory


class _Linear(Estimator, ABC):
    model_: LinearModel
    n_features_in_: int
    solver: str
    ridge: float
    exact: ClassVar[str]  # the solver that needs no loop

    def _take(self, model: LinearModel) -> None:
        self.model_, self.history_ = model, model.history

    @classmethod
    def _form(cls, folder: str | os.PathLike[str]) -> LinearModel:
        found = artifact.load(folder, {kind.__name__: kind for kind in (LinearModel, TrainHistory, Epoch)})
        if not isinstance(found, LinearModel):
            raise ArtifactError(
                f"{folder} holds a {type(found).__name__}, not a linear model",
                where=str(folder),
                mend="give the folder that estimator.save wrote",
            )
        return found

    def _check(self) -> None:
        rules = {"solver": one_of(self.exact, "gd", "sgd"), "ridge": number(0)}
        said = {name: rule(getattr(self, name)) for name, rule in rules.items()}
        problems = [f"{n} is {getattr(self, n)!r}, but must be {w}" for n, w in said.items() if w]
        if problems:
            who = type(self).__name__
            raise ConfigError("\n".join(problems), where=who, mend=f"correct the parameters of {who}")

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "model_")
        x: Any = validate_data(self, X, dtype=np.float64, reset=False)
        return self.model_.scores(x)

    def _learn(self, X: np.ndarray, targets: Targets) -> None:
        given = self.get_params(deep=False)
        if given.pop("solver") == self.exact:
            self._take(solved(X, targets, self.ridge))
        else:
            self._take(descended(X, targets, given.pop("ridge"), solver=self.solver, **given))


@final
class LinearRegressor(RegressorMixin, _Linear):
    """Linear regression, with a ridge if wanted; see the head of the file for the objective.

    solver: exact, gd or sgd. ridge: λ >= 0. Of gd and sgd only: learning_rate, epochs (None: 2000 steps of gd, 50 epochs of
    sgd), batch_size (None: all examples for gd, 64 for sgd), device, seed.
    Fitted: coef_ (d,), intercept_, `model_`, and `history_` of the loop, None for exact.

    >>> fit = LinearRegressor().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> fit.coef_.round(6).tolist(), round(fit.intercept_, 6)
    ([2.0], 1.0)
    """

    exact: ClassVar[str] = "exact"
    keeps: ClassVar[tuple[str, ...]] = ("n_features_in_", "feature_names_in_")

    def __init__(
        self,
        solver: str = "exact",
        *,
        ridge: float = 0.0,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any) -> LinearRegressor:
        """Learn from examples X (n, d) and numbers y (n,). Raises ValueError for what cannot be learned from."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        self._check()
        self._learn(X, Targets.of_values(y))
        return self

    @property
    def coef_(self) -> np.ndarray:
        """(d,) float64."""
        return self.model_.coefficients[:, 0]

    @property
    def intercept_(self) -> float:
        """The prediction where all features are 0."""
        return float(self.model_.intercept[0])

    def predict(self, X: Any) -> np.ndarray:
        """Predicted numbers float64 (n,)."""
        return self._scores(X)[:, 0]


@final
class LogisticClassifier(ClassifierMixin, _Linear):
    """Logistic regression for two classes or more; see the head of the file for the objective.

    solver: newton, gd or sgd. ridge: λ >= 0; without one, classes that a plane can part have no solution. Of gd and sgd
    only: learning_rate, epochs (None: 2000 steps of gd, 50 epochs of sgd), batch_size, device, seed.
    Fitted: `classes_`; coef_ (classes, d) and intercept_ (classes,), of two classes the difference (1, d) and (1,);
    `model_`, and `history_` of the loop, None for newton.

    >>> fit = LogisticClassifier().fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
    >>> fit.predict([[0.5], [2.5]]).tolist(), fit.predict_proba([[1.5]]).round(6).tolist()
    (['a', 'b'], [[0.5, 0.5]])
    """

    classes_: np.ndarray
    exact: ClassVar[str] = "newton"
    keeps: ClassVar[tuple[str, ...]] = ("classes_", "n_features_in_", "feature_names_in_")

    def __init__(
        self,
        solver: str = "newton",
        *,
        ridge: float = 0.5,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any) -> LogisticClassifier:
        """Learn from examples X (n, d) and their labels y (n,).

        Raises ValueError for what cannot be learned from, and where all labels are of one class; Diverged where
        there is no solution; TooBig where newton's matrix would be (gd and sgd need none).
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        self._check()
        self.classes_, codes = classes_of(y)
        targets = Targets(values=codes, classes=class_names(self.classes_))
        targets.refuse_one_class(type(self).__name__)
        self._learn(X, targets)
        return self

    @property
    def coef_(self) -> np.ndarray:
        """(classes, d) float64, or (1, d) for two classes."""
        return _apart(self.model_.coefficients).T

    @property
    def intercept_(self) -> np.ndarray:
        """(classes,) float64, or (1,) for two classes."""
        return _apart(self.model_.intercept)

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores float64 (n, classes); for two classes (n,), above 0 for the second."""
        scores = _apart(self._scores(X))
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float64 (n, classes), columns in the order of `classes_`, rows summing to 1."""
        scores = self._scores(X)
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
        return grown / grown.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each example, (n,), as the labels were given."""
        codes = self._scores(X).argmax(axis=1)
        return self.classes_[codes]


def _apart(scores: np.ndarray) -> np.ndarray:
    """Scores (..., classes) as they are, or of two classes how far the second is above the first (..., 1)."""
    return scores[..., 1:] - scores[..., :1] if scores.shape[-1] == 2 else scores
