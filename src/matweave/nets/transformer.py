"""A Transformer encoder over sequences and tokens (Vaswani et al. 2017), with the norm before each part (Xiong et al. 2020).

Model       h = x W_in + p (tokens: their embedding + p), then in each layer h ← h + A(N(h)), h ← h + F(N(h)), at last N(h);
            A(h): per head softmax(q k' / √(width / heads)) v over valid steps, joined by a dense layer; F: two dense
            layers with an activation between. Output: one of `sequence_outputs`, then a dense layer.
Positions   p_t: sinusoidal, sin and cos of t / 10000^(2i / width), for any length; or learned, for up to max_length steps.
Cost        Per step and layer about 12 width² × 2 operations, and 4 width T for attention.
Checked by  tests/nets/test_transformer.py: NumPy in float64, each sequence alone against its batch, gradcheck.
"""

from __future__ import annotations

import math
from typing import ClassVar, final

from matweave.config import check, config, integer, number, one_of
from matweave.deep import Tensor, functional, nn, torch
from matweave.errors import ConfigError, DataError
from matweave.nets.activations import ACTIVATIONS, activation
from matweave.nets.inputs import Inputs, accept
from matweave.nets.layers import dropped
from matweave.nets.sequence_outputs import OUTPUTS, full_lengths, sequence_output, valid_steps


@final
@config
class Transformer:
    """width: features of a step, a multiple of heads. heads: of attention. layers: one above the other.
    feedforward: features inside F, as a multiple of width. activation: in F. dropout: of attention and of what each part
    adds. positions: sinusoidal or learned. max_length: steps that learned positions are for.
    output: mean, last, max, attention or steps.

    >>> from matweave.nets.layers import parameter_count
    >>> parameter_count(Transformer().build(Inputs(kind="sequence", size=(1,)), 10))
    100874
    """

    width: int = 64
    heads: int = 4
    layers: int = 2
    feedforward: int = 4
    activation: str = "gelu"
    dropout: float = 0.1
    positions: str = "sinusoidal"
    max_length: int = 512
    output: str = "mean"

    accepts: ClassVar[tuple[str, ...]] = ("sequence", "tokens")

    def __post_init__(self) -> None:
        check(
            self,
            width=integer(1),
            heads=integer(1),
            layers=integer(1),
            feedforward=integer(1),
            activation=one_of(*ACTIVATIONS),
            dropout=number(0, 0.95),
            positions=one_of("sinusoidal", "learned"),
            max_length=integer(1),
            output=one_of(*OUTPUTS),
        )
        if self.width % self.heads:
            raise ConfigError(
                f"width {self.width} cannot be shared by {self.heads} heads",
                where="Transformer",
                mend="give a width that is a multiple of heads",
            )

    def build(self, inputs: Inputs, outputs: int) -> nn.Module:
        """(n, T, c), (n,) to (n, outputs), or (n, T, outputs) for steps. Raises ConfigError for other kinds."""
        accept(self, inputs, outputs)
        (size,) = inputs.size
        tokens = inputs.kind == "tokens"
        entry = nn.Embedding(size, self.width, padding_idx=0) if tokens else nn.Linear(size, self.width)
        positions = None
        if self.positions == "learned":
            positions = nn.Embedding(self.max_length, self.width)
            nn.init.normal_(positions.weight, std=0.02)
        layers = [
            EncoderLayer(self.width, self.heads, self.feedforward * self.width, self.activation, self.dropout)
            for _ in range(self.layers)
        ]
        head = nn.Sequential(*dropped(self.dropout), nn.Linear(self.width, outputs))
        return TransformerNet(entry, positions, layers, sequence_output(self.output, self.width), head)


@final
class TransformerNet(nn.Module):
    """The way in, positions (none: sinusoidal), layers, a norm, an output, a dense layer.

    forward(x (n, T, c) or codes (n, T), lengths (n,) or none for full rows).
    """

    def __init__(
        self,
        entry: nn.Module,
        positions: nn.Embedding | None,
        layers: list[EncoderLayer],
        output: nn.Module,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.entry, self.positions, self.layers = entry, positions, nn.ModuleList(layers)
        self.norm = nn.LayerNorm(layers[0].width)
        self.output, self.head = output, head

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits or values, (n, outputs) or (n, T, outputs).

        Raises DataError for more steps than learned positions.
        """
        lengths = full_lengths(x, lengths)
        steps = self.entry(x)
        total, width = steps.shape[1:]
        if self.positions is None:
            steps = steps + sinusoids(total, width).to(steps)
        else:
            self._fits(total)
            steps = steps + self.positions.weight[:total]
        valid = valid_steps(lengths, total)
        for layer in self.layers:
            steps = layer(steps, valid)
        return self.head(self.output(self.norm(steps), lengths))

    def _fits(self, total: int) -> None:
        assert self.positions is not None
        most = self.positions.num_embeddings
        if total > most:
            raise DataError(
                f"sequences of {total} steps are longer than the {most} that positions were learned for",
                where="Transformer",
                mend='give a larger max_length, or positions="sinusoidal"',
            )


@final
class EncoderLayer(nn.Module):
    """One layer: forward(steps (n, T, width), valid (n, T) bool) to (n, T, width).

    >>> layer = EncoderLayer(8, 2, 16, "gelu", 0.0)
    >>> tuple(layer(torch.zeros(3, 5, 8), torch.ones(3, 5, dtype=torch.bool)).shape)
    (3, 5, 8)
    """

    def __init__(self, width: int, heads: int, inner: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, dropout
        self.norm1, self.joint = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        # queries, keys and values are three matrices to an optimizer that orthogonalises (train/routing.py)
        self.joint.__dict__["matrix_blocks"] = {"weight": 3}
        self.join = nn.Linear(width, width)
        self.norm2, self.first = nn.LayerNorm(width), nn.Linear(width, inner)
        self.activation, self.second = _activation(activation), nn.Linear(inner, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, steps: Tensor, valid: Tensor) -> Tensor:
        """What padding holds changes no valid step."""
        steps = steps + self.drop(self.join(self._attend(self.norm1(steps), valid)))
        inner = self.drop(self.activation(self.first(self.norm2(steps))))
        return steps + self.drop(self.second(inner))

    def _attend(self, steps: Tensor, valid: Tensor) -> Tensor:
        count, total, width = steps.shape
        parts = self.joint(steps).view(count, total, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        drop = self.dropout if self.training else 0.0
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=valid[:, None, None], dropout_p=drop
        )
        return found.transpose(1, 2).reshape(count, total, width)


def sinusoids(steps: int, width: int) -> Tensor:
    """Positions (steps, width): sin t / 10000^(2i / width) in columns 2i, cos of the same in 2i + 1; float32.

    >>> sinusoids(2, 3).round(decimals=4).tolist()
    [[0.0, 1.0, 0.0], [0.8415, 0.5403, 0.0022]]
    """
    pairs = (width + 1) // 2
    rates = torch.exp(torch.arange(pairs, dtype=torch.float64) * (-2 * math.log(10000.0) / width))
    angles = torch.arange(steps, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width].float()


def _activation(name: str) -> nn.Module:
    return activation(name)
