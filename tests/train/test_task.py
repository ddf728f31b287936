"""Tasks: what the loop may ask of one, and inputs and targets as the usual case."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand.training import blobs, measure, mlp

from matweave.deep import Tensor, functional, nn, torch
from matweave.errors import ConfigError
from matweave.train.losses import make_loss
from matweave.train.task import Supervised, Task, outputs_of


class OnlyLoss(Task):
    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        return batch[0].mean()


def test_a_task_needs_only_a_module_and_a_loss() -> None:
    task = OnlyLoss()
    assert task.validate() == {}
    assert (task.measure, task.higher_is_better) == ("", False)
    assert task.to(torch.device("cpu")) is None
    with pytest.raises(TypeError, match="abstract"):
        Task()  # pyright: ignore[reportAbstractUsage]


class Ragged(nn.Module):
    """The mean of the first `lengths` steps."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        real = torch.arange(x.shape[1]) < lengths[:, None]
        return (x * real).sum(1, keepdim=True) / lengths[:, None]


def test_all_but_the_last_tensor_go_to_the_module() -> None:
    x, lengths, y = torch.tensor([[1.0, 3.0], [5.0, 9.0]]), torch.tensor([2, 1]), torch.tensor([2.0, 6.0])
    task = Supervised(Ragged(), make_loss("mse"))
    assert task.loss((x, lengths, y)).item() == 0.5  # (2 - 2)² and (5 - 6)²
    assert task.validate() == {}


@pytest.mark.parametrize("piece", [1, 2, 4, 9, 100])
def test_validation_in_pieces_is_validation_of_the_whole(piece: int) -> None:
    module, (x, y) = mlp(dropout=0.5).eval(), blobs(9)
    seen: list[tuple[Tensor, Tensor]] = []

    def measures(outputs: Tensor, targets: Tensor) -> dict[str, float]:
        seen.append((outputs, targets))
        return measure(outputs, targets)

    task = Supervised(
        module,
        make_loss("cross_entropy"),
        validation=[x, y],
        measures=measures,
        measure="accuracy",
        piece=piece,
    )
    with torch.no_grad():
        whole = module(x)
    told = task.validate()
    torch.testing.assert_close(seen[0][0], whole)
    assert torch.equal(seen[0][1], y)
    assert told["log_loss"] == pytest.approx(float(functional.cross_entropy(whole, y)), rel=1e-6)


def test_validation_moves_with_the_task_and_its_own_sequence_stays() -> None:
    given = [*blobs(4)]
    task = Supervised(nn.Identity(), make_loss("mse"), validation=given, measures=measure)
    task.to(torch.device("meta"))
    assert task.validation is not None
    assert [t.device.type for t in task.validation] == ["meta", "meta"]
    assert [t.device.type for t in given] == ["cpu", "cpu"]


MISSING: dict[str, tuple[dict[str, Any], str]] = {
    "measures": ({"validation": blobs(3)}, "validation given without measures"),
    "validation": ({"measures": measure}, "measures given without validation"),
    "both": ({"measure": "accuracy"}, "measure given without validation and measures"),
}


@pytest.mark.parametrize("case", MISSING)
def test_half_of_a_validation_is_refused(case: str) -> None:
    settings, told = MISSING[case]
    with pytest.raises(ConfigError, match=told):
        Supervised(nn.Identity(), make_loss("mse"), **settings)


# outputs


def test_outputs_are_made_without_gradients_in_the_mode_the_module_is_in() -> None:
    module = nn.Dropout(0.5)
    x = torch.ones(64, 2, requires_grad=True)
    assert not outputs_of(module.eval(), [x]).requires_grad
    assert torch.equal(outputs_of(module, [x]), x)
    assert not torch.equal(outputs_of(module.train(), [x]), x)


@pytest.mark.parametrize(("given", "told"), [("float64", "float64"), ("bfloat16", "float32")])
def test_outputs_keep_their_precision_or_gain(given: str, told: str) -> None:
    x = torch.rand(5, 1, dtype=torch.float64).to(getattr(torch, given))
    made = outputs_of(nn.Identity(), [x], piece=2)
    assert made.dtype is getattr(torch, told)
    assert torch.equal(made, x.to(made.dtype))


def test_outputs_of_no_examples_have_the_shape_of_outputs() -> None:
    assert outputs_of(nn.Linear(3, 2), [torch.zeros(0, 3)]).shape == (0, 2)


def test_pieces_hold_no_more_than_was_asked() -> None:
    sizes: list[int] = []
    module = nn.Identity()
    module.register_forward_hook(lambda m, inputs, output: sizes.append(len(output)))
    outputs_of(module, [torch.zeros(7, 1)], piece=3)
    assert sizes == [3, 3, 1]


def test_pieces_of_large_examples_are_small() -> None:
    seen: list[int] = []
    module = nn.Identity()
    module.register_forward_hook(lambda part, inputs, output: seen.append(len(inputs[0])))
    outputs_of(module, [torch.zeros(5, 1 << 21)])
    assert seen == [2, 2, 1]  # four million numbers at once
    seen.clear()
    outputs_of(module, [torch.zeros(1030, 1)])
    assert seen == [1024, 6]
