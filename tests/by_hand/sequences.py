"""What tests of sequence methods share: planted walks, weights drawn wide, and a forward pass in float64."""

from __future__ import annotations

import numpy as np

import matweave as mw
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.deep import Tensor, nn, torch


def walks(users: int = 120, items: int = 24, steps: int = 9) -> Interactions:
    """Item i is followed by i + 1, round and round; every user starts somewhere, at a time of its own."""
    rng = np.random.default_rng(3)
    start = rng.integers(0, items, users)
    codes = (start[:, None] + np.arange(steps)) % items
    times = rng.integers(0, 1000, users)[:, None] + np.arange(steps)
    order = rng.permutation(codes.size)  # rows of a log stand in any order
    who = np.repeat(np.arange(users), steps)
    return Interactions.from_codes(who[order], codes.ravel()[order], times=times.ravel()[order])


def learned(recipe: object) -> float:
    """How often the item after a planted walk is first on the list."""
    split = mw.split_leave_last_out(walks(), valid=0)
    model = recipe.fit(split.train)
    found = mw.evaluate(model, split.test, metrics=["hit_rate@1"], resamples=10)
    return found.metrics["hit_rate@1"].mean


def histories(*rows: list[int], n_items: int) -> Csr:
    """A matrix of histories that happened in the order given."""
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], np.int64)
    log = Interactions.from_codes(
        owners, items, times=np.arange(len(items)), n_users=len(rows), n_items=n_items
    )
    return log.histories


def drawn_rows(counts: list[int], n_items: int, seed: int = 0) -> list[list[int]]:
    """Histories of these lengths, without repeats."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_items)[:n].tolist() for n in counts]


def widened(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in float64 and eval mode with every weight drawn N(0, 0.6²), so that no part of it is silent."""
    drawn = torch.Generator()
    drawn.manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=drawn) * 0.6)
    return module.double().eval()


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Its weights by name."""
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def tensors(arrays: object) -> tuple[Tensor, ...]:
    """NumPy arrays as tensors."""
    return tuple(torch.from_numpy(np.asarray(a)) for a in arrays)


def packed_rows(rows: list[list[int]], length: int) -> tuple[Tensor, ...]:
    """inputs, slots, positions and lengths of histories, as batches give them, by plain loops."""
    longest = max(len(row) for row in rows)
    inputs, slots, positions = [], [], []
    for b, row in enumerate(rows):
        for t, item in enumerate(row):
            inputs.append(item)
            slots.append(b * longest + t)
            positions.append(length - len(row) + t)
    return tensors([inputs, slots, positions, [len(row) for row in rows]])


def without_gradient(module: nn.Module, loss: Tensor) -> list[str]:
    """Names of the weights that a loss does not reach."""
    loss.backward()
    return [n for n, p in module.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
