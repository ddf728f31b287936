"""Activations by name, fixed and learned, one number at a time (softmax: over the features).

| name | f(x) | learned |
|---|---|---|
| identity | x | |
| sigmoid | 1 / (1 + e^-x) | |
| tanh | (e^x - e^-x) / (e^x + e^-x) | |
| relu | max(x, 0) | |
| softmax | e^x_i / Σ_j e^x_j | |
| gelu | x Φ(x), Φ of the standard normal (Hendrycks & Gimpel 2016) | |
| silu | x / (1 + e^-x) | |
| prelu | max(x, 0) + a min(x, 0); starts at a = 0.25 (He et al. 2015) | a |
| swish | x / (1 + e^-βx); starts at β = 1 (Ramachandran et al. 2017) | β |
| rational | (a_0 + ... + a_5 x^5) / (1 + \\|b_1 x + ... + b_4 x^4\\|) (Molina et al. 2020, eq. 3, "safe PAU") | a, b |
| piecewise_linear | through (k_i, v_i) at K knots equally far apart, straight on beyond; starts at relu | v |

Cost        An activation's 10 operations per number are small beside a dense layer's hundreds; rational has about 20
            and keeps as many intermediates for the gradient.
Checked by  tests/nets/test_activations.py: gradcheck in float64, formulas in NumPy, every start against its claim.
Applies     A learned activation is learned by each layer for itself. On CUDA the gradient of piecewise_linear's values
            is summed in no fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError, listed, nearest
from matweave.nets.rational_fit import STARTS, fitted


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """An activation: how to make one, its formula, and whether training changes it.

    make is given the dimension of the features, which only softmax needs.
    """

    make: Callable[[int], nn.Module]
    formula: str
    learned: bool = False


@final
class Swish(nn.Module):
    """x σ(βx), β one learned number. At β = 1 it is SiLU, at 0 it is x/2, and towards infinity ReLU.

    >>> Swish()(torch.tensor([-1.0, 0.0, 1.0])).tolist()
    [-0.2689, 0.0, 0.7311]
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.full((), float(beta)))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, number by number."""
        return x * torch.sigmoid(self.beta.to(x.dtype) * x)


@final
class Rational(nn.Module):
    """P(x) / (1 + |Q(x)|), P of degree 5 with 6 learned coefficients, Q of degree 4 with 4 and no constant.

    start: relu, leaky_relu, gelu, silu, tanh or sigmoid, the function it is fitted to at first, by least squares mostly
    over [-3, 3] (`rational_fit`). The denominator is at least 1, so there is no pole. Half precision is computed in that
    of the coefficients; beyond |x| of 10^7 float32 overflows. Raises ConfigError for another start.

    >>> Rational("gelu")(torch.tensor([-1.0, 0.0, 2.0])).tolist()
    [-0.15..., -0.0..., 1.95...]
    """

    def __init__(self, start: str = "leaky_relu") -> None:
        super().__init__()
        if start not in STARTS:
            raise ConfigError(
                f"no rational activation starts as {start!r}{nearest(str(start), STARTS)}",
                where="Rational",
                mend=f"use one of: {', '.join(STARTS)}",
            )
        above, below = fitted(start)
        self.start = start
        self.numerator = nn.Parameter(torch.tensor(above))
        self.denominator = nn.Parameter(torch.tensor(below))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, number by number."""
        wide = x.to(torch.promote_types(x.dtype, self.numerator.dtype))
        top, bottom = _horner(self.numerator, wide), wide * _horner(self.denominator, wide)
        return (top / (1 + bottom.abs())).to(x.dtype)


def _horner(coefficients: Tensor, x: Tensor) -> Tensor:
    first, *rest = coefficients.flip(0).unbind()
    value = first.expand_as(x)
    for c in rest:
        value = value * x + c
    return value


