"""Convolution over time: the formula for one sequence; the same numbers in any padded batch."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.net_forwards import arrays, batch_norm, layer_norm, time_convolution, under

from matweave.deep import nn, torch
from matweave.errors import ConfigError
from matweave.nets.cnn1d import FCN, HALVINGS, CNN1d, TimeBlock
from matweave.nets.inputs import Inputs
from matweave.nets.layers import parameter_count

STEPS, TOKENS = Inputs(kind="sequence", size=(3,)), Inputs(kind="tokens", size=(9,))
LENGTHS = torch.tensor([6, 11, 1, 8, 2])


def stirred(net):
    draws = torch.Generator().manual_seed(3)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_(generator=draws)
            part.running_var.uniform_(0.5, 2, generator=draws)
    return net.double().eval()


def by_halves(x, halve):
    if halve not in ("max", "average"):
        return x
    how = np.max if halve == "max" else np.mean
    return np.array([how(x[t : t + 2], axis=0) for t in range(0, len(x), 2)])


def block_by_hand(x, w, *, norm, halve):
    found = time_convolution(x, w["conv.weight"], w.get("conv.bias"), stride=2 if halve == "stride" else 1)
    if norm == "batch":
        found = batch_norm(found, w, "norm.0", 1)
    if norm == "layer":
        found = layer_norm(found, w["norm.0.weight"], w["norm.0.bias"])
    return by_halves(np.maximum(found, 0), halve)


@pytest.mark.parametrize("kernel", [1, 3, 4, 8])
@pytest.mark.parametrize("halve", HALVINGS)
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_a_block_over_a_padded_batch_is_the_formula_for_each_sequence(norm, halve, kernel):
    block = stirred(TimeBlock(3, 4, kernel, norm=norm, activation="relu", halve=halve))
    x = torch.randn(5, 3, 11, dtype=torch.float64)
    found, lengths = block(x.masked_fill(torch.arange(11) >= LENGTHS[:, None, None], float("nan")), LENGTHS)
    for i, length in enumerate(LENGTHS):
        wanted = block_by_hand(x[i, :, :length].T.numpy(), arrays(block), norm=norm, halve=halve)
        assert lengths[i] == len(wanted) == (length if halve == "none" else (length + 1) // 2)
        np.testing.assert_allclose(found[i, :, : lengths[i]].detach().T, wanted, atol=1e-12)


def test_the_fcn_is_its_formula():
    net = stirred(FCN(channels=(4, 5), kernels=(8, 3)).build(STEPS, 2))
    w = arrays(net)
    x = np.random.default_rng(0).normal(size=(7, 3))
    h = x
    for i in range(2):
        h = block_by_hand(h, under(w, f"blocks.{i}"), norm="batch", halve="none")
    wanted = w["head.0.weight"] @ h.mean(0) + w["head.0.bias"]
    np.testing.assert_allclose(net(torch.tensor(x)[None]).detach()[0], wanted, atol=1e-12)


def test_the_fcn_of_the_paper_has_its_channels_and_kernels():
    net = FCN().build(Inputs(kind="sequence", size=(12,)), 9)
    shapes = [tuple(part.weight.shape) for part in net.modules() if isinstance(part, nn.Conv1d)]
    assert shapes == [(128, 12, 8), (256, 128, 5), (128, 256, 3)]
    assert parameter_count(net) == 12 * 128 * 8 + 128 * 256 * 5 + 256 * 128 * 3 + 2 * 512 + 128 * 9 + 9


SPECS = [
    FCN(channels=(4, 5, 6), kernels=(8, 5, 3)),
    FCN(channels=(4,), kernels=(3,), output="steps"),
    *(CNN1d(channels=(4, 5), kernel=k, pool=p, norm=n) for k, p, n in [
        (5, "stride", "batch"), (4, "max", "layer"), (3, "average", "none"), (3, "none", "batch")
    ]),
    CNN1d(channels=(4,), output="attention", dense=()),
    CNN1d(channels=(4,), pool="none", output="steps"),
]  # fmt: skip


@pytest.mark.parametrize("inputs", [STEPS, TOKENS], ids=lambda i: i.kind)
@pytest.mark.parametrize("spec", SPECS)
def test_a_sequence_alone_gives_what_it_gives_in_its_batch(spec, inputs):
    net = stirred(spec.build(inputs, 3))
    x = torch.randn(5, 11, 3, dtype=torch.float64) if inputs is STEPS else torch.randint(1, 9, (5, 11))
    together = net(x, LENGTHS)
    for i, length in enumerate(LENGTHS):
        alone = net(x[i : i + 1, :length])[0]
        found = together[i, :length] if spec.output == "steps" else together[i]
        torch.testing.assert_close(found, alone, atol=1e-12, rtol=1e-10)


def test_padding_has_no_gradient():
    net = CNN1d(channels=(4, 5), pool="max").build(STEPS, 3)
    x = torch.randn(5, 11, 3, requires_grad=True)
    net(x, LENGTHS).square().sum().backward()
    own = torch.arange(11) < LENGTHS[:, None]
    assert not x.grad[~own].any()
    assert x.grad[own].abs().sum(1).count_nonzero() > 20


def test_settings():
    with pytest.raises(ConfigError, match="2 channels and 1 kernels do not pair"):
        FCN(channels=(2, 2), kernels=(3,))
    with pytest.raises(ConfigError, match="there is no output for every step"):
        CNN1d(output="steps")
    for spec, bad in [
        (CNN1d, {"pool": "maxx"}),
        (CNN1d, {"kernel": 0}),
        (CNN1d, {"channels": 3}),
        (FCN, {"output": "first"}),
    ]:
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} is "):
            spec(**bad)
