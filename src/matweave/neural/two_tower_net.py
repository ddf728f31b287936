"""The towers of TwoTower as modules, and batches of (history, next item) pairs. The mathematics stands in two_tower.py."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import Tensor, functional, generator, nn, torch
from matweave.linalg.hashes import GOLDEN, mixed
from matweave.nets.inputs import Inputs
from matweave.nets.mlp import MLP
from matweave.neural.content_encoders import ContentParts
from matweave.neural.embeddings import Table
from matweave.neural.structure import Encoder
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch

STD = 0.1  # of the id vectors at the start


def user_tower(rank: int, hidden: int, dropout: float) -> nn.Module:
    """Dense layers from the mean of a history's item vectors (n, rank) to the user's vector (n, rank)."""
    return MLP(hidden=(hidden,), dropout=dropout).build(Inputs(kind="features", size=(rank,)), rank)


@final
class TwoTowerNet(nn.Module):
    """Both towers in training: the items' content stands in buffers that move with the module and are not saved.

    warm (items,) bool: items with rows, which have an id vector. log_share (items,): ln q of each item.
    """

    def __init__(
        self,
        warm: np.ndarray,
        log_share: np.ndarray,
        parts: ContentParts | None,
        *,
        rank: int,
        hidden: int,
        width: int,
        dropout: float,
        id_dropout: float,
        temperature: float | None,
        embedding_rank: int | None,
    ) -> None:
        super().__init__()
        self.rank, self.temperature = rank, temperature
        self.id_dropout = id_dropout if parts is not None else 0.0  # an item must have something left
        self.items = Table(len(warm), rank, rank=embedding_rank, std=STD)
        self.item_bias = nn.Parameter(torch.zeros(len(warm)))
        self.user = user_tower(rank, hidden, dropout)
        self.encoder = None if parts is None else parts.encoder(rank + 1, width=width, dropout=dropout)
        arrays = () if parts is None else parts.arrays
        self.part_names = [f"part_{at}" for at in range(len(arrays))]
        for name, array in zip(self.part_names, arrays, strict=True):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.register_buffer("warm", torch.from_numpy(warm.astype(np.float32)), persistent=False)
        self.register_buffer("log_share", torch.from_numpy(log_share.astype(np.float32)), persistent=False)

    def content(self, codes: Tensor) -> Tensor:
        """What content says of items: vectors and a bias, (n, rank + 1); zeros without content."""
        if self.encoder is None:
            return torch.zeros(len(codes), self.rank + 1, device=codes.device)
        return self.encoder(*(self.get_buffer(name)[codes] for name in self.part_names))

    def joined(self, content: Tensor, codes: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Item vectors (n, rank) and biases (n,), with `share` (n,) of each one's own id vector."""
        vectors = content[:, : self.rank] + share[:, None] * self.items(codes)
        if self.temperature is not None:
            vectors = functional.normalize(vectors, dim=1)
        return vectors, content[:, self.rank] + share * self.item_bias[codes]

    def table(self, piece: int = 2048) -> tuple[Tensor, Tensor]:
        """Vectors and biases of all items, made without gradients; warm items with all of their id vectors."""
        with torch.no_grad():
            made = []
            for at in range(0, self.items.n, piece):
                codes = torch.arange(at, min(at + piece, self.items.n), device=self.item_bias.device)
                made.append(self.joined(self.content(codes), codes, self.get_buffer("warm")[codes]))
            return torch.cat([v for v, _ in made]), torch.cat([b for _, b in made])

    def forward(self, targets: Tensor, histories: Tensor, weights: Tensor, codes: Tensor) -> Tensor:
        """The loss of a batch, as `Pairs` gives it: sampled softmax over the batch's targets, corrected by ln q."""
        content = self.content(codes)
        warm = self.get_buffer("warm")[codes]
        known, _ = self.joined(content, codes, warm)
        kept = warm * (torch.rand_like(warm) >= self.id_dropout) if self.id_dropout else warm
        vectors, bias = self.joined(content, codes, kept)
        means = functional.embedding_bag(histories, known, mode="sum", per_sample_weights=weights)
        users = tower(self.user, means, self.temperature)
        logits = users @ vectors[targets].T + (bias - self.get_buffer("log_share")[codes])[targets]
        again = (targets[:, None] == targets[None]).fill_diagonal_(False)  # the target itself is no negative
        logits = logits.masked_fill(again, -math.inf)
        return functional.cross_entropy(logits, torch.arange(len(targets), device=targets.device))


