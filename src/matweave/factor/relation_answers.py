"""From scores and factors of relations to answers: who completes a triple, components, communities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from matweave.data.frames import as_frame
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.linalg.topk import top_k_scores


def length(k: object, most: int, method: str) -> int:
    """k, at most `most`. Raises ConfigError unless it is an integer >= 1.

    >>> length(20, 7, "RESCAL")
    7
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ConfigError(f"k is {k!r}, but must be an integer >= 1", where=method, mend="give k >= 1")
    return min(int(k), most)


def known_of(cells: np.ndarray, n: int, relation: int, code: int, *, ahead: bool) -> np.ndarray:
    """Codes int32, ascending, of the known tails of (code, relation), or heads where not ahead. cells: sorted numbers.

    >>> known_of(np.array([1, 2, 5]), 3, 0, 0, ahead=True).tolist(), known_of(np.array([1, 2, 5]), 3, 0, 2, ahead=False).tolist()
    ([1, 2], [0, 1])
    """
    first = relation * n * n + (code * n if ahead else 0)
    low, high = np.searchsorted(cells, [first, first + (n if ahead else n * n)])
    heads, tails = np.divmod(cells[low:high] - relation * n * n, n)
    return (tails if ahead else heads[tails == code]).astype(np.int32)


def best_table(
    entities: Vocabulary, scores: np.ndarray, leave_out: np.ndarray | None, k: int, frame: str
) -> Any:
    """The k best of scores (n,), best first, ties to the smaller code, as a frame: entity, score, rank."""
    out = None if leave_out is None else (np.array([0, len(leave_out)], np.int64), leave_out)
    codes, best, counts = top_k_scores(np.ascontiguousarray(scores, np.float32)[None], k=k, leave_out=out)
    count = int(counts[0])
    columns = {
        "entity": entities.decode(codes[0, :count]),
        "score": best[0, :count],
        "rank": np.arange(1, count + 1, dtype=np.int32),
    }
    return as_frame(pa.table(columns), frame)


def components_table(entities: Vocabulary, factors: np.ndarray, k: int) -> pa.Table:
    """component, entity, strength, rank: of each component the k entities of largest absolute factor, ties by code.

    The first of each is positive: W H Wᵀ is the same when a column changes its sign, and H the signs of its row and column.
    """
    order = np.argsort(-np.abs(factors), axis=0, kind="stable")[:k].T  # (rank, k)
    factors = factors * heads_up(factors)
    components, ranks = np.indices(order.shape)
    return pa.table(
        {
            "component": (components.ravel() + 1).astype(np.int32),
            "entity": entities.decode(order.ravel()),
            "strength": factors[order, components].ravel().astype(np.float32),
            "rank": (ranks.ravel() + 1).astype(np.int32),
        }
    )


def heads_up(factors: np.ndarray) -> np.ndarray:
    """The sign of each column's largest entry, (rank,): 1 or -1.

    >>> heads_up(np.array([[1.0, 2.0, 0.0], [-3.0, 1.0, 0.0]])).tolist()
    [-1.0, 1.0, 1.0]
    """
    first = np.sign(factors[np.abs(factors).argmax(axis=0), np.arange(factors.shape[1])])
    return np.where(first == 0, 1, first).astype(factors.dtype)


def memberships(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each entity its strongest component (-1: no factor at all), its strength there, and its share of all its strengths.

    Components are scaled to length one: W H Wᵀ does not say how a scale is shared between a column of W and H.

    >>> memberships(np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))[0].tolist()
    [0, 1, -1]
    """
    lengths = np.sqrt(np.square(factors, dtype=np.float64).sum(axis=0))
    scaled = factors / np.where(lengths > 0, lengths, 1)
    sums = scaled.sum(axis=1)
    strongest = scaled.argmax(axis=1)
    strength = scaled.max(axis=1, initial=0)
    return np.where(sums > 0, strongest, -1), strength, strength / np.where(sums > 0, sums, 1)


def communities_table(entities: Vocabulary, factors: np.ndarray, k: int) -> pa.Table:
    """community, entity, strength, share, rank: of each community at most k entities, the strongest first."""
    community, strength, share = memberships(factors)
    order = np.lexsort((np.arange(len(community)), -strength, community))
    order = order[community[order] >= 0]
    starts = np.searchsorted(community[order], community[order])
    ranks = np.arange(len(order)) - starts
    order, ranks = order[ranks < k], ranks[ranks < k]
    return pa.table(
        {
            "community": (community[order] + 1).astype(np.int32),
            "entity": entities.decode(order),
            "strength": strength[order].astype(np.float32),
            "share": share[order].astype(np.float32),
            "rank": (ranks + 1).astype(np.int32),
        }
    )
