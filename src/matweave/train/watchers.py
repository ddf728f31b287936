"""Watchers see a frozen moment of training and answer with an order; they hold no state of their own.

What a watcher needs from the past stands in the moment's history, so a resumed run gives the same orders.

    order            what the loop does
    None             goes on
    Stop(reason)     ends training after this moment
    Save()           hands the state to the run's store (a checkpoint)
    Rate(factor)     learning rate = base * factor, times the factors of other watchers, until this one says otherwise
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol, final

from matweave.config import check, config, flag, integer, number, optional
from matweave.errors import ConfigError, listed
from matweave.train.history import Epoch


@final
@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where training is. at: "start", "step" (after each step but the last of an epoch), "epoch" (after its last) or "end".

    step and steps count from the start of training; epoch counts whole epochs done; loss is the mean training loss of the
    epoch under way (NaN before its first step); history holds the epochs done, with their measures.
    """

    at: str
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    seconds: float
    examples: int
    history: tuple[Epoch, ...]
    measure: str
    higher_is_better: bool
    best_epoch: int


@final
@dataclass(frozen=True)
class Stop:
    """End training; the reason goes into the history."""

    reason: str


@final
@dataclass(frozen=True)
class Save:
    """Keep a checkpoint now."""


@final
@dataclass(frozen=True)
class Rate:
    """Scale the learning rate."""

    factor: float


Order = Stop | Save | Rate


class Watcher(Protocol):
    """Called at every moment; `each_step` False spares it the steps within an epoch."""

    @property
    def each_step(self) -> bool: ...

    def __call__(self, moment: Moment, /) -> Order | None: ...


@final
@config
class EarlyStop:
    """Stop when the judged measure has had no new best for `patience` epochs.

    Raises ConfigError at the start where the task has no such measure.

    >>> EarlyStop(patience=3).each_step
    False
    """

    patience: int = 5  # epochs without a new best

    def __post_init__(self) -> None:
        check(self, patience=integer(1))

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at == "start" and not moment.measure:
            raise ConfigError(
                "early stopping looks at a validation measure, but the task has none",
                where="EarlyStop",
                mend="give validation, measures and measure to the task, or leave EarlyStop out",
            )
        if moment.at not in ("start", "epoch") or not moment.best_epoch:  # a run may be resumed at its end
            return None
        late = moment.epoch - moment.best_epoch >= self.patience
        return Stop("early stopping") if late else None


@final
@config
class Plateau:
    """Multiply the learning rate by `factor` whenever the judged measure has had no new best for `patience` epochs.

    The training loss is looked at where the task has no measure.
    """

    patience: int = 3  # epochs without a new best, counted anew after each cut
    factor: float = 0.5  # of the rate before, in (0, 1]
    least: float = 1e-3  # the smallest share of the base rate

    def __post_init__(self) -> None:
        check(self, patience=integer(1), factor=number(high=1, above=0), least=number(0, 1))

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at == "step":
            return None
        scale, best, waited = 1.0, -math.inf, 0
        for epoch in moment.history:
            value = epoch.measures.get(moment.measure, -epoch.loss)
            value = value if moment.higher_is_better or moment.measure not in epoch.measures else -value
            waited = 0 if value > best else waited + 1
            best = max(best, value)
            if waited == self.patience:
                scale, waited = max(scale * self.factor, self.least), 0
        return Rate(scale)


@final
@config
class Converged:
    """Stop when the training loss moves by `tolerance` of itself or less in each of `epochs` epochs in a row."""

    tolerance: float = 1e-8
    epochs: int = 3

    def __post_init__(self) -> None:
        check(self, tolerance=number(above=0), epochs=integer(1))

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        last = [epoch.loss for epoch in moment.history[-self.epochs - 1 :]]
        if moment.at not in ("start", "epoch") or len(last) <= self.epochs:
            return None
        flat = all(abs(a - b) <= self.tolerance * abs(a) for a, b in pairwise(last))
        return Stop("converged") if flat else None


@final
@config
class Every:
    """Save a checkpoint every so many steps, and at the end of every epoch where `epochs` is true."""

    steps: int | None = None  # None: only at the ends of epochs
    epochs: bool = True

    def __post_init__(self) -> None:
        check(self, steps=optional(integer(1)), epochs=flag())

    @property
    def each_step(self) -> bool:
        return self.steps is not None

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at == "epoch" and self.epochs:
            return Save()
        due = self.steps is not None and moment.at in ("step", "epoch") and moment.step % self.steps == 0
        return Save() if due else None


@final
@dataclass(frozen=True, kw_only=True)
class Record:
    """Writes one JSON line for each epoch to a file; a resumed run's file holds every epoch once.

    Measures and facts are columns beside the epoch's own. Raises ConfigError where two of them have one name.
    """

    path: Path
    facts: Mapping[str, object] = field(default_factory=dict)  # put into every line

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at == "start":
            done = [self._line(epoch) for epoch in moment.history]
            self.path.write_text("".join(done), encoding="utf-8")
        elif moment.at == "epoch":
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(moment.history[-1]))
        return None

    def _line(self, epoch: Epoch) -> str:
        own = asdict(epoch)
        del own["measures"]
        shown = {**own, **epoch.measures, **self.facts}
        if len(shown) < len(own) + len(epoch.measures) + len(self.facts):
            names = [*own, *epoch.measures, *self.facts]
            raise ConfigError(
                f"two columns have one name: {listed(sorted({n for n in names if names.count(n) > 1}))}",
                where=str(self.path),
                mend="give the measure or the fact another name",
            )
        return json.dumps({k: _plain(v) for k, v in shown.items()}, ensure_ascii=False) + "\n"


def _plain(value: object) -> object:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@final
class Timely:
    """Save a checkpoint when the last, or the start, is `seconds` ago, and at the first end of an epoch.

    The one watcher with a clock of its own; when a state is kept changes nothing of the result.
    """

    each_step = True

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds, self._due, self._saved = seconds, -math.inf, False

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at == "start":
            self._due, self._saved = moment.seconds + self.seconds, moment.step > 0
        elif moment.at != "end" and (
            moment.seconds >= self._due or (moment.at == "epoch" and not self._saved)
        ):
            self._due, self._saved = moment.seconds + self.seconds, True
            return Save()
        return None


@final
@config
class Reached:
    """Stop when the mean training loss of an epoch is at most `loss`."""

    loss: float = 0.01

    def __post_init__(self) -> None:
        check(self, loss=number())

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        reached = bool(moment.history) and moment.history[-1].loss <= self.loss
        return Stop("loss reached") if reached and moment.at in ("start", "epoch") else None
