"""Texts by character: from a column of a delimited file, or one in each line of a plain text file.

The alphabet is every character of the data, in code point order. Nothing is lower-cased or stripped: what stands in a
cell or a line is the text, but for the line end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from matweave.data.delimited_text import DelimitedText
from matweave.data.places import Places, Problems
from matweave.data.read_wide_sequences import wide_names, wide_targets
from matweave.data.sequence_columns import Chosen
from matweave.data.sequences import Sequences
from matweave.data.whole_text import read_whole_text

_MEND = "write a text there, or leave these lines out"


def read_texts(text: DelimitedText, chosen: Chosen, task: str | None) -> Sequences:
    """Read a column of texts. Raises DataError that lists every kind of problem with its lines.

    >>> import tempfile
    >>> from matweave.data.sequence_columns import Asked, choose_columns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "names.tsv"
    ...     _ = at.write_text("language\\tname\\nPolish\\tŁuk\\nGerman\\tBeck\\n")
    ...     text = DelimitedText.open(at)
    ...     names = read_texts(text, choose_columns(text, Asked(target="language")), None)
    >>> names.text(0), names.targets.labels(), names.alphabet
    ('Łuk', ['Polish', 'German'], ('B', 'c', 'e', 'k', 'u', 'Ł'))
    """
    (column,) = chosen.values
    kinds = {name: pa.string() for name in (column, chosen.id) if name is not None}
    table = text.read(names=None if chosen.header else chosen.names, skip=chosen.skip, types=kinds)
    places = text.places(header=chosen.header or bool(chosen.skip))
    texts = table.column(column).to_pylist()
    problems = Problems(places)
    problems.add(f"the text {column!r} is empty", np.array([not t for t in texts]))
    problems.settle(str(text.path), _MEND)
    targets, told = wide_targets(table, chosen, task, places, str(text.path))
    found = Sequences.of_texts(texts, wide_names(table, chosen, places, text.path.name), targets)
    return _told(found, (*chosen.report, *told))


def read_text_lines(path: Path) -> Sequences:
    """Read one text from each line; a file that ends in a line end has no text after it.

    Raises DataError with the lines that are empty.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "names.txt"
    ...     _ = at.write_text("Ada\\n Bo\\n")
    ...     read_text_lines(at).text(1)
    ' Bo'
    """
    lines = read_whole_text(path).decode("utf-8").removesuffix("\n").split("\n")
    texts = [line.removesuffix("\r") for line in lines]
    places = Places(unit="line", numbers=np.arange(1, len(texts) + 1))
    problems = Problems(places)
    problems.add("the line is empty", np.array([not t for t in texts]))
    problems.settle(str(path), _MEND)
    names = tuple(f"{path.name} line {number}" for number in places.numbers.tolist())
    return _told(Sequences.of_texts(texts, names), ("text by character: one in each line, no target",))


def _told(found: Sequences, report: tuple[str, ...]) -> Sequences:
    low, high = int(found.lengths.min()), int(found.lengths.max())
    size = f"{low:,} to {high:,}" if low < high else f"{low:,}"
    line = f"{len(found):,} texts of {size} characters, {len(found.alphabet or ()):,} different ones"
    return Sequences(
        steps=found.steps,
        offsets=found.offsets,
        targets=found.targets,
        names=found.names,
        alphabet=found.alphabet,
        report=(*report, line),
    )
