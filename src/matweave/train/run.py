"""The book-keeping of one training run: steps, losses, epochs, the best weights, watchers' orders, and the state to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from matweave.deep import Tensor, nn, torch
from matweave.errors import ArtifactError, ConfigError, DataError, Diverged
from matweave.train.batches import Batches
from matweave.train.checkpoints import Arrays, TrainState
from matweave.train.history import Epoch, TrainHistory
from matweave.train.optimizers import load_state_arrays, set_rate, state_arrays
from matweave.train.task import Task
from matweave.train.watchers import Moment, Rate, Save, Stop, Watcher

_WINDOW = 16  # losses read at once on an accelerator, where reading one waits for all work


@final
class Run:
    """What changes while the loop runs; the loop calls `begin`, then `saw` and `advance` for each step, then `end`."""

    def __init__(
        self,
        task: Task,
        batches: Batches,
        optimizer: torch.optim.Optimizer,
        watchers: Sequence[Watcher],
        store: Callable[[TrainState], bool | None] | None,
        epochs: int,
        device: torch.device,
        diverged: Callable[[int], Exception],
    ) -> None:
        self.task, self.batches, self.optimizer = task, batches, optimizer
        self.watchers, self.store, self.epochs = tuple(watchers), store, epochs
        self._all = tuple(enumerate(self.watchers))
        self._each_step = tuple((i, w) for i, w in self._all if w.each_step)
        self.diverged = diverged  # the error for a step, from 1, whose loss is not finite
        self.steps = epochs * batches.steps_per_epoch
        self.window = 1 if device.type == "cpu" else _WINDOW
        self.step, self.stopped = 0, None if epochs else "epochs"
        self.history: tuple[Epoch, ...] = ()
        self.best: Arrays = {}
        self.best_epoch = 0
        self.loss_sum, self.loss_count = 0.0, 0
        self.rates = [1.0] * len(self.watchers)
        self.learning_rate = float(optimizer.param_groups[0]["lr"])
        self.base_rate = self.learning_rate
        self._pending: list[tuple[int, Tensor, int]] = []  # step, loss, examples: not read yet
        self._began = time.perf_counter()

    def begin(self, resume: TrainState | None) -> None:
        """Start, or go on from a state: with the factors of its watchers, where they are as many as now."""
        if resume is not None:
            self._refuse_other_epochs(resume)
            self.step, self.history = resume.step, resume.epochs
            self.best, self.best_epoch = resume.best, resume.best_epoch
            self.loss_sum, self.loss_count = resume.loss_sum, resume.loss_count
            if len(resume.rates) == len(self.rates):
                self.rates = list(resume.rates)
            self._began -= resume.seconds
            load_arrays(self.task.module, resume.module)
            load_state_arrays(self.optimizer, resume.optimizer)
            self._set_rate()
        self._ask("start")

    def saw(self, value: Tensor, examples: int) -> None:
        """Take in the loss of the step under way. Raises `diverged` of the first step whose loss was not finite."""
        if self.window == 1:
            self._take(self.step + 1, float(value), examples)
            return
        self._pending.append((self.step + 1, value, examples))
        last = (self.step + 1) % self.batches.steps_per_epoch == 0
        if len(self._pending) >= self.window or last:
            self._settle()

    def advance(self, measure: Callable[[], dict[str, float]]) -> None:
        """Count the step done; after the last of an epoch, measure, and keep the weights where they are the best."""
        self.step += 1
        if self.step % self.batches.steps_per_epoch:
            self._ask("step")
            return
        epoch = len(self.history) + 1
        self.history += (
            Epoch(
                epoch=epoch,
                step=self.step,
                loss=self._mean_loss(),
                measures=measure(),
                learning_rate=self.learning_rate,
                seconds=time.perf_counter() - self._began,
            ),
        )
        self.loss_sum, self.loss_count = 0.0, 0
        self._keep_best()
        self._ask("epoch")
        if self.step == self.steps and self.stopped is None:
            self.stopped = "epochs"

    def interrupt(self) -> None:
        """End after this step, by Ctrl-C; the state is stored so that the run can go on."""
        if self.stopped is None:
            self.stopped = "interrupted"
            if self.store is not None:
                self.store(self.state())

    def end(self) -> TrainHistory:
        """Load the best weights, and say how it went."""
        self._settle()
        if self.best:
            load_arrays(self.task.module, self.best)
        self._refuse_spoilt()
        self.task.module.eval()
        self._ask("end")
        return TrainHistory(
            epochs=self.history,
            stopped=self.stopped or "epochs",
            best_epoch=self.best_epoch or len(self.history),
            measure=self.task.measure if self.best_epoch else "",
            higher_is_better=self.task.higher_is_better,
            seconds=time.perf_counter() - self._began,
            examples=self.batches.examples,
        )

    def state(self) -> TrainState:
        """What the next step needs, as arrays of its own. Raises `diverged` rather than give what has gone astray."""
        self._settle()
        return TrainState(
            step=self.step,
            module=arrays_of(self.task.module),
            optimizer=state_arrays(self.optimizer),
            best=self.best,
            best_epoch=self.best_epoch,
            epochs=self.history,
            loss_sum=self.loss_sum,
            loss_count=self.loss_count,
            rates=tuple(self.rates),
            seconds=time.perf_counter() - self._began,
        )

    def _settle(self) -> None:
        """Read the losses that were not read yet."""
        pending, self._pending = self._pending, []
        for (step, _, n), loss in zip(pending, _read([v for _, v, _ in pending]), strict=True):
            self._take(step, loss, n)

    def _take(self, step: int, loss: float, examples: int) -> None:
        if not math.isfinite(loss):
            raise self.diverged(step)
        self.loss_sum += loss * examples
        self.loss_count += examples

    def _refuse_spoilt(self) -> None:
        """The last step's outcome is seen by no loss: weights that are not finite are no result."""
        for name, weight in self.task.module.named_parameters():
            if not bool(torch.isfinite(weight).all()):
                raise Diverged(
                    f"after step {self.step:,} the weights {name} are no longer finite",
                    where="training",
                    mend="lower learning_rate, or clip the gradient",
                )

    def _refuse_other_epochs(self, resume: TrainState) -> None:
        each = self.batches.steps_per_epoch
        if resume.step // each != len(resume.epochs):
            raise ArtifactError(
                f"the state is after step {resume.step:,} in epoch {len(resume.epochs) + 1}, but an epoch has {each:,} steps",
                where="resume",
                mend="resume with the batch size and the data of the run that was stopped",
            )

    def _keep_best(self) -> None:
        name, now = self.task.measure, self.history[-1].measures
        if not name:
            return
        if name not in now:
            raise ConfigError(
                f"the task is judged by {name!r}, but measures {', '.join(map(repr, now)) or 'nothing'}",
                where="validation",
                mend="judge by a measure that the task gives, or by none",
            )
        if math.isnan(now[name]):
            raise DataError(
                f"the validation measure {name!r} is not a number after epoch {len(self.history)}",
                where="validation",
                mend="give validation data on which it is defined, or judge by another measure",
            )
        best = self.history[self.best_epoch - 1].measures[name] if self.best_epoch else None
        if best is None or is_better(now[name], best, self.task.higher_is_better):
            self.best, self.best_epoch = arrays_of(self.task.module), len(self.history)

    def _ask(self, at: str) -> None:
        asked = self._each_step if at == "step" else self._all
        if not asked:
            return
        moment = Moment(
            at=at,
            step=self.step,
            steps=self.steps,
            epoch=len(self.history),
            epochs=self.epochs,
            loss=self.history[-1].loss if at in ("epoch", "end") and self.history else self._mean_loss(),
            learning_rate=self.learning_rate,
            seconds=time.perf_counter() - self._began,
            examples=self.batches.examples,
            history=self.history,
            measure=self.task.measure,
            higher_is_better=self.task.higher_is_better,
            best_epoch=self.best_epoch,
        )
        save = False
        for index, watcher in asked:
            match watcher(moment):
                case Stop(reason):
                    self.stopped = self.stopped or reason
                case Rate(factor):
                    self.rates[index] = factor
                case Save():
                    save = True
        self._set_rate()
        # after every order, so that the state holds them
        if save and self.store is not None and self.store(self.state()) and self.stopped is None:
            self.stopped = "interrupted"

    def _set_rate(self) -> None:
        rate = self.base_rate * math.prod(self.rates)
        if rate != self.optimizer.param_groups[0]["lr"]:  # a state that was loaded brings its own
            set_rate(self.optimizer, math.prod(self.rates))
        self.learning_rate = rate

    def _mean_loss(self) -> float:
        return self.loss_sum / self.loss_count if self.loss_count else math.nan


