"""Arrays or texts of a caller, in any form that sequences come in, to one array of steps and its offsets."""

from __future__ import annotations

from typing import Any

import numpy as np

from matweave.data.places import SHOWN
from matweave.data.ragged import FLOAT32, offsets_of
from matweave.errors import DataError


def joined(x: Any) -> list[str] | tuple[np.ndarray, np.ndarray]:
    """n texts as a list, or (steps (total, channels) float32, offsets (n + 1,) int64).

    x: see `Sequences.of`. Raises DataError, with the first ten indices of each kind of problem, for sequences that
    are no arrays of finite numbers, have no steps, or other numbers of channels than the first.

    >>> joined([[1, 2], [3]])[1]
    array([0, 2, 3])
    >>> joined([[[1, 2], [3, 4]], [[5]], [[np.nan, 1]], []])
    Traceback (most recent call last):
    matweave.errors.DataError: without a single step: x[3]
    with another number of channels than x[0], which has 2: x[1]
    with NaN or infinite values: x[2]
      where: sequences
      mend:  give n arrays (T_i,) or (T_i, channels) of finite numbers, or n texts
    """
    if hasattr(x, "__array__"):
        x = np.asarray(x)
        if x.ndim not in (1, 2, 3):
            raise _refused([f"an array of shape {x.shape} is not n sequences"])
    elif isinstance(x, (str, bytes)) or not hasattr(x, "__iter__"):
        raise _refused([f"a {type(x).__name__} is not n sequences"])
    else:
        x = list(x)
    if not len(x):
        raise _refused(["there are no sequences"])
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf" and x.ndim > 1:
        return _even(x)
    items = list(x)
    texts = [isinstance(item, str) for item in items]
    if all(texts):
        empty = [i for i, item in enumerate(items) if not item]
        if empty:
            raise _refused([_line("without a single character", empty)])
        return [str(item) for item in items]
    if any(texts):
        few = min((True, False), key=texts.count)
        at = [i for i, is_text in enumerate(texts) if is_text == few]
        raise _refused([_line("of text among numbers" if few else "of other things among texts", at)])
    return _uneven(items)


def _even(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x = x[:, :, None] if x.ndim == 2 else x
    problems = []
    if not x.shape[1] or not x.shape[2]:
        problems.append(f"an array of shape {x.shape} has sequences without a single step or channel")
    else:
        good = np.abs(x) <= FLOAT32  # False for NaN too
        problems += _lines(np.flatnonzero(~good.all(axis=(1, 2))), "with NaN or infinite values")
    if problems:
        raise _refused(problems)
    offsets = offsets_of(np.full(len(x), x.shape[1]))
    # a copy: what the caller does with the array later is no business of ours
    return np.array(x, np.float32, order="C").reshape(-1, x.shape[2]), offsets


def _uneven(items: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    arrays, strange, empty = [], [], []
    for i, item in enumerate(items):
        try:
            array = np.asarray(item)
            if array.dtype == object:  # numbers, perhaps, that were put into an array of anything
                array = np.asarray(array.tolist())
        except ValueError:  # rows of other lengths within one sequence
            array = np.zeros((), object)
        if array.ndim in (1, 2) and not array.size:
            empty.append(i)
        elif array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
            strange.append(i)
        else:
            arrays.append((i, array.reshape(len(array), -1)))
    problems = _lines(strange, "that are no arrays (T,) or (T, channels) of numbers")
    problems += _lines(empty, "without a single step")
    if arrays:
        first, wide = arrays[0][0], arrays[0][1].shape[1]
        other = [i for i, a in arrays if a.shape[1] != wide]
        problems += _lines(other, f"with another number of channels than x[{first}], which has {wide}")
        problems += _lines(
            [i for i, a in arrays if not (np.abs(a) <= FLOAT32).all()], "with NaN or infinite values"
        )
    if problems:
        raise _refused(problems)
    steps = np.concatenate([a.astype(np.float32, copy=False) for _, a in arrays])
    return steps, offsets_of([len(a) for _, a in arrays])


def _lines(at: Any, what: str) -> list[str]:
    return [_line(what, list(at))] if len(at) else []


def _line(what: str, at: list[int]) -> str:
    more = f" (+{len(at) - SHOWN:,} more)" if len(at) > SHOWN else ""
    return f"{what}: {', '.join(f'x[{i}]' for i in at[:SHOWN])}{more}"


def _refused(problems: list[str]) -> DataError:
    return DataError(
        "\n".join(problems),
        where="sequences",
        mend="give n arrays (T_i,) or (T_i, channels) of finite numbers, or n texts",
    )
