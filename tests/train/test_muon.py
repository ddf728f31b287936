"""Muon: against torch.optim.Muon bit for bit, a slow twin in float64, rotations, a planted problem."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import muon as by_hand

from matweave.deep import Tensor, functional, generator, nn, torch
from matweave.train.matrix_optimizer import MatrixOptimizer
from matweave.train.muon import Muon, orthogonalize


class Matrix(nn.Module):
    """One weight, stacked of `blocks` matrices."""

    def __init__(self, weight: Tensor, blocks: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.matrix_blocks = {"weight": blocks}


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=generator(seed, *shape), dtype=dtype)


def push(optimizer: torch.optim.Optimizer, p: Tensor, gradients: list[Tensor]) -> Tensor:
    for gradient in gradients:
        p.grad = torch.empty_like(p, requires_grad=False).copy_(gradient)
        optimizer.step()
    return p.detach()


def torchs(weight: Tensor, gradients: list[Tensor]) -> Tensor:
    """Where torch.optim.Muon leads a matrix."""
    p = nn.Parameter(weight.clone())
    theirs = torch.optim.Muon([p], lr=0.02, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    return push(theirs, p, gradients)


def ours(module: nn.Module, precision: str | None) -> Muon:
    return Muon(module, learning_rate=0.02, weight_decay=0.1, momentum=0.9, precision=precision)


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16), (2, 30)])
def test_a_matrix_is_moved_bit_for_bit_as_by_torch(shape):
    weight, gradients = draw(*shape), [draw(*shape, seed=s) for s in range(1, 7)]
    module = Matrix(weight.clone())
    found = push(ours(module, "bfloat16"), module.weight, gradients)
    assert torch.equal(found, torchs(weight, gradients))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(8, 6, 3, 3), (30, 2, 3, 2)])
def test_a_convolution_is_moved_bit_for_bit_as_its_flattened_matrix_by_torch(shape, layout):
    weight, gradients = draw(*shape), [draw(*shape, seed=s) for s in range(1, 7)]
    net = nn.Sequential(nn.Conv2d(2, shape[1], 1), nn.Conv2d(shape[1], shape[0], shape[2:]), nn.Linear(2, 2))
    net[1].weight.data.copy_(weight)
    net.to(memory_format=layout)
    found = push(ours(net, "bfloat16"), net[1].weight, gradients)
    flat = torchs(weight.flatten(1), [g.flatten(1) for g in gradients])
    assert torch.equal(found.flatten(1), flat)


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_in_float32_it_is_torchs_up_to_bfloat16(shape):
    weight, gradients = draw(*shape), [draw(*shape, seed=s) for s in range(1, 4)]
    module = Matrix(weight.clone())
    moved = push(ours(module, None), module.weight, gradients) - weight
    wanted = torchs(weight, gradients) - weight
    assert float((moved - wanted).norm() / wanted.norm()) < 0.05


@pytest.mark.parametrize("shape", [(5, 11), (11, 5), (6, 6), (7, 9)])
def test_against_the_slow_twin(shape):
    weight, gradients = (
        draw(*shape, dtype=torch.float64),
        [draw(*shape, seed=s, dtype=torch.float64) for s in range(1, 21)],
    )
    module = Matrix(weight.clone())
    found = push(ours(module, None), module.weight, gradients)
    wanted = by_hand.walk(weight.numpy(), [g.numpy() for g in gradients], rate=0.02, decay=0.1, momentum=0.9)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-11)


def test_gates_are_moved_one_by_one():
    weight, gradients = draw(12, 5), [draw(12, 5, seed=s) for s in range(1, 5)]
    whole = Matrix(weight.clone(), blocks=3)
    found = push(ours(whole, None), whole.weight, gradients)
    for gate in range(3):
        rows = slice(4 * gate, 4 * gate + 4)
        part = Matrix(weight[rows].clone())
        wanted = push(ours(part, None), part.weight, [g[rows] for g in gradients])
        torch.testing.assert_close(found[rows], wanted, rtol=0, atol=1e-6)
    together = Matrix(weight.clone())
    other = push(ours(together, None), together.weight, gradients)
    assert float((found - other).norm() / (other - weight).norm()) > 0.1


def rotation(n: int, seed: int) -> Tensor:
    return torch.linalg.qr(draw(n, n, seed=seed, dtype=torch.float64)).Q


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 6)])
def test_rotating_rows_and_columns_rotates_the_walk(shape):
    left, right = rotation(shape[0], 1), rotation(shape[1], 2)
    target, start = draw(*shape, seed=3, dtype=torch.float64), draw(*shape, seed=4, dtype=torch.float64)
    ends = []
    for turn in (lambda x: x, lambda x: left @ x @ right):
        module = Matrix(turn(start).clone())
        optimizer = ours(module, None)
        for _ in range(15):
            optimizer.zero_grad()
            (module.weight - turn(target)).pow(2).sum().backward()
            optimizer.step()
        ends.append(module.weight.detach())
    torch.testing.assert_close(left @ ends[0] @ right, ends[1], rtol=0, atol=1e-9)
    assert not torch.allclose(ends[0], start, atol=0.1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shape", [(3, 8, 20), (3, 20, 8), (2, 10, 10)])
def test_singular_values_are_near_one_whatever_the_scale(shape, scale):
    x = draw(*shape, dtype=torch.float64)
    values = torch.linalg.svdvals(orthogonalize(x * scale))
    strong = torch.linalg.svdvals(x) > 0.05 * torch.linalg.vector_norm(x, dim=(1, 2))[:, None]
    assert strong.sum() > 5 * shape[0]
    assert float(values[strong].min()) > 0.65
    assert float(values[strong].max()) < 1.25


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_zero_and_thin_matrices(precision):
    assert not orthogonalize(torch.zeros(1, 4, 9, dtype=precision)).any()
    thin = draw(1, 16, 2) @ draw(1, 2, 64)  # rank 2: what is zero stays small
    values = torch.linalg.svdvals(orthogonalize(thin.to(precision)).float())[0]
    assert float(values[:2].min()) > 0.6
    assert float(values[2:].max()) < (1e-3 if precision == torch.float32 else 1.0)


def loss_after(optimizer: torch.optim.Optimizer, module: Matrix, steps: int) -> float:
    """‖A (W - W*) B‖² with A and B of condition 30, so that the Hessian's is nearly a million."""
    scales = torch.logspace(0, -1.5, 12)
    a, b = rotation(12, 1).float() * scales, scales[:, None] * rotation(12, 2).float()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * (1 - step / steps)
        optimizer.zero_grad()
        (a @ (module.weight - draw(12, 12, seed=5)) @ b).pow(2).sum().backward()
        optimizer.step()
    return float((a @ (module.weight.detach() - draw(12, 12, seed=5)) @ b).pow(2).sum())


