"""The memory estimate against counting by hand, and what is free by pretended systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from by_hand.states import arrays_equal
from by_hand.training import blobs, images, mlp

from matweave.deep import nn, torch
from matweave.errors import TooBig
from matweave.train import estimate
from matweave.train.batches import InMemory
from matweave.train.estimate import MemoryEstimate, estimate_memory, free_memory
from matweave.train.losses import make_loss
from matweave.train.run import arrays_of
from matweave.train.task import Supervised
from matweave.train.trainer import Trainer

MB = 10**6


def estimated(
    module: nn.Module, data: Any, size: int | None = 64, optimizer: str = "adam", **more: Any
) -> Any:
    task = Supervised(module, make_loss("cross_entropy"))
    trainer = Trainer(optimizer=optimizer, device="cpu")
    return estimate_memory(trainer, task, InMemory(data, batch_size=size), **more)


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(100, 300), nn.ReLU(), nn.Linear(300, 3))


def test_a_dense_network_by_hand() -> None:
    x, y = blobs(256, size=100)
    told = estimated(dense(), (x, y))
    parameters = 100 * 300 + 300 + 300 * 3 + 3
    assert told.weights == told.gradients == 4 * parameters
    assert told.optimizer == pytest.approx(8 * parameters, rel=0.001)  # and a few counters
    assert told.data == 256 * (100 * 4 + 8)
    kept = 64 * 4 * (300 + 3)  # what ReLU gives, and what softmax gives
    assert kept <= told.activations < 1.1 * kept
    assert told.total == pytest.approx(16 * parameters + told.data + 2 * told.activations, rel=0.001)


def test_a_convolutional_network_by_hand() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(144, 3),
    )
    told = estimated(module, images(200), optimizer="momentum")
    parameters = 2 * 16 * 9 + 16 + 2 * 16 + 144 * 3 + 3
    assert told.gradients == 4 * parameters
    assert told.weights == 4 * parameters + 2 * 16 * 4 + 8  # running mean and variance, and a counter
    assert told.optimizer == 4 * parameters + 8
    maps = 16 * 36
    kept = 64 * (
        4 * maps + 4 * maps + 8 * maps // 4 + 4 * maps // 4 + 4 * 3
    )  # before and after normalization; places, pooled
    assert 0.95 * kept < told.activations < 1.2 * kept


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_optimizers_keep_copies_of_the_weights(optimizer: str, copies: int) -> None:
    told = estimated(dense(), blobs(64, size=100), optimizer=optimizer)
    assert told.optimizer == pytest.approx(copies * told.weights, abs=100)


def test_activations_grow_with_the_batch_and_shrink_with_its_pieces() -> None:
    data = blobs(256, size=100)
    whole = estimated(dense(), data, None)
    assert whole.activations == 8 * estimated(dense(), data, 32).activations
    assert estimated(dense(), data, None, pieces=8).activations == whole.activations // 8
    assert estimated(dense(), data, None, pieces=1000).activations == whole.activations // 256
    assert whole.weights == estimated(dense(), data, 32).weights


def test_weights_that_are_not_learned_are_not_taken_for_activations() -> None:
    module, data = dense(), blobs(256, size=100)
    before = estimated(module, data).activations
    module[0].weight.requires_grad_(False)  # pyright: ignore[reportIndexIssue]
    module[2].weight.requires_grad_(False)  # pyright: ignore[reportIndexIssue]
    told = estimated(module, data)
    assert told.gradients == 4 * 303
    assert told.activations <= before


def test_fewer_examples_than_the_sample() -> None:
    assert estimated(dense(), blobs(3, size=100), None).activations > 0
    assert estimated(dense(), blobs(9, size=100), 1).activations > 0


def test_the_task_and_the_callers_draws_are_as_before() -> None:
    module = mlp(dropout=0.3).eval()
    before, draws = arrays_of(module), torch.get_rng_state()
    estimated(module, blobs(20), optimizer="soap", size=10)
    assert arrays_equal(arrays_of(module), before)
    assert all(p.grad is None for p in module.parameters())
    assert not module.training
    assert torch.equal(torch.get_rng_state(), draws)


def test_batches_of_another_kind_are_counted_by_one_of_them() -> None:
    class One:
        examples, steps_per_epoch = 1000, 100

        def batch(self, epoch: int, at: int) -> Any:
            return blobs(10)

        def to(self, device: torch.device) -> None:
            return None

    told = estimate_memory(Trainer(device="cpu"), Supervised(mlp(), make_loss("cross_entropy")), One())
    assert told.data == 10 * (5 * 4 + 8)


# too big


def test_what_does_not_fit_is_refused_with_the_mend() -> None:
    needed = MemoryEstimate(weights=MB, gradients=MB, optimizer=2 * MB, activations=100 * MB, data=6 * MB)
    assert needed.total == 210 * MB
    needed.refuse_beyond(210 * MB)
    needed.refuse_beyond(None)
    with pytest.raises(TooBig, match=r"about 0\.21 GB: activations 0\.10, .* but 0\.21 GB are free") as error:
        needed.refuse_beyond(210 * MB - 1)
    assert "accumulate" in error.value.mend


# what is free

GB = 1 << 30


def system(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


V2 = {
    "memory.max": f"{8 * GB}\n",
    "memory.current": f"{5 * GB}\n",
    "memory.stat": f"anon 1\ninactive_file {GB}\n",
}
V1 = {
    "memory/memory.limit_in_bytes": f"{8 * GB}\n",
    "memory/memory.usage_in_bytes": f"{5 * GB}\n",
    "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {GB}\n",
}


@pytest.mark.parametrize("files", [V2, V1])
def test_a_group_leaves_what_is_not_used_and_idle_pages_of_files(
    files: dict[str, str], tmp_path: Path
) -> None:
    assert estimate._cgroup_free(system(tmp_path, files)) == 4 * GB


@pytest.mark.parametrize("text", ["max\n", ""])
def test_a_group_without_a_limit_tells_nothing(text: str, tmp_path: Path) -> None:
    assert estimate._cgroup_free(system(tmp_path, {**V2, "memory.max": text})) is None
    assert estimate._cgroup_free(tmp_path / "nothing") is None


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {**V2, "memory.max": "5\n", "memory.stat": "anon 3\n"}
    assert estimate._cgroup_free(system(tmp_path, files)) == 0


@pytest.mark.parametrize(
    ("machine", "group", "free"), [(9, 4, 4), (3, 4, 3), (None, 4, 4), (9, None, 9), (None, None, None)]
)
def test_the_least_of_machine_and_group_is_free(
    machine: int | None, group: int | None, free: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_system_free", lambda: machine)
    monkeypatch.setattr(estimate, "_cgroup_free", lambda: group)
    assert free_memory(torch.device("cpu")) == free


def test_a_card_tells_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 80))
    assert free_memory(torch.device("cuda")) == 7


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path) -> str:
        raise FileNotFoundError

    free = estimate._system_free()
    assert free is None or free > MB
    monkeypatch.setattr(Path, "read_text", missing)
    assert estimate._system_free() is None
