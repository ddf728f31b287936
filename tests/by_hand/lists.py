"""Random lists and relevant items for tests of metrics: short lists, empty lists, users with nothing relevant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Case:
    codes: np.ndarray  # (n, K), rubbish beyond counts
    counts: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    gains: np.ndarray
    n_items: int

    @property
    def lists(self) -> list[list[int]]:
        return [row[:c].tolist() for row, c in zip(self.codes, self.counts, strict=True)]

    @property
    def relevant(self) -> list[dict[int, float]]:
        edges = list(zip(self.indptr, self.indptr[1:], strict=False))
        return [
            dict(zip(self.indices[a:b].tolist(), self.gains[a:b].tolist(), strict=True)) for a, b in edges
        ]


def random_case(seed: int, n: int = 12, n_items: int = 15, width: int = 6) -> Case:
    rng = np.random.default_rng(seed)
    codes = np.array([rng.permutation(n_items)[:width] for _ in range(n)]).reshape(n, width)
    counts = rng.integers(0, width + 1, n)
    counts[rng.random(n) < 0.6] = width
    codes[np.arange(width) >= counts[:, None]] = 0  # as top-k search leaves it
    sets = [
        np.sort(rng.permutation(n_items)[: rng.integers(0, n_items) * (rng.random() < 0.8)]) for _ in range(n)
    ]
    indices = np.concatenate([np.zeros(0, np.int64), *sets]).astype(np.int32)
    return Case(
        codes=codes.astype(np.int32),
        counts=counts.astype(np.int32),
        indptr=np.r_[0, np.cumsum([len(s) for s in sets])].astype(np.int64),
        indices=indices,
        gains=rng.integers(0, 4, len(indices)).astype(np.float32),
        n_items=n_items,
    )
