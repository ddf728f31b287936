"""The networks of RecVAE: the dense encoder, the linear decoder, the composite prior, and the losses of both turns (see rec_vae.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from matweave.data.csr import Csr
from matweave.deep import Tensor, functional, nn, torch
from matweave.neural.mult_dae import last_tied, row_inputs
from matweave.neural.multinomial import LastLayer, multinomial_loss
from matweave.neural.structure import Encoder, EncoderStructure
from matweave.neural.user_rows import Bags, FirstLayer, bags_of

SHARES = (3 / 20, 3 / 4, 1 / 10)  # of the standard normal, the old posterior and the wide normal
WIDE = 10.0  # log-variance of the last
NORM = 0.1  # ε of the layer norms


@final
class RecVAEPair(nn.Module):
    """The network, and the encoder as it was; what training needs and serving does not."""

    def __init__(self, shape: RecVAEStructure) -> None:
        super().__init__()
        self.net = shape.build()
        self.old = RecVAEEncoder(shape).requires_grad_(False)

    def renew(self) -> None:
        """The encoder as it stands becomes the old one."""
        self.old.load_state_dict(self.net.encoder.state_dict())

    def encoder_loss(self, counts: Tensor, codes: Tensor, bags: Bags, kept: float, gamma: float) -> Tensor:
        """The loss of an encoder step: no gradient goes to the decoder."""
        mean, log_variance = self.net.encoder(counts, bags, kept)
        z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        with torch.no_grad():
            old = self.old(counts, bags_of(counts, codes))
        last = self.net.last
        table, bias = last.item_table()
        likelihood = multinomial_loss(last.row(z, still=True), table.detach(), bias.detach(), counts, codes)
        gap = log_normal(z, mean, log_variance) - log_prior(z, *old)
        return likelihood + gamma * (counts * gap.sum(1)).mean()

    def decoder_loss(self, counts: Tensor, codes: Tensor) -> Tensor:
        """The loss of a decoder step: no gradient goes to the encoder."""
        with torch.no_grad():
            mean, log_variance = self.net.encoder(counts, bags_of(counts, codes))
            z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        return self.net.last.loss(z, counts, codes)


def log_normal(z: Tensor, mean: Tensor | float, log_variance: Tensor | float) -> Tensor:
    """The log-density of each coordinate under N(mean, e^log_variance)."""
    log_variance = torch.as_tensor(log_variance, dtype=z.dtype, device=z.device)
    return -0.5 * (log_variance + math.log(2 * math.pi) + (z - mean).square() / log_variance.exp())


def log_prior(z: Tensor, old_mean: Tensor, old_log_variance: Tensor) -> Tensor:
    """The log-density of each coordinate under the composite prior.

    >>> z = torch.zeros(1, 1)
    >>> round(float(log_prior(z, z, z).exp() / log_normal(z, 0.0, 0.0).exp()), 4)  # 0.9 + 0.1 e^-5
    0.9007
    """
    parts = (log_normal(z, 0.0, 0.0), log_normal(z, old_mean, old_log_variance), log_normal(z, 0.0, WIDE))
    weighed = [part + math.log(share) for part, share in zip(parts, SHARES, strict=True)]
    return torch.logsumexp(torch.stack(weighed), 0)


@final
@dataclass(frozen=True, kw_only=True)
class RecVAEStructure(EncoderStructure):
    """What the network is rebuilt from; see the recipe for each name."""

    items: int
    rank: int
    hidden: int
    embedding_rank: int | None

    def build(self) -> RecVAENet:
        return RecVAENet(self)

    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Counts (n,) and the codes of all rows, one behind the other."""
        return row_inputs(histories)


@final
class RecVAEEncoder(nn.Module):
    """Five densely connected layers, and two for the posterior's mean and log-variance."""

    def __init__(self, shape: RecVAEStructure) -> None:
        super().__init__()
        std = (3 * shape.items) ** -0.5
        self.first = FirstLayer(shape.items, shape.hidden, rank=shape.embedding_rank, std=std, bias_std=std)
        self.layers = nn.ModuleList(nn.Linear(shape.hidden, shape.hidden) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(shape.hidden, eps=NORM) for _ in range(5))
        self.mean = nn.Linear(shape.hidden, shape.rank)
        self.log_variance = nn.Linear(shape.hidden, shape.rank)

    def forward(self, counts: Tensor, bags: Bags, kept: float = 1.0) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of z, (n, rank) each."""
        h = total = self.norms[0](functional.silu(self.first(counts, bags, kept)))
        for layer, norm in zip(self.layers, list(self.norms)[1:], strict=True):
            h = norm(functional.silu(layer(h) + total))
            total = total + h
        return self.mean(h), self.log_variance(h)


@final
class RecVAENet(Encoder):
    """The encoder, and the linear decoder whose weights are the items' vectors."""

    def __init__(self, shape: RecVAEStructure) -> None:
        super().__init__()
        self.encoder = RecVAEEncoder(shape)
        std = (3 * shape.rank) ** -0.5
        self.last = LastLayer(shape.items, shape.rank, rank=shape.embedding_rank, std=std, bias_std=std)
        self.tied = last_tied(shape.embedding_rank)

    def encode(self, *inputs: Tensor) -> Tensor:
        counts, codes = inputs
        return self.last.row(self.encoder(counts, bags_of(counts, codes))[0])

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.last.item_table()
