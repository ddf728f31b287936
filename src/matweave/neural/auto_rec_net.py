"""The network of AutoRec: V, μ, W and b, fed with the entries that are there (see auto_rec.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.csr import Csr
from matweave.deep import Tensor, nn, torch
from matweave.errors import DataError
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.user_rows import Bags, gathered, row_sums

ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda x: x}
BLOCK = 1024  # rows encoded at once
SPAN = 4.0  # of the inputs that are there


@final
@dataclass(frozen=True, kw_only=True)
class AutoRecStructure(EncoderStructure):
    """What the network is rebuilt from. columns: ids that a row has a place for; low, high: the range of the training ratings."""

    columns: int
    hidden: int
    activation: str
    low: float
    high: float

    def build(self) -> AutoRecNet:
        return AutoRecNet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Counts (n,), and codes and values, as V takes them, of all rows, one behind the other."""
        if histories.values is None:
            raise DataError(
                "AutoRec predicts values, and this history has none",
                where="fold-in",
                mend="give a value per item: recommend_for(history, values=[5, 3]), or --history 10=5,20=3",
            )
        counts, codes = gathered(histories, np.arange(histories.n_rows))
        return counts, codes, histories.values * np.float32(self.scale) + np.float32(self.shift(0.0))

    @property
    def scale(self) -> float:
        """What a step of the ratings is in the input: the range is brought to 1..5."""
        return SPAN / (self.high - self.low) if self.high > self.low else 1.0

    def shift(self, origin: float) -> float:
        """The input of the rating `origin`; the lowest has 1, and no rating 0."""
        return 1.0 + (origin - self.low) * self.scale


@final
class AutoRecNet(Encoder):
    """into is V by column, out is W by column, (columns, hidden) each."""

    tied = ("out",)

    def __init__(self, shape: AutoRecStructure) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[shape.activation]
        std = (2 / (shape.columns + shape.hidden)) ** 0.5
        self.into = nn.Parameter(torch.randn(shape.columns, shape.hidden) * std)
        self.bias = nn.Parameter(torch.zeros(shape.hidden))
        self.out = nn.Parameter(torch.randn(shape.columns, shape.hidden) * std)
        self.out_bias = nn.Parameter(torch.zeros(shape.columns))

    def start(self, values: np.ndarray) -> None:
        """Take vectors (columns, hidden) as V and W, each with the spread that it has."""
        given = torch.from_numpy(values) / max(float(values.std()), 1e-12)
        with torch.no_grad():
            for table in (self.into, self.out):
                table.copy_(given * table.std())

    def leave_out(self, columns: np.ndarray) -> None:
        """Zero rows of V and W for columns under a mask: without entries their gradient stays zero, and so do they."""
        with torch.no_grad():
            for table in (self.into, self.out):
                table[torch.from_numpy(columns)] = 0.0

    def hidden(self, bags: Bags) -> Tensor:
        """g(V r + μ), (n, hidden), of rows whose entries have weights."""
        return self.activation(row_sums(bags, self.into) + self.bias)

    def encode(self, *inputs: Tensor) -> Tensor:
        counts, codes, values = inputs
        return self.hidden(Bags(codes, (counts.cumsum(0) - counts).to(codes.dtype), weights=values))

    def encoded(self, rows: Csr, scale: float, shift: float) -> np.ndarray:
        """Hidden layers (rows, hidden) of all rows, whose values times `scale` plus `shift` are the inputs."""
        place, found = self.out.device, []
        with torch.no_grad():
            for low in range(0, rows.n_rows, BLOCK):
                block = rows.rows(np.arange(low, min(low + BLOCK, rows.n_rows)))
                arrays = (
                    block.counts,
                    block.indices,
                    block.weights() * np.float32(scale) + np.float32(shift),
                )
                found.append(self.encode(*(torch.from_numpy(a).to(place) for a in arrays)).cpu().numpy())
        return np.concatenate(found)

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.out, self.out_bias
