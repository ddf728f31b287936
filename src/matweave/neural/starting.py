"""Factors of a fitted model as the start of another: the same scores, in as many columns as are wanted.

For scores X Yᵀ (X users x r, Y items x r) the thin SVD of the product, by QR of each side, gives columns in order of
energy, shared evenly by the sides: X' = U √S, Y' = V √S, X' Y'ᵀ = X Yᵀ. The first `rank` are taken; where more are
wanted than there are, the rest are drawn small. An item model's scores H B are taken as (H U √S)(V √S)ᵀ. Ids that the model
does not know get rows drawn like the others.

Cost      O((users + items) r²) and, for an item model, a truncated SVD of B.
Checked by  tests/neural/test_starting.py: scores kept, the best cut, ids in another order, strangers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from scipy.sparse.linalg import svds

from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.factor.forms import Factored, FactorModel, ItemModel
from matweave.factor.recommender import Recommender
from matweave.factor.weights import DenseWeights, SparseWeights
from matweave.randomness import child

NOISE = 0.01  # of the spread of the known rows: what extra columns start with


@final
@dataclass(frozen=True, kw_only=True)
class Start:
    """users (n, rank), items (m, rank) float32; user_bias (n,), item_bias (m,), zeros where the model has none; mean."""

    users: np.ndarray
    items: np.ndarray
    user_bias: np.ndarray
    item_bias: np.ndarray
    mean: float

    def scaled(self, std: float) -> Start:
        """The same directions, with items' vectors of spread `std`; users take what the items lose: scores stay."""
        by = np.float32(std / max(float(self.items.std()), 1e-12))
        return Start(
            users=self.users / by,
            items=self.items * by,
            user_bias=self.user_bias,
            item_bias=self.item_bias,
            mean=self.mean,
        )


def start_from(model: Recommender, users: Vocabulary, items: Vocabulary, rank: int, *, seed: int) -> Start:
    """The factors of a model for these users and items.

    Raises ConfigError for a model without factors, or with none of these items.

    >>> import matweave as mw
    >>> log = mw.simulate_log(users=40, items=30, interactions=400, seed=0).log
    >>> start = start_from(mw.PureSVD(rank=6).fit(log), log.users, log.items, 4, seed=0)
    >>> start.users.shape, start.items.shape
    ((40, 4), (30, 4))
    """
    x, y = _balanced(*_sides(model, rank, seed))
    user_bias = item_bias = None
    mean = 0.0
    if isinstance(model, Factored):
        _, item_bias, mean = model.item_side()
    if isinstance(model, ItemModel):
        item_bias = model.item_bias
    if isinstance(model, FactorModel):
        user_bias = model.user_bias
    rng = child(seed, "start", "strangers")
    user_at, user_there = model.users.encode(users.ids)
    item_at, item_there = model.items.encode(items.ids)
    if len(items) and not item_there.any():
        raise ConfigError(
            f"{model.method} knows none of the {len(items):,} items of this log",
            where="init",
            mend="give a model that was fitted on a log with the same item ids",
        )
    return Start(
        users=_laid(_wide(x, rank, rng), user_at, user_there, rng),
        items=_laid(_wide(y, rank, rng), item_at, item_there, rng),
        user_bias=_numbers(user_bias, user_at, user_there),
        item_bias=_numbers(item_bias, item_at, item_there),
        mean=float(mean),
    )


def _sides(model: Recommender, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(model, Factored):
        rows = model.known(np.arange(len(model.users), dtype=np.int32))
        return getattr(rows, "factors"), model.item_side()[0]  # noqa: B009  rows of a factored model
    if isinstance(model, ItemModel) and isinstance(model.weights, (DenseWeights, SparseWeights)):
        u, s, vt = _leading(model.weights, min(rank, len(model.items)), seed)
        root = np.sqrt(s)
        histories = model.seen if model.use_values else replace(model.seen, values=None)
        return np.asarray(histories.scipy() @ (u * root), np.float32), (vt.T * root).astype(np.float32)
    raise ConfigError(
        f"{model.method} has no factors to start from",
        where="init",
        mend="give a factor model (ImplicitALS, PureSVD, BiasedMF, ...), EASE, ItemKNN or a network with item vectors",
    )


def _leading(
    weights: DenseWeights | SparseWeights, rank: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix: Any = weights.matrix if isinstance(weights, DenseWeights) else weights.matrix.scipy()
    if 4 * rank >= matrix.shape[0]:  # Lanczos wants room
        full = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        u, s, vt = np.linalg.svd(full)
    else:
        first = child(seed, "start", "svd").standard_normal(matrix.shape[0]).astype(np.float32)
        found: Any = svds(matrix, k=rank, v0=first)
        u, s, vt = found[0][:, ::-1], found[1][::-1], found[2][::-1]
    return u[:, :rank], s[:rank], vt[:rank]


def _balanced(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x yᵀ as another product of as many columns, in order of energy, both sides of equal length in each."""
    qx, rx = np.linalg.qr(x.astype(np.float64))
    qy, ry = np.linalg.qr(y.astype(np.float64))
    u, s, vt = np.linalg.svd(rx @ ry.T)
    k = len(s)
    signs = np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(axis=1)])
    root = np.sqrt(s) * np.where(signs == 0, 1, signs)
    return (qx @ (u[:, :k] * root)).astype(np.float32), (qy @ (vt[:k].T * root)).astype(np.float32)


def _wide(side: np.ndarray, rank: int, rng: np.random.Generator) -> np.ndarray:
    cut = side[:, :rank]
    extra = rank - cut.shape[1]
    if extra <= 0:
        return cut
    drawn = rng.standard_normal((len(cut), extra), np.float32) * np.float32(NOISE * cut.std())
    return np.concatenate([cut, drawn], axis=1)


def _laid(side: np.ndarray, at: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spread = np.float32(side.std())
    found = rng.standard_normal((len(at), side.shape[1]), np.float32) * spread
    found[there] = side[at[there]]
    return found


def _numbers(values: np.ndarray | None, at: np.ndarray, there: np.ndarray) -> np.ndarray:
    found = np.zeros(len(at), np.float32)
    if values is not None:
        found[there] = values[at[there]]
    return found
