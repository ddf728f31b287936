"""A residual network for images: blocks that add to what they are given.

Model       x ← s(x) + C_2 f(N_2(C_1 f(N_1(x)))), C 3x3 convolutions, N batch norm, f an activation: the block with
            norm and activation before each convolution (He et al. 2016, "Identity mappings", fig. 1b). s is the identity,
            or a 1x1 convolution of f(N_1(x)) where a stage doubles the channels and halves the image.
Layout      A 3x3 convolution to `width` channels, stages of blocks, batch norm, activation, the mean over places, dense.
Cost        Of a stage twice as wide on half the size: the same operations. About 4 (channels²) 9 per place and block.
Checked by  tests/nets/test_residual_cnn.py: the block by its formula in float64, counts, both memory formats.
"""

from __future__ import annotations

from typing import ClassVar, final

from matweave.config import check, config, integer, number, one_of
from matweave.deep import Tensor, nn
from matweave.nets.activations import ACTIVATIONS, activation
from matweave.nets.inputs import Inputs, accept, large_enough
from matweave.nets.layers import dropped
from matweave.nets.settings import integers, tuples


@final
@config
class ResidualCNN:
    """blocks: number in each stage; every stage after the first halves the image and doubles the channels.
    width: channels of the first stage. activation: before each convolution. dropout: before the dense layer.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(ResidualCNN().build(Inputs(kind="image", size=(3, 32, 32)), 10))
    77850
    """

    blocks: tuple[int, ...] = (1, 1, 1)
    width: int = 16
    activation: str = "relu"
    dropout: float = 0.0

    accepts: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        tuples(self, "blocks")
        check(
            self,
            blocks=integers(1),
            width=integer(1),
            activation=one_of(*ACTIVATIONS),
            dropout=number(0, 0.95),
        )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, c, h, w) to (n, outputs). Raises ConfigError for other kinds, and images below 2^(stages - 1)."""
        accept(self, inputs, outputs)
        halvings = len(self.blocks) - 1
        large_enough(self, inputs, 2**halvings, f"{halvings} halvings")
        layers: list[nn.Module] = [nn.Conv2d(inputs.size[0], self.width, 3, padding=1, bias=False)]
        before = self.width
        for stage, blocks in enumerate(self.blocks):
            for block in range(blocks):
                count = self.width * 2**stage
                stride = 2 if stage and not block else 1
                layers += [ResidualBlock(before, count, stride=stride, activation=self.activation)]
                before = count
        layers += [nn.BatchNorm2d(before), activation(self.activation, features=1)]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped(self.dropout), nn.Linear(before, outputs)]
        return nn.Sequential(*layers, *head)


@final
class ResidualBlock(nn.Module):
    """One block: (n, before, h, w) to (n, after, h / stride, w / stride), halves rounded up.

    >>> from matweave.deep import torch
    >>> tuple(ResidualBlock(4, 8, stride=2)(torch.zeros(1, 4, 6, 6)).shape)
    (1, 8, 3, 3)
    """

    def __init__(self, before: int, after: int, *, stride: int = 1, activation: str = "relu") -> None:
        super().__init__()
        self.norm1, self.act1 = nn.BatchNorm2d(before), _activation(activation)
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm2, self.act2 = nn.BatchNorm2d(after), _activation(activation)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Adds the branch to the shortcut."""
        ready = self.act1(self.norm1(x))
        kept = x if self.shortcut is None else self.shortcut(ready)
        return kept + self.conv2(self.act2(self.norm2(self.conv1(ready))))


def _activation(name: str) -> nn.Module:
    return activation(name, features=1)
