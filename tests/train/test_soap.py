"""SOAP: against a slow twin in float64, rotations, Adam where it must be Adam, a planted problem."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import soap as by_hand

from matweave.deep import Tensor, generator, nn, torch
from matweave.errors import Diverged
from matweave.train.soap import SOAP


class Matrix(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator(seed, *shape), dtype=dtype)


def push(optimizer: torch.optim.Optimizer, p: Tensor, gradients: list[Tensor]) -> Tensor:
    for gradient in gradients:
        p.grad = gradient.clone()
        optimizer.step()
    return p.detach()


def spread(n: int, seed: int) -> Tensor:
    """Symmetric, eigenvalues from 1 to 3."""
    turn = torch.linalg.qr(draw(n, n, seed=seed)).Q
    return turn * torch.linspace(1, 3, n, dtype=torch.float64) @ turn.mT


@pytest.mark.parametrize(("shape", "frequency"), [((6, 6), 1), ((6, 6), 10), ((5, 8), 10), ((8, 5), 3)])
def test_against_the_slow_twin(shape, frequency):
    target, a, b = draw(*shape, seed=1), spread(shape[0], 2), spread(shape[1], 3)

    def gradient(w: np.ndarray) -> np.ndarray:
        return (a @ (torch.from_numpy(w) - target) @ b).numpy()

    start = draw(*shape)
    module = Matrix(start.clone())
    optimizer = SOAP(module, learning_rate=0.02, weight_decay=0.1, precondition_frequency=frequency)
    bases = None
    for _ in range(35):
        module.weight.grad = torch.from_numpy(gradient(module.weight.detach().numpy()))
        optimizer.step()
        if bases is None:  # a first gradient of 5 x 8 leaves three of the right ones free
            state = optimizer.state[module.weight]
            bases = state["left_basis"].numpy().copy(), state["right_basis"].numpy().copy()
    settings = {"steps": 35, "rate": 0.02, "decay": 0.1, "frequency": frequency, "bases": bases}
    wanted = by_hand.walk(start.numpy(), gradient, **settings)
    # the second gradient is the first again, diagonal in its own bases: beside it, ε divides mere rounding
    np.testing.assert_allclose(module.weight.detach().numpy(), wanted, rtol=0, atol=1e-7)
    assert not np.allclose(wanted, start, atol=0.1)


def test_the_first_step_moves_no_matrix_but_biases():
    net = nn.Linear(4, 3)
    before = [p.detach().clone() for p in net.parameters()]
    optimizer = SOAP(net)
    net(torch.eye(4)).square().sum().backward()
    optimizer.step()
    assert torch.equal(net.weight, before[0])
    assert not torch.equal(net.bias, before[1])
    optimizer.step()
    assert not torch.equal(net.weight, before[0])


def test_a_convolution_is_its_flattened_matrix():
    weight, gradients = draw(6, 4, 3, 2), [draw(6, 4, 3, 2, seed=s) for s in range(1, 26)]
    conv, flat = Matrix(weight.clone()), Matrix(weight.flatten(1).clone())
    last = Matrix(weight.clone().to(memory_format=torch.channels_last))
    found = push(SOAP(conv), conv.weight, gradients)
    wanted = push(SOAP(flat), flat.weight, [g.flatten(1) for g in gradients])
    assert torch.equal(found.flatten(1), wanted)
    inner = [g.to(memory_format=torch.channels_last) for g in gradients]
    torch.testing.assert_close(push(SOAP(last), last.weight, inner), found, rtol=0, atol=1e-10)


def test_rotating_rows_and_columns_rotates_the_walk():
    left, right = (torch.linalg.qr(draw(6, 6, seed=n)).Q for n in (5, 7))
    gradients = [
        spread(6, 3) @ draw(6, 6, seed=s) for s in range(1, 31)
    ]  # of full rank: the bases are unique
    plain, turned = Matrix(draw(6, 6)), Matrix(left @ draw(6, 6) @ right)
    one = push(SOAP(plain), plain.weight, gradients)
    two = push(SOAP(turned), turned.weight, [left @ g @ right for g in gradients])
    torch.testing.assert_close(left @ one @ right, two, rtol=0, atol=1e-8)


def test_adam_is_not_equivariant_so_the_test_above_can_fail():
    left = torch.linalg.qr(draw(5, 5, seed=5)).Q
    gradients = [draw(5, 7, seed=s) for s in range(1, 31)]
    plain, turned = Matrix(draw(5, 7)), Matrix(left @ draw(5, 7))
    one = push(SOAP(plain, max_side=1), plain.weight, gradients)
    two = push(SOAP(turned, max_side=1), turned.weight, [left @ g for g in gradients])
    assert float((left @ one - two).abs().max()) > 0.01


def test_without_bases_it_is_adamw_one_step_later():
    gradients = [draw(5, 7, seed=s) for s in range(20)]
    mine, theirs = Matrix(draw(5, 7)), Matrix(draw(5, 7))
    optimizer = SOAP(mine, learning_rate=0.01, weight_decay=0.1, max_side=4)
    push(optimizer, mine.weight, gradients)
    adamw = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.95, 0.95), weight_decay=0.1)
    push(adamw, theirs.weight, gradients[1:])
    torch.testing.assert_close(mine.weight, theirs.weight, rtol=0, atol=1e-12)
    assert set(optimizer.state[mine.weight]) == {"step", "exp_avg", "exp_avg_sq"}


@pytest.mark.parametrize(("shape", "sides"), [((5, 9), {"left"}), ((9, 5), {"right"}), ((1, 5), {"right"})])
def test_a_long_side_keeps_the_identity(shape, sides):
    module = Matrix(draw(*shape))
    optimizer = SOAP(module, max_side=6)
    push(optimizer, module.weight, [draw(*shape, seed=s) for s in range(25)])
    state = optimizer.state[module.weight]
    assert {name for name in ("left", "right") if name in state} == sides
    wanted = optimizer.matrix_state(optimizer.param_groups[0], module.weight)
    assert {name: tuple(t.shape) for name, t in state.items()} == wanted


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_bases_stay_orthogonal_in_float32_whatever_the_scale_and_rank(scale):
    module = Matrix(torch.zeros(20, 30))
    optimizer = SOAP(module, precondition_frequency=1)
    mix = draw(3, 30, dtype=torch.float32)
    thin = [draw(20, 3, seed=s, dtype=torch.float32) @ mix * scale for s in range(40)]
    push(optimizer, module.weight, thin)
    state = optimizer.state[module.weight]
    for basis in (state["left_basis"], state["right_basis"]):
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis)), rtol=0, atol=1e-5)
    assert torch.isfinite(module.weight).all()
    share = (state["right_basis"].T @ mix.T).norm(dim=1)  # the gradients' own directions come first
    assert float(share[3:].max()) < 1e-3 * float(share[:3].max())


def test_gradients_of_zero_move_nothing():
    module = Matrix(draw(4, 5))
    before = module.weight.detach().clone()
    assert torch.equal(
        push(SOAP(module), module.weight, [torch.zeros(4, 5, dtype=torch.float64)] * 12), before
    )


def test_infinite_gradients_are_told():
    module = Matrix(draw(4, 5))
    with pytest.raises(Diverged, match="infinite or NaN"):
        push(SOAP(module), module.weight, [torch.full((4, 5), float("nan"), dtype=torch.float64)])
    with pytest.raises(Diverged, match="infinite or NaN"):
        push(SOAP(module), module.weight, [draw(4, 5), *[draw(4, 5) * torch.inf] * 10])


def test_the_same_bits_twice():
    ends = []
    for _ in range(2):
        module = Matrix(draw(12, 20, dtype=torch.float32))
        gradients = [draw(12, 20, seed=s, dtype=torch.float32) for s in range(30)]
        ends.append(push(SOAP(module), module.weight, gradients))
    assert torch.equal(*ends)


def loss_after(make, rate: float, steps: int = 150) -> float:
    """‖A (W - W*) B‖² with A and B of condition 30 and turned axes, from W = 0, the rate falling to 0."""
    turns = [torch.linalg.qr(draw(12, 12, seed=s)).Q for s in range(4)]
    scales = torch.logspace(0, -1.5, 12, dtype=torch.float64)
    a, b = turns[0] * scales @ turns[1], turns[2] * scales @ turns[3]
    target, module = draw(12, 12, seed=9), Matrix(torch.zeros(12, 12, dtype=torch.float64))
    optimizer = make(module, rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        (a @ (module.weight - target) @ b).pow(2).sum().backward()
        optimizer.step()
    return float((a @ (module.weight.detach() - target) @ b).pow(2).sum())


def test_a_planted_ill_conditioned_problem_is_solved_far_better_than_by_sgd_and_adam():
    def sgd(module: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)

    def adam(module: nn.Module, rate: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(module.parameters(), lr=rate, betas=(0.95, 0.95))

    soap = min(loss_after(lambda m, r: SOAP(m, learning_rate=r), rate) for rate in (0.03, 0.1, 0.3))
    assert soap < min(loss_after(sgd, rate) for rate in (0.05, 0.1, 0.2, 0.4)) / 3
    assert soap < min(loss_after(adam, rate) for rate in (0.03, 0.1, 0.3))
