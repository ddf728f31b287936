"""The table of optimizers: each rule against a slow twin in float64, settings, schedules."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import optimizers as by_hand

from matweave.deep import Tensor, generator, nn, torch
from matweave.errors import ConfigError
from matweave.train.optimizers import OPTIMIZERS, load_state_arrays, make_optimizer, set_rate, state_arrays

SIMPLE = ["gd", "sgd", "momentum", "nesterov", "adam", "adamw"]


class Weights(nn.Module):
    def __init__(self, matrix: Tensor, vector: Tensor) -> None:
        super().__init__()
        self.matrix, self.vector = nn.Parameter(matrix), nn.Parameter(vector)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed, *shape), dtype=torch.float64)


@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("name", SIMPLE)
def test_each_rule_agrees_with_its_slow_twin(name, decay):
    module = Weights(draw(3, 4), draw(5))
    starts = [p.detach().numpy().copy() for p in module.parameters()]
    targets = [draw(3, 4, seed=1), draw(5, seed=1)]
    curvature = [draw(3, 4, seed=2).abs(), draw(5, seed=2).abs()]
    momentum = 0.8 if OPTIMIZERS[name].momentum is not None else None
    optimizer = make_optimizer(name, module, learning_rate=0.05, weight_decay=decay, momentum=momentum)
    for _ in range(20):
        optimizer.zero_grad()
        parts = zip(module.parameters(), targets, curvature, strict=True)
        sum((c * (p - t).pow(2)).sum() / 2 for p, t, c in parts).backward()  # type: ignore[union-attr]
        optimizer.step()
    for at, p in enumerate(module.parameters()):
        t, c = targets[at].numpy(), curvature[at].numpy()
        wanted = by_hand.walk(
            name,
            starts[at],
            lambda w, c=c, t=t: c * (w - t),
            steps=20,
            rate=0.05,
            decay=decay if p.ndim > 1 else 0.0,
            momentum=0.8,
        )
        np.testing.assert_allclose(p.detach().numpy(), wanted, rtol=0, atol=1e-12)
        assert not np.allclose(wanted, starts[at], atol=0.05)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_spares_what_has_one_dimension(name):
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Linear(4, 3))
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    optimizer = make_optimizer(name, module, learning_rate=0.1, weight_decay=0.5)
    for _ in range(3):
        for p in module.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    for n, p in module.named_parameters():
        assert torch.equal(p, before[n]) == (p.ndim == 1), n


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decoupled_decay_does_not_depend_on_the_gradients_scale(name):
    ends = []
    for scale in (1.0, 1000.0):
        module = nn.Linear(6, 5, bias=False)
        module.weight.data.copy_(draw(5, 6))
        pair = nn.Sequential(module, nn.Linear(5, 5))
        optimizer = make_optimizer(name, pair, learning_rate=0.01, weight_decay=1.0)
        for seed in range(5):
            module.weight.grad = (draw(5, 6, seed=seed) * scale).float()
            optimizer.step()
        ends.append(module.weight.detach())
    assert OPTIMIZERS[name].decoupled == torch.allclose(*ends, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_remember_their_rate_and_a_factor_scales_it(name):
    row, module = OPTIMIZERS[name], nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = make_optimizer(name, module, weight_decay=0.1)
    for factor in (0.5, 0.0, 1.0):
        set_rate(optimizer, factor)
        assert [g["lr"] for g in optimizer.param_groups] == [row.learning_rate * factor] * len(
            optimizer.param_groups
        )
        assert {g["base_lr"] for g in optimizer.param_groups} == {row.learning_rate}
    set_rate(optimizer, 0.0)
    before = [p.detach().clone() for p in module.parameters()]
    for _ in range(2):
        module(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    assert all(torch.equal(p, b) for p, b in zip(module.parameters(), before, strict=True))


def test_the_table():
    assert list(OPTIMIZERS) == [*SIMPLE, "muon", "soap"]
    assert [n for n, row in OPTIMIZERS.items() if row.full_batch] == ["gd"]
    assert [n for n, row in OPTIMIZERS.items() if row.decoupled] == ["adamw", "muon", "soap"]
    assert [n for n, row in OPTIMIZERS.items() if row.momentum is not None] == [
        "momentum",
        "nesterov",
        "muon",
    ]
    assert all(row.name == n and row.doc and "\n" not in row.doc for n, row in OPTIMIZERS.items())


def test_momentum_reaches_the_rule():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    for name in ("momentum", "nesterov", "muon"):
        assert make_optimizer(name, net, momentum=0.7).param_groups[0]["momentum"] == 0.7
        assert make_optimizer(name, net).param_groups[0]["momentum"] == OPTIMIZERS[name].momentum


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="no optimizer 'nestrov'; did you mean 'nesterov'"):
        make_optimizer("nestrov", nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        (
            "adam",
            {"momentum": 0.9},
            "momentum is 0.9, but adam has none to set; momentum, nesterov, muon have",
        ),
        ("gd", {"momentum": 0.0}, "momentum is 0.0, but gd has none"),
        ("sgd", {"learning_rate": 0.0}, "learning_rate is 0.0, but must be a number > 0"),
        ("sgd", {"learning_rate": float("nan")}, "learning_rate is nan"),
        ("muon", {"weight_decay": -1}, "weight_decay is -1, but must be a number >= 0"),
        ("nesterov", {"momentum": 1.0}, "momentum is 1.0"),
        ("momentum", {"momentum": 0}, "momentum is 0"),
        ("soap", {"weight_decay": "1"}, "weight_decay is '1'"),
    ],
)
def test_settings_out_of_range_or_of_no_use_are_refused(name, settings, told):
    with pytest.raises(ConfigError) as caught:
        make_optimizer(name, nn.Linear(2, 2), **settings)
    assert told in str(caught.value)


def test_all_problems_at_once():
    with pytest.raises(ConfigError) as caught:
        make_optimizer("adam", nn.ReLU(), learning_rate=-1, weight_decay=-1, momentum=0.5)
    assert len(caught.value.what.splitlines()) == 4
    assert "ReLU has no parameters that need a gradient" in caught.value.what


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_weights_are_left_alone(name):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].weight.requires_grad_(False)
    optimizer = make_optimizer(name, net, weight_decay=0.1)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in net.parameters() if p.requires_grad}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_memory_layout_of_weights_and_gradients_changes_nothing(name, decay):
    """Fused kernels walk through memory, not through indices: a gradient that lies otherwise would be misread."""
    weight, gradients = draw(4, 3, 2, 5).float(), [draw(4, 3, 2, 5, seed=s).float() for s in range(12)]
    ends = []
    for of_weight in (torch.contiguous_format, torch.channels_last):
        for of_gradient in (torch.contiguous_format, torch.channels_last):
            net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, (2, 5)), nn.Linear(4, 2))
            net[1].weight.data = weight.clone().contiguous(memory_format=of_weight)
            optimizer = make_optimizer(name, net, weight_decay=decay)
            for gradient in gradients:
                net[1].weight.grad = gradient.contiguous(memory_format=of_gradient)
                optimizer.step()
            ends.append(net[1].weight.detach())
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=1e-5)


def test_the_state_is_reached_from_here_too():
    optimizer = make_optimizer("adam", nn.Linear(2, 1))
    load_state_arrays(optimizer, state_arrays(optimizer))
    assert list(state_arrays(optimizer)) == ["lr"]
