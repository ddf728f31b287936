"""Gradient rules: how a batch becomes the gradients that the optimizer steps with.

A rule gets the task, the batch and the loss (which already knows precision), fills `parameter.grad`, and returns the
mean loss of the batch, detached. The loop does not know which rule it runs; noised per-example gradients for
privacy enter by the same door.

    Plain        grad = ∇ L(batch)
    Accumulated  the batch in `pieces`, gradients weighted by their examples and summed: the same mean loss and
                 gradient in less memory, up to rounding, to batch statistics (batch normalization sees pieces) and to
                 padding (a loss over steps is the mean over the real steps of a piece)
    Clipped      the gradient of all parameters as one vector, scaled down to length `norm` where it is longer
                 (Pascanu, Mikolov, Bengio 2013)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

from matweave.config import check, config, integer, number
from matweave.deep import Tensor, nn
from matweave.train.task import Batch, Task


class GradientRule(Protocol):
    """Fills the gradients of the task's module for one batch; gradients are empty when it is called."""

    def __call__(self, task: Task, batch: Batch, loss: Callable[[Batch], Tensor], /) -> Tensor: ...


@final
@dataclass(frozen=True)
class Plain:
    """The gradient of the mean loss of the batch."""

    def __call__(self, task: Task, batch: Batch, loss: Callable[[Batch], Tensor]) -> Tensor:
        value = loss(batch)
        value.backward()
        return value.detach()


@final
@config
class Accumulated:
    """The batch in pieces, one after another, of sizes that differ by one at most; the memory of one piece.

    >>> Accumulated(pieces=0)
    Traceback (most recent call last):
    matweave.errors.ConfigError: pieces is 0, but must be an integer >= 1
      where: Accumulated
      mend:  correct the settings of Accumulated
    """

    pieces: int = 2  # parts of a batch, >= 1

    def __post_init__(self) -> None:
        check(self, pieces=integer(1))

    def __call__(self, task: Task, batch: Batch, loss: Callable[[Batch], Tensor]) -> Tensor:
        n = len(batch[0])
        pieces = min(self.pieces, n)
        total = None
        for at in range(pieces):
            low, high = at * n // pieces, (at + 1) * n // pieces
            piece = tuple(tensor[low:high] for tensor in batch)
            value = loss(piece) * ((high - low) / n)
            value.backward()
            total = value.detach() if total is None else total + value.detach()
        assert total is not None  # a batch holds at least one example
        return total


@final
@config
class Clipped:
    """Another rule, and then the whole gradient scaled down to `norm` where it is longer."""

    norm: float = 1.0  # greatest length of the gradient, > 0
    rule: GradientRule = Plain()

    def __post_init__(self) -> None:
        check(self, norm=number(above=0))

    def __call__(self, task: Task, batch: Batch, loss: Callable[[Batch], Tensor]) -> Tensor:
        value = self.rule(task, batch, loss)
        gradients = [p.grad for p in task.module.parameters() if p.grad is not None]
        share = (self.norm / nn.utils.get_total_norm(gradients)).clamp(max=1.0)  # no gradient: infinite, so 1
        for gradient in gradients:
            gradient.mul_(share)
        return value
