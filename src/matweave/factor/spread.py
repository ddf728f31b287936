"""How sure a model is of the scores of some users: the posterior of their rows, whatever it comes from.

A form that knows it (factor/laplace.py, factor/posterior.py) answers `Recommender.spread`; what is made of it (recommending
by an upper or lower bound or by a posterior draw, intervals of predictions) is written once, in factor/uncertain.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from matweave.factor.rows import Rows


class Spread(ABC):
    """The uncertainty of the scores of n users; a slice of it is that of those users.

    noise: variance of one observed value about its expected score; 0 where the model predicts no values.
    """

    noise: float

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, part: slice) -> Spread: ...

    @abstractmethod
    def deviations(self) -> np.ndarray:
        """Standard deviations (n, items) float32 of the expected scores. Meant for blocks, as `Recommender.scores` is."""

    @abstractmethod
    def pair_deviations(self, at: np.ndarray, item_codes: np.ndarray) -> np.ndarray:
        """Standard deviations (p,) float32 of the expected scores of the pairs (row at[p], item_codes[p])."""

    @abstractmethod
    def draw(self, seed: int) -> Rows:
        """One draw of every row from its posterior, to be scored by the model as any rows are. The same seed gives the same bits."""
