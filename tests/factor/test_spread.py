"""A spread is abstract: what it must answer, and that one that answers it can be sliced and drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import pytest

from matweave.factor.rows import FactorRows
from matweave.factor.spread import Spread


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Spread):
    wide: np.ndarray
    noise: float = 0.25

    def __len__(self) -> int:
        return len(self.wide)

    def __getitem__(self, part: slice) -> Table:
        return Table(wide=self.wide[part])

    def deviations(self) -> np.ndarray:
        return self.wide

    def pair_deviations(self, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        return self.wide[at, item_codes]

    def draw(self, seed: int) -> FactorRows:
        return FactorRows(factors=np.full((len(self), 1), seed, np.float32), bias=None)


def test_every_answer_must_be_given() -> None:
    assert Spread.__abstractmethods__ == {"__len__", "__getitem__", "deviations", "pair_deviations", "draw"}
    with pytest.raises(TypeError):
        Spread()  # type: ignore[abstract]


def test_one_that_answers_is_a_spread() -> None:
    table = Table(wide=np.arange(6, dtype=np.float32).reshape(3, 2))
    assert len(table[1:]) == 2
    assert table[1:].deviations().tolist() == [[2, 3], [4, 5]]
    assert len(table.draw(1)) == 3
