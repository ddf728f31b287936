"""Where and in which precision training runs.

device "auto" takes CUDA, else Apple's MPS, else the CPU. precision "auto" takes bfloat16 autocast (weights and optimizer
stay float32) on a CUDA card that computes it natively, and float32 elsewhere: on CPUs bfloat16 pays only where
the processor has instructions for it, so there it is taken by name. Images train in channels-last memory: on CPUs
NCHW max pooling was seen to take twenty times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError, TooBig, nearest

PRECISIONS = ("auto", "float32", "bfloat16")


def resolve_device(name: str) -> torch.device:
    """The device of a name: auto, cpu, cuda, cuda:1, mps. Raises ConfigError where it is not there.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, number = str(name).partition(":")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind not in there:
        raise ConfigError(
            f"unknown device {name!r}{nearest(kind, ('auto', *there))}",
            where="device",
            mend="use auto, cpu, cuda, cuda:N or mps",
        )
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not there[kind] or (colon and not (number.isdecimal() and int(number) < count)):
        raise ConfigError(
            f"the device {name!r} is not on this machine",
            where="device",
            mend="use device auto, or cpu; `matweave doctor` tells what is here",
        )
    return torch.device(name)


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """The type that products and convolutions are computed in; see the head of this file.

    >>> precision_of("auto", torch.device("cpu"))
    torch.float32
    """
    if name not in PRECISIONS:
        raise ConfigError(
            f"unknown precision {name!r}{nearest(name, PRECISIONS)}",
            where="precision",
            mend=f"use one of: {', '.join(PRECISIONS)}",
        )
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """A block whose products and convolutions run in `dtype`; nothing for float32."""
    return nullcontext() if dtype is torch.float32 else torch.autocast(device.type, dtype=dtype)


@contextmanager
def told_when_full() -> Iterator[None]:
    """An accelerator that runs out of memory inside the block is an error with its mend."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TooBig(
            str(error).splitlines()[0],
            where="training",
            mend="lower batch_size, or take a batch in pieces (accumulate)",
        ) from error


@contextmanager
def compiled(module: nn.Module, wanted: bool) -> Iterator[None]:
    """The module's forward compiled inside the block. `Module.compile` does nothing for nn.Sequential, whose frames it skips."""
    if not wanted:
        yield
        return
    module.forward = torch.compile(module.forward)
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise ConfigError(
                f"torch.compile failed: {error}".splitlines()[0],
                where="compile",
                mend="leave compile out, or install a C++ compiler",
            ) from error
        raise
    finally:
        del module.forward  # the class's own again


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """The module moved to the device, in channels-last memory where it holds 2-D convolutions."""
    module.to(device)
    if any(isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)) for part in module.modules()):
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return module


def work_of(module: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Multiply-adds of a forward pass, to an order of magnitude: each weight once for an example, and 32 for each number of it.

    >>> work_of(nn.Linear(4, 2), [torch.zeros(10, 4)])
    1380
    """
    weights = sum(p.numel() for p in module.parameters())
    return len(inputs[0]) * weights + 32 * sum(tensor.numel() for tensor in inputs)
