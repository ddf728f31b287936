"""The network of AutoRec: forward by hand, its inputs, starts and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import auto_rec as by_hand

import matweave as mw
from matweave.data.csr import Csr
from matweave.errors import DataError
from matweave.neural.auto_rec_net import ACTIVATIONS, AutoRecNet, AutoRecStructure

SHAPE = AutoRecStructure(columns=25, hidden=6, activation="sigmoid", low=1.0, high=5.0)


def arrays(module: AutoRecNet) -> tuple[np.ndarray, ...]:
    return tuple(
        t.detach().double().numpy() for t in (module.into.T, module.bias, module.out, module.out_bias)
    )


def test_forward_is_that_of_the_paper_on_ratings_of_one_to_five():
    log = mw.simulate_log(users=40, items=25, interactions=300, seed=0).log
    module = SHAPE.build()
    with torch.no_grad():
        module.bias.normal_()
        module.out_bias.normal_()
        found = module.encode(*map(torch.from_numpy, SHAPE.inputs(log.by_user, None)))
    r = log.by_user.scipy().toarray()
    wanted = by_hand.outputs(r, *arrays(module))
    table, bias = module.item_table()
    assert bias is not None
    np.testing.assert_allclose((found @ table.T + bias).detach(), wanted, atol=1e-5)
    np.testing.assert_allclose(module.encoded(log.by_user, 1.0, 0.0), found, atol=1e-6)


def test_other_ranges_are_brought_to_one_to_five():
    percent = AutoRecStructure(columns=3, hidden=2, activation="relu", low=0.0, high=100.0)
    one = Csr.from_pairs([0, 0, 0], [0, 1, 2], [0.0, 50.0, 100.0])
    assert percent.inputs(one, None)[2].tolist() == pytest.approx([1.0, 3.0, 5.0])
    assert percent.shift(50.0) == pytest.approx(3.0)
    same = AutoRecStructure(columns=3, hidden=2, activation="relu", low=7.0, high=7.0)
    assert same.inputs(Csr.from_pairs([0], [1], [7.0], shape=(1, 3)), None)[2].tolist() == [1.0]


def test_a_history_without_values_is_refused():
    with pytest.raises(DataError, match="has none"):
        SHAPE.inputs(Csr.from_pairs([0], [1], shape=(1, 25)), None)


def test_vectors_start_both_tables_with_the_spread_they_have():
    module = SHAPE.build()
    spreads = [t.std().item() for t in (module.into, module.out)]
    values = np.random.default_rng(0).normal(size=(25, 6)).astype(np.float32) * 40
    module.start(values)
    for table, spread in zip((module.into, module.out), spreads, strict=True):
        assert table.std().item() == pytest.approx(spread, rel=0.1)
        assert np.corrcoef(table.detach().numpy().ravel(), values.ravel())[0, 1] > 0.999


def test_columns_left_out_are_zero():
    module = SHAPE.build()
    module.leave_out(np.arange(25) % 5 == 0)
    assert module.into[::5].abs().sum() == 0
    assert module.out[::5].abs().sum() == 0
    assert (module.out[1::5] != 0).all()


def test_every_activation_is_as_named():
    x = torch.tensor([-1.0, 2.0])
    assert ACTIVATIONS["identity"](x).tolist() == [-1.0, 2.0]
    assert ACTIVATIONS["relu"](x).tolist() == [0.0, 2.0]
    torch.testing.assert_close(ACTIVATIONS["tanh"](x), torch.tanh(x))
    torch.testing.assert_close(ACTIVATIONS["sigmoid"](x), 1 / (1 + torch.exp(-x)))
