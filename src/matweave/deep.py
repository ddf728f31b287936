"""The one place that imports torch (extra `deep`); rooms on torch take it from here.

    from matweave.deep import Tensor, functional, nn, torch

Torch draws from one generator for the whole process; `seeded` gives a block draws of its own and puts the
generators of the CPU and of CUDA cards in use back, so that the caller's draws go on as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from matweave.errors import missing_extra
from matweave.randomness import child_seed
from matweave.threads import threads

try:
    import torch
    import torch.nn.functional as functional
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_extra("deep", "torch", "training networks") from error

__all__ = ["Tensor", "functional", "generator", "nn", "seeded", "torch", "torch_threads"]


def generator(seed: int, *names: object) -> torch.Generator:
    """A CPU generator that depends on `seed` and `names` only. Raises ConfigError unless seed is an integer >= 0.

    >>> a, b = (torch.rand(2, generator=generator(7, "start")) for _ in range(2))
    >>> bool((a == b).all())
    True
    """
    made = torch.Generator()
    made.manual_seed(child_seed(seed, *names))
    return made


@contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """Torch's own draws inside the block depend on `seed` and `names` only; afterwards they go on as before.

    >>> with seeded(7, "weights"):
    ...     a = torch.rand(2)
    >>> with seeded(7, "weights"):
    ...     bool((torch.rand(2) == a).all())
    True
    """
    devices = (
        range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    )  # manual_seed seeds all of them
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(child_seed(seed, *names))
        yield


_SMALL = 1_000_000  # multiply-adds that one thread has done about when a second one has begun


@contextmanager
def torch_threads(work: int | None = None) -> Iterator[None]:
    """Torch uses `matweave.threads.threads()` threads inside the block.

    work: multiply-adds of a call, about; a small one gets one thread, since waking and waiting for others takes longer, and
    on cores that are shared, very much longer. None: not known, taken as large.

    >>> with torch_threads(work=100):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work is not None and work < _SMALL else threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)
