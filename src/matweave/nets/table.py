"""Every network by its name: the one table that doors, artifacts and searches read.

A fitted network is stored as its name here, its settings (plain JSON), its `Inputs`, outputs and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matweave.config import build
from matweave.errors import ConfigError, nearest
from matweave.nets.cnn import CNN, LeNet5, SmallCNN
from matweave.nets.cnn1d import FCN, CNN1d
from matweave.nets.inputs import KINDS, Spec
from matweave.nets.linear import Linear
from matweave.nets.mlp import MLP
from matweave.nets.residual_cnn import ResidualCNN
from matweave.nets.rnn import GRU, LSTM, RNN
from matweave.nets.transformer import Transformer

NETS: dict[str, type[Spec]] = {
    "linear": Linear,
    "mlp": MLP,
    "cnn": CNN,
    "lenet5": LeNet5,
    "small_cnn": SmallCNN,
    "residual_cnn": ResidualCNN,
    "fcn": FCN,
    "cnn1d": CNN1d,
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "transformer": Transformer,
}
"""Name -> spec."""

DEFAULTS = {"features": "mlp", "image": "small_cnn", "sequence": "fcn", "tokens": "gru"}
"""The net for each kind of inputs where none is named."""


def net(name: str, settings: Mapping[str, Any] | None = None) -> Spec:
    """The spec of that name with those settings.

    Raises ConfigError for an unknown name, or settings that are unknown or out of range.

    >>> net("mlp", {"hidden": [8]})
    MLP(hidden=(8,), activation='relu', dropout=0.0, norm='none')
    >>> net("mpl")
    Traceback (most recent call last):
    matweave.errors.ConfigError: no net is called 'mpl'; did you mean 'mlp'?
      where: net
      mend:  the nets are: linear, mlp, cnn, lenet5, small_cnn, residual_cnn, fcn, cnn1d, rnn, gru, lstm, transformer
    """
    if name not in NETS:
        raise ConfigError(
            f"no net is called {name!r}{nearest(str(name), NETS)}",
            where="net",
            mend=f"the nets are: {', '.join(NETS)}",
        )
    return build(NETS[name], settings or {})


def name_of(spec: Spec) -> str:
    """The name under which the table has the spec's class. Raises ConfigError for a class of somebody else.

    >>> name_of(MLP())
    'mlp'
    """
    for name, made in NETS.items():
        if type(spec) is made:
            return name
    raise ConfigError(
        f"{type(spec).__name__} is not in the table of nets",
        where="name_of",
        mend=f"use one of: {', '.join(NETS)}",
    )


def default_for(kind: str) -> str:
    """The name of the net to take for a kind of inputs. Raises ConfigError for an unknown kind.

    >>> default_for("image")
    'small_cnn'
    """
    if kind not in DEFAULTS:
        raise ConfigError(
            f"no kind of inputs is {kind!r}{nearest(str(kind), KINDS)}",
            where="default_for",
            mend=f"the kinds are: {', '.join(KINDS)}",
        )
    return DEFAULTS[kind]
