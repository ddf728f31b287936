"""From the one training loop to what every recipe's `fit` promises: validation, watchers, resuming, Ctrl-C, a frozen form.

A method hands in a `Course`: its module, the loss of a batch, batches, and how the module is frozen. State goes in and
out as the `FitState` of every other recipe, so the doors store and resume a network as they do a factorization.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, final

import numpy as np

from matweave.deep import Tensor, nn, torch
from matweave.errors import ArtifactError, DataError
from matweave.factor.loop import Arrays, FitState, History, Validation, Watch
from matweave.factor.recommender import Recommender
from matweave.train.batches import Batches
from matweave.train.checkpoints import TrainState
from matweave.train.history import Epoch, TrainHistory
from matweave.train.rules import GradientRule, Plain
from matweave.train.task import Batch, Task
from matweave.train.trainer import Store, Trainer
from matweave.train.watchers import Moment, Order, Save, Stop, Watcher

PLAIN = Plain()


class Freeze(Protocol):
    """The module as it stands, as a recommender; live: good until the next step only, so nothing need be copied."""

    def __call__(self, history: History, *, live: bool) -> Recommender: ...


@final
@dataclass(frozen=True, kw_only=True)
class Course:
    """What a method hands to the loop. rule, watchers, threaded: see `train/`."""

    module: nn.Module
    loss: Callable[[Batch], Tensor]
    batches: Batches
    freeze: Freeze
    rule: GradientRule = PLAIN
    watchers: Sequence[Watcher] = ()
    threaded: bool = False


def train(
    recipe: Any,
    course: Course,
    *,
    validate: Validation | None = None,
    watch: Watch | None = None,
    resume: FitState | None = None,
) -> Recommender:
    """Train a course by the recipe's epochs, optimizer, learning_rate, weight_decay, device and seed, and freeze it.

    With `validate` the best epoch's weights are kept, without it the last's. A course without examples has no steps: the
    module is frozen as it starts, with an empty history. Raises Diverged where the loss is not finite,
    DataError where the validation measure is not a number, ArtifactError where `resume` is of another network.
    """
    loop = Trainer(
        optimizer=recipe.optimizer,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        epochs=recipe.epochs,
        device=recipe.device,
        precision="float32",
        seed=recipe.seed,
    )
    if not course.batches.examples:
        return course.freeze(History(stopped="epochs"), live=False)
    state = None if resume is None else train_state(resume, validate)
    task = _Course(course, validate, state)
    watchers: list[Watcher] = list(course.watchers)
    store: Store | None = None
    if validate is not None:
        watchers.append(_Stale(validate.patience, validate.every))
    if watch is not None:
        watchers.append(_EachEpoch())

        def seen(now: TrainState) -> bool:
            return bool(watch(fit_state(now, validate), recipe.epochs))

        store = seen
    if (
        state is not None
    ):  # of the course's own watchers, who alone change the rate; a run may be watched otherwise than before
        rates = state.rates[: len(course.watchers)]
        state = replace(state, rates=(*rates, *[1.0] * (len(watchers) - len(rates))))

    done = loop.fit(task, course.batches, rule=course.rule, watchers=watchers, store=store, resume=state)
    course.module.to(torch.device("cpu"))
    history = history_of(done.history, validate)
    return course.freeze(history, live=False)


@final
class _Course(Task):
    """The course as a task of the loop."""

    def __init__(self, course: Course, validate: Validation | None, state: TrainState | None) -> None:
        self.module, self.course, self.validation = course.module, course, validate
        self.threaded = course.threaded
        self.higher_is_better = True
        self.epoch = 0 if state is None else len(state.epochs)
        # judged from the first look on: before it no epoch is the best
        looked = validate is not None and self.epoch >= validate.every
        self.measure = validate.name if validate is not None and looked else ""

    def loss(self, batch: Batch) -> Tensor:
        return self.course.loss(batch)

    def validate(self) -> dict[str, float]:
        self.epoch += 1
        if self.validation is None:
            return {}
        if self.epoch % self.validation.every:
            return {self.validation.name: -math.inf}  # not looked at: never better
        self.measure = self.validation.name
        so_far = History(objective=(math.nan,) * self.epoch, stopped="running", epoch=self.epoch)
        value = float(self.validation.measure(self.course.freeze(so_far, live=True)))
        if math.isnan(value):
            raise DataError(
                f"{self.validation.name} is not a number after epoch {self.epoch}",
                where="validation",
                mend="validate on rows of users and items that the training log has",
            )
        return {self.validation.name: value}


@final
class _Stale:
    """Stops after `patience` looks without a new best."""

    each_step = False

    def __init__(self, patience: int, every: int) -> None:
        self.patience, self.every = patience, every

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at not in ("start", "epoch") or not moment.best_epoch:
            return None
        looks = moment.epoch // self.every - moment.best_epoch // self.every
        return Stop("early stopping") if looks >= self.patience else None


@final
class _EachEpoch:
    """Orders a state after each epoch, for the recipe's own watcher to see."""

    each_step = False

    def __call__(self, moment: Moment) -> Order | None:
        return Save() if moment.at == "epoch" else None


