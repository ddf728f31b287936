"""Convolutional networks for images: a general one, LeNet-5, and a small one made for few parameters and CPUs.

Layer       z_o(i, j) = b_o + Σ_c Σ_u,v k_oc(u, v) x_c(i + u, j + v): a sliding sum, with zeros around the image
            where the kernel hangs over; pooling keeps the largest, or the mean, of each 2 x 2 places.
CNN         [convolution, norm, activation, pooling] for each number of channels, then dense layers on all that is left.
LeNet5      LeCun et al. 1998 as Caffe and the literature on compression (DLRT, Schotthöfer et al. 2022) have it:
            5x5x20, pool, 5x5x50, pool, 500, outputs; no zeros around. On 1x28x28 with 10 outputs it has 430,500
            weights, and 431,080 parameters with its 580 biases.
SmallCNN    Three stages of 3x3 convolutions with w, 2w and 4w channels, batch norm, ReLU; the image is halved after
            the first two; the mean over places goes to one dense layer. 70,586 parameters on 1x28x28 with 10 outputs.
            Pooling stands before batch norm and ReLU, which then work on a quarter of the numbers: a step (128 images,
            one thread of a 2-core CPU, forward and backward) takes 73 ms, and about 20 ms more the other way round.
Cost        2 k² c_in c_out operations for each place forward, twice that backward. In channels-last memory, which the
            networks keep, a step of SmallCNN is 1.4 times as fast on a CPU, of LeNet5 and CNN 1.7 times.
Checked by  tests/nets/test_cnn.py: counts, NumPy's sliding sum in float64, smallest sizes, both memory formats.
"""

from __future__ import annotations

from typing import ClassVar, final

from matweave.config import check, config, integer, number, one_of
from matweave.deep import nn
from matweave.nets.activations import ACTIVATIONS, activation
from matweave.nets.inputs import Inputs, accept, large_enough
from matweave.nets.layers import NORMS, dropped, normalization
from matweave.nets.settings import integers, odd, tuples

POOLS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


@final
@config
class CNN:
    """channels: of each convolution, after which the image is halved. kernel: its odd width and height.
    pool: max or average. activation: after each layer but the last. dense: features of the dense layers.
    dropout: share dropped before each dense layer, in training. norm: none, batch or layer, after convolutions.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(CNN().build(Inputs(kind="image", size=(1, 28, 28)), 10))
    105866
    """

    channels: tuple[int, ...] = (16, 32)
    kernel: int = 3
    pool: str = "max"
    activation: str = "relu"
    dense: tuple[int, ...] = (64,)
    dropout: float = 0.0
    norm: str = "none"

    accepts: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        tuples(self, "channels", "dense")
        check(
            self,
            channels=integers(1),
            kernel=odd(),
            pool=one_of(*POOLS),
            activation=one_of(*ACTIVATIONS),
            dense=integers(1, least=0),
            dropout=number(0, 0.95),
            norm=one_of(*NORMS),
        )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, c, h, w) to (n, outputs). Raises ConfigError for other kinds, and images below 2^(number of channels)."""
        accept(self, inputs, outputs)
        halvings = len(self.channels)
        large_enough(self, inputs, 2**halvings, f"{halvings} halvings")
        before, height, width = inputs.size
        layers: list[nn.Module] = []
        for count in self.channels:
            layers += [
                nn.Conv2d(before, count, self.kernel, padding=self.kernel // 2),
                *normalization(self.norm, count, images=True),
                activation(self.activation, features=1),
                POOLS[self.pool](2),
            ]
            before, height, width = count, height // 2, width // 2
        layers += [nn.Flatten()]
        before *= height * width
        for count in self.dense:
            layers += [*dropped(self.dropout), nn.Linear(before, count), activation(self.activation)]
            before = count
        return nn.Sequential(*layers, *dropped(self.dropout), nn.Linear(before, outputs))


@final
@config
class LeNet5:
    """The variant of 430,500 weights. activation: after every layer but the last; Caffe had relu after the dense one only.

    >>> from matweave.nets.layers import parameter_count
    >>> net = LeNet5().build(Inputs(kind="image", size=(1, 28, 28)), 10)
    >>> parameter_count(net, biases=False), parameter_count(net)
    (430500, 431080)
    """

    activation: str = "relu"

    accepts: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        check(self, activation=one_of(*ACTIVATIONS))

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, c, h, w) to (n, outputs). Raises ConfigError for other kinds, and images below 16 x 16."""
        accept(self, inputs, outputs)
        large_enough(self, inputs, 16, "two convolutions 5 x 5 and two halvings")
        channels, *places = inputs.size
        height, width = (((size - 4) // 2 - 4) // 2 for size in places)
        return nn.Sequential(
            nn.Conv2d(channels, 20, 5),
            activation(self.activation, features=1),
            nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5),
            activation(self.activation, features=1),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(50 * height * width, 500),
            activation(self.activation),
            nn.Linear(500, outputs),
        )


@final
@config
class SmallCNN:
    """width: channels of the first stage; the others have twice and four times as many. depth: convolutions of each
    stage. first_kernel: odd width of the first convolution. activation: after each. dropout: before the dense layer.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(SmallCNN().build(Inputs(kind="image", size=(1, 28, 28)), 10))
    70586
    """

    width: int = 16
    depth: tuple[int, ...] = (1, 2, 2)
    first_kernel: int = 5
    activation: str = "relu"
    dropout: float = 0.0

    accepts: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        tuples(self, "depth")
        check(
            self,
            width=integer(1),
            depth=integers(1, count=3),
            first_kernel=odd(),
            activation=one_of(*ACTIVATIONS),
            dropout=number(0, 0.95),
        )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, c, h, w) to (n, outputs). Raises ConfigError for other kinds, and images below 4 x 4."""
        accept(self, inputs, outputs)
        large_enough(self, inputs, 4, "two halvings")
        before, kernel = inputs.size[0], self.first_kernel
        layers: list[nn.Module] = []
        for stage, depth in enumerate(self.depth):
            count = self.width * 2**stage
            for place in range(1, depth + 1):
                # batch norm has a bias of its own
                layers += [nn.Conv2d(before, count, kernel, padding=kernel // 2, bias=False)]
                layers += [nn.MaxPool2d(2)] if place == depth and stage < 2 else []
                layers += [nn.BatchNorm2d(count), activation(self.activation, features=1)]
                before, kernel = count, 3
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped(self.dropout), nn.Linear(before, outputs)]
        return nn.Sequential(*layers, *head)
