"""Sampled protocols: where the target stands among a few given candidates, and metrics of that rank.

Sampled figures are not those of full ranking and can order methods differently (Krichene & Rendle 2020):
tables must label them as sampled. Here each user has one target, in column 0, and c - 1 negatives.
"""

from __future__ import annotations

import numpy as np

from matweave.errors import ConfigError, DataError, nearest

TIES = {
    "half": "an equal score counts as half a rival: the mean over random orders, to first order",
    "worst": "equal scores stand ahead of the target",
    "best": "equal scores stand behind the target",
}


def ranks_among(scores: np.ndarray, codes: np.ndarray | None = None, *, ties: str = "half") -> np.ndarray:
    """Rivals ahead of the target, from 0 (first) to c - 1: float64 (n,), with halves where ties="half".

    Args:
        scores: float (n, c); column 0 is the target's.
        codes: the items scored, (n, c): a copy of the target among its own negatives is no rival. None: all differ.
        ties: "half", "worst" or "best" (see `TIES`). A model that scores all equal gets the middle, the last or
            the first place: only "half" is fair to it.

    Raises:
        DataError: for a NaN score or shapes that differ. ConfigError: for an unknown tie rule.

    >>> ranks_among(np.array([[2.0, 3.0, 2.0, 1.0]])).tolist()
    [1.5]
    >>> ranks_among(np.array([[2.0, 3.0, 2.0, 1.0]]), np.array([[7, 8, 7, 9]]), ties="worst").tolist()
    [1.0]
    """
    if ties not in TIES:
        raise ConfigError(
            f"unknown tie rule {ties!r}{nearest(ties, TIES)}",
            where="ranks_among",
            mend=f"use one of: {', '.join(TIES)}",
        )
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[1] < 1 or (codes is not None and np.shape(codes) != scores.shape):
        raise DataError(
            f"scores {scores.shape} and codes {None if codes is None else np.shape(codes)} do not match",
            where="ranks_among",
            mend="give one row per user with the target first, and as many codes as scores",
        )
    if np.isnan(scores).any():
        raise DataError("a score is not a number (NaN)", where="ranks_among", mend="look for a diverged fit")
    target, others = scores[:, :1], scores[:, 1:]
    rival = (
        np.ones(others.shape, bool) if codes is None else np.asarray(codes)[:, 1:] != np.asarray(codes)[:, :1]
    )
    ahead = (rival & (others > target)).sum(axis=1)
    beside = (rival & (others == target)).sum(axis=1)
    return ahead + {"half": 0.5, "worst": 1.0, "best": 0.0}[ties] * beside


def hit_rate_of_ranks(ranks: np.ndarray, k: int) -> np.ndarray:
    """1 where fewer than k rivals stand ahead, else 0; float64 (n,).

    >>> hit_rate_of_ranks(np.array([0, 9.5, 10]), 10).tolist()
    [1.0, 1.0, 0.0]
    """
    return (np.asarray(ranks) < k).astype(np.float64)


def ndcg_of_ranks(ranks: np.ndarray, k: int) -> np.ndarray:
    """1 / log2(rank + 2) within k, else 0: nDCG with one relevant item; float64 (n,).

    >>> ndcg_of_ranks(np.array([0.0, 2.0, 10.0]), 10).tolist()
    [1.0, 0.5, 0.0]
    """
    ranks = np.asarray(ranks, np.float64)
    return np.where(ranks < k, 1 / np.log2(ranks + 2), 0.0)


def mrr_of_ranks(ranks: np.ndarray, k: int) -> np.ndarray:
    """1 / (rank + 1) within k, else 0; float64 (n,).

    >>> mrr_of_ranks(np.array([0.0, 3.0, 10.0]), 10).tolist()
    [1.0, 0.25, 0.0]
    """
    ranks = np.asarray(ranks, np.float64)
    return np.where(ranks < k, 1 / (ranks + 1), 0.0)
