"""Inputs: what they hold, what they refuse; which specs take them."""

from __future__ import annotations

import numpy as np
import pytest

from matweave import artifact
from matweave.errors import ConfigError
from matweave.nets.cnn import CNN, LeNet5
from matweave.nets.inputs import KINDS, Inputs, accept, large_enough
from matweave.nets.mlp import MLP
from matweave.nets.rnn import GRU

SIZES = {"features": (4,), "image": (3, 8, 9), "sequence": (2,), "tokens": (28,)}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_its_own_size_and_no_other(kind):
    assert Inputs(kind=kind, size=SIZES[kind]).size == SIZES[kind]
    for wrong in ((), (*SIZES[kind], 2), (0, *SIZES[kind][1:]), (1.5, *SIZES[kind][1:]), (True,)):
        with pytest.raises(ConfigError, match=f"kind {kind!r} is \\({KINDS[kind][0]}"):
            Inputs(kind=kind, size=wrong)


def test_a_list_or_numpy_numbers_become_a_tuple_of_ints():
    made = Inputs(kind="image", size=[np.int64(1), 28, 28])
    assert made == Inputs(kind="image", size=(1, 28, 28))
    assert all(type(s) is int for s in made.size)


def test_tokens_need_a_code_besides_padding():
    with pytest.raises(ConfigError, match="at least 2"):
        Inputs(kind="tokens", size=(1,))


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        Inputs(kind="imagee", size=(1, 2, 2))


def test_flat_and_lengths():
    assert [Inputs(kind=k, size=s).flat for k, s in SIZES.items()] == [4, 216, 2, 28]
    assert [Inputs(kind=k, size=s).has_lengths for k, s in SIZES.items()] == [False, False, True, True]


def test_inputs_are_storable(tmp_path):
    made = Inputs(kind="image", size=(1, 28, 28))
    assert artifact.load(artifact.save(made, tmp_path / "made"), {"Inputs": Inputs}) == made


def test_a_wrong_kind_names_the_nets_that_take_it():
    with pytest.raises(ConfigError, match="MLP takes features or image, not tokens") as caught:
        accept(MLP(), Inputs(kind="tokens", size=(5,)), 2)
    assert caught.value.mend == "for tokens use one of: fcn, cnn1d, rnn, gru, lstm, transformer"
    accept(GRU(), Inputs(kind="tokens", size=(5,)), 2)


@pytest.mark.parametrize("outputs", [0, -1, 2.0, True, "3"])
def test_outputs_are_whole_and_positive(outputs):
    with pytest.raises(ConfigError, match=f"outputs is {outputs!r}"):
        accept(MLP(), Inputs(kind="features", size=(5,)), outputs)


def test_the_smaller_side_decides():
    large_enough(LeNet5(), Inputs(kind="image", size=(1, 16, 40)), 16, "it")
    with pytest.raises(ConfigError, match="images of 40 x 15 are too small for CNN: it need 16 x 16"):
        large_enough(CNN(), Inputs(kind="image", size=(1, 40, 15)), 16, "it")
