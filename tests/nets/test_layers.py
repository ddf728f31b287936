"""Shared parts: what each name gives, and how parameters are counted."""

from __future__ import annotations

import pytest

from matweave.deep import nn, torch
from matweave.nets.inputs import Inputs
from matweave.nets.layers import NORMS, dropped, entry, normalization, parameter_count


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("name", NORMS)
def test_norms_bring_their_own_dimension_to_mean_zero_and_deviation_one(name, images):
    x = 3 + 5 * torch.randn((64, 6, 5, 4) if images else (64, 6), generator=torch.Generator().manual_seed(0))
    y = nn.Sequential(*normalization(name, 6, images=images))(x)
    if name == "none":
        assert torch.equal(y, x)
        return
    over = tuple(range(1, y.dim())) if name == "layer" else tuple(d for d in range(y.dim()) if d != 1)
    assert y.mean(over).abs().max() < 1e-4
    assert (y.std(over, correction=0) - 1).abs().max() < 1e-3


def test_dropped():
    assert dropped(0) == []
    (layer,) = dropped(0.25)
    assert layer.p == 0.25


def test_entry_embeds_tokens_and_leaves_steps_alone():
    first, width = entry(Inputs(kind="tokens", size=(9,)), 5)
    assert width == 5
    assert first(torch.tensor([[0, 8]])).shape == (1, 2, 5)
    assert not first(torch.tensor([0])).any()
    plain, width = entry(Inputs(kind="sequence", size=(3,)), 5)
    assert width == 3
    x = torch.ones(1, 2, 3)
    assert plain(x) is x


def test_counts():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 3))
    assert parameter_count(net) == 18 + 2 + 4 + 12 + 3
    assert parameter_count(net, biases=False) == 18 + 12
    net[2].weight.requires_grad_(False)
    assert parameter_count(net) == 18 + 2 + 4 + 3
