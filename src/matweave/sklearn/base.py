"""The one place that imports scikit-learn (extra `sklearn`), and what every estimator here has in common.

Contract    `__init__` keeps its parameters as they are given and nothing else; `fit` checks them, by the recipe that they make,
            and returns the estimator; what is learned ends in an underscore. So clone, Pipeline and searches work.
Saved       as the model is (artifact.py: numbers and names), with parameters and classes as notes in its card;
            `matweave.sklearn.load` reads the estimator, `matweave.load` the model alone (of networks and recommenders). Python's own pickling of an estimator works too,
            since searches with several processes need it, but nothing here writes or reads it.
Checked by  scikit-learn's own `parametrize_with_checks` (tests/sklearn/test_tabular.py, test_linear.py), and saved twins.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from matweave import artifact
from matweave.data.labels import distinct
from matweave.errors import ArtifactError, ConfigError, missing_extra

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        assert_all_finite,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise missing_extra("sklearn", "scikit-learn", "matweave.sklearn") from error

__all__ = [
    "ClassifierMixin",
    "Estimator",
    "RegressorMixin",
    "check_is_fitted",
    "class_names",
    "classes_of",
    "plain_targets",
    "validate_data",
]


class Estimator(BaseEstimator, ABC):
    """Parameters by name, a fitted `model_`, and a folder to keep both in."""

    model_: Any
    keeps: ClassVar[tuple[str, ...]] = ()  # fitted attributes beside the model, which a folder holds too

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the fitted model, and what makes it an estimator, to a folder, whole or not at all.

        `matweave.sklearn.load` reads it back. Raises NotFittedError before `fit`; ConfigError for a parameter that is
        neither a number, text, truth value or none, nor a list or dict of them; ArtifactError for a folder of something else.
        """
        check_is_fitted(self, "model_")
        notes = {
            "estimator": type(self).__name__,
            "parameters": {n: plain(v, n) for n, v in self.get_params(deep=False).items()},
            "fitted": {n: _packed(getattr(self, n)) for n in self.keeps if hasattr(self, n)},
        }
        return artifact.save(self.model_, folder, notes={"sklearn": notes})

    @classmethod
    def restored(cls, folder: str | os.PathLike[str], notes: Mapping[str, Any]) -> Estimator:
        """The estimator that `save` wrote to a folder; notes: those under "sklearn" in its card.

        Raises ArtifactError where the notes do not make one.
        """
        try:
            made = cls(**{n: unplain(v) for n, v in notes["parameters"].items()})
            fitted = {n: _unpacked(v) for n, v in notes["fitted"].items() if n in cls.keeps}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(
                f"{folder} holds no {cls.__name__} of this version ({error})",
                where=str(folder),
                mend="fit and save again; of a network or recommender matweave.load reads the model alone",
            ) from error
        for name, value in fitted.items():
            setattr(made, name, value)
        made._take(cls._form(folder))
        return made

    def _take(self, model: Any) -> None:
        """Become fitted by a model."""
        self.model_ = model

    @classmethod
    @abstractmethod
    def _form(cls, folder: str | os.PathLike[str]) -> Any:
        """The model saved in a folder."""

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep what `__init__` was given, its `locals()`: one line instead of one for each parameter."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)


def plain_targets(X: Any, y: Any) -> np.ndarray:
    """y as one finite or text value for each of the examples X: (n,). For inputs that `validate_data` cannot look at.

    Raises ValueError where y is none, of another shape, not finite, or of another length. A column (n, 1) is taken, with
    scikit-learn's DataConversionWarning.

    >>> plain_targets([[1, 2], [3]], ["a", "b"]).tolist()
    ['a', 'b']
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    check_consistent_length(X, y)
    return y


def classes_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes of labels in sorted order, and the code of each label int64 (n,), as scikit-learn has them.

    Raises ValueError for targets that are numbers on a scale.

    >>> classes_of(np.array([10, 2, 10]))
    (array([ 2, 10]), array([1, 0, 1]))
    """
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes.reshape(-1).astype(np.int64)


def class_names(classes: np.ndarray) -> tuple[str, ...]:
    """The classes as a network's model writes them, in the same order.

    >>> class_names(np.array([2.0, 10.0]))
    ('2', '10')
    """
    names, codes = distinct(classes, "y")
    return tuple(names[code] for code in codes.tolist())


def plain(value: Any, name: str) -> Any:
    """A parameter as JSON has it: tuples become lists, NumPy's numbers Python's. Raises ConfigError, with the name, for others.

    >>> plain({"channels": (8, np.int64(16))}, "settings")
    {'channels': [8, 16]}
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(one, name) for one in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(one, name) for key, one in value.items()}
    raise ConfigError(
        f"{name} is a {type(value).__name__}, which cannot be written as text",
        where="save",
        mend="give numbers, text, truth values, and lists or dicts of them; or save model_ alone",
    )


def unplain(value: Any) -> Any:
    """A parameter from JSON: lists become the tuples that defaults are.

    >>> unplain({"hidden": [64, 64]})
    {'hidden': (64, 64)}
    """
    if isinstance(value, dict):
        return {key: unplain(one) for key, one in value.items()}
    return tuple(unplain(one) for one in value) if isinstance(value, list) else value


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": "O" if value.dtype == object else value.dtype.str}
    return plain(value, "a fitted attribute")


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):  # an array, by _packed
        return np.array(value["array"], dtype=value["dtype"])
    return unplain(value)
