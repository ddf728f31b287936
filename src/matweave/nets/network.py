"""The recipe of a network: from images, sequences or a table to a trained model, by the one loop.

1  inputs are prepared by what the training part alone tells (means, spreads, levels, alphabet)
2  the net of the table is built for them; its first weights depend on the seed
3  the loop trains it, with the loss of the task: cross-entropy for classes; squared or Huber's error for numbers, which are
   standardised first, so that learning rates carry over between units
4  the weights of the epoch that is best on the validation part are kept; without one, the last
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, final

import numpy as np

from matweave.config import check, config, flag, integer, number, one_of, optional, settings_of
from matweave.data.tables import Table
from matweave.deep import torch
from matweave.nets.model import Data, NetModel
from matweave.nets.plan import JUDGES, Plan
from matweave.nets.table import name_of, net
from matweave.train.checkpoints import TrainState
from matweave.train.devices import PRECISIONS
from matweave.train.optimizers import OPTIMIZERS
from matweave.train.rules import Accumulated, Clipped, GradientRule, Plain
from matweave.train.schedules import SCHEDULES, Schedule
from matweave.train.watchers import EarlyStop, Watcher


@final
@config
class Network:
    """A network, how it is trained, and `fit`.

    >>> from matweave.data.images import Images
    >>> rng = np.random.default_rng(0)
    >>> x = np.zeros((60, 8, 8), np.float32)
    >>> x[:30, :, :4] = 1  # left, and right
    >>> x[30:, :, 4:] = 1
    >>> images = Images.of(x + 0.1 * rng.random((60, 8, 8)).astype(np.float32), ["left"] * 30 + ["right"] * 30)
    >>> model = Network(net="linear", optimizer="sgd", epochs=5).fit(images)
    >>> model.predict(images.take(np.array([0, 59]))).tolist()
    ['left', 'right']
    """

    net: str | None = None  # a name of the table of nets; None: the usual one for the data
    settings: dict[str, Any] = field(default_factory=dict)  # of the net, by name
    loss: str | None = None  # None: cross_entropy for classes, mse for numbers; or huber
    label_smoothing: float = 0.0  # for classes, in [0, 1)
    class_weights: str = "none"  # none, or balanced: every class counts alike
    optimizer: str = "adam"  # see train/optimizers.py
    learning_rate: float | None = None  # None: the optimizer's own default
    weight_decay: float = 0.0  # pulls weights, not biases and norms, towards 0
    momentum: float | None = None  # None: the optimizer's own default
    schedule: str = "cosine"  # of the learning rate; see train/schedules.py
    warmup: float = 0.0  # share of training in which the rate rises
    epochs: int = 20
    batch_size: int | None = None  # None: 64, or all examples for gd
    augment: str = ""  # for example "shift,rotate=10,mixup"; see train/augment.py
    clip: float | None = None  # greatest length of a gradient
    accumulate: int = 1  # pieces that a batch is taken in, to save memory
    patience: int | None = None  # epochs without a new best on validation until it stops
    judge: str | None = None  # log_loss or accuracy, rmse or r2; None: log_loss, rmse
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: str = "auto"  # auto, float32, bfloat16 (autocast)
    compile: bool = False  # torch.compile, for long runs on a GPU
    seed: int = 0  # of first weights, order, augmentation and dropout

    def __post_init__(self) -> None:
        check(
            self,
            settings=lambda v: None if isinstance(v, dict) else "settings of the net by name",
            loss=optional(one_of("cross_entropy", "mse", "huber")),
            label_smoothing=number(0, 0.99),
            class_weights=one_of("none", "balanced"),
            optimizer=one_of(*OPTIMIZERS),
            learning_rate=optional(number(above=0)),
            weight_decay=number(0),
            momentum=optional(number(0, 1)),
            schedule=one_of(*SCHEDULES),
            warmup=number(0, 0.9),
            epochs=integer(1),
            batch_size=optional(integer(1)),
            clip=optional(number(above=0)),
            accumulate=integer(1),
            patience=optional(integer(1)),
            judge=optional(one_of(*JUDGES)),
            precision=one_of(*PRECISIONS),
            compile=flag(),
            seed=integer(0),
        )
        if self.net is not None:
            object.__setattr__(self, "net", name_of(net(self.net, self.settings)))

    def fit(
        self,
        data: Data,
        *,
        validation: Data | None = None,
        watchers: Sequence[Watcher] = (),
        store: Callable[[TrainState], None] | None = None,
        resume: TrainState | None = None,
    ) -> NetModel:
        """Train on data with targets; `validation` judges the epochs and takes no part in training.

        watchers, store, resume: see `Trainer.fit`. Raises DataError for data that cannot be learned from, ConfigError for settings
        that do not fit them, Diverged where the loss is not finite.
        """
        return self.plan(data, validation).fit(watchers=watchers, store=store, resume=resume)

    def plan(self, data: Data, validation: Data | None = None) -> Plan:
        """Everything that `fit` will run, not yet run: for estimates and tests of the learning rate."""
        return Plan(self, data, validation)

    def rule(self) -> GradientRule:
        """The gradient rule of the settings."""
        rule: GradientRule = Accumulated(pieces=self.accumulate) if self.accumulate > 1 else Plain()
        return rule if self.clip is None else Clipped(norm=self.clip, rule=rule)

    def fingerprint(self, data: Data, validation: Data | None = None) -> str:
        """A digest of the settings, of every example, and of torch's version: equal only for runs that go the same way."""
        mark = hashlib.sha256(json.dumps([settings_of(self), torch.__version__], default=str).encode())
        for part in (data, validation):
            if part is None:
                mark.update(b"none")
                continue
            mark.update(np.ascontiguousarray(part.digests()).tobytes())
            # digests look at neither the order of columns nor the codes of characters, but the first weights do
            order = part.features.column_names if isinstance(part, Table) else getattr(part, "alphabet", None)
            mark.update(repr(order).encode(errors="surrogatepass"))
            if part.targets is not None:
                mark.update(part.targets.values.tobytes())
                mark.update(repr(part.targets.classes).encode())
        return mark.hexdigest()

    def own_watchers(self) -> list[Watcher]:
        """The watchers that the settings ask for: the schedule, and early stopping."""
        own: list[Watcher] = [Schedule(kind=self.schedule, warmup=self.warmup)]
        return own if self.patience is None else [*own, EarlyStop(patience=self.patience)]
