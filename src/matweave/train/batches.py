"""Batches: which examples a step sees, as a function of the step alone.

`batch(epoch, at)` depends on the seed, the epoch and the place in it, and on nothing that went before, so a run
that is resumed at any step sees what an unbroken one saw. Tensors that fit in memory need no worker processes:
one shuffle an epoch and one gather a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, final

from matweave.config import integer
from matweave.deep import Tensor, generator, torch
from matweave.errors import ConfigError, DataError
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch


class Batches(Protocol):
    """Where the loop takes batches from."""

    @property
    def examples(self) -> int: ...

    @property
    def steps_per_epoch(self) -> int: ...

    def batch(self, epoch: int, at: int) -> Batch: ...

    def to(self, device: torch.device) -> None: ...


@final
class InMemory:
    """Shuffled batches of tensors held whole in memory, (n, ...) each.

    batch_size: examples in a batch, None for all of them (gradient descent). The last batch of an epoch may be
    smaller; one left-over example joins the batch before it, since batch normalization cannot train on a single one.
    augmentation: called with each batch and a generator of its own. Raises DataError for tensors of different
    lengths, ConfigError for a batch larger than the data.

    >>> data = InMemory([torch.arange(10)], batch_size=4, seed=0)
    >>> [len(data.batch(0, at)[0]) for at in range(data.steps_per_epoch)]
    [4, 4, 2]
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        *,
        batch_size: int | None,
        seed: int = 0,
        shuffle: bool = True,
        augmentation: Callable[[Batch, torch.Generator], Batch] | None = None,
    ) -> None:
        self.tensors = tuple(tensors)
        lengths = {len(tensor) for tensor in self.tensors}
        if len(lengths) != 1 or 0 in lengths:
            raise DataError(
                f"the tensors hold {sorted(lengths)} examples, but must all hold the same number, at least 1",
                where="InMemory",
                mend="give inputs and targets of the same examples",
            )
        self.examples = lengths.pop()
        size = self.examples if batch_size is None else batch_size
        if integer(1, self.examples)(size):
            raise ConfigError(
                f"batch_size is {size!r}, but the training data hold {self.examples:,} examples",
                where="batch_size",
                mend=f"give batch_size from 1 to {self.examples}, or more data",
            )
        self.batch_size = size
        full, left = divmod(self.examples, size)
        self.steps_per_epoch = full + (left > 1)
        self.seed, self.shuffle, self.augmentation = seed, shuffle, augmentation
        self._base = child_seed(seed, "augmentation")
        self._generator = torch.Generator()
        self._order: tuple[int, Tensor | None] = (-1, None)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Hold the tensors on a device; the order is drawn on the CPU, so it is the same everywhere."""
        self.tensors = tuple(tensor.to(device) for tensor in self.tensors)
        self._device, self._order = device, (-1, None)

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        low = at * self.batch_size
        high = self.examples if at == self.steps_per_epoch - 1 else low + self.batch_size
        order = self._order_of(epoch)
        if order is None:
            found = tuple(tensor[low:high] for tensor in self.tensors)
        else:
            chosen = order[low:high]
            found = tuple(tensor.index_select(0, chosen) for tensor in self.tensors)
        if self.augmentation is None:
            return found
        self._generator.manual_seed(stepped(self._base, epoch, at))
        return self.augmentation(found, self._generator)

    def _order_of(self, epoch: int) -> Tensor | None:
        if not self.shuffle or self.steps_per_epoch == 1:
            return None
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, drawn.to(self._device))
        return self._order[1]
