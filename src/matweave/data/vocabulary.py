"""Ids and their codes: the one place where "user 'u17'" and "row 4" meet.

A vocabulary holds distinct ids of one Arrow type; the code of an id is its position. An id is the same
only in the same kind of type: the text "12" is not the number 12, while an int32 12 is an int64 12.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.errors import DataError, UnknownId, nearest

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

_FEW = 64
"""A vocabulary this many times longer than the ids asked for is looked up by its own index."""

_KINDS = (
    ("whole numbers", pa.types.is_integer),
    ("text", lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t)),
    (
        "bytes",
        lambda t: (
            pa.types.is_binary(t)
            or pa.types.is_large_binary(t)
            or pa.types.is_binary_view(t)
            or pa.types.is_fixed_size_binary(t)
        ),
    ),
    ("numbers", pa.types.is_floating),
    ("dates", pa.types.is_date),
    ("times without a zone", lambda t: pa.types.is_timestamp(t) and t.tz is None),
    ("times", pa.types.is_timestamp),
    ("decimals", pa.types.is_decimal),
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Vocabulary:
    """Distinct ids, without nulls, of any Arrow type; the code of an id is its position in `ids`.

    Raises DataError for nulls, repeats, or a type whose values cannot be compared (lists, structs).

    >>> v = Vocabulary(ids=pa.array(["b", "a"]))
    >>> len(v), v.code("a"), v.decode([1, 0]).to_pylist()
    (2, 1, ['a', 'b'])
    """

    ids: pa.Array

    def __post_init__(self) -> None:
        ids = _one_array(self.ids)
        object.__setattr__(self, "ids", ids)
        if ids.null_count:
            raise DataError(
                f"{ids.null_count} ids are null", where="Vocabulary", mend="leave out rows without an id"
            )
        try:
            distinct = len(pc.unique(_storage(ids)))
        except pa.ArrowNotImplementedError as error:
            raise _unfit(ids.type) from error
        if distinct < len(ids):
            raise DataError(
                f"{len(ids) - distinct} ids are repeats",
                where="Vocabulary",
                mend="use Vocabulary.of(values), which keeps each id once",
            )

    @staticmethod
    def trusted(ids: pa.Array) -> Vocabulary:
        """The vocabulary of ids that came from a hash table: one array, no nulls, distinct. Not checked again."""
        made = object.__new__(Vocabulary)
        object.__setattr__(made, "ids", ids)
        return made

    @staticmethod
    def of(values: Any) -> tuple[Vocabulary, np.ndarray]:
        """The vocabulary of `values` numbered by first appearance, and the code (int32) of each value.

        `values`: Arrow, NumPy, a pandas or polars series, or a sequence. Raises DataError for nulls and
        for values of no one type.

        >>> v, codes = Vocabulary.of(["b", "a", "b"])
        >>> v.to_list(), codes.tolist()
        (['b', 'a'], [0, 1, 0])
        """
        array = _one_array(_array(values))
        if array.null_count:
            first = int(pc.index(array.is_null(), True).as_py())
            raise DataError(
                f"{array.null_count} of {len(array)} ids are missing, the first at position {first}",
                where="Vocabulary.of",
                mend="leave out rows without an id",
            )
        try:
            coded = pc.dictionary_encode(_storage(array))
        except pa.ArrowNotImplementedError as error:
            raise _unfit(array.type) from error
        codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        return Vocabulary.trusted(_wrapped(coded.dictionary, array.type)), codes

    def __repr__(self) -> str:
        first = ", ".join(repr(i) for i in self.ids[:3].to_pylist())
        return f"Vocabulary({len(self):,} {self.ids.type} ids: {first}{', ...' if len(self) > 3 else ''})"

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.ids.equals(other.ids)

    def __hash__(self) -> int:
        return hash((len(self), str(self.ids.type)))

    def to_list(self) -> list[Any]:
        """All ids as Python objects, in the order of their codes."""
        return self.ids.to_pylist()

    def decode(self, codes: Any) -> pa.Array:
        """The ids of an array of codes. Raises UnknownId for a code out of range."""
        codes = np.asarray(codes)
        if codes.size and (codes.min() < 0 or codes.max() >= len(self)):
            raise UnknownId(
                f"code {int(codes.min()) if codes.min() < 0 else int(codes.max())} is not one of {len(self)} codes",
                where="Vocabulary.decode",
                mend="give codes of this vocabulary",
            )
        return self.ids.take(arrow(codes.astype(np.int64, copy=False).ravel()))

    def take(self, codes: Any) -> Vocabulary:
        """The vocabulary of the ids at `codes` (distinct), in that order."""
        return Vocabulary(ids=self.decode(codes))

    def encode(self, ids: Any) -> tuple[np.ndarray, np.ndarray]:
        """The codes (int32, -1 where unknown) of `ids`, and a mask of the known ones.

        `ids`: Arrow, NumPy, a series or a sequence. Few ids are found by an index that is made at the
        first such call and kept.

        >>> Vocabulary(ids=pa.array([10, 20])).encode([20, "20", None])
        (array([ 1, -1, -1], dtype=int32), array([ True, False, False]))
        """
        sought = self._typed(ids)
        if sought is None:
            codes = np.full(len(ids), -1, np.int32)
        elif len(sought) * _FEW < len(self) and self._indexed:
            index = self._index
            codes = np.array([index.get(i, -1) for i in sought.to_pylist()], np.int32)
        else:
            found = pc.index_in(_storage(sought), value_set=_storage(self.ids), skip_nulls=True)
            codes = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        return codes, codes >= 0

    def encode_text(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As `encode`, for ids written as text: each is parsed into this vocabulary's own type.

        >>> Vocabulary(ids=pa.array([10, 20])).encode_text(["20", "020", "x"])
        (array([ 1, -1, -1], dtype=int32), array([ True, False, False]))
        """
        return self.encode([_parsed(text, self.ids.type) for text in texts])

    def code(self, id: Any) -> int:
        """The code of one id. Raises UnknownId, which names the nearest id."""
        code, mine = int(self.encode([id])[0][0]), self.ids.type
        if code < 0:
            alien = f": the ids here are {_kind(mine)}" if _or_none(id, mine) is None else ""
            # among whole numbers the nearest in writing is nobody's meaning
            guess = "" if str(id).isdigit() and not alien else nearest(str(id), self._alike(str(id)))
            raise UnknownId(
                f"unknown id {id!r}{alien}{guess}",
                where=f"a vocabulary of {len(self):,} ids",
                mend="use an id of the training log",
            )
        return code

    @property
    def _indexed(self) -> bool:
        """True for the types whose Python values are equal exactly where the ids are."""
        return _kind(self.ids.type) in ("whole numbers", "text", "bytes")

    @cached_property
    def _index(self) -> dict[Any, int]:
        return {i: code for code, i in enumerate(self.ids.to_pylist())}

    def _typed(self, ids: Any) -> pa.Array | None:
        """The ids as an array of this vocabulary's type, null where one cannot be; None where none can."""
        mine = self.ids.type
        if not _is_typed(ids):
            ids = list(ids)
            try:
                array = pa.array(ids)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                array = None
            if array is None or _kind(array.type) != _kind(mine):  # of several types, or of another
                return pa.array([_or_none(i, mine) for i in ids], type=mine)
        else:
            array = _one_array(_array(ids))
        if array.type == mine:
            return array
        if _kind(array.type) != _kind(mine):
            return None
        try:
            return array.cast(mine)
        except pa.ArrowInvalid:  # some ids lie outside this type's range
            return pa.array([_or_none(i, mine) for i in array.to_pylist()], type=mine)

    def _alike(self, text: str) -> list[str]:
        """Up to a thousand ids that begin or end like `text`, so that the nearest is found in a short list."""
        try:
            texts = _storage(self.ids).cast(pa.large_string())
        except pa.ArrowException:
            return []
        for size in range(max(len(text) - 1, 0), 0, -1):
            like = pc.or_(pc.starts_with(texts, text[:size]), pc.ends_with(texts, text[-size:]))
            if pc.any(like).as_py():
                return texts.filter(like)[:1000].to_pylist()
        return texts[:1000].to_pylist()


