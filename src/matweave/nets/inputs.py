"""What a network is given, and what every recipe of a network (a spec) must offer.

| kind | size | a batch in torch |
|---|---|---|
| features | (columns,) | float (n, columns) |
| image | (channels, height, width) | float (n, channels, height, width) |
| sequence | (channels,) | float (n, T, channels) and lengths int64 (n,), padding at the end |
| tokens | (codes,) | int64 (n, T) of codes 0..codes - 1, where 0 is padding, and lengths int64 (n,) |

The size of tokens counts the padding's code. T is the longest of the batch, or more: in evaluation no result depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, Protocol, final

from matweave.errors import ConfigError, nearest

if TYPE_CHECKING:
    from matweave.deep import nn

KINDS = {
    "features": ("columns",),
    "image": ("channels", "height", "width"),
    "sequence": ("channels",),
    "tokens": ("codes",),
}
"""What the numbers of `size` mean, for each kind."""


@final
@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The kind of an example, and its size without the dimensions that vary (examples, steps).

    Raises ConfigError for an unknown kind, or a size that does not fit it. A list of whole numbers becomes a tuple.

    >>> Inputs(kind="image", size=(1, 28, 28))
    Inputs(kind='image', size=(1, 28, 28))
    >>> Inputs(kind="image", size=(28, 28))
    Traceback (most recent call last):
    matweave.errors.ConfigError: the size of a kind 'image' is (channels, height, width), not (28, 28)
      where: Inputs
      mend:  give 3 whole numbers: each at least 1
    """

    kind: str
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"no kind of inputs is {self.kind!r}{nearest(str(self.kind), KINDS)}",
                where="Inputs",
                mend=f"the kinds are: {', '.join(KINDS)}",
            )
        names, low = KINDS[self.kind], 2 if self.kind == "tokens" else 1
        size = tuple(self.size) if isinstance(self.size, (tuple, list)) else (self.size,)
        whole = all(isinstance(s, Integral) and not isinstance(s, bool) and s >= low for s in size)
        if not whole or len(size) != len(names):
            raise ConfigError(
                f"the size of a kind {self.kind!r} is ({', '.join(names)}), not {self.size!r}",
                where="Inputs",
                mend=f"give {len(names)} whole number{'s' * (len(names) > 1)}: each at least {low}",
            )
        object.__setattr__(self, "size", tuple(int(s) for s in size))

    @property
    def flat(self) -> int:
        """Numbers in an example, all dimensions counted.

        >>> Inputs(kind="image", size=(3, 4, 4)).flat
        48
        """
        return prod(self.size)

    @property
    def has_lengths(self) -> bool:
        """Whether a batch comes with the lengths of its examples.

        >>> Inputs(kind="tokens", size=(28,)).has_lengths
        True
        """
        return self.kind in ("sequence", "tokens")


class Spec(Protocol):
    """A frozen recipe of a network. `build` draws first weights from torch's global generator (see `deep.seeded`)."""

    accepts: ClassVar[tuple[str, ...]]

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """The network, in training mode; its forward takes (x) or, where there are lengths, (x, lengths)."""
        ...


def accept(spec: Spec, inputs: Inputs, outputs: int) -> None:
    """Nothing where the spec can be built so. Every `build` begins with it.

    Raises ConfigError for a kind the spec does not take, naming the nets that do, or outputs below 1.

    >>> from matweave.nets.cnn import LeNet5
    >>> accept(LeNet5(), Inputs(kind="features", size=(4,)), 3)
    Traceback (most recent call last):
    matweave.errors.ConfigError: LeNet5 takes image, not features
      where: LeNet5
      mend:  for features use one of: linear, mlp
    """
    from matweave.nets.table import NETS  # the table imports every spec, and each of them this file

    who = type(spec).__name__
    if inputs.kind not in spec.accepts:
        able = [name for name, other in NETS.items() if inputs.kind in other.accepts]
        raise ConfigError(
            f"{who} takes {' or '.join(spec.accepts)}, not {inputs.kind}",
            where=who,
            mend=f"for {inputs.kind} use one of: {', '.join(able)}",
        )
    if not isinstance(outputs, Integral) or isinstance(outputs, bool) or outputs < 1:
        raise ConfigError(
            f"outputs is {outputs!r}, but must be an integer >= 1",
            where=who,
            mend="give the number of classes, or of numbers to predict",
        )


def large_enough(spec: Spec, inputs: Inputs, smallest: int, why: str) -> None:
    """Nothing where the images have at least `smallest` rows and columns.

    Raises ConfigError that says the smallest size otherwise; `why` tells what needs it.

    >>> from matweave.nets.cnn import LeNet5
    >>> large_enough(LeNet5(), Inputs(kind="image", size=(1, 8, 30)), 16, "two convolutions 5 x 5")
    Traceback (most recent call last):
    matweave.errors.ConfigError: images of 8 x 30 are too small for LeNet5: two convolutions 5 x 5 need 16 x 16
      where: LeNet5
      mend:  give images of at least 16 x 16, or another net
    """
    _, height, width = inputs.size
    if min(height, width) < smallest:
        who = type(spec).__name__
        need = f"{smallest} x {smallest}"
        raise ConfigError(
            f"images of {height} x {width} are too small for {who}: {why} need {need}",
            where=who,
            mend=f"give images of at least {need}, or another net",
        )
