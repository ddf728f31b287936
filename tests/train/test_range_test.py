"""The range test on planted quadratics, whose curvature says which rates can work."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from by_hand.states import arrays_equal
from by_hand.training import blobs, mlp

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError, Diverged
from matweave.train.batches import InMemory
from matweave.train.losses import make_loss
from matweave.train.range_test import RangeTest, range_test
from matweave.train.rules import Plain
from matweave.train.run import arrays_of
from matweave.train.task import Batch, Supervised
from matweave.train.trainer import Trainer


def quadratic(curvature: float = 2.0) -> tuple[Supervised, InMemory]:
    """Mean of (w √(c/2) - y)²: its second derivative is c, and w begins at 3."""
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(3.0)
    x = torch.full((8, 1), math.sqrt(curvature / 2))
    return Supervised(module, make_loss("mse")), InMemory([x, torch.zeros(8, 1)], batch_size=4)


def found(curvature: float = 2.0, optimizer: str = "sgd", **settings: Any) -> RangeTest:
    return range_test(Trainer(optimizer=optimizer, device="cpu"), *quadratic(curvature), **settings)


@pytest.mark.parametrize("curvature", [0.02, 2.0, 500.0])
def test_the_rate_found_is_one_that_works(curvature: float) -> None:
    rate = found(curvature).suggested
    assert 0.01 / curvature < rate < 2 / curvature  # at 2 / c gradient descent begins to swing
    # from 3, a hundred steps of it come near the bottom
    assert abs(1 - rate * curvature) ** 100 < 0.1


def test_scaled_inputs_scale_the_rate() -> None:
    plain = found(2.0, low=1e-5, high=10.0)
    scaled = found(200.0, low=1e-7, high=0.1)
    assert scaled.suggested == pytest.approx(plain.suggested / 100, rel=1e-5)
    np.testing.assert_allclose(scaled.losses, 100 * np.array(plain.losses), rtol=1e-3)


def test_the_losses_are_those_of_the_steps() -> None:
    steps, low, high = 20, 1e-3, 0.5
    told = found(low=low, high=high, steps=steps)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    np.testing.assert_allclose(told.rates, rates, rtol=1e-12)
    w, mean = 3.0, 0.0
    for at, rate in enumerate(rates):
        mean = 0.9 * mean + 0.1 * w**2
        assert told.losses[at] == pytest.approx(mean / (1 - 0.9 ** (at + 1)), rel=1e-4)
        w -= rate * 2 * w


def test_half_of_the_fall_is_done_at_the_rate_suggested() -> None:
    told = found()
    losses, first = np.array(told.losses), 20
    level, least = np.median(losses[:first]), losses.min()
    at = told.rates.index(told.suggested)
    assert losses[at] <= (level + least) / 2 < losses[at - 1]
    assert at >= first


def test_it_ends_where_the_loss_blows_up() -> None:
    told = found(high=1e4)
    assert len(told.rates) == len(told.losses) < 100
    assert told.losses[-1] > 4 * min(told.losses)
    assert all(a <= 4 * min(told.losses[: n + 1]) for n, a in enumerate(told.losses[:-1]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_it_ends_where_the_loss_is_no_number(bad: float) -> None:
    planted = iter([*(1.0 / n for n in range(1, 16)), bad])
    told = found(steps=40, rule=lambda task, batch, loss: torch.tensor(next(planted)))
    assert len(told.losses) == len(told.rates) == 15
    assert told.suggested < told.rates[-1]


def test_the_task_and_the_callers_draws_are_as_before() -> None:
    module = mlp(dropout=0.3).eval()
    task = Supervised(module, make_loss("cross_entropy"))
    before, draws, threads = arrays_of(module), torch.get_rng_state(), torch.get_num_threads()
    batches = InMemory(blobs(40), batch_size=8)
    trainer = Trainer(optimizer="adam", device="cpu", seed=3)
    told = range_test(trainer, task, batches, steps=40)
    assert task.module is module
    assert arrays_equal(arrays_of(module), before)
    assert all(p.grad is None for p in module.parameters())
    assert not module.training
    assert torch.equal(torch.get_rng_state(), draws)
    assert torch.get_num_threads() == threads
    assert range_test(trainer, task, batches, steps=40) == told


def test_the_rule_handed_in_is_used() -> None:
    seen: list[int] = []

    class Counted:
        def __call__(self, task: Any, batch: Batch, loss: Callable[[Batch], Tensor]) -> Tensor:
            seen.append(len(batch[0]))
            return Plain()(task, batch, loss)

    found(steps=12, high=0.1, rule=Counted())
    assert seen == [4] * 12


def test_what_the_task_holds_is_moved() -> None:
    moved: list[str] = []

    class Noting(Supervised):  # pyright: ignore[reportGeneralTypeIssues]
        def to(self, device: torch.device) -> None:
            moved.append(device.type)

    task, batches = quadratic()
    range_test(Trainer(optimizer="sgd", device="cpu"), Noting(task.module, task.loss_of), batches)
    assert moved == ["cpu"]


@pytest.mark.parametrize(
    "settings",
    [
        {"low": 0.0},
        {"low": -1.0},
        {"low": 1.0, "high": 1.0},
        {"low": 2.0, "high": 1.0},
        {"high": math.inf},
        {"low": math.nan},
        {"steps": 9},
    ],
)
def test_a_range_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs 0 < low < high and 10 steps"):
        found(**settings)


@pytest.mark.parametrize("settings", [{"low": 1e3, "high": 1e6}, {"low": 1e-12, "high": 1e-10}])
def test_no_rate_that_lowers_the_loss_is_told(settings: dict[str, Any]) -> None:
    with pytest.raises(Diverged, match="no learning rate of the range lowered the loss"):
        found(**settings)


def test_data_that_are_not_numbers_are_told() -> None:
    task, batches = quadratic()
    batches.tensors[0].fill_(torch.nan)
    with pytest.raises(Diverged, match="no learning rate") as error:
        range_test(Trainer(optimizer="sgd", device="cpu"), task, batches)
    assert "scale of inputs" in error.value.mend
