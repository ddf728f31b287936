"""Which column is the target, and whether its cells are classes or numbers.

Text, booleans and categories are classes. Whole numbers are classes where few of them differ; what "few" is differs
between tables and sequences, and the report says what was chosen: `task` overrules it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.config import one_of
from matweave.data.arrow_columns import flat, is_numeric, is_text, numbers
from matweave.data.places import Places, Problems
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see

NAMES = ("target", "label", "class", "y")
"""Names by which a target is known, the first one there wins."""

FEW = 20
"""Whole numbers of at most so many values are classes."""


def find_target(names: Sequence[str]) -> str | None:
    """The column that is named like a target, whatever its case; None where there is none.

    >>> find_target(["y", "x", "Class"])
    'Class'
    """
    for wanted in NAMES:
        for name in names:
            if name.strip().casefold() == wanted:
                return name
    return None


def check_task(task: str | None, where: str) -> None:
    """Raise ConfigError unless the task is classify, regress or None."""
    wanted = None if task is None else one_of("classify", "regress")(task)
    if wanted:
        raise ConfigError(
            f"task is {task!r}, but must be {wanted}", where=where, mend="leave it out, or correct it"
        )


def read_target(
    column: pa.ChunkedArray | pa.Array,
    *,
    name: str,
    task: str | None,
    places: Places,
    where: str,
    labels: bool = False,
) -> tuple[Targets, str]:
    """The targets in a column, and a line that tells what they were taken for.

    labels: whole numbers (also those written with a point) are classes as long as no more than half of them
    differ, as in a set of labelled sequences; else only integers of at most 20 values are.

    Raises DataError, with the places, for missing or infinite cells and for columns that are neither.

    >>> targets, told = read_target(pa.array([3, 1, 3]), name="y", task=None, places=Places.rows(3), where="a table")
    >>> targets.classes, told
    (('1', '3'), "target 'y': 2 classes (whole numbers of few values; task='regress' takes them as numbers)")
    """
    categories = pa.types.is_dictionary(column.type)
    cells = flat(column)
    kind = cells.type
    problems = Problems(places)
    missing = np.asarray(cells.is_null().to_numpy(zero_copy_only=False), bool)
    if is_text(kind):
        missing |= pc.fill_null(pc.equal(cells, ""), False).to_numpy(zero_copy_only=False)
    values = numbers(cells) if is_numeric(kind) else None
    if values is not None:
        missing |= np.isnan(values)
        problems.add(f"the target {name!r} is infinite", np.isinf(values))
    problems.add(f"the target {name!r} is missing", missing)
    problems.settle(
        where, "correct these cells or leave these rows out; target='-' reads data without targets"
    )
    if values is None:
        if not (is_text(kind) or pa.types.is_boolean(kind)):
            raise _neither(name, kind, where, "give text, booleans or numbers as the target")
        if task == "regress":
            raise _neither(name, kind, where, "give numbers to regress on, or leave task out to classify")
        return _classes(
            cells.to_pylist(), name, "categories" if categories else "text" if is_text(kind) else "booleans"
        )
    whole = bool((values == np.trunc(values)).all())
    if task == "classify" and not whole:
        raise _neither(
            name, "of numbers with decimals", where, "give whole numbers or text to classify, or regress"
        )
    if task is None:
        n_values = len(np.unique(values))
        few = n_values <= (max(FEW, len(values) // 2) if labels else FEW)
        classes = few and whole and (labels or pa.types.is_integer(kind))
        classes = classes or categories
    else:
        classes = task == "classify"
    if not classes:
        hint = "" if task or not whole else "; task='classify' takes them as classes"
        return Targets.of_values(values), f"target {name!r}: numbers to regress on{hint}"
    exact = cells.to_pylist() if pa.types.is_integer(kind) else values
    why = "as said" if task else "whole numbers of few values; task='regress' takes them as numbers"
    return _classes(exact, name, "categories" if categories and not task else why)


def _classes(labels: Any, name: str, why: str) -> tuple[Targets, str]:
    targets = Targets.of_labels(labels)
    noun = "class" if targets.n_classes == 1 else "classes"
    return targets, f"target {name!r}: {targets.n_classes} {noun} ({why})"


def _neither(name: str, kind: Any, where: str, mend: str) -> DataError:
    said = kind if isinstance(kind, str) else f"of type {kind}"
    return DataError(f"the target {name!r} is {said}", where=where, mend=mend)
