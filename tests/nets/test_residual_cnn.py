"""The residual network: its block by the formula, its counts, sizes and memory formats."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.net_forwards import arrays, batch_norm, image_convolution

from matweave.deep import nn, torch
from matweave.errors import ConfigError
from matweave.nets.inputs import Inputs
from matweave.nets.layers import parameter_count
from matweave.nets.residual_cnn import ResidualBlock, ResidualCNN


def image(c, h, w):
    return Inputs(kind="image", size=(c, h, w))


def stirred(net):
    draws = torch.Generator().manual_seed(3)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=draws)
            part.running_var.uniform_(0.5, 2, generator=draws)
    return net.double().eval()


@pytest.mark.parametrize(("after", "stride"), [(3, 1), (5, 1), (5, 2), (3, 2)])
def test_the_block_is_its_formula(after, stride):
    block = stirred(ResidualBlock(3, after, stride=stride))
    w = arrays(block)
    x = np.random.default_rng(0).normal(size=(3, 7, 6))
    ready = np.maximum(batch_norm(x, w, "norm1", 0), 0)
    inner = np.maximum(
        batch_norm(image_convolution(ready, w["conv1.weight"], padding=1, stride=stride), w, "norm2", 0), 0
    )
    kept = x if "shortcut.weight" not in w else image_convolution(ready, w["shortcut.weight"], stride=stride)
    wanted = kept + image_convolution(inner, w["conv2.weight"], padding=1)
    np.testing.assert_allclose(block(torch.tensor(x)[None]).detach()[0], wanted, atol=1e-12)
    assert ("shortcut.weight" in w) == (after != 3 or stride != 1)


def test_a_block_whose_second_convolution_is_zero_changes_nothing():
    block = ResidualBlock(4, 4)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x)


def test_counts_by_layer():
    net = ResidualCNN(blocks=(1, 1, 1), width=16).build(image(3, 32, 32), 10)
    stem = 3 * 16 * 9
    one = 2 * 16 + 16 * 16 * 9 + 2 * 16 + 16 * 16 * 9
    two = 2 * 16 + 16 * 32 * 9 + 2 * 32 + 32 * 32 * 9 + 16 * 32
    three = 2 * 32 + 32 * 64 * 9 + 2 * 64 + 64 * 64 * 9 + 32 * 64
    assert parameter_count(net) == stem + one + two + three + 2 * 64 + 64 * 10 + 10 == 77_850


@pytest.mark.parametrize(("blocks", "places"), [((1,), 8), ((2, 1), 4), ((1, 1, 2), 2)])
def test_stages_halve_the_image_and_double_the_channels(blocks, places):
    net = ResidualCNN(blocks=blocks, width=4).build(image(1, 8, 8), 2)
    seen = net[:-4](torch.randn(2, 1, 8, 8))
    assert seen.shape == (2, 4 * 2 ** (len(blocks) - 1), places, places)
    assert sum(isinstance(part, ResidualBlock) for part in net) == sum(blocks)


def test_both_memory_formats_give_the_same():
    net = ResidualCNN(blocks=(1, 1), width=4).build(image(3, 9, 10), 4)
    x = torch.randn(3, 3, 9, 10)
    wanted = net(x)
    net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), wanted, atol=1e-5, rtol=1e-4)


def test_the_smallest_image():
    spec = ResidualCNN(blocks=(1, 1, 1), width=2)
    assert spec.build(image(1, 4, 4), 2).eval()(torch.zeros(1, 1, 4, 4)).shape == (1, 2)
    with pytest.raises(ConfigError, match="2 halvings need 4 x 4"):
        spec.build(image(1, 3, 9), 2)


def test_settings():
    for bad in ({"blocks": ()}, {"blocks": (1, 0)}, {"width": 0}, {"dropout": -0.1}, {"activation": "relo"}):
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} is "):
            ResidualCNN(**bad)
