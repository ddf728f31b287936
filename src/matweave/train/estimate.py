"""How much memory a run will take, before it runs.

    weights and buffers        as they are
    gradients                  as the weights that are learned
    optimizer                  its state after one step on a copy
    activations                what autograd keeps for the backward pass of a small batch, times the batch size
    data                       the tensors that the loop holds on its device

The peak lies above the sum by what layers use while they work, and by the holes that freed memory leaves where it is kept
(allocator.py): the total counts activations twice, as measured on the CPU with a CNN (1.3 times without keeping).
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from matweave.deep import Tensor, seeded, torch
from matweave.errors import TooBig
from matweave.train.batches import Batches, InMemory
from matweave.train.optimizers import make_optimizer, state_arrays
from matweave.train.task import Task
from matweave.train.trainer import Trainer

_SAMPLE = 4  # examples that activations are measured on
_PEAK = 2  # of the activations


@final
@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes, by what they are for.

    >>> print(MemoryEstimate(weights=10**6, gradients=10**6, optimizer=2 * 10**6, activations=10**8, data=0))
    about 0.20 GB: activations 0.10, optimizer 0.00, weights 0.00, gradients 0.00, data 0.00
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    data: int

    @property
    def total(self) -> int:
        """The sum, activations counted twice."""
        return sum(vars(self).values()) + (_PEAK - 1) * self.activations

    def __str__(self) -> str:
        parts = sorted(vars(self).items(), key=lambda part: -part[1])
        said = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in parts)
        return f"about {self.total / 1e9:.2f} GB: {said}"

    def refuse_beyond(self, available: int | None) -> None:
        """Raise TooBig where the estimate is over the bytes that are free; None: not known, nothing is refused."""
        if available is not None and self.total > available:
            raise TooBig(
                f"training would take {self}, but {available / 1e9:.2f} GB are free",
                where="memory",
                mend="lower batch_size, take the batch in pieces (accumulate), or choose a smaller network",
            )


def estimate_memory(trainer: Trainer, task: Task, batches: Batches, *, pieces: int = 1) -> MemoryEstimate:
    """Bytes that `trainer.fit(task, batches)` will take; measured on a copy with a few examples, on the CPU, in float32.

    pieces: that the gradient rule takes a batch in (`rules.Accumulated`).

    >>> from matweave.deep import nn
    >>> from matweave.train.losses import make_loss
    >>> from matweave.train.task import Supervised
    >>> task = Supervised(nn.Linear(100, 10), make_loss("mse"))
    >>> data = InMemory([torch.zeros(64, 100), torch.zeros(64, 10)], batch_size=32)
    >>> estimate_memory(Trainer(optimizer="sgd"), task, data).weights
    4040
    """
    with seeded(trainer.seed, "estimate"):
        trial = copied(task)
        trial.module.train()
        whole = batches.batch(0, 0)
        few = tuple(tensor[:_SAMPLE].cpu() for tensor in whole)
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = trial.loss(few)
        learned = [p for p in trial.module.parameters() if p.requires_grad]
        own = {t.untyped_storage().data_ptr() for t in (*learned, *trial.module.state_dict().values(), *few)}
        activations = sum(size for at, size in kept.items() if at not in own)
        value.backward()
        optimizer = make_optimizer(
            trainer.optimizer,
            trial.module,
            learning_rate=trainer.learning_rate,
            weight_decay=trainer.weight_decay,
            momentum=trainer.momentum,
        )
        optimizer.step()
    held = batches.tensors if isinstance(batches, InMemory) else whole
    return MemoryEstimate(
        weights=sum(t.nbytes for t in trial.module.state_dict().values()),
        gradients=sum(p.nbytes for p in learned),
        optimizer=sum(a.nbytes for a in state_arrays(optimizer).values()),
        activations=activations * -(-len(whole[0]) // pieces) // len(few[0]),
        data=sum(t.nbytes for t in held),
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that may be taken on a device; None where the system does not tell.

    >>> free = free_memory(torch.device("cpu"))
    >>> free is None or free > 0
    True
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [free for free in (_system_free(), _cgroup_free()) if free is not None]
    return min(found) if found else None


def _system_free() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def _cgroup_free(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a cgroup v2 or v1 leaves; pages of files that were not used lately are given back when they are needed."""
    for folder, limit, used, idle in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max(0, left + int(stat.get(idle, 0)))
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return None


def copied(task: Task) -> Task:
    """The same task with a module of its own, on the CPU, so that a trial changes nothing."""
    trial = copy.copy(task)
    trial.module = copy.deepcopy(task.module).cpu()
    return trial
