"""From codes to answers: ids of users and items looked up, and lists made into data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from matweave.data.csr import Csr
from matweave.data.frames import as_frame
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, UnknownId, listed


def user_codes_of(vocabulary: Vocabulary, ids: Sequence[Any] | None) -> np.ndarray:
    """Codes int32 of the ids, or all codes for None. Raises UnknownId, which lists every unknown id.

    >>> user_codes_of(Vocabulary(ids=pa.array(["a", "b"])), ["b"])
    array([1], dtype=int32)
    """
    if ids is None:
        return np.arange(len(vocabulary), dtype=np.int32)
    if isinstance(ids, (str, bytes)) or not hasattr(ids, "__iter__"):
        raise DataError(
            f"{ids!r} is one id, where a list of ids is asked for",
            where="the ids given",
            mend=f"put it in a list: [{ids!r}]",
        )
    if not hasattr(ids, "__len__"):  # an iterator, to be read once
        ids = list(ids)
    codes, known = vocabulary.encode(ids)
    if not known.all():
        unknown = [i for i, k in zip(_plain(ids), known, strict=True) if not k]
        if len(unknown) == 1:
            vocabulary.code(unknown[0])  # raises, naming the nearest id
        raise UnknownId(
            f"{len(unknown)} of {len(codes)} ids were not in the training log: {listed(unknown)}",
            where="the model's vocabulary",
            mend="leave them out, or fold their histories in with recommend_for(history=...)",
        )
    return codes


def _plain(ids: Any) -> list[Any]:
    """Ids as Python objects, as a message shows them."""
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(ids, method):
            return getattr(ids, method)()
    return list(ids)


def history_of(items: Vocabulary, history: Sequence[Any], values: Sequence[float] | None) -> Csr:
    """One stranger's history as a 1 x items matrix, in the order given.

    Raises UnknownId for unknown items, DataError for items named twice or values that do not fit.

    >>> one = history_of(Vocabulary(ids=pa.array(["a", "b", "c"])), ["c", "a"], [5, 3])
    >>> one.indices.tolist(), one.values.tolist(), one.in_order().tolist()
    ([0, 2], [3.0, 5.0], [2, 0])
    """
    codes = user_codes_of(items, history)
    weights = None if values is None else _numbers(values)
    if weights is not None and len(weights) != len(codes):
        raise DataError(
            f"{len(weights)} values for {len(codes)} items of the history",
            where="recommend_for",
            mend="give one value per item, or none",
        )
    distinct, first, place = np.unique(codes, return_index=True, return_inverse=True)
    if len(distinct) < len(codes):
        raise DataError(
            f"the history names {len(codes) - len(distinct)} items more than once",
            where="recommend_for",
            mend="name each item once",
        )
    return Csr(
        indptr=np.array([0, len(distinct)], np.int64),
        indices=distinct.astype(np.int32),
        values=None if weights is None else weights[first],
        n_columns=len(items),
        order=place.astype(np.int32),
    )


def _numbers(values: Sequence[float]) -> np.ndarray:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if found.ndim != 1 or not (np.abs(found) <= np.finfo(np.float32).max).all():
        raise DataError(
            "the values of the history are not a list of finite numbers",
            where="recommend_for",
            mend="give one number per item",
        )
    return found.astype(np.float32)


def exclusions(seen: Csr | None, rows: int, items: Vocabulary, exclude: Sequence[Any]) -> Csr | None:
    """What may not be given: the seen items of each row, and the excluded ids for all rows."""
    if not len(exclude):
        return seen
    never = np.unique(user_codes_of(items, exclude))
    at, columns = np.repeat(np.arange(rows), len(never)), np.tile(never, rows)
    if seen is not None:
        at = np.concatenate([np.repeat(np.arange(rows), np.diff(seen.indptr)), at])
        columns = np.concatenate([seen.indices, columns])
    cell = np.unique(at.astype(np.int64) * len(items) + columns)
    indptr = np.searchsorted(cell, np.arange(rows + 1, dtype=np.int64) * len(items)).astype(np.int64)
    return Csr(indptr=indptr, indices=(cell % len(items)).astype(np.int32), values=None, n_columns=len(items))


def top_table(
    users: pa.Array | None, items: Vocabulary, top: tuple[np.ndarray, np.ndarray, np.ndarray], frame: str
) -> Any:
    """Lists as a frame: user (where given), item, score, rank; as long as the lists together."""
    codes, scores, counts = top
    valid = np.arange(codes.shape[1]) < counts[:, None]
    columns: dict[str, Any] = {}
    if users is not None:
        columns["user"] = users.take(pa.array(np.repeat(np.arange(len(counts)), counts)))
    columns["item"] = items.decode(codes[valid])
    columns["score"] = scores[valid]
    columns["rank"] = np.broadcast_to(np.arange(1, codes.shape[1] + 1, dtype=np.int32), codes.shape)[valid]
    return as_frame(pa.table(columns), frame)


def similar_table(items: Vocabulary, codes: np.ndarray, scores: np.ndarray, frame: str) -> Any:
    """Neighbours as a frame: item, similarity, rank."""
    rank = np.arange(1, len(codes) + 1, dtype=np.int32)
    return as_frame(pa.table({"item": items.decode(codes), "similarity": scores, "rank": rank}), frame)


def pair_table(
    users: Vocabulary,
    codes: np.ndarray,
    items: Vocabulary,
    item_codes: np.ndarray,
    scores: np.ndarray,
    frame: str,
    more: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Pairs as a frame: user, item, score, and more columns by name."""
    columns = {"user": users.decode(codes), "item": items.decode(item_codes), "score": scores, **(more or {})}
    return as_frame(pa.table(columns), frame)
