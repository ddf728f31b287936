"""Two rules in one optimizer: AdamW's share is AdamW, the groups and the state are shared, copies work."""

from __future__ import annotations

import copy
from typing import Any, final

import pytest

from matweave.deep import Tensor, generator, nn, torch
from matweave.train.matrix_optimizer import ADAMW, MatrixOptimizer, adamw_groups, fused


@final
class Signs(MatrixOptimizer):
    """w ← w - rate sign(g), for tests."""

    def step_matrices(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p.grad is not None:
                self.state[p]["count"] = self.state[p].get("count", torch.tensor(0)) + 1
                p.sub_(p.grad.sign(), alpha=group["lr"])

    def matrix_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, tuple[int, ...]]:
        return {"count": ()}


def parameters() -> list[nn.Parameter]:
    random = generator(3, "parameters")
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in ((4, 3), (5, 2), (6,))]


def signs_over(ps: list[nn.Parameter], weight_decay: float = 0.1) -> Signs:
    rest = adamw_groups(ps[1:], learning_rate=0.01, weight_decay=weight_decay, betas=(0.8, 0.9))
    return Signs([{"params": ps[:1], "rule": "signs", "lr": 0.5}, *rest])


def push(ps: list[nn.Parameter], optimizer: torch.optim.Optimizer, steps: int, seed: int = 0) -> None:
    for step in range(steps):
        for at, p in enumerate(ps):
            p.grad = torch.randn(p.shape, generator=generator(seed, step, at))
        optimizer.step()


def test_the_rest_is_stepped_by_adamw_bit_for_bit():
    mine, alone = parameters(), parameters()
    push(mine, signs_over(mine), 5)
    groups = [{"params": alone[1:2], "weight_decay": 0.1}, {"params": alone[2:], "weight_decay": 0.0}]
    push(alone, torch.optim.AdamW([*groups], lr=0.01, betas=(0.8, 0.9), fused=True), 5)
    assert torch.equal(mine[1], alone[1])
    assert torch.equal(mine[2], alone[2])
    assert not torch.equal(mine[0], alone[0])


def test_one_rate_moves_both():
    ps = parameters()
    before = [p.detach().clone() for p in ps]
    optimizer = signs_over(ps)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    push(ps, optimizer, 3)
    assert all(torch.equal(p, b) for p, b in zip(ps, before, strict=True))


@pytest.mark.parametrize("way", ["state_dict", "deepcopy"])
def test_a_copy_goes_on_as_the_first_would(way):
    ps = parameters()
    optimizer = signs_over(ps)
    push(ps, optimizer, 3)
    if way == "state_dict":
        others = [nn.Parameter(p.detach().clone()) for p in ps]
        other = signs_over(others, weight_decay=0.7)  # the decay too comes with the saved groups
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    else:
        others, other = copy.deepcopy((ps, optimizer))
    push(ps, optimizer, 3, seed=1)
    push(others, other, 3, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(ps, others, strict=True))


def test_a_closure_is_run_with_gradients_and_answered():
    ps = parameters()
    optimizer = signs_over(ps)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sum((p.square().sum() for p in ps), torch.zeros(()))
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses[0] > losses[2] > 0


def test_what_has_no_gradient_stays_and_has_no_state():
    ps = parameters()
    optimizer = signs_over(ps)
    ps[2].grad = torch.ones(6)
    before = ps[0].detach().clone()
    optimizer.step()
    assert torch.equal(ps[0], before)
    assert list(optimizer.state_dict()["state"]) == [2]


def test_fused_only_where_there_are_kernels():
    assert fused([torch.zeros(2), torch.zeros(2, dtype=torch.float64)]) is True
    assert fused([torch.zeros(2, device="meta")]) is None
    assert adamw_groups([], learning_rate=1, weight_decay=0, betas=(0.9, 0.9)) == []
    assert ADAMW == "adamw"