def tower(user: nn.Module, means: Tensor, temperature: float | None) -> Tensor:
    """Users' vectors from the means of their histories; of length 1 / temperature where there is one."""
    rows = user(means)
    return rows if temperature is None else functional.normalize(rows, dim=1) / temperature


@final
class TwoTowerServed(Encoder):
    """What is kept of the towers: the user's, and a table of item vectors."""

    tied = ("table",)

    def __init__(self, items: int, rank: int, hidden: int, dropout: float, temperature: float | None) -> None:
        super().__init__()
        self.temperature = temperature
        self.user = user_tower(rank, hidden, dropout)
        self.register_buffer("table", torch.zeros(items, rank))
        self.register_buffer("bias", torch.zeros(items))

    def encode(self, *inputs: Tensor) -> Tensor:
        codes, weights = inputs
        means = functional.embedding_bag(
            codes, self.get_buffer("table"), mode="sum", per_sample_weights=weights
        )
        return tower(self.user, means, self.temperature)

    def item_table(self) -> tuple[Tensor, Tensor | None]:
        return self.get_buffer("table"), self.get_buffer("bias")


@final
class Pairs:
    """Batches of the log's rows: each (user, item) is a target once an epoch, with up to `length` others of the user's items.

    batch(epoch, at) gives, for B rows whose items and histories are U distinct items: targets (B,) and histories (B, length)
    int64 as places in the U, weights (B, length) float32 that make means of histories, and codes (U,) int64.
    """

    def __init__(self, seen: Csr, *, batch_size: int, length: int, seed: int) -> None:
        self.seen, self.batch_size, self.length, self.seed = seen, batch_size, length, seed
        self.examples = seen.nnz
        self.steps_per_epoch = -(-self.examples // batch_size)
        self._owners = np.repeat(np.arange(seen.n_rows), seen.counts)
        self._base = child_seed(seed, "histories")
        self._order: tuple[int, np.ndarray] = (-1, self._owners)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, drawn.numpy())
        cells = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        arrays = draw_pairs(
            self.seen.indptr,
            self.seen.indices,
            cells,
            self._owners[cells],
            self.length,
            self.seen.n_columns,
            np.uint64(stepped(self._base, epoch, at)),
        )
        return tuple(torch.from_numpy(a).to(self._device) for a in arrays)


@njit(nogil=True, cache=True)
def draw_pairs(indptr, indices, cells, owners, length, n_items, seed):
    """See `Pairs`. Of a longer history `length` items are drawn, with replacement: the mean of a sample."""
    count = len(cells)
    place = np.full(n_items, -1, np.int64)
    codes = np.empty(min(n_items, count * (length + 1)), np.int64)
    targets = np.empty(count, np.int64)
    histories = np.zeros((count, length), np.int64)
    weights = np.zeros((count, length), np.float32)
    found = 0
    state = seed
    for b in range(count):
        low, high = indptr[owners[b]], indptr[owners[b] + 1]
        others = high - low - 1
        size = min(others, length)
        for t in range(size + 1):
            if t == size:
                item = indices[cells[b]]
            else:
                cell = low + t
                if others > length:
                    state = np.uint64(state + GOLDEN)
                    z = mixed(state)
                    cell = low + np.int64(
                        (np.uint64(z >> np.uint64(32)) * np.uint64(others)) >> np.uint64(32)
                    )
                if cell >= cells[b]:  # the target itself is passed over
                    cell += 1
                item = indices[cell]
            if place[item] < 0:
                place[item] = found
                codes[found] = item
                found += 1
            if t == size:
                targets[b] = place[item]
            else:
                histories[b, t] = place[item]
                weights[b, t] = np.float32(1.0 / size)
    return targets, histories, weights, codes[:found].copy()