@final
class PiecewiseLinear(nn.Module):
    """Straight lines through learned values at `knots` places equally far apart over [low, high].

    Beyond the ends the outer lines go on. The values start as those of ReLU at the knots, so it starts as ReLU itself
    where 0 is a knot. Raises ConfigError for fewer than 2 knots or an empty range.

    >>> PiecewiseLinear(knots=3, low=-1, high=1)(torch.tensor([-5.0, 0.25, 7.0])).tolist()
    [0.0, 0.25, 7.0]
    """

    def __init__(self, knots: int = 13, low: float = -3.0, high: float = 3.0) -> None:
        super().__init__()
        if knots < 2 or not low < high:
            raise ConfigError(
                f"{knots} knots over [{low}, {high}] give no line",
                where="PiecewiseLinear",
                mend="give 2 knots or more, and low < high",
            )
        self.low, self.high = float(low), float(high)
        self.values = nn.Parameter(torch.linspace(self.low, self.high, knots).clamp(min=0))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, number by number."""
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):  # and stays so
            return self._drawn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self._drawn(x)

    def _drawn(self, x: Tensor) -> Tensor:
        last = self.values.numel() - 1
        place = (x - self.low) * (last / (self.high - self.low))
        left = place.detach().floor().clamp(0, last - 1)
        index = torch.nan_to_num(left).long().flatten()  # a NaN stays one in `place`
        # index_select: its gradient is added up in one order, which that of values[index] is not
        start = self.values.index_select(0, index).view(x.shape)
        rise = self.values.diff().index_select(0, index).view(x.shape)
        return start + rise * (place - left)


ACTIVATIONS: dict[str, Row] = {
    "identity": Row(make=lambda _: nn.Identity(), formula="x"),
    "sigmoid": Row(make=lambda _: nn.Sigmoid(), formula="1 / (1 + e^-x)"),
    "tanh": Row(make=lambda _: nn.Tanh(), formula="(e^x - e^-x) / (e^x + e^-x)"),
    "relu": Row(make=lambda _: nn.ReLU(), formula="max(x, 0)"),
    "softmax": Row(make=lambda dim: nn.Softmax(dim), formula="e^x_i / sum of e^x_j"),
    "gelu": Row(make=lambda _: nn.GELU(), formula="x Φ(x)"),
    "silu": Row(make=lambda _: nn.SiLU(), formula="x / (1 + e^-x)"),
    "prelu": Row(make=lambda _: nn.PReLU(), formula="max(x, 0) + a min(x, 0)", learned=True),
    "swish": Row(make=lambda _: Swish(), formula="x / (1 + e^-βx)", learned=True),
    "rational": Row(make=lambda _: Rational(), formula="P5(x) / (1 + |Q4(x)|)", learned=True),
    "piecewise_linear": Row(
        make=lambda _: PiecewiseLinear(), formula="lines through learned values", learned=True
    ),
}
"""Every activation by its name."""


def activation(name: str, *, features: int = -1) -> nn.Module:
    """A new activation of that name. features: the dimension that softmax runs over, 1 in convolutional nets.

    Raises ConfigError for an unknown name.

    >>> activation("relu"), activation("softmax", features=1)
    (ReLU(), Softmax(dim=1))
    """
    if name not in ACTIVATIONS:
        raise ConfigError(
            f"no activation is called {name!r}{nearest(str(name), ACTIVATIONS)}",
            where="activation",
            mend=f"use one of: {', '.join(ACTIVATIONS)}",
        )
    return ACTIVATIONS[name].make(features)


class Curve(NamedTuple):
    """What one learned activation has become: float64 (points,) each; `start` is what it was at first."""

    name: str
    x: np.ndarray
    y: np.ndarray
    start: np.ndarray


def learned_curves(
    module: nn.Module,
    start: nn.Module | None = None,
    *,
    low: float = -4.0,
    high: float = 4.0,
    points: int = 161,
) -> list[Curve]:
    """The curve of every learned activation in `module`, in order and by its name there (kind in parentheses).

    start: the same network before training; none: each kind's own start. Raises ConfigError where `start` lacks some.

    >>> net = nn.Sequential(nn.Linear(2, 3), Swish(beta=2.0))
    >>> (curve,) = learned_curves(net, low=0, high=1, points=2)
    >>> curve.name, curve.y.round(4).tolist(), curve.start.round(4).tolist()
    ('1 (swish)', [0.0, 0.8808], [0.0, 0.7311])
    """
    found = {name: part for name, part in module.named_modules() if isinstance(part, _LEARNED)}
    first = (
        dict(start.named_modules()) if start is not None else {n: _fresh(part) for n, part in found.items()}
    )
    lost = [name for name, part in found.items() if type(first.get(name)) is not type(part)]
    if lost:
        raise ConfigError(
            f"the start has no such activation at: {listed(lost)}",
            where="learned_curves",
            mend="give the same network as it was before training, or none",
        )
    x = np.linspace(low, high, points)
    return [
        Curve(f"{name} ({_KIND[type(part)]})", x, _at(part, x), _at(first[name], x))
        for name, part in found.items()
    ]


_KIND: dict[type, str] = {
    nn.PReLU: "prelu",
    Swish: "swish",
    Rational: "rational",
    PiecewiseLinear: "piecewise_linear",
}
_LEARNED = tuple(_KIND)


def _fresh(part: nn.Module) -> nn.Module:
    if isinstance(part, Rational):
        return Rational(part.start)
    if isinstance(part, PiecewiseLinear):
        return PiecewiseLinear(part.values.numel(), part.low, part.high)
    return ACTIVATIONS[_KIND[type(part)]].make(-1)


def _at(part: nn.Module, x: np.ndarray) -> np.ndarray:
    parameter = next(part.parameters())
    given = torch.as_tensor(x, dtype=parameter.dtype, device=parameter.device)
    with torch.no_grad():
        return part(given).double().cpu().numpy()
