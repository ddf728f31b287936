"""Multilayer perceptrons for tables: MLPClassifier and MLPRegressor.

Inputs      n × d numbers, dense and finite: an array, or a frame, whose column names must then be the same later. Each column
            is standardised by the training examples; constant ones are left out (TablePreparation).
Precision   Trained in float32; predictions are computed in float64 on the CPU, so that an example's does not depend on the
            others it is predicted with: float32 products of other shapes differ in their last bits.
Checked by  tests/sklearn/test_tabular.py: every check of scikit-learn, without exclusions.
"""

from __future__ import annotations

from abc import ABC
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa

from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.deep import torch, torch_threads
from matweave.nets.model import Data, prepared
from matweave.sklearn.base import RegressorMixin, check_is_fitted, validate_data
from matweave.sklearn.networks import NetClassifier, NetEstimator
from matweave.train.task import outputs_of


class _Tabular(NetEstimator, ABC):
    """Tables in, a multilayer perceptron over them."""

    n_features_in_: int
    feature_names_in_: np.ndarray
    spec: ClassVar[tuple[str, ...]] = ("hidden", "activation", "dropout", "norm")
    numbers: ClassVar[bool] = False  # whether the targets are numbers

    def _net(self) -> str:
        return "mlp"

    def _read(self, X: Any, y: Any = None, *, first: bool = False) -> tuple[Data, np.ndarray]:
        if first:
            X, y = validate_data(
                self, X, y, dtype=[np.float64, np.float32], y_numeric=self.numbers, ensure_min_samples=2
            )
        else:
            X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        names = getattr(self, "feature_names_in_", [f"x{k}" for k in range(X.shape[1])])
        columns = [pa.array(np.ascontiguousarray(X[:, k])) for k in range(X.shape[1])]
        return Table(features=pa.Table.from_arrays(columns, names=list(names))), y

    def _outputs(self, data: Data) -> np.ndarray:
        inputs = [torch.from_numpy(x).double() for x in prepared(self.model_.preparation, data)]
        module = deepcopy(self.model_.module()).cpu().double()
        with torch_threads():
            return outputs_of(module, inputs).numpy()


@final
class MLPClassifier(NetClassifier, _Tabular):
    """A multilayer perceptron that tells classes apart.

    hidden: features of each hidden layer. activation, dropout, norm: of `matweave.nets.mlp.MLP`. label_smoothing: in [0, 1).
    class_weights: none, or balanced: every class counts alike. The others: see `matweave.sklearn.networks`.

    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 25)
    >>> MLPClassifier(hidden=(8,), learning_rate=0.05, epochs=60).fit(X, X[:, 0] != X[:, 1]).predict(X[:4]).tolist()
    [False, True, True, False]
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (128,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        norm: str = "none",
        label_smoothing: float = 0.0,
        class_weights: str = "none",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        momentum: float | None = None,
        schedule: str = "cosine",
        warmup: float = 0.0,
        epochs: int = 200,
        batch_size: int | None = None,
        clip: float | None = None,
        valid: float = 0.0,
        patience: int | None = None,
        judge: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
    ) -> None:
        self._keep(locals())


@final
class MLPRegressor(RegressorMixin, _Tabular):
    """A multilayer perceptron that predicts a number.

    hidden: features of each hidden layer. activation, dropout, norm: of `matweave.nets.mlp.MLP`. loss: mse, or huber, which
    outlying targets pull less. Targets are standardised in training. The others: see `matweave.sklearn.networks`.

    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> round(MLPRegressor(hidden=(16,), learning_rate=0.02, epochs=60).fit(X, X[:, 0] ** 2).score(X, X[:, 0] ** 2), 1)
    1.0
    """

    keeps: ClassVar[tuple[str, ...]] = ("n_features_in_", "feature_names_in_")
    numbers: ClassVar[bool] = True

    def __init__(
        self,
        hidden: tuple[int, ...] = (128,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        norm: str = "none",
        loss: str = "mse",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        momentum: float | None = None,
        schedule: str = "cosine",
        warmup: float = 0.0,
        epochs: int = 200,
        batch_size: int | None = None,
        clip: float | None = None,
        valid: float = 0.0,
        patience: int | None = None,
        judge: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any) -> MLPRegressor:
        """Learn from examples X (n, d) and numbers y (n,).

        Raises ValueError (ours are DataError and ConfigError) for inputs, targets or parameters that cannot be learned
        from, and where all targets are equal; Diverged where the loss is not finite.
        """
        data, y = self._read(X, y, first=True)
        self._learn(replace(data, targets=Targets.of_values(y)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted numbers float64 (n,), in the units of the training targets."""
        check_is_fitted(self, "model_")
        return self.model_.center + self.model_.scale * self._outputs(self._read(X)[0])[:, 0]
