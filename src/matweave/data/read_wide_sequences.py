"""Sequences from a wide table: each row is one, with its steps in the columns of values, from left to right.

Empty cells at the end of a row make a shorter sequence; in the middle they are refused. One channel. Cost: the table
as float64, n x longest.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from matweave.data.arrow_columns import flat, numbers
from matweave.data.delimited_text import DelimitedText
from matweave.data.places import Places, Problems
from matweave.data.ragged import FLOAT32, offsets_of, spread
from matweave.data.sequence_columns import Chosen
from matweave.data.sequences import Sequences
from matweave.data.target_column import read_target
from matweave.data.targets import Targets


def read_wide(text: DelimitedText, chosen: Chosen, task: str | None) -> Sequences:
    """Read the rows. Raises DataError that lists every kind of problem with its lines.

    >>> import tempfile, pathlib
    >>> from matweave.data.sequence_columns import Asked, choose_columns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = pathlib.Path(folder) / "waves.csv"
    ...     _ = at.write_text("up,1,2,3\\ndown,4,,\\nup,1,2,\\n")
    ...     text = DelimitedText.open(at)
    ...     waves = read_wide(text, choose_columns(text, Asked()), None)
    >>> waves.lengths.tolist(), waves.targets.labels()
    ([3, 1, 2], ['up', 'down', 'up'])
    """
    kinds = dict.fromkeys(chosen.values, pa.float64())
    if chosen.id is not None:
        kinds[chosen.id] = pa.string()
    table = text.read(names=None if chosen.header else chosen.names, skip=chosen.skip, types=kinds)
    places = text.places(header=chosen.header or bool(chosen.skip))
    cells = np.column_stack([numbers(flat(table.column(name))) for name in chosen.values])
    given = np.column_stack([table.column(name).is_valid().to_numpy() for name in chosen.values])
    lengths = np.where(given.any(axis=1), given.shape[1] - given[:, ::-1].argmax(axis=1), 0).astype(np.int64)
    within = np.arange(given.shape[1]) < lengths[:, None]
    problems = Problems(places)
    problems.add("without a single step", lengths == 0)
    problems.add("empty cells before the last value", np.any(within & ~given, axis=1))
    finite = np.abs(cells) <= FLOAT32  # False for NaN too
    problems.add("NaN or infinite values, or beyond float32", np.any(given & ~finite, axis=1))
    problems.settle(str(text.path), "correct these lines; only cells at the end of a row may be empty")
    targets, told = wide_targets(table, chosen, task, places, str(text.path))
    return Sequences(
        steps=cells[within].astype(np.float32)[:, None],
        offsets=offsets_of(lengths),
        targets=targets,
        names=wide_names(table, chosen, places, text.path.name),
        report=(*chosen.report, *told, f"{len(lengths):,} sequences, {spread(lengths)}"),
    )


def wide_targets(
    table: pa.Table, chosen: Chosen, task: str | None, places: Places, where: str
) -> tuple[Targets | None, list[str]]:
    """The targets of a table with a sequence in each row, and what to tell of them."""
    if chosen.target is None:
        return None, []
    column = table.column(chosen.target)
    targets, told = read_target(
        column, name=chosen.target, task=task, places=places, where=where, labels=True
    )
    return targets, [told]


def wide_names(table: pa.Table, chosen: Chosen, places: Places, file: str) -> tuple[str, ...]:
    """What each row's sequence is called: its id, or its file and line."""
    if chosen.id is not None:
        return tuple(str(cell) for cell in table.column(chosen.id).to_pylist())
    return tuple(f"{file} {places.unit} {number}" for number in places.numbers.tolist())
