"""The learning-rate range test (Smith 2017, arXiv 1506.01186): a short run in which the rate grows from step to step.

The rate goes from `low` to `high` by equal factors; the loss is smoothed by an exponential mean with bias correction. The test
ends early when the smoothed loss exceeds four times its least. Suggested is the rate at which the smoothed loss has gone
half of its way from its level at the smallest rates (median of the first fifth) down to its least: the fall is
steepest about there, and unlike the steepest single step that place does not depend on the chance of one batch.
It works on a copy: the task keeps its weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.deep import seeded, torch_threads
from matweave.errors import ConfigError, Diverged
from matweave.train.batches import Batches
from matweave.train.devices import autocast, place, precision_of, resolve_device
from matweave.train.estimate import copied
from matweave.train.optimizers import make_optimizer, set_rate
from matweave.train.rules import GradientRule, Plain
from matweave.train.task import Batch, Task
from matweave.train.trainer import Trainer

_SMOOTH, _BLOWN = 0.9, 4.0


@final
@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """rates and smoothed losses of the steps taken; `suggested`: where half of the fall was done."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float


def range_test(
    trainer: Trainer,
    task: Task,
    batches: Batches,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    rule: GradientRule = Plain(),  # noqa: B008  frozen and without state
) -> RangeTest:
    """Try learning rates from `low` to `high` in so many steps; the trainer's own rate is not looked at.

    Raises ConfigError for a range that is none or fewer than 10 steps, Diverged where no rate lowered the loss.

    >>> from matweave.deep import nn, torch
    >>> from matweave.train.batches import InMemory
    >>> from matweave.train.losses import make_loss
    >>> from matweave.train.task import Supervised
    >>> x = torch.linspace(-1, 1, 64)[:, None]
    >>> task = Supervised(nn.Linear(1, 1), make_loss("mse"))
    >>> found = range_test(Trainer(optimizer="sgd"), task, InMemory([x, 2 * x], batch_size=16), steps=40)
    >>> 0.001 < found.suggested < 2
    True
    """
    if not 0 < low < high or not math.isfinite(high) or steps < 10:
        raise ConfigError(
            f"the test goes from {low!r} to {high!r} in {steps!r} steps, but needs 0 < low < high and 10 steps",
            where="range_test",
            mend="for example low=1e-6, high=10, steps=100",
        )
    device = resolve_device(trainer.device)
    dtype = precision_of(trainer.precision, device)
    with torch_threads(task.work(batches.batch(0, 0)[:-1])), seeded(trainer.seed, "range test"):
        trial = copied(task)
        place(trial.module, device)
        trial.to(device)
        batches.to(device)
        optimizer = make_optimizer(
            trainer.optimizer,
            trial.module,
            learning_rate=1.0,
            weight_decay=trainer.weight_decay,
            momentum=trainer.momentum,
        )

        def loss_of(batch: Batch):
            with autocast(device, dtype):
                return trial.loss(batch)

        rates, losses, mean = [], [], 0.0
        trial.module.train()
        for step in range(steps):
            rate = low * (high / low) ** (step / (steps - 1))
            set_rate(optimizer, rate)
            batch = batches.batch(*divmod(step, batches.steps_per_epoch))
            optimizer.zero_grad(set_to_none=True)
            value = float(rule(trial, batch, loss_of))
            if not math.isfinite(value):
                break
            mean = _SMOOTH * mean + (1 - _SMOOTH) * value
            rates.append(rate)
            losses.append(mean / (1 - _SMOOTH ** (step + 1)))
            if losses[-1] > _BLOWN * min(losses):
                break
            optimizer.step()
    return RangeTest(rates=tuple(rates), losses=tuple(losses), suggested=_half_way(rates, losses, steps))


def _half_way(rates: list[float], losses: list[float], steps: int) -> float:
    first = max(3, steps // 5)
    level = float(np.median(losses[:first])) if len(losses) > first else math.nan
    least = int(np.argmin(losses)) if losses else 0
    if not (least >= first and losses[least] < level):
        raise Diverged(
            "no learning rate of the range lowered the loss",
            where="range_test",
            mend="begin lower, for example low=1e-9, and look at the scale of inputs and targets",
        )
    half = (level + losses[least]) / 2
    return next(r for r, loss in zip(rates[first:], losses[first:], strict=True) if loss <= half)
