"""Convolutional networks: counts, the sliding sum by hand, smallest sizes, both memory formats."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.net_forwards import arrays, batch_norm, image_convolution, pool2

from matweave.deep import nn, torch
from matweave.errors import ConfigError
from matweave.nets.cnn import CNN, LeNet5, SmallCNN
from matweave.nets.inputs import Inputs
from matweave.nets.layers import parameter_count

MNIST = Inputs(kind="image", size=(1, 28, 28))


def image(c, h, w):
    return Inputs(kind="image", size=(c, h, w))


def relu(x):
    return np.maximum(x, 0)


def stirred(net):
    """The net in evaluation, float64, with running statistics that are not those of a fresh one."""
    draws = torch.Generator().manual_seed(3)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=draws)
            part.running_var.uniform_(0.5, 2, generator=draws)
    return net.double().eval()


@pytest.mark.parametrize(("pool", "how"), [("max", np.max), ("average", np.mean)])
def test_the_cnn_is_its_formula(pool, how):
    net = CNN(channels=(3, 4), kernel=3, pool=pool, dense=(5,)).build(image(2, 7, 9), 2).double()
    w = arrays(net)
    x = np.random.default_rng(0).normal(size=(2, 7, 9))
    h = pool2(relu(image_convolution(x, w["0.weight"], w["0.bias"], padding=1)), how)
    h = pool2(relu(image_convolution(h, w["3.weight"], w["3.bias"], padding=1)), how)
    h = relu(w["7.weight"] @ h.ravel() + w["7.bias"])
    np.testing.assert_allclose(
        net(torch.tensor(x)[None]).detach()[0], w["9.weight"] @ h + w["9.bias"], atol=1e-12
    )


def test_lenet_is_its_formula():
    net = LeNet5().build(image(1, 17, 16), 3).double()
    w = arrays(net)
    x = np.random.default_rng(1).normal(size=(1, 17, 16))
    h = pool2(relu(image_convolution(x, w["0.weight"], w["0.bias"])), np.max)
    h = pool2(relu(image_convolution(h, w["3.weight"], w["3.bias"])), np.max)
    h = relu(w["7.weight"] @ h.ravel() + w["7.bias"])
    np.testing.assert_allclose(
        net(torch.tensor(x)[None]).detach()[0], w["9.weight"] @ h + w["9.bias"], atol=1e-12
    )


def test_small_cnn_is_its_formula():
    net = stirred(SmallCNN(width=2, depth=(1, 1, 2)).build(image(1, 8, 9), 3))
    w = arrays(net)
    x = np.random.default_rng(2).normal(size=(1, 8, 9))
    h = pool2(image_convolution(x, w["0.weight"], padding=2), np.max)
    h = relu(batch_norm(h, w, "2", 0))
    h = pool2(image_convolution(h, w["4.weight"], padding=1), np.max)
    h = relu(batch_norm(h, w, "6", 0))
    h = relu(batch_norm(image_convolution(h, w["8.weight"], padding=1), w, "9", 0))
    h = relu(batch_norm(image_convolution(h, w["11.weight"], padding=1), w, "12", 0))
    wanted = w["16.weight"] @ h.mean((1, 2)) + w["16.bias"]
    np.testing.assert_allclose(net(torch.tensor(x)[None]).detach()[0], wanted, atol=1e-12)


def test_lenet_has_the_weights_that_the_literature_counts():
    net = LeNet5().build(MNIST, 10)
    by_layer = [20 * 1 * 25, 50 * 20 * 25, 500 * 50 * 4 * 4, 10 * 500]
    assert by_layer == [p.numel() for p in net.parameters() if p.dim() > 1]
    assert parameter_count(net, biases=False) == sum(by_layer) == 430_500
    assert parameter_count(net) == 431_080


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 70_586),
        ({"first_kernel": 3}, 70_330),
        ({"depth": (2, 2, 2)}, 72_922),
        ({"depth": (1, 1, 2)}, 61_306),
    ],
)
def test_the_small_cnn_is_under_100_000(settings, count):
    assert parameter_count(SmallCNN(**settings).build(MNIST, 10)) == count < 100_000


@pytest.mark.parametrize(
    "spec", [CNN(norm="batch"), CNN(norm="layer"), LeNet5(), SmallCNN(), SmallCNN(activation="swish")]
)
def test_both_memory_formats_give_the_same(spec):
    net = spec.build(image(3, 20, 18), 4)
    for mode in (net.train, net.eval):
        mode()
        x = torch.randn(4, 3, 20, 18)
        wanted = net(x)
        net.to(memory_format=torch.channels_last)
        torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), wanted, atol=1e-4, rtol=1e-4)
        net.to(memory_format=torch.contiguous_format)


SMALLEST = [
    (CNN(channels=(2,), dense=()), 2),
    (CNN(channels=(2, 2, 2)), 8),
    (CNN(channels=(2, 2), pool="average", kernel=7), 4),
    (LeNet5(), 16),
    (SmallCNN(width=2), 4),
]


@pytest.mark.parametrize(("spec", "size"), SMALLEST)
def test_the_smallest_image_is_the_one_that_the_error_names(spec, size):
    assert spec.build(image(1, size, size), 2).eval()(torch.zeros(1, 1, size, size)).shape == (1, 2)
    for height, width in ((size - 1, 50), (50, size - 1)):
        with pytest.raises(ConfigError, match=f"need {size} x {size}"):
            spec.build(image(1, height, width), 2)
    with pytest.raises((RuntimeError, ZeroDivisionError)):  # and a smaller one would truly not do
        spec.build(image(1, size, size), 2).eval()(torch.zeros(1, 1, size - 1, size - 1))


def test_the_small_cnn_pools_before_batch_norm():
    kinds = [type(layer) for layer in SmallCNN().build(MNIST, 10)]
    first = kinds.index(nn.MaxPool2d)
    assert kinds[first - 1 : first + 3] == [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds.count(nn.MaxPool2d) == 2
    assert kinds.count(nn.Conv2d) == 5


def test_where_an_image_is_moved_the_small_cnn_says_the_same():
    """The mean over places: a shift by the whole stride, away from the borders, changes nothing."""
    net = stirred(SmallCNN(width=2).build(image(1, 96, 96), 3))
    x = torch.zeros(1, 1, 96, 96, dtype=torch.float64)
    x[:, :, 44:48, 44:48] = torch.randn(4, 4, dtype=torch.float64)
    torch.testing.assert_close(net(x.roll((4, -4), (2, 3))), net(x))


def test_settings():
    for spec, bad in [
        (CNN, {"kernel": 4}),
        (CNN, {"channels": ()}),
        (CNN, {"pool": "mean"}),
        (CNN, {"dense": 64}),
        (LeNet5, {"activation": "relo"}),
        (SmallCNN, {"depth": (1, 2)}),
        (SmallCNN, {"width": 0}),
        (SmallCNN, {"first_kernel": 2}),
    ]:
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} is "):
            spec(**bad)
