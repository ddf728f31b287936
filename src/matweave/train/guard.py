"""When a loss is not a number: which step, which layer, and the mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matweave.deep import Tensor, nn, torch
from matweave.errors import Diverged
from matweave.train.task import Batch


def not_finite(module: nn.Module, batch: Batch, loss: Callable[[Batch], Tensor], step: int) -> Diverged:
    """The error for a loss that is NaN or infinite at `step`; looks for the place in which it began.

    It looks at the batch, then at the parameters, then at what each layer gives for the batch, in order of work.
    """
    where, mend = _place(module, batch, loss)
    return Diverged(f"the loss is not a finite number at step {step:,}: {where}", where="training", mend=mend)


def _place(module: nn.Module, batch: Batch, loss: Callable[[Batch], Tensor]) -> tuple[str, str]:
    for at, tensor in enumerate(batch):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            rows = (~torch.isfinite(tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None])).any(1)
            which = "the targets" if at == len(batch) - 1 else "the inputs"
            return (
                f"{which} of the batch hold NaN or infinity in {int(rows.sum())} of {len(tensor)} examples",
                "clean the data; prepared data never hold them",
            )
    spoilt = [name for name, p in module.named_parameters() if not bool(torch.isfinite(p).all())]
    if spoilt:
        return (
            f"the weights {spoilt[0]} are no longer finite (and {len(spoilt) - 1} more)",
            "lower learning_rate, or clip the gradient (clip=1.0)",
        )
    first = _first_layer(module, batch, loss)
    if first:
        return (
            f"the layer {first} is the first to give numbers that are not finite",
            "lower learning_rate, or clip the gradient (clip=1.0)",
        )
    return (
        "outputs and targets are finite, the loss of them is not",
        "lower learning_rate, and look at the scale of the targets",
    )


def _first_layer(module: nn.Module, batch: Batch, loss: Callable[[Batch], Tensor]) -> str:
    found: list[str] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(part: nn.Module, inputs: Any, output: Any) -> None:
            tensors = output if isinstance(output, tuple) else (output,)
            bad = any(
                isinstance(t, Tensor) and t.is_floating_point() and not bool(torch.isfinite(t).all())
                for t in tensors
            )
            if bad and not found:
                found.append(f"{name} ({type(part).__name__})" if name else type(part).__name__)

        return hook

    hooks = [part.register_forward_hook(note(name)) for name, part in module.named_modules()]
    try:
        with torch.no_grad():
            loss(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else ""
