"""State to arrays and back: a run that stops goes on bit for bit; what does not fit is refused, all of it told."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.deep import functional, generator, nn, seeded, torch
from matweave.errors import ArtifactError
from matweave.train.optimizer_state import load_state_arrays, state_arrays
from matweave.train.optimizers import OPTIMIZERS, make_optimizer, set_rate


class Net(nn.Module):
    """Convolutions, a recurrence and dense layers, so that every route of muon and soap is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1)
        )
        self.cell = nn.GRU(6, 5, batch_first=True)
        self.unused = nn.Linear(3, 3)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cell(self.body(x).mean(-1).mT)[0][:, -1])


def net(layout: torch.memory_format) -> Net:
    with seeded(5, "net"):
        return Net().to(memory_format=layout)


def train(module: Net, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        random = generator(1, step)
        x = torch.randn(8, 1, 6, 6, generator=random)
        y = torch.randint(3, (8,), generator=random)
        set_rate(optimizer, 1 / (1 + step))
        optimizer.zero_grad()
        functional.cross_entropy(module(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_stops_goes_on_bit_for_bit(name, layout):
    unbroken = net(layout)
    optimizer = make_optimizer(name, unbroken, weight_decay=0.1)
    train(unbroken, optimizer, range(12))
    weights = {k: v.numpy(force=True).copy() for k, v in unbroken.state_dict().items()}
    arrays = state_arrays(optimizer)
    train(unbroken, optimizer, range(12, 24))

    resumed = net(layout)
    again = make_optimizer(name, resumed, weight_decay=0.1)
    for key, value in resumed.state_dict().items():
        value.copy_(torch.tensor(weights[key]))
    load_state_arrays(again, arrays)
    train(resumed, again, range(12, 24))
    for (key, a), b in zip(unbroken.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    ends = state_arrays(optimizer), state_arrays(again)
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(ends[0][k], ends[1][k]) for k in ends[0])
    assert len(arrays) > 1 or name in ("gd", "sgd")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_before_the_first_step_there_is_only_the_rate(name):
    module = net(torch.contiguous_format)
    optimizer = make_optimizer(name, module)
    arrays = state_arrays(optimizer)
    assert list(arrays) == ["lr"]
    set_rate(optimizer, 0.25)
    train(module, optimizer, range(2))
    load_state_arrays(optimizer, arrays)
    assert list(state_arrays(optimizer)) == ["lr"]
    assert optimizer.param_groups[0]["lr"] == OPTIMIZERS[name].learning_rate


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arrays_and_state_share_no_memory(name):
    module = net(torch.contiguous_format)
    optimizer = make_optimizer(name, module)
    train(module, optimizer, range(3))
    arrays = state_arrays(optimizer)
    kept = {k: v.copy() for k, v in arrays.items()}
    load_state_arrays(optimizer, arrays)
    train(module, optimizer, range(3, 6))
    assert all(np.array_equal(arrays[k], kept[k]) for k in kept)


def trained(name: str) -> tuple[torch.optim.Optimizer, dict[str, np.ndarray]]:
    module = net(torch.contiguous_format)
    optimizer = make_optimizer(name, module)
    train(module, optimizer, range(2))
    return optimizer, state_arrays(optimizer)


def test_what_does_not_fit_is_told_together_and_nothing_changes():
    optimizer, arrays = trained("adam")
    broken = dict(arrays)
    broken["99.exp_avg"] = broken.pop("0.exp_avg")
    broken["1.exp_avg"] = np.zeros((9, 9), np.float32)
    broken["2.exp_avg_sq"] = arrays["2.exp_avg_sq"].astype(np.float64)
    broken["3.left"] = np.zeros(3, np.float32)
    broken["lr"] = np.zeros(7)
    with pytest.raises(ArtifactError) as caught:
        load_state_arrays(optimizer, broken)
    for told in [
        "99.exp_avg belongs to no parameter",
        "0.exp_avg is missing",
        "1.exp_avg is float32 9 x 9, but must be float32 4",
        "2.exp_avg_sq is float64 4, but must be float32 4",
        "'3.left': the optimizer keeps no such state",
        "lr is not one number for each of 1 groups",
    ]:
        assert told in str(caught.value)
    after = state_arrays(optimizer)
    assert all(np.array_equal(after[k], arrays[k]) for k in arrays)


@pytest.mark.parametrize(
    ("saved", "into"), [("adam", "sgd"), ("momentum", "adam"), ("adamw", "soap"), ("muon", "soap")]
)
def test_the_state_of_another_optimizer_is_refused(saved, into):
    arrays = trained(saved)[1]
    with pytest.raises(ArtifactError, match="does not fit"):
        load_state_arrays(trained(into)[0], arrays)
    with pytest.raises(ArtifactError, match="lr is not one number"):
        load_state_arrays(trained(into)[0], {})


@pytest.mark.parametrize("name", ["adam", "muon", "soap"])
def test_ten_problems_are_named_and_the_rest_counted(name):
    optimizer, arrays = trained(name)
    with pytest.raises(ArtifactError, match=r"\(\+\d+ more\)"):
        load_state_arrays(optimizer, {k: v.astype(np.float16) for k, v in arrays.items()})
