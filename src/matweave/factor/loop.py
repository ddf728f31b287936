"""One loop for every factorization that is learned in epochs.

A method hands in how to start, how to take one epoch, and how to make its frozen form; the loop adds
what they all need: the objective per epoch, a tolerance on it, an error when it diverges, early stopping
on a validation measure, watchers (progress, checkpoints), resuming, and Ctrl-C that keeps what was learned.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol, TypeVar, final

import numpy as np

from matweave.config import check, integer
from matweave.errors import DataError, Diverged
from matweave.interrupt import polite_interrupt

Arrays = dict[str, np.ndarray]
Form = TypeVar("Form")
"""What a fit ends in: a frozen form, of recommendations or of relations."""


@final
@dataclass(frozen=True, kw_only=True)
class History:
    """What a fit went through, epoch by epoch.

    objective: value after each epoch, in the units the method's file states.
    validation: (epoch, value) pairs, higher is better; empty without a validation split.
    stopped: why it ended: "epochs", "tolerance", "early stopping", "interrupted" or "closed form".
    epoch: the epoch whose factors were kept (the best on validation, else the last).
    """

    objective: tuple[float, ...] = ()
    validation: tuple[tuple[int, float], ...] = ()
    validation_name: str = ""
    stopped: str = "closed form"
    epoch: int = 0
    seconds: float = 0.0


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class FitState:
    """Everything the next epoch needs, after `epoch` whole epochs; storable, so a killed run resumes."""

    epoch: int
    arrays: Arrays
    objective: tuple[float, ...] = ()
    validation: tuple[tuple[int, float], ...] = ()
    best_epoch: int = 0
    best_arrays: Arrays = field(default_factory=dict)
    seconds: float = 0.0


class Watch(Protocol):
    """Sees the state after each epoch; answers True to stop. It must not change or keep the arrays."""

    def __call__(self, state: FitState, epochs: int, /) -> bool | None: ...


@final
@dataclass(frozen=True, kw_only=True)
class Validation:
    """Early stopping: `measure(model)` every `every` epochs, stop after `patience` looks without a new best."""

    measure: Callable[[Any], float]
    patience: int = 3
    every: int = 1
    name: str = "validation"

    def __post_init__(self) -> None:
        check(self, patience=integer(1), every=integer(1))


def iterate(
    *,
    method: str,
    start: Callable[[], Arrays],
    epoch: Callable[[int, Arrays], tuple[Arrays, float]],
    model: Callable[[Arrays, History], Form],
    epochs: int,
    tolerance: float = 0.0,
    flat_epochs: int = 1,
    rounding: float = 1e-12,
    mend: str = "raise regularization or lower learning_rate",
    validate: Validation | None = None,
    watch: Watch | None = None,
    resume: FitState | None = None,
) -> Form:
    """Run a method's epochs and return its frozen form.

    start() gives the arrays before the first epoch; epoch(e, arrays) takes epoch e (from 0) and returns the
    arrays and the objective after it, and may write in place; model(arrays, history) freezes them (it must copy
    what `epoch` would write to later). The fit ends after `epochs`, when the objective falls by less than
    `tolerance` relative to its last value (0: never) in each of `flat_epochs` epochs in a row, when validation stops improving, or by Ctrl-C.

    rounding: what is nothing in the objective's units: a first value may be less by luck (an exact fit) and later ones not.

    Raises Diverged when the objective is not finite or exceeds a thousand times its first value (or `rounding`), DataError
    when the validation measure is not a number.
    """
    if resume is None:
        state = FitState(epoch=0, arrays=start())
    else:  # epochs may write in place: the caller's state stays what it was
        state = replace(resume, arrays={name: array.copy() for name, array in resume.arrays.items()})
    began = time.perf_counter() - state.seconds
    stopped = "epochs"
    if _flat(state.objective, tolerance, flat_epochs):
        stopped = "tolerance"
    elif _stale(state, validate):
        stopped = "early stopping"
    with polite_interrupt() as interrupted:
        while state.epoch < epochs and stopped == "epochs":
            with np.errstate(all="ignore"):  # overflow shows in the objective, and is told as divergence
                arrays, value = epoch(state.epoch, state.arrays)
            _refuse_divergence(method, state, value, rounding, mend)
            state = _advance(state, arrays, value, time.perf_counter() - began, model, validate)
            if _flat(state.objective, tolerance, flat_epochs):
                stopped = "tolerance"
            elif _stale(state, validate):
                stopped = "early stopping"
            # the watcher comes before the interrupt, so that a checkpoint holds the last epoch
            if (watch is not None and watch(state, epochs)) or interrupted():
                stopped = "interrupted"
    best = state.best_arrays if validate is not None and state.best_epoch else state.arrays
    return model(best, _history(state, validate, stopped))


def _advance(
    state: FitState,
    arrays: Arrays,
    value: float,
    seconds: float,
    model: Callable[[Arrays, History], Any],
    validate: Validation | None,
) -> FitState:
    epoch = state.epoch + 1
    objective = (*state.objective, float(value))
    validation, best_epoch, best_arrays = state.validation, state.best_epoch, state.best_arrays
    if validate is not None and epoch % validate.every == 0:
        so_far = History(objective=objective, stopped="running", epoch=epoch)
        score = float(validate.measure(model(arrays, so_far)))
        if math.isnan(score):
            raise DataError(
                f"{validate.name} is not a number after epoch {epoch}",
                where="validation",
                mend="validate on rows of users and items that the training log has",
            )
        if not validation or score > max(v for _, v in validation):
            best_epoch, best_arrays = epoch, {name: array.copy() for name, array in arrays.items()}
        validation = (*validation, (epoch, score))
    return FitState(
        epoch=epoch,
        arrays=arrays,
        objective=objective,
        validation=validation,
        best_epoch=best_epoch,
        best_arrays=best_arrays,
        seconds=seconds,
    )


def _flat(objective: tuple[float, ...], tolerance: float, epochs: int = 1) -> bool:
    if tolerance <= 0 or len(objective) <= epochs:
        return False
    last = objective[-epochs - 1 :]
    least = np.finfo(np.float64).tiny
    return all(abs(a - b) <= tolerance * max(abs(a), least) for a, b in pairwise(last))


def _stale(state: FitState, validate: Validation | None) -> bool:
    if validate is None or not state.validation:
        return False
    looks_since = sum(1 for epoch, _ in state.validation if epoch > state.best_epoch)
    return looks_since >= validate.patience


def _refuse_divergence(method: str, state: FitState, value: float, rounding: float, mend: str) -> None:
    first = state.objective[0] if state.objective else math.inf
    if math.isfinite(value) and value <= 1e3 * max(abs(first), rounding):
        return
    trail = ", ".join(f"{v:.4g}" for v in (*state.objective[-3:], value))
    raise Diverged(
        f"{method} diverged in epoch {state.epoch + 1}: the objective went {trail}",
        where=f"{method}.fit",
        mend=mend,
    )


def _history(state: FitState, validate: Validation | None, stopped: str) -> History:
    return History(
        objective=state.objective,
        validation=state.validation,
        validation_name=validate.name if validate is not None else "",
        stopped=stopped,
        epoch=state.best_epoch if validate is not None and state.best_epoch else state.epoch,
        seconds=state.seconds,
    )
