"""Linear and logistic regression as a network of one layer.

Model       ŷ = W x + b: values for regression, logits of softmax(ŷ) for classes; images are taken as rows of pixels.
Start       zero: the objective is convex, so nothing is gained by a random start, and with zeros the first loss is
            that of knowing nothing (log of the number of classes). uniform: torch's own, ±1/√d.
Checked by  tests/nets/test_linear.py: formula, start, and descent by L-BFGS against `closed_form`.
"""

from __future__ import annotations

from typing import ClassVar, final

from matweave.config import check, config, one_of
from matweave.deep import nn
from matweave.nets.inputs import Inputs, accept


@final
@config
class Linear:
    """init: zero or uniform, where the weights start.

    >>> Linear().build(Inputs(kind="features", size=(3,)), 2)
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
    )
    """

    init: str = "zero"

    accepts: ClassVar[tuple[str, ...]] = ("features", "image")

    def __post_init__(self) -> None:
        check(self, init=one_of("zero", "uniform"))

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, d) or (n, c, h, w) to (n, outputs). Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        layer = nn.Linear(inputs.flat, outputs)
        if self.init == "zero":
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(*([nn.Flatten()] if inputs.kind == "image" else []), layer)
