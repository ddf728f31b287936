"""Recurrent networks: formulas in NumPy, starts, and the same numbers alone, padded, packed or among others."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import net_forwards as by_hand
from by_hand.net_forwards import arrays, under

from matweave.deep import nn, seeded, torch
from matweave.errors import ConfigError, DataError
from matweave.nets.inputs import Inputs
from matweave.nets.rnn import GRU, LSTM, RNN

STEPS, TOKENS = Inputs(kind="sequence", size=(3,)), Inputs(kind="tokens", size=(9,))
LENGTHS = torch.tensor([6, 11, 1, 8, 2])
SPECS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def relu(x):
    return np.maximum(x, 0)


TWINS = [
    (RNN(hidden=4), lambda x, w: by_hand.rnn(x, w, np.tanh)),
    (RNN(hidden=4, nonlinearity="relu"), lambda x, w: by_hand.rnn(x, w, relu)),
    (GRU(hidden=4, recurrent_start="uniform"), by_hand.gru),
    (LSTM(hidden=4, recurrent_start="uniform"), by_hand.lstm),
    (LSTM(hidden=4), by_hand.lstm),
]


@pytest.mark.parametrize(("spec", "twin"), TWINS)
def test_each_is_its_formula(spec, twin):
    net = spec.build(STEPS, 2).double()
    w = arrays(net)
    x = torch.randn(5, 11, 3, dtype=torch.float64)
    found = net(x, LENGTHS).detach().numpy()
    for i, length in enumerate(LENGTHS):
        last = twin(x[i, :length].numpy(), under(w, "cell"))[-1]
        np.testing.assert_allclose(found[i], w["head.0.weight"] @ last + w["head.0.bias"], atol=1e-12)


@pytest.mark.parametrize("inputs", [STEPS, TOKENS], ids=lambda i: i.kind)
@pytest.mark.parametrize("output", ["last", "mean", "max", "attention", "steps"])
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("name", SPECS)
def test_a_sequence_alone_gives_what_it_gives_in_its_batch(name, both, output, inputs):
    spec = SPECS[name](hidden=4, layers=2, bidirectional=both, output=output, embedding=3)
    net = spec.build(inputs, 3).double()
    x = torch.randn(5, 14, 3, dtype=torch.float64) if inputs is STEPS else torch.randint(1, 9, (5, 14))
    if inputs is STEPS:
        x[torch.arange(14) >= LENGTHS[:, None]] = 1e6  # rubbish as padding
    together = net(x, LENGTHS)
    assert together.shape == ((5, 14, 3) if output == "steps" else (5, 3))
    for i, length in enumerate(LENGTHS):
        for alone in (net(x[i : i + 1, :length]), net(x[i : i + 1, :length], LENGTHS[i : i + 1])):
            found = together[i : i + 1, :length] if output == "steps" else together[i : i + 1]
            torch.testing.assert_close(found, alone, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("both", [False, True])
def test_float32_agrees_to_a_millionth(both):
    net = GRU(hidden=16, bidirectional=both).build(STEPS, 3)
    x = torch.randn(5, 11, 3)
    for i, length in enumerate(LENGTHS):
        torch.testing.assert_close(net(x, LENGTHS)[i], net(x[i : i + 1, :length])[0], atol=1e-6, rtol=1e-6)


def test_packing_gives_what_padding_gives():
    """The two paths of one net: a batch of equal lengths is not packed, the same in longer company is."""
    net = LSTM(hidden=4, bidirectional=True, output="mean").build(STEPS, 2).double()
    x = torch.randn(3, 9, 3, dtype=torch.float64)
    x[:2, 6:] = 0
    torch.testing.assert_close(net(x, torch.tensor([6, 6, 9]))[:2], net(x[:2], torch.tensor([6, 6])))


def test_the_order_of_the_batch_does_not_matter():
    net = GRU(hidden=4, bidirectional=True).build(STEPS, 2).double()
    x, order = torch.randn(5, 11, 3, dtype=torch.float64), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(net(x[order], LENGTHS[order]), net(x, LENGTHS)[order])


@pytest.mark.parametrize("both", [False, True])
def test_gradients_do_not_see_the_padding(both):
    net = GRU(hidden=4, bidirectional=both, output="attention").build(STEPS, 2).double()
    x = torch.randn(5, 11, 3, dtype=torch.float64, requires_grad=True)
    net(x, LENGTHS).square().sum().backward()
    own = torch.arange(11) < LENGTHS[:, None]
    assert not x.grad[~own].any()
    assert (x.grad[own].abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", SPECS)
def test_the_orthogonal_start(name):
    with seeded(0, "start"):
        net = SPECS[name](hidden=6, layers=2, bidirectional=True).build(STEPS, 2)
    seen = 0
    for key, weight in net.cell.named_parameters():
        if key.startswith("weight_hh"):
            for gate in weight.detach().split(6):
                torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
                seen += 1
        elif key.startswith("bias"):
            forget = name == "lstm" and key.startswith("bias_ih")
            wanted = torch.zeros_like(weight)
            wanted[6:12] = 1.0 if forget else 0.0
            assert torch.equal(weight, wanted)
    assert seen == {"rnn": 1, "gru": 3, "lstm": 4}[name] * 4


def test_the_uniform_start_is_torchs_own():
    with seeded(0, "start"):
        net = GRU(hidden=6, recurrent_start="uniform").build(STEPS, 2)
    with seeded(0, "start"):
        plain = nn.GRU(3, 6, batch_first=True)
    for one, two in zip(net.cell.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_forget_bias_keeps_what_is_in_the_cell():
    kept = []
    for bias in (-4.0, 4.0):
        with seeded(0, "start"):
            net = LSTM(hidden=8, forget_bias=bias).build(STEPS, 1)
        x = torch.zeros(1, 20, 3)
        x[0, 0] = 3.0
        kept.append(net.cell(x)[0][0, -1].abs().sum().item())
    assert kept[1] > 10 * kept[0]


@pytest.mark.parametrize("lengths", [[0, 3], [3, 6]])
def test_lengths_that_do_not_fit(lengths):
    net = GRU(hidden=4).build(STEPS, 2)
    with pytest.raises(DataError, match="do not fit batches of 5 steps"):
        net(torch.randn(2, 5, 3), torch.tensor(lengths))


def test_settings():
    for spec, bad in [
        (RNN, {"nonlinearity": "sigmoid"}),
        (RNN, {"hidden": 0}),
        (LSTM, {"forget_bias": "one"}),
        (LSTM, {"layers": 0}),
        (GRU, {"bidirectional": 1}),
        (GRU, {"output": "first"}),
        (GRU, {"recurrent_start": "zero"}),
    ]:
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} is "):
            spec(**bad)
    with pytest.raises(ConfigError, match="unknown setting 'hiden'; did you mean 'hidden'"):
        GRU(hiden=3)


def test_dropout_between_layers_is_asked_for_only_where_there_are_several():
    assert GRU(hidden=4, dropout=0.5).build(STEPS, 2).cell.dropout == 0
    assert GRU(hidden=4, dropout=0.5, layers=2).build(STEPS, 2).cell.dropout == 0.5