def best_of(make, rates: list[float]) -> float:
    found = []
    for rate in rates:
        module = Matrix(torch.zeros(12, 12))
        optimizer = make(module, rate)
        for group in optimizer.param_groups:
            group["base_lr"] = rate
        found.append(loss_after(optimizer, module, 150))
    return min(found)


def test_a_planted_ill_conditioned_problem_is_solved_far_better_than_by_sgd():
    sgd = best_of(
        lambda m, rate: torch.optim.SGD(m.parameters(), lr=rate, momentum=0.9), [0.02, 0.05, 0.1, 0.2, 0.4]
    )
    muon = best_of(lambda m, rate: Muon(m, learning_rate=rate), [0.03, 0.1, 0.3])
    assert sgd < 1
    assert muon < sgd / 3


def test_a_network_learns_with_both_rules_at_work():
    x, y = draw(200, 6), (draw(200, 6)[:, :3].sum(1) > 0).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = Muon(net, learning_rate=0.02)
    losses = []
    for _ in range(60):
        loss = functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 < 0.5 < losses[0]


def test_a_module_without_matrices_is_all_adamws():
    optimizer = Muon(nn.Sequential(nn.Linear(3, 2)), learning_rate=0.1)
    assert {group["rule"] for group in optimizer.param_groups} == {"adamw"}
    assert isinstance(optimizer, MatrixOptimizer)
