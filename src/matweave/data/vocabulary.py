"""Vocabularies: ids of any type, and the dense codes that matrices are indexed by.

A vocabulary is built from training rows only, so an id of the test part may be unknown to it; it says so
instead of making up a code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from matweave.errors import DataError, UnknownId, nearest


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """Distinct ids; the code of an id is its position.

    >>> v, codes = Vocabulary.of(["b", "a", "b"])
    >>> codes, v.to_list()
    (array([0, 1, 0], dtype=int32), ['b', 'a'])
    >>> v.encode(["a", "z"])
    (array([ 1, -1], dtype=int32), array([ True, False]))
    """

    ids: pa.Array

    def __post_init__(self) -> None:
        if self.ids.null_count:
            raise DataError(
                "a vocabulary holds a null id", where="Vocabulary", mend="drop the rows without an id"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids.equals(other.ids)

    def __hash__(self) -> int:
        return hash((len(self), str(self.ids.type)))

    @staticmethod
    def of(values: Any) -> tuple[Vocabulary, np.ndarray]:
        """The vocabulary of some ids, numbered by first appearance, and their codes int32."""
        array = as_array(values)
        encoded = array.dictionary_encode()
        if encoded.null_count:
            raise DataError(
                f"{encoded.null_count} ids are null", where="Vocabulary", mend="drop those rows first"
            )
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        return Vocabulary(ids=encoded.dictionary), codes

    def decode(self, codes: Any) -> pa.Array:
        """Ids of the codes, as they came."""
        return self.ids.take(pa.array(np.asarray(codes, np.int64)))

    def encode(self, ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """Codes int32, and which ids are known; the code of an unknown id is -1 and means nothing.

        An id of another type is unknown: the text "12" is not the number 12 (see `encode_text`).
        """
        if isinstance(ids, (list, tuple)) and len(ids) <= 64:
            found = [self._at.get(_key(i), -1) for i in ids]
            codes = np.array(found, np.int32)
            return codes, codes >= 0
        array = as_array(ids)
        if not _comparable(array.type, self.ids.type):
            return np.full(len(array), -1, np.int32), np.zeros(len(array), bool)
        found = pc.index_in(array.cast(self.ids.type, safe=True), value_set=self.ids)  # pyright: ignore[reportAttributeAccessIssue]
        codes = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        return codes, codes >= 0

    def encode_text(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The same for ids that came as text, read as this vocabulary's own type where they can be."""
        own = self.ids.type
        if pa.types.is_string(own) or pa.types.is_large_string(own):
            return self.encode(list(texts))
        found = []
        for text in texts:
            try:
                found.append(pa.array([text], pa.string()).cast(own)[0].as_py())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                found.append(None)
        codes = np.array([-1 if i is None else self._at.get(_key(i), -1) for i in found], np.int32)
        return codes, codes >= 0

    def code(self, id: Any) -> int:
        """The code of one id. Raises UnknownId, which names the nearest."""
        found = self._at.get(_key(id))
        if found is None:
            raise UnknownId(
                f"{id!r} was not in the training log{self._nearest(id)}",
                where="the vocabulary",
                mend="give an id of the training log, or fold the history in",
            )
        return found

    def take(self, codes: Any) -> Vocabulary:
        """The ids of these codes, in this order."""
        return Vocabulary(ids=self.decode(codes))

    def to_list(self) -> list[Any]:
        """The ids as Python objects, by code."""
        return self.ids.to_pylist()

    @cached_property
    def _at(self) -> dict[Any, int]:
        # derived from `ids` alone and built at the first single look-up: a server asks for one id at a time
        return {_key(i): at for at, i in enumerate(self.ids.to_pylist())}

    def _nearest(self, id: Any) -> str:
        mine = [str(i) for i in self.ids[:50_000].to_pylist()]
        if str(id) in mine:
            return f"; it holds {self.ids.type} ids, and this one is a {type(id).__name__}"
        return nearest(str(id), mine)


def as_array(values: Any) -> pa.Array:
    """Any sequence of ids as one Arrow array. Raises DataError where they are of mixed types."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # still so where the chunks exceed one array
        values = pa.concat_arrays(values.chunks)
    if isinstance(values, pa.Array):
        return values
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"ids of mixed or unknown types: {error}",
            where="Vocabulary",
            mend="make all ids strings, or all integers",
        ) from error


def _key(id: Any) -> Any:
    """1, 1.0 and True are equal in Python, and different ids here."""
    id = id.item() if isinstance(id, np.generic) else id
    return (type(id).__name__, id) if isinstance(id, (bool, float)) else id


def _comparable(a: pa.DataType, b: pa.DataType) -> bool:
    if a == b or pa.types.is_null(a):
        return True
    text = (pa.types.is_string, pa.types.is_large_string)
    groups = (
        text,
        (pa.types.is_integer,),
        (pa.types.is_floating,),
        (pa.types.is_binary, pa.types.is_large_binary),
    )
    return any(any(t(a) for t in group) and any(t(b) for t in group) for group in groups)
