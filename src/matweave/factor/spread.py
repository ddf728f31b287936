"""How sure a model is of the scores of some users: the posterior of their rows, whatever it comes from.

A form that knows it (factor/laplace.py, factor/posterior.py) answers `Recommender.spread`; what is made of it (recommending
by an upper or lower bound or by a posterior draw, intervals of predictions) is written once, in factor/uncertain.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from matweave.data.csr import Csr
from matweave.factor.rows import Rows
from matweave.linalg.row_draws import history_keys

WITH_VARIANCE = "a method that has a variance: bayesian_mf, factorization_machine, explicit_als, implicit_als, probabilistic_mf (priors=fixed)"
"""What is said to whoever asks another."""


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
        """One draw of every row from its posterior, to be scored by the model as any rows are. The same seed gives the same
        bits, whoever else is asked for: a row's numbers are those of its key (`keys_of`).
        """


def keys_of(histories: Csr, user_codes: np.ndarray | None) -> np.ndarray:
    """What tells n users apart where chance is drawn, (n,) uint64: their codes, and of strangers (-1) what their histories hold.

    >>> two = Csr.from_pairs([0, 1], [4, 4], shape=(2, 9))
    >>> keys = keys_of(two, None)
    >>> bool(keys[0] == keys[1]), keys_of(two, np.array([3, 8])).tolist()
    (True, [3, 8])
    """
    if user_codes is not None and (user_codes >= 0).all():
        return user_codes.astype(np.uint64)
    keys = history_keys(histories.indptr, histories.indices, histories.values)
    return keys if user_codes is None else np.where(user_codes >= 0, user_codes.astype(np.uint64), keys)


def keys_of_ids(ids: Sequence[Any]) -> np.ndarray:
    """What tells new items apart where chance is drawn, (n,) uint64: their names, whoever else comes with them.

    >>> bool(keys_of_ids(["a", "b"])[1] == keys_of_ids(["b"])[0])
    True
    """
    texts = [repr(one).encode() for one in ids]
    ends = np.cumsum([0, *map(len, texts)])
    return history_keys(ends, np.frombuffer(b"".join(texts), np.uint8).astype(np.int64), None)