def arrow(numbers: np.ndarray) -> pa.Array:
    """A NumPy array of int32, int64 or float32 as Arrow, without a copy (pa.array would import pandas first)."""
    kind = {np.int32: pa.int32(), np.int64: pa.int64(), np.float32: pa.float32()}[numbers.dtype.type]
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def _is_typed(ids: Any) -> bool:
    """True where the ids carry a type of their own (object arrays do not)."""
    if isinstance(ids, np.ndarray):
        return ids.dtype != object
    return isinstance(ids, (pa.Array, pa.ChunkedArray)) or hasattr(ids, "__arrow_c_stream__")


def _array(values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    try:
        if hasattr(values, "__arrow_c_stream__"):
            return pa.chunked_array(values)
        return pa.array(values if isinstance(values, np.ndarray) else list(values))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"the ids are not of one type: {error}",
            where="Vocabulary",
            mend="make all of them text, or all numbers",
        ) from error


def _one_array(values: Iterable) -> pa.Array:
    """One contiguous array, dictionary types decoded."""
    array: Any = values
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # text beyond 2 GB does not fit one array of 32-bit offsets
        array = array.cast(pa.large_string()).combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type):  # Arrow has few functions for views
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _wrapped(storage: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, storage)
    return storage


def _kind(of: pa.DataType) -> str:
    return next((name for name, test in _KINDS if test(of)), str(of))


def _unfit(kind: pa.DataType) -> DataError:
    return DataError(
        f"values of type {kind} cannot be ids",
        where="Vocabulary",
        mend="use numbers, text, dates or bytes as ids",
    )


def _or_none(value: Any, kind: pa.DataType) -> Any:
    """The value where it is one of this kind of type and in its range, else None."""
    try:
        natural = pa.array([value])
        if natural.type != kind:
            if _kind(natural.type) != _kind(kind):
                return None
            natural.cast(kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return value


def _parsed(text: str, kind: pa.DataType) -> Any:
    """Text as a Python value of the type, None where it is not one. Numbers are written as they print."""
    if isinstance(kind, pa.BaseExtensionType):
        try:
            return uuid.UUID(text) if kind == pa.uuid() else None
        except ValueError:
            return None
    try:
        scalar = pa.scalar(text).cast(kind)
    except (pa.ArrowException, ValueError):
        return None
    value = scalar.as_py()
    return None if pa.types.is_integer(kind) and str(value) != text else value
