"""The encoder: its layer in loops, positions, and the same numbers alone or in a padded batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from by_hand.net_forwards import arrays, encoder_layer, layer_norm, under

from matweave.deep import nn, torch
from matweave.errors import ConfigError, DataError
from matweave.nets.inputs import Inputs
from matweave.nets.transformer import EncoderLayer, Transformer, sinusoids
from matweave.train.routing import route

STEPS, TOKENS = Inputs(kind="sequence", size=(3,)), Inputs(kind="tokens", size=(9,))
LENGTHS = torch.tensor([6, 11, 1, 8, 2])
SMALL = {"width": 8, "heads": 2, "dropout": 0.0}


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_layer_is_its_formula(heads):
    layer = EncoderLayer(8, heads, 12, "gelu", 0.0).double()
    h = np.random.default_rng(0).normal(size=(5, 8))
    found = layer(torch.tensor(h)[None], torch.ones(1, 5, dtype=torch.bool)).detach()[0]
    np.testing.assert_allclose(found, encoder_layer(h, arrays(layer), heads), atol=1e-12)


def test_the_network_is_its_formula():
    net = Transformer(**SMALL, layers=2).build(STEPS, 2).double().eval()
    w = arrays(net)
    x = np.random.default_rng(1).normal(size=(4, 3))
    h = x @ w["entry.weight"].T + w["entry.bias"] + sinusoids(4, 8).numpy()
    for i in range(2):
        h = encoder_layer(h, under(w, f"layers.{i}"), 2)
    h = layer_norm(h, w["norm.weight"], w["norm.bias"]).mean(0)
    wanted = w["head.0.weight"] @ h + w["head.0.bias"]
    np.testing.assert_allclose(net(torch.tensor(x)[None]).detach()[0], wanted, atol=1e-12)


def test_sinusoids_are_their_formula():
    found = sinusoids(50, 6)
    for t in (0, 1, 49):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert found[t, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[t, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)
    assert torch.equal(sinusoids(50, 5), sinusoids(50, 5)[:, :5])


@pytest.mark.parametrize("inputs", [STEPS, TOKENS], ids=lambda i: i.kind)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize("output", ["mean", "last", "max", "attention", "steps"])
def test_a_sequence_alone_gives_what_it_gives_in_its_batch(output, positions, inputs):
    net = Transformer(**SMALL, positions=positions, output=output).build(inputs, 3).double().eval()
    x = torch.randn(5, 14, 3, dtype=torch.float64) if inputs is STEPS else torch.randint(1, 9, (5, 14))
    if inputs is STEPS:
        x[torch.arange(14) >= LENGTHS[:, None]] = 1e6  # rubbish as padding
    together = net(x, LENGTHS)
    for i, length in enumerate(LENGTHS):
        found = together[i, :length] if output == "steps" else together[i]
        torch.testing.assert_close(found, net(x[i : i + 1, :length])[0], atol=1e-11, rtol=1e-9)


def test_without_positions_order_would_not_matter_and_with_them_it_does():
    net = Transformer(**SMALL, positions="learned").build(STEPS, 2).eval()
    x = torch.randn(1, 6, 3)
    nn.init.normal_(net.positions.weight)
    assert (net(x) - net(x.flip(1))).abs().max() > 0.01
    nn.init.zeros_(net.positions.weight)
    torch.testing.assert_close(net(x), net(x.flip(1)), atol=1e-5, rtol=1e-5)


def test_gradients_agree_with_differences():
    net = Transformer(**SMALL, layers=1, feedforward=1, output="attention").build(STEPS, 2).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([4, 2])
    parameters = [p for name, p in net.named_parameters() if "joint" in name or "norm" in name]
    assert torch.autograd.gradcheck(lambda x, *_: net(x, lengths), (x, *parameters))


def test_every_weight_matrix_is_a_plain_layer():
    net = Transformer().build(TOKENS, 2)
    plain = {
        id(p)
        for part in net.modules()
        if isinstance(part, (nn.Linear, nn.Embedding))
        for p in part.parameters()
    }
    assert all(id(p) in plain for p in net.parameters() if p.dim() > 1)


def test_learned_positions_end():
    net = Transformer(**SMALL, positions="learned", max_length=4).build(STEPS, 2)
    assert net(torch.randn(1, 4, 3)).shape == (1, 2)
    with pytest.raises(DataError, match="5 steps are longer than the 4"):
        net(torch.randn(1, 5, 3))


def test_settings():
    with pytest.raises(ConfigError, match="width 6 cannot be shared by 4 heads"):
        Transformer(width=6, heads=4)
    for bad in ({"positions": "none"}, {"heads": 0}, {"dropout": 1}, {"output": "first"}, {"max_length": 0}):
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} is "):
            Transformer(**bad)


def test_an_optimizer_that_orthogonalises_sees_queries_keys_and_values_as_three_matrices() -> None:
    module = Transformer(**SMALL).build(STEPS, 2)
    blocks = {r.name: r.blocks for r in route(module).routes if "joint.weight" in r.name}
    assert blocks
    assert set(blocks.values()) == {3}
