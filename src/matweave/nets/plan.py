"""One fit of a `Network`, laid out and not yet run: preparation, module, loss, task, batches and trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from matweave.config import settings_of
from matweave.data.table_columns import moments
from matweave.data.targets import Targets, require_targets
from matweave.deep import Tensor, nn, seeded, torch
from matweave.errors import ConfigError, DataError, Diverged
from matweave.metrics.classification import accuracy, log_loss
from matweave.metrics.regression import r2, rmse
from matweave.nets.model import KINDS, PREPARATIONS, Data, NetModel, inputs_of, prepared, softmax
from matweave.nets.table import default_for, name_of, net
from matweave.train.augment import from_names
from matweave.train.batches import InMemory
from matweave.train.checkpoints import TrainState
from matweave.train.history import TrainHistory
from matweave.train.losses import balanced_weights, make_loss
from matweave.train.optimizers import OPTIMIZERS
from matweave.train.run import arrays_of
from matweave.train.task import Supervised, outputs_of
from matweave.train.trainer import Store, Trainer
from matweave.train.watchers import Watcher

if TYPE_CHECKING:
    from matweave.nets.network import Network

JUDGES = {"log_loss": False, "accuracy": True, "rmse": False, "r2": True}
"""Validation measures that can tell the best epoch, and whether higher is better."""


@final
class Plan:
    """Preparation, module, task, batches and trainer of one fit of a `Network`."""

    def __init__(self, recipe: Network, data: Data, validation: Data | None) -> None:
        where = "training data"
        targets = require_targets(data, where)
        self.recipe, self.targets = recipe, targets
        if targets.classes is not None:
            targets.refuse_one_class(where)
        else:
            refuse_alike(targets.values, where)
        self._refuse_misfits()
        self.preparation = PREPARATIONS[type(data)].fit(data)  # pyright: ignore[reportArgumentType]
        self.inputs = inputs_of(self.preparation)
        self.spec = net(recipe.net or default_for(self.inputs.kind), recipe.settings)
        self.outputs = 1 if targets.classes is None else len(targets.classes)
        self.center, self.scale = 0.0, 1.0
        if targets.classes is None:
            self.center, self.scale = moments(targets.values)
            if not np.isfinite([self.center, self.scale]).all() or self.scale == 0:
                raise DataError(
                    f"targets from {targets.values.min():g} to {targets.values.max():g} are beyond what can be standardised",
                    where=where,
                    mend="give them in other units",
                )
        with seeded(recipe.seed, "weights"):
            self.module = self.spec.build(self.inputs, self.outputs)
        self.kind = KINDS[type(data)]
        self._few = data.take(np.arange(min(64, len(data))))
        self.batches = InMemory(
            self._tensors(data, targets),
            batch_size=self._batch_size(len(data)),
            seed=recipe.seed,
            augmentation=self._augmentation(),
        )
        self._refuse_what_cannot_run()
        self.task = self._task(validation)
        self.trainer = Trainer(
            optimizer=recipe.optimizer,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            epochs=recipe.epochs,
            device=recipe.device,
            precision=recipe.precision,
            compile=recipe.compile,
            seed=recipe.seed,
        )
        self.trainer.check_batches(self.batches)

    def fit(
        self,
        *,
        watchers: Sequence[Watcher] = (),
        store: Store | None = None,
        resume: TrainState | None = None,
    ) -> NetModel:
        """Run it, once; see `Network.fit`."""
        done = self.trainer.fit(
            self.task,
            self.batches,
            rule=self.recipe.rule(),
            watchers=[*self.recipe.own_watchers(), *watchers],
            store=store,
            resume=resume,
        )
        model = self.model(arrays_of(done.module), done.history)
        self._refuse_spoilt(model)
        return model

    def model(self, weights: dict[str, np.ndarray], history: TrainHistory) -> NetModel:
        """The frozen form of trained weights."""
        return NetModel(
            net=name_of(self.spec),
            settings=settings_of(self.spec),
            inputs=self.inputs,
            outputs=self.outputs,
            weights=weights,
            preparation=self.preparation,
            classes=self.targets.classes,
            center=self.center,
            scale=self.scale,
            training={
                **settings_of(self.recipe),
                "batch_size": self.batches.batch_size,
                "learning_rate": self.learning_rate,
            },
            history=history,
            notes=tuple(getattr(self.preparation, "report", ())),
        )

    @property
    def learning_rate(self) -> float:
        """The base rate: what was set, or the optimizer's own."""
        rate = self.recipe.learning_rate
        return OPTIMIZERS[self.recipe.optimizer].learning_rate if rate is None else rate

    def try_on(self, inputs: tuple[np.ndarray, ...]) -> None:
        """Run the network, untrained, on the longest example of prepared inputs: what it cannot take is refused now."""
        longest = int(inputs[1].argmax()) if len(inputs) > 1 else 0
        self.module.eval()
        try:
            outputs_of(self.module, [torch.from_numpy(array[longest : longest + 1]) for array in inputs])
        finally:
            self.module.train()

    def _refuse_spoilt(self, model: NetModel) -> None:
        """Raise Diverged where the last step, whose outcome no loss has seen, left outputs that are not finite."""
        try:
            model.outputs_for(self._few)
        except DataError as error:
            raise Diverged(
                f"after the last step, {error.what}",
                where="training",
                mend="lower learning_rate, or clip the gradient (clip=1.0)",
            ) from error

    def _refuse_what_cannot_run(self) -> None:
        """Raise ConfigError for what would fail at the first step, so that a door can tell before it changes anything."""
        each = self.batches.batch_size // self.recipe.accumulate
        norms = nn.modules.batchnorm._BatchNorm
        problems = []
        if each < 2 and any(isinstance(part, norms) for part in self.module.modules()):
            problems.append(
                "batch normalization cannot train on one example at a time: give a batch_size of 2 or more for "
                "each piece of accumulate, or another norm"
            )
        if getattr(self.spec, "output", "") == "steps":
            problems.append(
                "output='steps' answers every step, but each sequence has one target: use last, mean, max or "
                "attention (steps are trained by Trainer and Supervised)"
            )
        if problems:
            raise ConfigError("\n".join(problems), where="Network.fit", mend="change what is named")

    def _refuse_misfits(self) -> None:
        r, numbers = self.recipe, self.targets.classes is None
        kind = "numbers" if numbers else "classes"
        fit = ("mse", "huber") if numbers else ("cross_entropy",)
        judges = ("rmse", "r2") if numbers else ("log_loss", "accuracy")
        problems = []
        if r.loss is not None and r.loss not in fit:
            problems.append(f"loss is {r.loss!r}, but the targets are {kind}: use {' or '.join(fit)}")
        if r.judge is not None and r.judge not in judges:
            problems.append(f"judge is {r.judge!r}, but the targets are {kind}: use {' or '.join(judges)}")
        if numbers and r.label_smoothing:
            problems.append("label_smoothing is for classes, but the targets are numbers")
        if numbers and r.class_weights != "none":
            problems.append("class_weights are for classes, but the targets are numbers")
        if problems:
            raise ConfigError(
                "\n".join(problems), where="Network.fit", mend="leave out or correct what is named"
            )

    def _batch_size(self, n: int) -> int | None:
        if OPTIMIZERS[self.recipe.optimizer].full_batch and self.recipe.batch_size is None:
            return None
        return min(64, n) if self.recipe.batch_size is None else self.recipe.batch_size

    def _augmentation(self) -> Any:
        if not self.recipe.augment:
            return None
        if self.kind == "table":
            raise ConfigError(
                "augmentation is for images and sequences, not for tables",
                where="augment",
                mend="leave augment out",
            )
        classes = None if self.targets.classes is None else self.outputs
        return from_names(self.recipe.augment, kind=self.inputs.kind, classes=classes)

    def _tensors(self, data: Data, targets: Targets) -> list[Tensor]:
        y = targets.values
        if targets.classes is None:
            y = ((y - self.center) / self.scale).astype(np.float32)
        return [torch.from_numpy(a) for a in (*prepared(self.preparation, data), y)]

    def _task(self, validation: Data | None) -> Supervised:
        r, classes = self.recipe, self.targets.classes
        weights = balanced_weights(self.targets.counts()) if r.class_weights == "balanced" else None
        loss = make_loss(
            r.loss or ("mse" if classes is None else "cross_entropy"),
            label_smoothing=r.label_smoothing,
            class_weights=weights,
        )
        if validation is None:
            if r.patience is not None or r.judge is not None:
                raise ConfigError(
                    "patience and judge look at a validation part, but there is none",
                    where="Network.fit",
                    mend="give validation, or leave them out",
                )
            return Supervised(self.module, loss)
        if KINDS.get(type(validation)) != self.kind or not len(validation):
            given = KINDS.get(type(validation), type(validation).__name__)
            raise DataError(
                f"the training data are {self.kind} data, the validation data {len(validation)} examples of {given}",
                where="validation data",
                mend="give at least one example of the same kind",
            )
        targets = require_targets(validation, "validation data")
        if classes is not None:
            targets = targets.with_classes(classes, where="validation data")
        elif targets.classes is not None:
            raise DataError(
                "the training targets are numbers, but those of the validation data are classes",
                where="validation data",
                mend="give numbers in both (Targets.of_values, task='regress')",
            )
        judge = r.judge or ("rmse" if classes is None else "log_loss")
        return Supervised(
            self.module,
            loss,
            validation=self._tensors(validation, targets),
            measures=self._measure_values if classes is None else measure_classes,
            measure=judge,
            higher_is_better=JUDGES[judge],
        )

    def _measure_values(self, outputs: Tensor, y: Tensor) -> dict[str, float]:
        refuse_infinite(outputs)
        predicted = self.center + self.scale * outputs.double().numpy()[:, 0]
        truth = self.center + self.scale * y.double().numpy()
        return {"rmse": rmse(predicted, truth), "r2": r2(predicted, truth)}


