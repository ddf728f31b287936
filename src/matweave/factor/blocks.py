"""What every model does that scores whole rows: lists, pairs and neighbours by blocks, so that a full table is never held.

Cost        Each row is scored once; one block of `block` rows x items is in memory.
Checked by  tests/factor/test_blocks.py, and by the battery through every form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from matweave.data.csr import Csr
from matweave.factor.rows import Rows
from matweave.linalg.topk import top_k_scores

Top = tuple[np.ndarray, np.ndarray, np.ndarray]
"""codes (n, k) int32, scores (n, k) float32, counts (n,) int32: only the first counts[i] of row i are valid."""

Scores = Callable[[Rows], np.ndarray]
"""From rows to their scores of all items, (n, items) float32."""

BLOCK = 512  # users scored at once where a full row of scores is needed: 512 x 1M items is 2 GB at most


def parts(count: int, size: int) -> Iterator[slice]:
    """0..count in slices of `size`, the last one shorter.

    >>> [(part.start, part.stop) for part in parts(5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    return (slice(a, min(a + size, count)) for a in range(0, count, size))


def top_of(scores: Scores, rows: Rows, k: int, leave_out: Csr | None, *, block: int | None = None) -> Top:
    """The k best items of each row; leave_out (n x items): items never to be given. block: rows at once; None: BLOCK.

    >>> from matweave.factor.rows import FactorRows
    >>> rows = FactorRows(factors=np.array([[1.0, 3.0, 2.0]], np.float32), bias=None)
    >>> top_of(lambda some: some.factors, rows, 2, None)[0].tolist()
    [[1, 2]]
    """
    codes, best = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    counts = np.zeros(len(rows), np.int32)
    for part in parts(len(rows), block or BLOCK):
        out = None if leave_out is None else leave_out.rows(np.arange(part.start, part.stop))
        pair = None if out is None else (out.indptr, out.indices)
        codes[part], best[part], counts[part] = top_k_scores(scores(rows[part]), k=k, leave_out=pair)
    return codes, best, counts


def pairs_of(
    scores: Scores, rows: Rows, at: np.ndarray, item_codes: np.ndarray, *, block: int | None = None
) -> np.ndarray:
    """Scores float32 (p,) of the pairs (rows[at[p]], item_codes[p]). block: rows at once; None: BLOCK.

    >>> from matweave.factor.rows import FactorRows
    >>> rows = FactorRows(factors=np.array([[1.0, 3.0], [5.0, 7.0]], np.float32), bias=None)
    >>> pairs_of(lambda some: some.factors, rows, np.array([1, 0]), np.array([0, 1])).tolist()
    [5.0, 3.0]
    """
    found = np.empty(len(at), np.float32)
    order = np.argsort(at, kind="stable")
    for part in parts(len(rows), block or BLOCK):
        low, high = np.searchsorted(at[order], [part.start, part.stop])
        mine = order[low:high]
        if len(mine):
            found[mine] = scores(rows[part])[at[mine] - part.start, item_codes[mine]]
    return found


def best_but(scores: np.ndarray, left_out: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest of scores (items,), one item left out: codes and scores, best first; -inf is never given.

    >>> codes, best = best_but(np.array([1.0, 9.0, 3.0]), 1, 2)
    >>> codes.tolist(), best.tolist()
    ([2, 0], [3.0, 1.0])
    """
    out = (np.array([0, 1], np.int64), np.array([left_out], np.int32))
    codes, best, counts = top_k_scores(
        np.ascontiguousarray(scores, np.float32)[None, :], k=min(k, len(scores)), leave_out=out
    )
    return codes[0, : counts[0]], best[0, : counts[0]]


def most_alike(vectors: np.ndarray, code: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of vectors (items, rank) with the largest cosine to row `code`, itself left out: codes and cosines.

    >>> most_alike(np.array([[1, 0], [2, 0], [0, 1]], np.float32), 0, 1)[0].tolist()
    [1]
    """
    lengths = np.linalg.norm(vectors, axis=1)
    cosine = vectors @ vectors[code]
    cosine /= np.maximum(lengths * lengths[code], np.finfo(np.float32).tiny)
    return best_but(cosine, code, k)
