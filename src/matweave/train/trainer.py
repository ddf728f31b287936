"""One loop for every network: batches in, trained weights and a history out.

A step: the batch of (epoch, place), the gradient by the rule handed in, the optimizer, the watchers' orders. After an
epoch: the task's measures on validation data, and the best weights are kept. Everything random is a function of
seed and step, so a run resumed from any checkpoint ends with the bits of an unbroken one on the same machine with the
same number of threads (torch splits sums by threads, so another number may change the last bits; some of its CUDA kernels
add in no fixed order, and cuDNN keeps a dropout state of its own for stacked recurrent layers, so there bits are equal
only as far as they allow).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

from matweave.config import check, config, flag, integer, number, one_of, optional
from matweave.deep import Tensor, nn, seeded, torch, torch_threads
from matweave.errors import ConfigError, Diverged
from matweave.interrupt import polite_interrupt
from matweave.randomness import child_seed, stepped
from matweave.train.allocator import kept_memory
from matweave.train.batches import Batches
from matweave.train.checkpoints import TrainState
from matweave.train.devices import (
    PRECISIONS,
    autocast,
    compiled,
    place,
    precision_of,
    resolve_device,
    told_when_full,
)
from matweave.train.guard import not_finite
from matweave.train.history import TrainHistory
from matweave.train.optimizers import OPTIMIZERS, make_optimizer
from matweave.train.rules import GradientRule, Plain
from matweave.train.run import Run
from matweave.train.task import Batch, Task
from matweave.train.watchers import Watcher

Store = Callable[[TrainState], bool | None]
"""Keeps a state; see `checkpoints.Checkpoints`. True asks for an end of training, as Ctrl-C does."""


@final
@dataclass(frozen=True, kw_only=True)
class Trained:
    """The module, with the weights of the best epoch loaded and in eval mode, and how it went."""

    module: nn.Module
    history: TrainHistory


@final
@config
class Trainer:
    """Settings of the loop; `fit` trains a task.

    >>> from matweave.train.batches import InMemory
    >>> from matweave.train.losses import make_loss
    >>> from matweave.train.task import Supervised
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> task = Supervised(nn.Linear(1, 1), make_loss("mse"))
    >>> done = Trainer(optimizer="sgd", learning_rate=0.3, epochs=40).fit(task, InMemory([x, 2 * x + 1], batch_size=8))
    >>> round(done.module(torch.ones(1, 1)).item(), 2)
    3.0
    """

    optimizer: str = "adam"  # see train/optimizers.py
    learning_rate: float | None = None  # None: the optimizer's own default
    weight_decay: float = 0.0  # pulls weights, not biases and norms, towards 0; >= 0
    momentum: float | None = None  # None: the optimizer's own default
    epochs: int = 20  # passes over the training examples
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: str = "auto"  # auto, float32, bfloat16 (autocast)
    compile: bool = False  # torch.compile: long runs on a GPU; the first step takes up to a minute
    seed: int = 0

    def __post_init__(self) -> None:
        check(
            self,
            optimizer=one_of(*OPTIMIZERS),
            learning_rate=optional(number(above=0)),
            weight_decay=number(0),
            momentum=optional(number(0, 1)),
            epochs=integer(0),
            precision=one_of(*PRECISIONS),
            compile=flag(),
            seed=integer(0),
        )

    def fit(
        self,
        task: Task,
        batches: Batches,
        *,
        rule: GradientRule = Plain(),  # noqa: B008  frozen and without state
        watchers: Sequence[Watcher] = (),
        store: Store | None = None,
        resume: TrainState | None = None,
    ) -> Trained:
        """Train the task's module, in place, and return it with the best weights.

        rule: how a batch becomes gradients. watchers: see `watchers.py`. store: keeps the states that watchers order and,
        after Ctrl-C, the last one. resume: a state of the same run.

        Raises Diverged where the loss is not finite, ConfigError where optimizer and batches do not fit together, ArtifactError
        where `resume` is of another network. The first Ctrl-C ends training after the step under way and keeps the best
        weights; a second one raises.
        """
        self.check_batches(batches)
        device = resolve_device(self.device)
        dtype = precision_of(self.precision, device)
        with (
            torch_threads(task.work(batches.batch(0, 0)[:-1])),
            kept_memory(),
            seeded(self.seed, "training"),
            polite_interrupt() as interrupted,
            told_when_full(),
            compiled(task.module, self.compile),
        ):
            place(task.module, device)
            task.to(device)
            batches.to(device)
            optimizer = make_optimizer(
                self.optimizer,
                task.module,
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                momentum=self.momentum,
            )
            draws = child_seed(self.seed, "draws")

            def in_low_precision(batch: Batch) -> Tensor:
                with autocast(device, dtype):
                    return task.loss(batch)

            loss_of = task.loss if dtype is torch.float32 else in_low_precision

            def drawn(step: int) -> Batch:
                """The batch of a step, from 0, with torch's generators where this step's draws begin."""
                batch = batches.batch(*divmod(step, batches.steps_per_epoch))
                _draw(stepped(draws, step), device)
                return batch

            def diverged(step: int) -> Diverged:
                return not_finite(task.module, drawn(step - 1), loss_of, step)

            run = Run(task, batches, optimizer, watchers, store, self.epochs, device, diverged)
            run.begin(resume)
            task.module.train()
            learned = [p for group in optimizer.param_groups for p in group["params"]]
            measure = partial(self._measures, task, device, dtype)
            while run.stopped is None and run.step < run.steps:
                batch = drawn(run.step)
                for parameter in learned:  # zero_grad's profiling takes 20 microseconds a step
                    parameter.grad = None
                run.saw(rule(task, batch, loss_of), len(batch[0]))
                optimizer.step()
                run.advance(measure)
                if interrupted():
                    run.interrupt()
            return Trained(module=task.module, history=run.end())

    def check_batches(self, batches: Batches) -> None:
        """Raise ConfigError where the optimizer takes one step on all examples, but an epoch has several batches."""
        if OPTIMIZERS[self.optimizer].full_batch and batches.steps_per_epoch != 1:
            raise ConfigError(
                f"{self.optimizer} takes one step on all examples, but an epoch has {batches.steps_per_epoch} batches",
                where="Trainer.fit",
                mend="give batch_size=None (all examples), or optimizer='sgd'",
            )

    def _measures(self, task: Task, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
        task.module.eval()
        with torch.no_grad(), autocast(device, dtype):
            found = task.validate()
        task.module.train()
        return {name: float(value) for name, value in found.items()}


def _draw(seed: int, device: torch.device) -> None:
    """What dropout draws in a step depends on seed and step alone."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
