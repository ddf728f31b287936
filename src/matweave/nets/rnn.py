"""Recurrent networks over sequences and tokens: Elman's RNN, GRU and LSTM, with one frame around them.

RNN         h_t = f(W_hh h_{t-1} + W_xh x_t + b), f tanh or ReLU (Elman 1990)
GRU         r, z = σ(.), n = tanh(W_n x_t + r (U_n h_{t-1} + c)), h_t = (1 - z) n + z h_{t-1} (Cho et al. 2014, as cuDNN has it)
LSTM        i, f, o = σ(.), g = tanh(.), c_t = f c_{t-1} + i g, h_t = o tanh(c_t) (Hochreiter & Schmidhuber 1997, Gers 2000)
Output      y = W o(h_1..h_L) + d, o one of `sequence_outputs`.
Start       recurrent_start="orthogonal": each gate's W_hh is a random orthogonal matrix, so that what is carried over
            many steps neither vanishes nor explodes at first (Saxe et al. 2014); biases zero, but LSTM's forget gate
            `forget_bias` (Jozefowicz et al. 2015: 1). "uniform": torch's own, ±1/√hidden everywhere.
Padding     One way, the padding comes after what matters: the batch is run as it is, cut to its longest sequence, and
            the output looks at valid steps only. Forward and backward on one thread of a 2-core CPU that takes 0.3 to 1.0 of
            the time of packing with 64 features and 40 to 200 steps, and 0.7 to 1.3 with 128 and 3 to 18 steps.
            Both ways, the backward run would start in the padding, so there a batch of several lengths is packed
            (pack_padded_sequence, in any order). Either way a sequence's result depends on neither padding nor batch.
Cost        2 g (hidden² + inputs hidden) operations per step and layer forward, g = 1, 3, 4 gates for RNN, GRU, LSTM.
Checked by  tests/nets/test_rnn.py: NumPy by the formulas above in float64, each sequence alone against its batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

from matweave.config import check, config, flag, integer, number, one_of
from matweave.deep import Tensor, functional, nn
from matweave.errors import DataError
from matweave.nets.inputs import Inputs, accept
from matweave.nets.layers import dropped, entry
from matweave.nets.sequence_outputs import OUTPUTS, full_lengths, sequence_output


@config
class _Recurrent(ABC):
    """What the three have in common.

    hidden: features of the state, each way. layers: one above the other. bidirectional: run both ways.
    dropout: between layers and before the dense layer. output: last, mean, max, attention or steps.
    embedding: features of a token. recurrent_start: orthogonal or uniform.
    """

    hidden: int = 128
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    output: str = "last"
    embedding: int = 64
    recurrent_start: str = "orthogonal"

    accepts: ClassVar[tuple[str, ...]] = ("sequence", "tokens")

    def __post_init__(self) -> None:
        check(
            self,
            hidden=integer(1),
            layers=integer(1),
            bidirectional=flag(),
            dropout=number(0, 0.95),
            output=one_of(*OUTPUTS),
            embedding=integer(1),
            recurrent_start=one_of("orthogonal", "uniform"),
        )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, T, c), (n,) to (n, outputs), or (n, T, outputs) for steps. Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        first, before = entry(inputs, self.embedding)
        cell = self._cell(before)
        if self.recurrent_start == "orthogonal":
            self._start(cell)
        width = self.hidden * (2 if self.bidirectional else 1)
        output = sequence_output(self.output, width, both_ways=self.bidirectional)
        head = nn.Sequential(*dropped(self.dropout), nn.Linear(width, outputs))
        return RecurrentNet(first, cell, output, head)

    @abstractmethod
    def _cell(self, before: int) -> nn.RNNBase: ...

    def _start(self, cell: nn.RNNBase) -> None:
        for name, weight in cell.named_parameters():
            if name.startswith("weight_hh"):
                for gate in weight.detach().split(self.hidden):
                    nn.init.orthogonal_(gate)
            elif name.startswith("bias"):
                nn.init.zeros_(weight)

    def _shape(self) -> dict:
        return {
            "num_layers": self.layers,
            "batch_first": True,
            "dropout": self.dropout if self.layers > 1 else 0.0,
            "bidirectional": self.bidirectional,
        }


@final
@config
class RNN(_Recurrent):
    """Elman's network; nonlinearity: tanh or relu; the other settings are those of GRU.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(RNN(hidden=64).build(Inputs(kind="sequence", size=(1,)), 10))
    4938
    """

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, nonlinearity=one_of("tanh", "relu"))

    def _cell(self, before: int) -> nn.RNNBase:
        return nn.RNN(before, self.hidden, nonlinearity=self.nonlinearity, **self._shape())


@final
@config
class GRU(_Recurrent):
    """hidden: features of the state, each way. layers: one above the other. bidirectional: run both ways.
    dropout: between layers and before the dense layer. output: last, mean, max, attention or steps.
    embedding: features of a token. recurrent_start: orthogonal or uniform.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(GRU(hidden=64).build(Inputs(kind="sequence", size=(1,)), 10))
    13514
    """

    def _cell(self, before: int) -> nn.RNNBase:
        return nn.GRU(before, self.hidden, **self._shape())


@final
@config
class LSTM(_Recurrent):
    """forget_bias: first bias of the forget gate, with the orthogonal start; the other settings are those of GRU.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(LSTM(hidden=64).build(Inputs(kind="tokens", size=(58,)), 18))
    38162
    """

    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, forget_bias=number())

    def _cell(self, before: int) -> nn.RNNBase:
        return nn.LSTM(before, self.hidden, **self._shape())

    def _start(self, cell: nn.RNNBase) -> None:
        super()._start(cell)
        for name, weight in cell.named_parameters():
            if name.startswith("bias_ih"):  # gates in torch's order: input, forget, cell, output
                nn.init.constant_(weight.detach()[self.hidden : 2 * self.hidden], self.forget_bias)


@final
class RecurrentNet(nn.Module):
    """The way in, a recurrent layer of torch, an output, a dense layer.

    forward(x (n, T, c) or codes (n, T), lengths (n,) or none for full rows).
    """

    def __init__(self, entry: nn.Module, cell: nn.RNNBase, output: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.entry, self.cell, self.output, self.head = entry, cell, output, head

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits or values, (n, outputs) or (n, T, outputs). Raises DataError for an empty sequence, or one beyond T."""
        if lengths is None:
            steps, lengths = self.cell(self.entry(x))[0], full_lengths(x, None)
        else:
            steps, lengths = self._padded(x, lengths)
        return self.head(self.output(steps, lengths))

    def _padded(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        total, shortest, longest = x.shape[1], int(lengths.min()), int(lengths.max())
        if longest > total or shortest < 1:
            raise DataError(
                f"lengths from {shortest} to {longest} do not fit batches of {total} steps",
                where="RecurrentNet",
                mend="leave out sequences without steps, and give lengths up to the padded length",
            )
        steps = self.entry(x[:, :longest])
        if self.cell.bidirectional and shortest < longest:
            packed = nn.utils.rnn.pack_padded_sequence(
                steps, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            steps, _ = nn.utils.rnn.pad_packed_sequence(self.cell(packed)[0], batch_first=True)
        else:
            steps = self.cell(steps)[0]
        return functional.pad(steps, (0, 0, 0, total - longest)), lengths.to(x.device)