def arrays_of(module: nn.Module) -> Arrays:
    """Weights and buffers of a module as arrays of their own, by name.

    >>> sorted(arrays_of(nn.Linear(2, 1)))
    ['bias', 'weight']
    """
    return {n: np.array(t.detach().cpu().numpy(), order="C") for n, t in module.state_dict().items()}


def load_arrays(module: nn.Module, arrays: Arrays) -> None:
    """Put arrays into a module of the same structure. Raises ArtifactError that lists every difference.

    >>> load_arrays(nn.Linear(2, 1), {"weight": np.ones((1, 2), np.float32)})
    Traceback (most recent call last):
    matweave.errors.ArtifactError: the weights are of another network: bias is missing
      where: weights
      mend:  give the network that the weights were saved from
    """
    there = module.state_dict()
    problems = [f"{n} is missing" for n in there if n not in arrays]
    problems += [f"{n} is not in the network" for n in arrays if n not in there]
    problems += [
        f"{n} is {_form(arrays[n])}, not {_form(t)}"
        for n, t in there.items()
        if n in arrays and _form(arrays[n]) != _form(t)
    ]
    if problems:
        shown = "; ".join(problems[:10]) + (f" (+{len(problems) - 10} more)" if len(problems) > 10 else "")
        raise ArtifactError(
            f"the weights are of another network: {shown}",
            where="weights",
            mend="give the network that the weights were saved from",
        )
    module.load_state_dict({n: torch.from_numpy(np.array(a, order="C")) for n, a in arrays.items()})


def is_better(value: float, best: float, higher_is_better: bool) -> bool:
    """Whether a measure is a new best; NaN never is.

    >>> is_better(0.4, 0.5, higher_is_better=False), is_better(math.nan, 0.5, True)
    (True, False)
    """
    return value > best if higher_is_better else value < best


def _form(values: Tensor | np.ndarray) -> str:
    return f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"


def _read(values: list[Tensor]) -> list[float]:
    return torch.stack([v.reshape(()) for v in values]).tolist() if values else []
