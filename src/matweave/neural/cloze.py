"""Histories with some items hidden, for a network that guesses them from both sides (the Cloze task of Sun et al., CIKM 2019).

A user's last `length` items are one example. Each step is hidden with probability `share`, by chance of its own; where chance hides
none, the last one is. A `last_share` of the examples hide their last item alone, which is what serving asks for.

The draws are made by a compiled kernel and depend on (seed, epoch, at) alone.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numba import njit

from matweave.data.csr import Csr
from matweave.deep import generator, torch
from matweave.linalg.hashes import GOLDEN, mixed
from matweave.randomness import child_seed, stepped
from matweave.train.task import Batch


@final
class Cloze:
    """Batches of `batch_size` histories; a user of fewer than two items has nothing to guess from, and is left out.

    batch(epoch, at) gives, for P packed steps of B users and M hidden ones: targets (M,), hidden (M,) places among the packed steps;
    inputs (P,), n_items where hidden; slots (P,), positions (P,) as `NextItems` gives them; lengths (B,). All int64.

    >>> from dataclasses import replace
    >>> log = replace(Csr.from_pairs([0, 0, 0], [0, 1, 2], shape=(1, 3)), order=np.array([1, 0, 2], np.int32))
    >>> found = Cloze(log, length=2, share=0.0, last_share=0.0, batch_size=4, seed=0)
    >>> targets, hidden, inputs, slots, positions, lengths = found.batch(0, 0)
    >>> targets.tolist(), hidden.tolist(), inputs.tolist(), positions.tolist()
    ([2], [1], [0, 3], [0, 1])
    """

    def __init__(
        self, histories: Csr, *, length: int, share: float, last_share: float, batch_size: int, seed: int
    ) -> None:
        self.users = np.flatnonzero(histories.counts >= 2)
        self.histories, self.items = histories, histories.in_order()
        self.length, self.share, self.last_share = length, share, last_share
        self.batch_size, self.seed = batch_size, seed
        self.examples = len(self.users)
        self.steps_per_epoch = -(-self.examples // batch_size)
        self._base = child_seed(seed, "hidden")
        self._order: tuple[int, np.ndarray] = (-1, self.users)
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Batches are made on the CPU and sent to this device."""
        self._device = device

    def batch(self, epoch: int, at: int) -> Batch:
        """Batch `at` of an epoch, both counted from 0."""
        if self._order[0] != epoch:
            drawn = torch.randperm(self.examples, generator=generator(self.seed, "order", epoch))
            self._order = (epoch, self.users[drawn.numpy()])
        rows = self._order[1][at * self.batch_size : (at + 1) * self.batch_size]
        indptr = self.histories.indptr
        lengths = np.minimum(indptr[rows + 1] - indptr[rows], self.length)
        *packed, hides = _hidden_steps(
            indptr[rows + 1],
            self.items,
            lengths,
            lengths.max(),
            self.length,
            self.share,
            self.last_share,
            np.uint64(stepped(self._base, epoch, at)),
        )
        inputs, slots, positions = packed
        hidden = np.flatnonzero(hides)
        targets = inputs[hidden]
        inputs[hidden] = self.histories.n_columns
        arrays = (targets, hidden, inputs, slots, positions, lengths)
        return tuple(torch.from_numpy(a).to(self._device) for a in arrays)


@njit(nogil=True, cache=True)
def _hidden_steps(ends, items, lengths, longest, length, share, last_share, seed):
    total = lengths.sum()
    inputs, slots, positions = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int64)
    hides = np.zeros(total, np.bool_)
    state, p = seed, 0
    unit = 1.0 / 9007199254740992.0
    for b in range(len(lengths)):
        n, first = lengths[b], p
        state = np.uint64(state + GOLDEN)
        last_only = (mixed(state) >> np.uint64(11)) * unit < last_share
        some = False
        for t in range(n):
            inputs[p] = items[ends[b] - n + t]
            slots[p] = b * longest + t
            positions[p] = length - n + t
            state = np.uint64(state + GOLDEN)
            if not last_only and (mixed(state) >> np.uint64(11)) * unit < share:
                hides[p] = some = True
            p += 1
        if not some:
            hides[first + n - 1] = True
    return inputs, slots, positions, hides
