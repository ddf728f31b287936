"""Where a loss that is not a number began: planted in inputs, targets, weights, a layer, and the loss itself."""

from __future__ import annotations

import pytest
from by_hand.training import blobs, mlp

from matweave.deep import Tensor, nn, torch
from matweave.errors import Diverged
from matweave.train.guard import not_finite
from matweave.train.losses import make_loss
from matweave.train.task import Batch, Supervised


def told(module: nn.Module, batch: Batch, loss: str = "cross_entropy", step: int = 1234) -> Diverged:
    return not_finite(module, batch, Supervised(module, make_loss(loss)).loss, step)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_inputs(bad: float) -> None:
    x, y = blobs(8)
    x[2, 1] = x[2, 3] = x[7, 0] = bad
    error = told(mlp(), (x, y))
    assert error.what == (
        "the loss is not a finite number at step 1,234: "
        "the inputs of the batch hold NaN or infinity in 2 of 8 examples"
    )
    assert (error.where, "clean the data" in error.mend) == ("training", True)


def test_inputs_of_one_dimension() -> None:
    error = told(nn.Unflatten(0, (3, 1)), (torch.tensor([0.0, torch.nan, 1.0]), torch.zeros(3)), "mse")
    assert "the inputs of the batch hold NaN or infinity in 1 of 3 examples" in error.what


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_targets(shape: tuple[int, ...]) -> None:
    y = torch.zeros(shape)
    y[1] = torch.nan
    error = told(nn.Linear(3, shape[-1] if len(shape) > 1 else 1), (torch.ones(4, 3), y), "mse")
    assert "the targets of the batch hold NaN or infinity in 1 of 4 examples" in error.what


def test_weights() -> None:
    module = mlp()
    with torch.no_grad():
        module[2].bias[1] = torch.inf  # pyright: ignore[reportIndexIssue, reportArgumentType]
        module[2].weight[0] = torch.nan  # pyright: ignore[reportIndexIssue, reportArgumentType]
    error = told(module, blobs(4))
    assert "the weights 2.weight are no longer finite (and 1 more)" in error.what
    assert "learning_rate" in error.mend
    assert "clip" in error.mend


class Roots(nn.Module):
    """Not a number below zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


def test_the_first_layer_in_order_of_work() -> None:
    inner = nn.Sequential(nn.Linear(2, 2), Roots())
    module = nn.Sequential(nn.Identity(), inner, nn.Linear(2, 3))
    with torch.no_grad():
        inner[0].weight.fill_(-1.0)  # pyright: ignore[reportCallIssue]
    error = told(module, (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64)))
    assert "the layer 1.1 (Roots) is the first to give numbers that are not finite" in error.what
    assert all(not part._forward_hooks for part in module.modules())  # nothing is left behind


def test_a_module_that_is_one_layer() -> None:
    error = told(Roots(), (-torch.ones(4, 2), torch.zeros(4, 2)), "mse")
    assert "the layer Roots is the first" in error.what


def test_a_layer_of_several_outputs() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.RNN(2, 2, nonlinearity="relu", batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.cell(x)[1][0]

    module = Last()
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(1e30)
    error = told(module, (torch.ones(3, 4, 2), torch.zeros(3, 2)), "mse")
    assert "the layer cell (RNN) is the first" in error.what


def test_the_loss_itself() -> None:
    error = told(nn.Identity(), (torch.full((2, 1), 1e30), torch.full((2, 1), -1e30)), "mse")
    assert "outputs and targets are finite, the loss of them is not" in error.what
    assert "scale of the targets" in error.mend


def test_codes_and_lengths_are_not_looked_at_as_numbers() -> None:
    class Taken(nn.Module):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return x.float().sum(1, keepdim=True) / (lengths - lengths)[:, None]

    error = told(Taken(), (torch.ones(2, 3, dtype=torch.int64), torch.tensor([1, 2]), torch.zeros(2)), "mse")
    assert "the layer Taken" in error.what
