"""Convolutional networks over time, for padded batches of sequences of any length, or tokens.

FCN         Wang, Yan & Oates 2017: [convolution, batch norm, ReLU] with 128, 256 and 128 channels of widths 8, 5 and 3,
            then the mean over time and one dense layer.
CNN1d       [convolution, norm, activation] that halve the time, by stride or by pooling; an output over time; dense layers.
Padding     The padding is set to zero before each convolution, as zeros stand around a sequence that is alone, and left
            out of pooling and of the output: in evaluation no result depends on it. Sequences become half as long
            with halves rounded up, so none becomes empty.
            Batch norm, in training, takes its mean and variance over all steps of the batch, padding included (there a
            convolution sees zeros, and answers with little more than what hangs over the end); in evaluation it uses
            running statistics. Batches of like lengths make the two agree best; CNN1d with norm="layer" or "none" has no
            such dependence.
Cost        2 k c_in c_out operations per step and layer forward, twice that backward.
Checked by  tests/nets/test_cnn1d.py: each sequence alone against its padded batch, NaN as padding, NumPy in float64.
"""

from __future__ import annotations

from typing import Any, ClassVar, final

from matweave.config import check, config, integer, number, one_of
from matweave.deep import Tensor, functional, nn
from matweave.errors import ConfigError
from matweave.nets.activations import ACTIVATIONS, activation
from matweave.nets.inputs import Inputs, accept
from matweave.nets.layers import NORMS, dropped, entry, normalization
from matweave.nets.sequence_outputs import OUTPUTS, full_lengths, sequence_output, valid_steps
from matweave.nets.settings import integers, tuples

HALVINGS = ("stride", "max", "average", "none")


@final
@config
class FCN:
    """channels and kernels: of each convolution. activation: after each. output: mean (the paper's), last, max,
    attention or steps. dropout: before the dense layer. embedding: features of a token.

    Raises ConfigError unless there are as many channels as kernels.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(FCN().build(Inputs(kind="sequence", size=(12,)), 9))
    276617
    """

    channels: tuple[int, ...] = (128, 256, 128)
    kernels: tuple[int, ...] = (8, 5, 3)
    activation: str = "relu"
    output: str = "mean"
    dropout: float = 0.0
    embedding: int = 32

    accepts: ClassVar[tuple[str, ...]] = ("sequence", "tokens")

    def __post_init__(self) -> None:
        tuples(self, "channels", "kernels")
        check(
            self,
            channels=integers(1),
            kernels=integers(1),
            activation=one_of(*ACTIVATIONS),
            output=one_of(*OUTPUTS),
            dropout=number(0, 0.95),
            embedding=integer(1),
        )
        if len(self.channels) != len(self.kernels):
            raise ConfigError(
                f"{len(self.channels)} channels and {len(self.kernels)} kernels do not pair",
                where="FCN",
                mend="give one kernel for each number of channels",
            )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, T, c), (n,) to (n, outputs), or (n, T, outputs) for steps. Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        first, before = entry(inputs, self.embedding)
        blocks = []
        for count, kernel in zip(self.channels, self.kernels, strict=True):
            blocks += [
                TimeBlock(before, count, kernel, norm="batch", activation=self.activation, halve="none")
            ]
            before = count
        head = nn.Sequential(*dropped(self.dropout), nn.Linear(before, outputs))
        return TimeNet(first, blocks, sequence_output(self.output, before), head)


