"""Labels as they are given, in any sequence, to the distinct ones as text and a place for each example.

Nothing is guessed: a missing label (None, NaN, empty text), a number that is not finite, or labels of several
types (1 and '1') are refused, with the first ten named by index. Cost: one pass, and a sort for arrays of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from matweave.errors import DataError

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def natural_order(names: Iterable[str]) -> list[str]:
    """Names sorted as a reader would: runs of digits by their value, and all-number names as numbers.

    >>> natural_order(["item10", "item2", "10", "2"])
    ['2', '10', 'item2', 'item10']
    >>> natural_order(["1", "0.5", "-1"])
    ['-1', '0.5', '1']
    """
    names = list(names)
    if all(_NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (float(name), _pieces(name)))
    return sorted(names, key=_pieces)


def _pieces(name: str) -> tuple:
    """Text and digits in turn; a number is its length and its digits, so that none is too long to compare."""
    parts = re.split("([0-9]+)", name.casefold())
    bare = [part.lstrip("0") if i % 2 else part for i, part in enumerate(parts)]
    return [(len(part), part) if i % 2 else part for i, part in enumerate(bare)], name


def distinct(labels: Iterable[Any], where: str = "targets") -> tuple[list[str], np.ndarray]:
    """The labels that occur, as text, in no special order, and each example's place among them, int64 (n,).

    Raises DataError for missing or infinite labels, and for types that are mixed or no labels.

    >>> distinct(["b", "a", "b"])
    (['b', 'a'], array([0, 1, 0]))
    """
    if isinstance(labels, np.ndarray) and labels.ndim != 1:
        raise refused(f"labels are an array of shape {labels.shape}, but must be one for each example", where)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iubf":
        return _distinct_numbers(labels, where)
    items = as_list(labels)
    refuse_at(np.fromiter(map(_is_missing, items), bool, len(items)), items, "labels are missing", where)
    kinds = {_kind(v) for v in set(map(type, items))}
    if kinds <= {"integer", "float"} and "float" in kinds:
        return _distinct_numbers(np.array(items, np.float64), where)
    if len(kinds) > 1 or not kinds <= {"text", "integer", "boolean"}:
        first: dict[type, int] = {}
        for i, v in enumerate(items):
            first.setdefault(type(v), i)
        said = ", ".join(f"{items[i]!r} (index {i}, {kind.__name__})" for kind, i in list(first.items())[:10])
        raise DataError(
            f"labels must be all text or all numbers, but there are: {said}",
            where=where,
            mend="write every label as text, or every label as a number",
        )
    names = dict.fromkeys(items)
    place = {name: i for i, name in enumerate(names)}
    codes = np.fromiter(map(place.__getitem__, items), np.int64, len(items))
    return [str(name) if kinds != {"integer"} else str(int(name)) for name in names], codes


def _distinct_numbers(labels: np.ndarray, where: str) -> tuple[list[str], np.ndarray]:
    refuse_at(np.isnan(labels), labels, "labels are missing", where)
    refuse_at(np.isinf(labels), labels, "labels are infinite", where)
    found, codes = np.unique(labels, return_inverse=True)
    whole = labels.dtype.kind == "f" and bool((found == np.trunc(found)).all())
    return [str(int(v)) if whole else str(v) for v in found], codes.astype(np.int64)


def as_list(values: Any) -> list[Any]:
    """Any sequence as a list; an Arrow column by its Python values, a frame's column through NumPy.

    >>> as_list(np.arange(3))
    [0, 1, 2]
    """
    if hasattr(values, "to_pylist"):
        return values.to_pylist()
    return np.asarray(values).tolist() if hasattr(values, "__array__") else list(values)


def _kind(kind: type) -> str:
    for name, base in (("text", str), ("boolean", (bool, np.bool_)), ("integer", Integral), ("float", Real)):
        if issubclass(kind, base):
            return name
    return "other"


def _is_missing(value: Any) -> bool:
    if isinstance(value, (float, np.floating)):
        return bool(value != value)
    return value is None or (isinstance(value, str) and not value)


def is_number(value: Any) -> bool:
    """Whether a value is a real number; a boolean is none.

    >>> is_number(2.5), is_number("2.5"), is_number(True)
    (True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def refuse_at(
    wrong: np.ndarray, values: Sequence[Any] | np.ndarray, what: str, where: str = "targets"
) -> None:
    """Raise DataError where any example is wrong, with the first ten named by index.

    >>> refuse_at(np.array([False, True]), [1, -1], "codes are negative")
    Traceback (most recent call last):
    matweave.errors.DataError: 1 codes are negative: -1 (index 1)
      where: targets
      mend:  give each example one label, or one finite number
    """
    at = np.flatnonzero(wrong)
    if not len(at):
        return
    shown = ", ".join(f"{_plain(values[i])!r} (index {i})" for i in at[:10].tolist())
    more = f" (+{len(at) - 10:,} more)" if len(at) > 10 else ""
    raise refused(f"{len(at):,} {what}: {shown}{more}", where)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def refused(what: str, where: str = "targets") -> DataError:
    """The error to raise for targets that cannot be what they were said to be."""
    return DataError(what, where=where, mend="give each example one label, or one finite number")
