"""What the estimators of networks have in common: a `Network` from the parameters, a validation share, predictions.

Parameters of all of them (those of `matweave.nets.network.Network`, by the same names):

    optimizer, learning_rate, weight_decay, momentum, schedule, warmup, epochs, batch_size, clip, precision
    valid       share of the training examples that judges the epochs, 0 for none: the weights of the best one are kept
    patience    epochs without a new best until it stops; judge: by what measure. Both need `valid`
    device      auto, cpu, cuda, cuda:1, mps; in training and in prediction (MLPs predict on the CPU)
    seed        an integer >= 0: equal seeds give equal models

Fitted: `model_` (the frozen `NetModel`), `history_` (its `TrainHistory`), and `classes_` of classifiers.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from matweave.config import number
from matweave.data.holdout import hold_out
from matweave.data.targets import Targets
from matweave.errors import ConfigError
from matweave.nets.model import Data, NetModel, load_net, softmax
from matweave.nets.network import Network
from matweave.sklearn.base import ClassifierMixin, Estimator, check_is_fitted, class_names, classes_of
from matweave.train.history import TrainHistory


class NetEstimator(Estimator):
    """An estimator whose model is a trained network."""

    model_: NetModel
    history_: TrainHistory
    valid: float
    device: str
    seed: int
    spec: ClassVar[tuple[str, ...]] = ()  # parameters that are settings of the net

    @abstractmethod
    def _read(self, X: Any, y: Any = None, *, first: bool = False) -> tuple[Data, np.ndarray]:
        """The inputs as data of our own, and y checked; first: in `fit`, which learns what later inputs must be like."""

    @abstractmethod
    def _net(self) -> str:
        """The name of the net in the table of nets."""

    def network(self) -> Network:
        """The recipe of the parameters. Raises ConfigError that lists what is wrong with them."""
        given = self.get_params(deep=False)
        del given["valid"]
        settings = {name: given.pop(name) for name in self.spec}
        given["settings"] = given.get("settings") or settings
        return Network(**{**given, "net": self._net()})

    def _learn(self, data: Data) -> None:
        recipe = self.network()
        wanted = number(0, 0.9)(self.valid)
        if wanted:
            raise ConfigError(
                f"valid is {self.valid!r}, but must be {wanted}",
                where=type(self).__name__,
                mend="give the share of the examples that judges the epochs, 0 for none",
            )
        if not self.valid:
            self._take(recipe.fit(data))
            return
        parts = hold_out(data, self.valid, seed=self.seed, name="valid")
        self._take(recipe.fit(parts.train, validation=parts.test))

    def _take(self, model: NetModel) -> None:
        self.model_, self.history_ = model, model.history

    def _outputs(self, data: Data) -> np.ndarray:
        """Logits, or standardised numbers: (n, outputs)."""
        return self.model_.outputs_for(data, device=self.device)

    @classmethod
    def _form(cls, folder: str | os.PathLike[str]) -> NetModel:
        return load_net(folder)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes: without the module that the model builds from its weights when it is needed."""
        state: Any = {**vars(self)}  # super().__getstate__() may be that very dict
        if "model_" in state:
            state["model_"] = replace(state["model_"])
        return state


class NetClassifier(ClassifierMixin, NetEstimator, ABC):
    """An estimator whose network tells classes apart."""

    classes_: np.ndarray
    keeps: ClassVar[tuple[str, ...]] = ("classes_", "n_features_in_", "feature_names_in_")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from examples X and their labels y (n,): text, whole numbers or booleans.

        Raises ValueError (ours are DataError and ConfigError) for inputs, labels or parameters that cannot be learned
        from, and where all labels are of one class; Diverged where the loss is not finite.
        """
        data, y = self._read(X, y, first=True)
        self.classes_, codes = classes_of(y)
        self._learn(replace(data, targets=Targets(values=codes, classes=class_names(self.classes_))))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities float64 (n, classes), columns in the order of `classes_`, rows summing to 1."""
        check_is_fitted(self, "model_")
        return softmax(self._outputs(self._read(X)[0]).astype(np.float64))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each example, (n,), as the labels were given."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self.classes_[codes]
