"""The multinomial loss against torch's own in float64, blocks of every size, and gradients."""

from __future__ import annotations

import pytest
import torch

from matweave.neural.multinomial import LastLayer, multinomial_loss

COUNTS = torch.tensor([2, 0, 3, 1, 4])
CODES = torch.tensor([0, 4, 1, 2, 6, 3, 0, 1, 5, 6])


def drawn() -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (5, 4), (7, 4), (7,)
    return [torch.randn(*shape, dtype=torch.float64).requires_grad_() for shape in shapes]


def wanted(h: torch.Tensor, table: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    x = torch.zeros(5, 7, dtype=torch.float64)
    x[torch.repeat_interleave(torch.arange(5), COUNTS), CODES] = 1
    return -(torch.log_softmax(h @ table.T + bias, 1) * x).sum(1).mean()


@pytest.mark.parametrize("cells", [1, 7, 14, 25, 1 << 20])
def test_loss_and_gradients_are_those_of_the_dense_rows(cells):
    mine, theirs = drawn(), drawn()
    loss = multinomial_loss(*mine, COUNTS, CODES, cells=cells)
    (3 * loss).backward()
    dense = wanted(*theirs)
    (3 * dense).backward()
    torch.testing.assert_close(loss, dense)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_gradients_numerically():
    assert torch.autograd.gradcheck(lambda *sides: multinomial_loss(*sides, COUNTS, CODES, cells=14), drawn())


@pytest.mark.parametrize("still", [0, 1, 2])
def test_a_side_that_stands_still_has_no_gradient_and_the_others_theirs(still):
    mine, theirs = drawn(), drawn()
    mine[still].requires_grad_(False)
    multinomial_loss(*mine, COUNTS, CODES).backward()
    wanted(*theirs).backward()
    for at, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        if at == still:
            assert one.grad is None
        else:
            torch.testing.assert_close(one.grad, other.grad)


def test_large_scores_do_not_overflow():
    h, table = torch.full((1, 1), 1e4), torch.tensor([[1.0], [-1.0]])
    loss = multinomial_loss(h, table, torch.zeros(2), torch.tensor([1]), torch.tensor([1]))
    assert loss.item() == pytest.approx(2e4)


@pytest.mark.parametrize("rank", [None, 2])
def test_the_last_layer_scores_as_its_rows_and_table_do(rank):
    layer = LastLayer(7, 4, rank=rank, std=1.0)
    h = torch.randn(5, 4)
    table, bias = layer.item_table()
    whole = h @ layer.table.whole().T + layer.bias
    torch.testing.assert_close(layer.row(h) @ table.T + bias, whole)
    layer.loss(h, COUNTS, CODES).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
    assert table.shape[1] == (4 if rank is None else 2)


def test_a_low_rank_table_may_stand_still_whole():
    layer = LastLayer(7, 4, rank=2, std=1.0)
    h = torch.randn(5, 4, requires_grad=True)
    layer.row(h, still=True).sum().backward()
    assert layer.table.right.grad is None
    assert h.grad is not None
