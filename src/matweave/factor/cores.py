"""How components of entities act on each other in each relation: the H_k of w_aᵀ H_k w_b, dense or of a form that is cheaper.

    DenseCores      any H_k, r² numbers each
    RotationCores   [[diag p, diag q], [-diag q, diag p]]: r/2 rotations with a stretch, r numbers each: ComplEx in real numbers

Checked by  tests/factor/test_cores.py: each against its matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np


class Cores(ABC):
    """H_k for k = 0, ..., relations - 1, each rank x rank."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(relations, rank, rank)."""

    @abstractmethod
    def ahead(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        """vectors (m, rank) @ H_k: what heads ask of tails."""

    @abstractmethod
    def back(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        """vectors (m, rank) @ H_kᵀ: what tails ask of heads."""

    @abstractmethod
    def matrix(self, relation: int) -> np.ndarray:
        """H_k in full, (rank, rank) float32."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DenseCores(Cores):
    """values (relations, rank, rank) float32.

    >>> DenseCores(values=np.array([[[0, 2], [1, 0]]], np.float32)).ahead(np.array([[1, 0]], np.float32), 0).tolist()
    [[0.0, 2.0]]
    """

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        k, r, _ = self.values.shape
        return k, r, r

    def ahead(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        return vectors @ self.values[relation]

    def back(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        return vectors @ self.values[relation].T

    def matrix(self, relation: int) -> np.ndarray:
        return self.values[relation]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class RotationCores(Cores):
    """real p and imaginary q, (relations, rank / 2) float32; the first half of an entity's vector is its real part.

    >>> turn = RotationCores(real=np.zeros((1, 1), np.float32), imaginary=np.ones((1, 1), np.float32))
    >>> turn.matrix(0).tolist(), turn.ahead(np.array([[1, 0]], np.float32), 0).tolist()
    ([[0.0, 1.0], [-1.0, 0.0]], [[-0.0, 1.0]])
    """

    real: np.ndarray
    imaginary: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        k, half = self.real.shape
        return k, 2 * half, 2 * half

    def ahead(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        return self._turned(vectors, self.real[relation], self.imaginary[relation])

    def back(self, vectors: np.ndarray, relation: int) -> np.ndarray:
        return self._turned(vectors, self.real[relation], -self.imaginary[relation])

    def matrix(self, relation: int) -> np.ndarray:
        p, q = np.diag(self.real[relation]), np.diag(self.imaginary[relation])
        return np.block([[p, q], [-q, p]])

    def _turned(self, vectors: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        a, b = np.split(vectors, 2, axis=1)
        return np.concatenate([a * p - b * q, a * q + b * p], axis=1)