@final
@config
class CNN1d:
    """channels: of each convolution. kernel: its width. pool: what halves the time after each: stride (the convolution
    takes every second step), max, average, or none. norm: none, batch or layer. output: mean, last, max or attention;
    steps only with pool="none". dense: features of the dense layers. dropout: before each dense layer.
    embedding: features of a token.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(CNN1d().build(Inputs(kind="sequence", size=(1,)), 10))
    40810
    """

    channels: tuple[int, ...] = (32, 64, 64)
    kernel: int = 5
    pool: str = "stride"
    activation: str = "relu"
    norm: str = "batch"
    output: str = "max"
    dense: tuple[int, ...] = (128,)
    dropout: float = 0.0
    embedding: int = 32

    accepts: ClassVar[tuple[str, ...]] = ("sequence", "tokens")

    def __post_init__(self) -> None:
        tuples(self, "channels", "dense")
        check(
            self,
            channels=integers(1),
            kernel=integer(1),
            pool=one_of(*HALVINGS),
            activation=one_of(*ACTIVATIONS),
            norm=one_of(*NORMS),
            output=one_of(*OUTPUTS),
            dense=integers(1, least=0),
            dropout=number(0, 0.95),
            embedding=integer(1),
        )
        if self.output == "steps" and self.pool != "none":
            raise ConfigError(
                f"with pool={self.pool!r} there is no output for every step",
                where="CNN1d",
                mend='give pool="none", or another output',
            )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, T, c), (n,) to (n, outputs), or (n, T, outputs) for steps. Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        first, before = entry(inputs, self.embedding)
        blocks = []
        for count in self.channels:
            blocks += [
                TimeBlock(
                    before, count, self.kernel, norm=self.norm, activation=self.activation, halve=self.pool
                )
            ]
            before = count
        output = sequence_output(self.output, before)
        head: list[nn.Module] = []
        for count in self.dense:
            head += [*dropped(self.dropout), nn.Linear(before, count), activation(self.activation)]
            before = count
        head += [*dropped(self.dropout), nn.Linear(before, outputs)]
        return TimeNet(first, blocks, output, nn.Sequential(*head))


@final
class TimeNet(nn.Module):
    """Blocks over time, an output, and dense layers: forward(x (n, T, c) or codes (n, T), lengths (n,) or none)."""

    def __init__(self, entry: nn.Module, blocks: list[TimeBlock], output: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.entry, self.blocks, self.output, self.head = entry, nn.ModuleList(blocks), output, head

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits or values, (n, outputs) or (n, T, outputs)."""
        lengths = full_lengths(x, lengths)
        found = self.entry(x).transpose(1, 2)
        for block in self.blocks:
            found, lengths = block(found, lengths)
        return self.head(self.output(found.transpose(1, 2), lengths))


@final
class TimeBlock(nn.Module):
    """One convolution with norm and activation, and what halves the time: (n, before, T) to (n, after, T').

    An even kernel reaches one step further back than forth. Channels stand before time, which batch norm is fastest with.

    >>> from matweave.deep import torch
    >>> block = TimeBlock(1, 4, 3, norm="none", activation="relu", halve="stride")
    >>> found, lengths = block(torch.zeros(2, 1, 5), torch.tensor([5, 2]))
    >>> tuple(found.shape), lengths.tolist()
    ((2, 4, 3), [3, 1])
    """

    def __init__(
        self, before: int, after: int, kernel: int, *, norm: str, activation: str, halve: str
    ) -> None:
        super().__init__()
        stride = 2 if halve == "stride" else 1
        bias = norm != "batch"  # which has one of its own
        self.conv = nn.Conv1d(before, after, kernel, stride=stride, padding=kernel // 2, bias=bias)
        self.norm = nn.Sequential(*normalization(norm, after))
        self.turned = norm == "layer"  # which wants the channels last
        self.activation = _activation(activation)
        self.halve = halve

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The steps, and how many of them are each sequence's own."""
        total = x.shape[2]
        found = self.conv(_only_valid(x, lengths))
        if self.halve == "stride":
            total, lengths = _half(total), _half(lengths)
        found = found[:, :, :total]  # an even kernel gives one more
        found = self.norm(found.transpose(1, 2)).transpose(1, 2) if self.turned else self.norm(found)
        found = self.activation(found)
        if self.halve in ("max", "average"):
            return _pooled(found, lengths, self.halve), _half(lengths)
        return found, lengths


def _only_valid(x: Tensor, lengths: Tensor, fill: float = 0.0) -> Tensor:
    return x.masked_fill(~valid_steps(lengths, x.shape[2])[:, None], fill)


def _pooled(x: Tensor, lengths: Tensor, how: str) -> Tensor:
    """The largest, or the mean, of each two steps; of a last one that is alone, itself."""
    fill = float("-inf") if how == "max" else 0.0
    x = _only_valid(x, lengths, fill)
    if x.shape[2] % 2:
        x = functional.pad(x, (0, 1), value=fill)
    one, two = x[:, :, 0::2], x[:, :, 1::2]
    if how == "max":
        return _only_valid(one.maximum(two), _half(lengths))
    own = valid_steps(lengths, x.shape[2])[:, None].to(x.dtype)
    return (one + two) / (own[:, :, 0::2] + own[:, :, 1::2]).clamp(min=1)


def _half(length: Any) -> Any:
    """Half of a number or tensor, rounded up."""
    return (length + 1) // 2


def _activation(name: str) -> nn.Module:
    return activation(name, features=1)