def fit_state(state: TrainState, validate: Validation | None) -> FitState:
    """A state of the loop, between epochs, as every recipe's watchers and checkpoints know it."""
    arrays: Arrays = {f"module/{n}": a for n, a in state.module.items()}
    arrays |= {f"optimizer/{n}": a for n, a in state.optimizer.items()}
    arrays["loop/step"] = np.array(state.step)
    arrays["loop/loss"] = np.array([state.loss_sum, state.loss_count])
    arrays["loop/rates"] = np.array(state.rates, np.float64)
    arrays["loop/epochs"] = np.array([(e.step, e.learning_rate, e.seconds) for e in state.epochs], np.float64)
    return FitState(
        epoch=len(state.epochs),
        arrays=arrays,
        objective=tuple(e.loss for e in state.epochs),
        validation=_validation(state.epochs, validate),
        best_epoch=state.best_epoch,
        best_arrays={f"module/{n}": a for n, a in state.best.items()},
        seconds=state.seconds,
    )


def train_state(state: FitState, validate: Validation | None) -> TrainState:
    """The way back. Raises ArtifactError for a state that no network left."""
    if "loop/epochs" not in state.arrays:
        raise ArtifactError(
            "the state is of another kind of model", where="resume", mend="resume the run that was stopped"
        )
    looks = dict(state.validation)
    name = "" if validate is None else validate.name
    rows = state.arrays["loop/epochs"].reshape(-1, 3)
    epochs = tuple(
        Epoch(
            epoch=e,
            step=int(step),
            loss=loss,
            measures={name: looks.get(e, -math.inf)} if name else {},
            learning_rate=float(rate),
            seconds=float(seconds),
        )
        for e, (loss, (step, rate, seconds)) in enumerate(zip(state.objective, rows, strict=True), 1)
    )
    loss_sum, loss_count = state.arrays["loop/loss"].tolist()
    return TrainState(
        step=int(state.arrays["loop/step"]),
        module=_under("module/", state.arrays),
        optimizer=_under("optimizer/", state.arrays),
        best=_under("module/", state.best_arrays),
        best_epoch=state.best_epoch,
        epochs=epochs,
        loss_sum=loss_sum,
        loss_count=int(loss_count),
        rates=tuple(state.arrays["loop/rates"].tolist()),
        seconds=state.seconds,
    )


def history_of(found: TrainHistory, validate: Validation | None) -> History:
    """How training went, in the words of every recipe: objective is the mean training loss of an epoch."""
    return History(
        objective=tuple(e.loss for e in found.epochs),
        validation=_validation(found.epochs, validate),
        validation_name="" if validate is None else validate.name,
        stopped=found.stopped,
        epoch=found.best_epoch,
        seconds=found.seconds,
    )


def _validation(epochs: Sequence[Epoch], validate: Validation | None) -> tuple[tuple[int, float], ...]:
    if validate is None:
        return ()
    return tuple((e.epoch, e.measures[validate.name]) for e in epochs if e.epoch % validate.every == 0)


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
