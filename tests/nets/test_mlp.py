"""The MLP: its formula, its gradients, its parts by name, and XOR."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.net_forwards import arrays, sigmoid

from matweave.deep import functional, nn, seeded, torch
from matweave.errors import ConfigError
from matweave.nets.inputs import Inputs
from matweave.nets.layers import parameter_count
from matweave.nets.mlp import MLP

FEATURES = Inputs(kind="features", size=(5,))


def test_it_is_its_formula():
    net = MLP(hidden=(7, 4), activation="sigmoid").build(FEATURES, 3).double()
    w = arrays(net)
    x = np.random.default_rng(0).normal(size=(6, 5))
    h = sigmoid(x @ w["0.weight"].T + w["0.bias"])
    h = sigmoid(h @ w["2.weight"].T + w["2.bias"])
    np.testing.assert_allclose(net(torch.tensor(x)).detach(), h @ w["4.weight"].T + w["4.bias"], atol=1e-12)


def test_images_are_rows_of_pixels_in_either_memory_format():
    net = MLP(hidden=(4,)).build(Inputs(kind="image", size=(2, 3, 4)), 2)
    x = torch.randn(5, 2, 3, 4)
    torch.testing.assert_close(net(x), net[1:](x.reshape(5, -1)))
    torch.testing.assert_close(net(x.to(memory_format=torch.channels_last)), net(x))


def test_gradients_agree_with_differences():
    net = MLP(hidden=(4, 3), activation="tanh", norm="layer").build(FEATURES, 2).double()
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: net(x), (x, *net.parameters()))


def test_layers_stand_in_the_order_of_the_docstring():
    net = MLP(hidden=(8,), norm="batch", dropout=0.5, activation="gelu").build(FEATURES, 2)
    assert [type(layer) for layer in net] == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in MLP(hidden=()).build(FEATURES, 2)] == [nn.Linear]
    assert parameter_count(net) == (5 * 8 + 8) + 16 + (8 * 2 + 2)


def test_hidden_features_of_relu_can_be_permuted():
    net = MLP(hidden=(6,)).build(FEATURES, 2)
    x = torch.randn(4, 5)
    before, order = net(x), torch.tensor([3, 1, 5, 0, 2, 4])
    with torch.no_grad():
        for p, dim in ((net[0].weight, 0), (net[0].bias, 0), (net[2].weight, 1)):
            p.copy_(p.index_select(dim, order))
    torch.testing.assert_close(net(x), before)


@pytest.mark.parametrize("seed", range(3))
def test_xor_is_learned_by_four_hidden_features(seed):
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    with seeded(seed, "xor"):
        net = MLP(hidden=(4,), activation="sigmoid").build(Inputs(kind="features", size=(2,)), 1)
    assert parameter_count(net) == 17
    optimizer = torch.optim.SGD(net.parameters(), 2.0, momentum=0.9)
    for _ in range(300):
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
    assert torch.equal(net(x) > 0, y > 0.5)


def test_all_problems_of_the_settings_are_told():
    with pytest.raises(ConfigError) as caught:
        MLP(hidden=(0,), activation="rellu", dropout=1.0, norm="group")
    for name in ("hidden is (0,)", "did you mean 'relu'", "dropout is 1.0", "norm is 'group'"):
        assert name in caught.value.what
