"""Sequences from a long table: each row is a step, with the id of its sequence, perhaps a time, and its channels.

Sequences stand in the order in which their ids first appear; within one, steps stand in order of time, or as they
come where there is none. Two steps of a sequence at one time have no order, and are refused. The target is the same
in all rows of a sequence. Cost: one stable sort of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from matweave.data.arrow_columns import flat, is_numeric, is_text, numbers
from matweave.data.delimited_text import DelimitedText
from matweave.data.places import Problems
from matweave.data.ragged import FLOAT32, offsets_of, spread
from matweave.data.sequence_columns import Chosen
from matweave.data.sequences import Sequences
from matweave.data.target_column import read_target
from matweave.errors import DataError

pc: Any = pyarrow.compute  # its functions are made at import, which type checkers do not see


def read_long(text: DelimitedText, chosen: Chosen, task: str | None) -> Sequences:
    """Read the rows. Raises DataError that lists every kind of problem with its lines.

    >>> import tempfile, pathlib
    >>> from matweave.data.sequence_columns import Asked, choose_columns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = pathlib.Path(folder) / "waves.csv"
    ...     _ = at.write_text("id,time,x,label\\nb,2,0.5,up\\na,1,7,down\\nb,1,0.25,up\\n")
    ...     text = DelimitedText.open(at)
    ...     waves = read_long(text, choose_columns(text, Asked()), None)
    >>> waves.names, waves.sequence(0)[:, 0].tolist(), waves.targets.labels()
    (('b', 'a'), [0.25, 0.5], ['up', 'down'])
    """
    where = str(text.path)
    assert chosen.id is not None  # the layout is long because there is one
    kinds = {**dict.fromkeys(chosen.values, pa.float64()), chosen.id: pa.string()}
    table = text.read(names=None if chosen.header else chosen.names, skip=chosen.skip, types=kinds)
    places = text.places(header=chosen.header or bool(chosen.skip))
    problems = Problems(places)
    ids = flat(table.column(chosen.id)).dictionary_encode()  # numbered in order of first appearance
    names = ids.dictionary.to_pylist()
    codes = ids.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    problems.add(f"the id {chosen.id!r} is empty", np.array([name == "" for name in names])[codes])
    steps = np.column_stack([numbers(flat(table.column(name))) for name in chosen.values])
    for at, name in enumerate(chosen.values):
        given = table.column(name).is_valid().to_numpy()
        problems.add(f"the value {name!r} is missing", ~given)
        finite = np.abs(steps[:, at]) <= FLOAT32  # False for NaN too
        problems.add(f"the value {name!r} is NaN, infinite or beyond float32", given & ~finite)
    order, told = _order(table, chosen, codes, names, problems, where)
    counts = np.bincount(codes)
    offsets = offsets_of(counts)
    first = order[offsets[:-1]]
    if chosen.target is not None:
        _refuse_changes(flat(table.column(chosen.target)), chosen, codes, first, names, problems)
    problems.settle(where, "correct these lines, or say other columns: target=, id=, time= ('-' for none)")
    targets = None
    if chosen.target is not None:
        column = table.column(chosen.target).take(pa.array(first))
        targets, said = read_target(
            column, name=chosen.target, task=task, places=places.take(first), where=where, labels=True
        )
        told.append(said)
    return Sequences(
        steps=steps[order].astype(np.float32),
        offsets=offsets,
        targets=targets,
        names=tuple(names),
        report=(*chosen.report, *told, f"{len(counts):,} sequences, {spread(counts)}"),
    )


def _order(
    table: pa.Table, chosen: Chosen, codes: np.ndarray, names: list[str], problems: Problems, where: str
) -> tuple[np.ndarray, list[str]]:
    """Rows by sequence and time, and what to tell; times that are missing or repeat are noted."""
    if chosen.time is None:
        return np.argsort(codes, kind="stable"), ["steps stand in the order of the rows"]
    column = flat(table.column(chosen.time))
    kind = column.type
    problems.add(f"the time {chosen.time!r} is missing", ~column.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_null(kind):
        return np.argsort(codes, kind="stable"), []
    if pa.types.is_integer(kind):
        times = column.cast(pa.int64(), safe=False).fill_null(0).to_numpy()
    elif is_numeric(kind):
        times = numbers(column)
        problems.add(
            f"the time {chosen.time!r} is NaN or infinite",
            ~np.isfinite(times) & column.is_valid().to_numpy(False),
        )
    elif pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        wide = pa.int32() if pa.types.is_date32(kind) or pa.types.is_time32(kind) else pa.int64()
        times = column.cast(wide).cast(pa.int64()).fill_null(0).to_numpy()
    else:
        example = f", for example {column.drop_null()[0].as_py()!r}" if is_text(kind) else ""
        raise DataError(
            f"the time {chosen.time!r} holds neither numbers nor dates in every row{example}",
            where=where,
            mend="give numbers or ISO 8601 dates; time='-' takes the steps in the order of the rows",
        )
    order = np.lexsort((times, codes))
    same = (codes[order][1:] == codes[order][:-1]) & (times[order][1:] == times[order][:-1])
    twice = np.unique(np.concatenate([order[:-1][same], order[1:][same]]))
    if not problems:
        problems.add(f"another step of the sequence has the same {chosen.time!r}", twice)
    moved = int(np.count_nonzero(order != np.argsort(codes, kind="stable")))
    return order, [
        f"steps are in order of {chosen.time!r}" + (f"; {moved:,} rows stood elsewhere" if moved else "")
    ]


def _refuse_changes(
    column: pa.Array,
    chosen: Chosen,
    codes: np.ndarray,
    first: np.ndarray,
    names: list[str],
    problems: Problems,
) -> None:
    """Note the rows whose target differs from that of the first row of their sequence."""
    encoded = column.dictionary_encode(null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    problems.add(
        f"the target {chosen.target!r} is another than in the first row of its sequence",
        encoded != encoded[first][codes],
    )
