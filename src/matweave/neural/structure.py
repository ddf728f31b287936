"""What a saved network is rebuilt from: names and numbers, never code.

A method's file holds one `Structure` beside its recipe. It is stored with the model, builds the empty module, and turns
histories into what the module takes; the weights are then put in by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, Self, cast

import numpy as np

from matweave.data.csr import Csr
from matweave.deep import Tensor, nn


class Encoder(nn.Module, ABC):
    """A network that makes a user's row from what is known of the user, and holds the items' side.

    tied: names of weights that are the item table itself, bit for bit; they are stored once.
    """

    tied: tuple[str, ...] = ()

    @abstractmethod
    def encode(self, *inputs: Tensor) -> Tensor:
        """Rows (n, rank) from the tensors that `EncoderStructure.inputs` gives for n users."""

    @abstractmethod
    def item_table(self) -> tuple[Tensor, Tensor | None]:
        """The items' vectors (items, rank) and biases (items,), or None for no biases."""


def array_of(tensor: Tensor) -> np.ndarray:
    """A tensor as a float32 array of its own.

    >>> array_of(nn.Linear(2, 1).weight.new_ones(2)).tolist()
    [1.0, 1.0]
    """
    return np.array(tensor.detach().float().cpu().numpy(), order="C")


class EncoderStructure(ABC):
    """How an `Encoder` is built and fed. A frozen dataclass of plain numbers and names.

    empty: whether users without any history go through the encoder; where not, their row is zero.
    """

    empty: bool = True

    @classmethod
    def of(cls, recipe: Any, **sizes: int) -> Self:
        """The structure of a recipe, whose settings of the same names are taken; sizes: what only the log knows."""
        shared = [f.name for f in fields(cast(Any, cls)) if f.name not in sizes]
        return cls(**sizes, **{name: getattr(recipe, name) for name in shared})

    @abstractmethod
    def build(self) -> Encoder:
        """The module with weights as they start."""

    @abstractmethod
    def inputs(self, histories: Csr, users: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Arrays for n users, each with n in front: their histories, and their codes, -1 for strangers; None: all are."""