def measure_classes(outputs: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy and log loss of logits (n, k) for codes (n,).

    >>> measure_classes(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 0]))["accuracy"]
    1.0
    """
    refuse_infinite(outputs)
    probabilities, codes = softmax(outputs.double().numpy()), y.numpy()
    return {"accuracy": accuracy(probabilities, codes), "log_loss": log_loss(probabilities, codes)}


def refuse_alike(values: np.ndarray, where: str) -> None:
    """Raise DataError where there are no numbers, or all are the same.

    >>> refuse_alike(np.array([2.0, 2.0]), "prices")
    Traceback (most recent call last):
    matweave.errors.DataError: all 2 targets are 2
      where: prices
      mend:  give examples that differ in what is to be predicted
    """
    if not len(values):
        raise DataError("there are no examples", where=where, mend="give data with at least two examples")
    if values.min() == values.max():
        raise DataError(
            f"all {len(values):,} targets are {values[0]:g}",
            where=where,
            mend="give examples that differ in what is to be predicted",
        )


def refuse_infinite(outputs: Tensor) -> None:
    """Raise Diverged where outputs (n, ...) for the validation part are NaN or infinite.

    >>> refuse_infinite(torch.tensor([[1.0], [float("nan")]]))
    Traceback (most recent call last):
    matweave.errors.Diverged: the network gives numbers that are not finite for 1 of 2 validation examples
      where: validation
      mend:  lower learning_rate, or clip the gradient (clip=1.0)
    """
    wrong = int((~torch.isfinite(outputs)).flatten(1).any(1).sum())
    if wrong:
        raise Diverged(
            f"the network gives numbers that are not finite for {wrong:,} of {len(outputs):,} validation examples",
            where="validation",
            mend="lower learning_rate, or clip the gradient (clip=1.0)",
        )
