"""What is trained: a module, the loss of a batch, and what is measured on validation data.

The loop knows nothing else of a model, so a regression, a CNN, a recommender and a language model are all tasks.
`Supervised` is the task of inputs and targets; what validates it is handed in as a function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError
from matweave.train.devices import work_of

Batch = tuple[Tensor, ...]
"""Tensors whose first dimension is the examples."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From outputs and targets of a batch to the mean loss, a tensor of one number."""

Measures = Callable[[Tensor, Tensor], dict[str, float]]
"""From outputs and targets of the whole validation part, on the CPU, to named numbers."""


class Task(ABC):
    """A module and how it is judged. The loop moves `module` to its device, and loads the best weights into it."""

    module: nn.Module
    measure: str = ""  # the validation measure that tells the best epoch; "" for none
    higher_is_better: bool = False
    threaded: bool = False  # whether the loss runs on threads of its own

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch, differentiable, a tensor of one number."""

    def validate(self) -> dict[str, float]:
        """Measures on validation data, by name; called without gradients and with the module in eval mode."""
        return {}

    def work(self, inputs: Sequence[Tensor]) -> int:
        """Multiply-adds that torch has to do for these inputs, to an order of magnitude, by which `torch_threads` is set. 0 where the
        loss has threads of its own: torch's, awake for a while after each call, would take the cores from them.
        """
        return 0 if self.threaded else work_of(self.module, inputs)

    def to(self, device: torch.device) -> None:
        """Move what the task itself holds; the module is moved by the loop."""
        return None


@final
class Supervised(Task):
    """Inputs and targets: the last tensor of a batch is the target, the ones before it go to the module.

    loss: see `losses.make_loss`. validation: tensors as a batch holds them, kept whole on the loop's device; measures
    says what is told of the outputs on them. measure: the one that tells the best epoch. Outputs are made in
    pieces of `piece` examples (None: about four million numbers of input), so that memory does not grow with the part. Raises ConfigError
    for validation without measures, measures without validation, or a measure without both.

    >>> from matweave.train.losses import make_loss
    >>> task = Supervised(nn.Linear(2, 1), make_loss("mse"))
    >>> task.loss((torch.zeros(4, 2), task.module(torch.zeros(4, 2)).detach())).item()
    0.0
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        *,
        validation: Sequence[Tensor] | None = None,
        measures: Measures | None = None,
        measure: str = "",
        higher_is_better: bool = False,
        piece: int | None = None,
    ) -> None:
        self.module, self.loss_of = module, loss
        self.validation = None if validation is None else tuple(validation)
        self.measures, self.measure, self.higher_is_better = measures, measure, higher_is_better
        self.piece = piece
        given = {
            "validation": validation is not None,
            "measures": measures is not None,
            "measure": measure != "",
        }
        if given["validation"] != given["measures"] or given["measure"] > given["measures"]:
            missing = [name for name in ("validation", "measures") if not given[name]]
            raise ConfigError(
                f"{' and '.join(n for n in given if given[n])} given without {' and '.join(missing)}",
                where="Supervised",
                mend="give validation and measures, and the measure that tells the best epoch; or none of them",
            )

    def loss(self, batch: Batch) -> Tensor:
        return self.loss_of(self.module(*batch[:-1]), batch[-1])

    def validate(self) -> dict[str, float]:
        if self.validation is None or self.measures is None:
            return {}
        *inputs, targets = self.validation
        return self.measures(outputs_of(self.module, inputs, piece=self.piece).cpu(), targets.cpu())

    def to(self, device: torch.device) -> None:
        if self.validation is not None:
            self.validation = tuple(tensor.to(device) for tensor in self.validation)


def outputs_of(module: nn.Module, inputs: Sequence[Tensor], *, piece: int | None = None) -> Tensor:
    """Outputs (n, ...) of a module for inputs (n, ...), made without gradients in pieces of `piece` examples; None: as many as
    hold about four million numbers, at most 1,024.

    float32 where the module, by autocast, gives less. The module is taken in the mode, eval or train, that it is in.

    >>> outputs_of(nn.Identity(), [torch.arange(5.0)], piece=2).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    n = len(inputs[0])
    with torch.no_grad():  # not inference_mode: what a module keeps between calls must serve training too
        size = piece or _piece(inputs)
        made = [module(*(tensor[at : at + size] for tensor in inputs)) for at in range(0, max(n, 1), size)]
        whole = torch.cat(made)
        return whole.to(torch.promote_types(whole.dtype, torch.float32))


def _piece(inputs: Sequence[Tensor]) -> int:
    numbers = sum(tensor[:1].numel() for tensor in inputs)
    return max(1, min(1024, (1 << 22) // max(1, numbers)))
