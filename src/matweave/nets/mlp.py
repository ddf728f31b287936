"""Multilayer perceptron: dense layers with an activation between them.

Model       h_0 = x, h_l = drop(f(norm(W_l h_{l-1} + b_l))), ŷ = W_L h_{L-1} + b_L; images are taken as rows of pixels.
Start       torch's own for dense layers, W and b uniform in ±1/√(inputs of the layer).
Cost        2 Σ (inputs × outputs of a layer) operations per example forward, twice that backward.
Checked by  tests/nets/test_mlp.py: the formula in NumPy in float64, gradcheck, XOR.
"""

from __future__ import annotations

from typing import ClassVar, final

from matweave.config import check, config, number, one_of
from matweave.deep import nn
from matweave.nets.activations import ACTIVATIONS, activation
from matweave.nets.inputs import Inputs, accept
from matweave.nets.layers import NORMS, dropped, normalization
from matweave.nets.settings import integers, tuples


@final
@config
class MLP:
    """hidden: features of each hidden layer; none of them gives linear regression from a random start.
    activation: after each hidden layer. dropout: share of hidden features dropped in training.
    norm: none, batch or layer, before each activation. Batch needs batches of 2 examples or more in training.

    >>> from matweave.nets.layers import parameter_count
    >>> xor = MLP(hidden=(4,), activation="sigmoid").build(Inputs(kind="features", size=(2,)), 1)
    >>> parameter_count(xor)
    17
    """

    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    dropout: float = 0.0
    norm: str = "none"

    accepts: ClassVar[tuple[str, ...]] = ("features", "image")

    def __post_init__(self) -> None:
        tuples(self, "hidden")
        check(
            self,
            hidden=integers(1, least=0),
            activation=one_of(*ACTIVATIONS),
            dropout=number(0, 0.95),
            norm=one_of(*NORMS),
        )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, d) or (n, c, h, w) to (n, outputs). Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        layers: list[nn.Module] = [nn.Flatten()] if inputs.kind == "image" else []
        before = inputs.flat
        for width in self.hidden:
            layers += [nn.Linear(before, width), *normalization(self.norm, width)]
            layers += [activation(self.activation), *dropped(self.dropout)]
            before = width
        return nn.Sequential(*layers, nn.Linear(before, outputs))
