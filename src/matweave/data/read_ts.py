"""UEA and UCR archives of time series: `.ts` files.

Lines that begin with # are comments, and with @ the header, which ends at @data. Each further line is a sequence:
its channels between colons, the values of a channel between commas, the class last where the header has
`@classLabel true a b c` (or a number, with `@targetLabel true`). Whatever the header says is checked: channels
(@univariate, @dimensions), lengths (@equalLength, @seriesLength), classes. Missing values and time stamps are
refused. Format: sktime's description of ts files, and Bagnall et al. 2018, "The UEA multivariate time series
classification archive". Cost: one pass in Python per line, values are parsed by Arrow. Checked on written-out
sequences (tests/data/test_read_ts.py) and on the archive's own JapaneseVowels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa

from matweave.data.arrow_columns import is_number
from matweave.data.places import Places, Problems
from matweave.data.ragged import FLOAT32, offsets_of, spread, step_major
from matweave.data.sequences import Sequences
from matweave.data.targets import Targets
from matweave.data.whole_text import read_whole_text
from matweave.errors import DataError, listed, nearest

_FLAGS = ("timestamps", "missing", "univariate", "equallength")
_COUNTS = ("dimensions", "dimension", "serieslength")
_TARGETS = ("classlabel", "targetlabel")
_KNOWN = ("problemname", *_FLAGS, *_COUNTS, *_TARGETS)
_MEND = "correct the lines, or the header where it is what is wrong"


@final
@dataclass(frozen=True, kw_only=True)
class Header:
    """What a header says: `target` is class, number, or None for sequences without; other fields None where unsaid."""

    target: str | None
    classes: tuple[str, ...]
    channels: int | None
    equal: bool
    length: int | None


def read_ts(path: Path, *, targets: bool = True) -> Sequences:
    """Read one `.ts` file, plain or packed. Raises DataError that lists every kind of problem with its lines.

    targets: False passes over the last field where the header says that it is one, whatever stands there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "waves.ts"
    ...     _ = at.write_text("@univariate false\\n@classLabel true up down\\n@data\\n1,2:5,6:up\\n3:7:down\\n")
    ...     waves = read_ts(at)
    >>> waves.sequence(0).tolist(), waves.targets.labels()
    ([[1.0, 5.0], [2.0, 6.0]], ['up', 'down'])
    """
    lines = read_whole_text(path).decode("utf-8").split("\n")
    header, begin = read_header(lines, str(path))
    rows, numbers = [], []
    for number, line in enumerate(lines[begin:], begin + 1):
        text = line.strip()
        if text and not text.startswith("#"):
            rows.append(text)
            numbers.append(number)
    if not rows:
        raise DataError(
            f"{path} has no sequence below @data", where=str(path), mend="give a file with sequences"
        )
    places = Places(unit="line", numbers=np.array(numbers))
    problems = Problems(places)
    labels = _cut_labels(rows, header, problems, targets) if header.target else None
    channels, lengths = _shape(rows, header, problems)
    problems.settle(str(path), _MEND)
    values = _values(rows, lengths * channels, problems)
    problems.settle(str(path), _MEND)
    found = None
    if labels is not None and targets:
        found = (
            Targets.of_labels(labels) if header.target == "class" else Targets.of_values(map(float, labels))
        )
    return Sequences(
        steps=values[step_major(lengths, channels)].astype(np.float32),
        offsets=offsets_of(lengths),
        targets=found,
        names=tuple(f"{path.name} line {number}" for number in numbers),
        report=_report(path, header, found, channels, lengths),
    )


def read_header(lines: Sequence[str], where: str) -> tuple[Header, int]:
    """What the header says, and the index of the line after @data. Raises DataError for all of its problems.

    >>> read_header(["@dimensions 2", "@classLabel false", "@data", "1:2"], "waves.ts")
    (Header(target=None, classes=(), channels=2, equal=False, length=None), 3)
    """
    said: dict[str, list[str]] = {}
    wrong = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith("@"):
            wrong.append(f"line {number}: a sequence, or something else, stands before @data: {text[:40]!r}")
            break
        key, *words = text[1:].split() or [""]
        key = key.casefold()
        if key == "data":
            return _header(said, wrong, where), number
        if key not in _KNOWN:
            wrong.append(f"line {number}: @{key} is unknown{nearest(key, _KNOWN)}")
        elif not _fits(key, words):
            wanted = "a whole number above 0" if key in _COUNTS else "true or false"
            wrong.append(f"line {number}: @{key} must be followed by {wanted}")
        else:
            said[key] = words
    else:
        wrong.append("there is no line @data")
    raise _bad_header(wrong, where)


def _fits(key: str, words: list[str]) -> bool:
    if key in _COUNTS:
        return len(words) == 1 and words[0].isdecimal() and int(words[0]) > 0
    return key == "problemname" or bool(words and words[0].casefold() in ("true", "false"))


def _header(said: dict[str, list[str]], wrong: list[str], where: str) -> Header:
    def flag(key: str) -> bool:
        return bool(said.get(key)) and said[key][0].casefold() == "true"

    def count(*keys: str) -> int | None:
        return next((int(said[k][0]) for k in keys if k in said), None)

    if flag("timestamps"):
        wrong.append("@timeStamps true: sequences with a time for each value are not read")
    if not any(key in said for key in _TARGETS):
        wrong.append("neither @classLabel nor @targetLabel says whether the last field is a class")
    if flag("classlabel") and flag("targetlabel"):
        wrong.append("@classLabel and @targetLabel cannot both be true")
    channels = count("dimensions", "dimension")
    if flag("univariate") and channels not in (None, 1):
        wrong.append(f"@univariate true, but @dimensions {channels}")
    if wrong:
        raise _bad_header(wrong, where)
    return Header(
        target="class" if flag("classlabel") else "number" if flag("targetlabel") else None,
        classes=tuple(said.get("classlabel", [])[1:]),
        channels=1 if flag("univariate") else channels,
        equal=flag("equallength"),
        length=count("serieslength"),
    )


def _bad_header(wrong: list[str], where: str) -> DataError:
    return DataError(
        "the header cannot be used:\n    " + "\n    ".join(wrong[:10]),
        where=where,
        mend="write it as the archive does: @univariate true, @classLabel true a b (or false), ..., then @data",
    )


def _cut_labels(rows: list[str], header: Header, problems: Problems, read: bool) -> list[str]:
    """Take the last field off each row; the rows are changed in place."""
    none, strange, labels = [], [], []
    for i, row in enumerate(rows):
        rows[i], colon, label = row.rpartition(":")
        label = label.strip()
        labels.append(label)
        if not colon or (read and (not label or label == "?")):
            none.append(i)
        elif not read:
            continue
        elif header.target == "number":
            if not is_number(label) or not np.isfinite(float(label)):
                strange.append(i)
        elif header.classes and label not in header.classes:
            strange.append(i)
    of = (
        "no finite number" if header.target == "number" else f"none of the header's: {listed(header.classes)}"
    )
    problems.add(
        "there is no class after the last colon" if header.target == "class" else "there is no target", none
    )
    problems.add(f"the {'target' if header.target == 'number' else 'class'} is {of}", strange)
    return labels


def _shape(rows: list[str], header: Header, problems: Problems) -> tuple[int, np.ndarray]:
    """(channels, steps of each row), with what is uneven noted."""
    fields = [row.split(":") for row in rows]
    widths = np.array([len(f) for f in fields])
    lengths = np.array([f[0].count(",") + 1 for f in fields], np.int64)
    empty = np.array([not any(c.strip() for c in f) for f in fields])
    uneven = np.array([len({c.count(",") if c.strip() else -1 for c in f}) > 1 for f in fields])
    channels = header.channels or int(widths[0])
    problems.add("without a single step", empty)
    problems.add("missing values ('?')", np.array(["?" in row for row in rows]))
    origin = "as the header says" if header.channels else "as the first sequence has"
    problems.add(f"not {channels} channel{'s' * (channels > 1)}, {origin}", (widths != channels) & ~empty)
    problems.add("channels of different lengths within one sequence", uneven & ~empty)
    if header.length is not None or header.equal:
        wanted = header.length or int(lengths[0])
        odd = (lengths != wanted) & ~empty & ~uneven
        problems.add(f"not {wanted} steps, though the header says that all lengths are equal", odd)
    return channels, lengths


def _values(rows: list[str], counts: np.ndarray, problems: Problems) -> np.ndarray:
    """Every value in the order of the file, float64; what is no finite float32 is noted."""
    import pyarrow.csv as csv

    flat = "\n".join(rows).replace(":", "\n").replace(",", "\n").encode()
    try:
        column = csv.read_csv(
            io.BytesIO(flat),
            read_options=csv.ReadOptions(column_names=["value"]),
            parse_options=csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types={"value": pa.float64()}, null_values=[]),
        ).column(0)
        values = column.to_numpy()
    except pa.ArrowInvalid:
        values = np.zeros(0)
    if len(values) != counts.sum():
        cells = [row.replace(":", ",").split(",") for row in rows]
        problems.add("a value is no number", [i for i, c in enumerate(cells) if not all(map(is_number, c))])
        if not problems:
            problems.say("some values cannot be read as numbers")
        return values
    good = np.abs(values) <= FLOAT32  # False for NaN too
    if not good.all():
        row = np.repeat(np.arange(len(rows)), counts)
        problems.add("NaN or infinite values, or beyond float32", np.unique(row[~good]))
    return values


def _report(
    path: Path, header: Header, targets: Targets | None, channels: int, lengths: np.ndarray
) -> tuple[str, ...]:
    told = [
        f"{path.name}: {len(lengths):,} sequences of {channels} channel{'s' * (channels > 1)}, {spread(lengths)}"
    ]
    if targets is None:
        told.append(
            "targets are not read" if header.target else "no targets: the header has @classLabel false"
        )
    elif targets.classes is None:
        told.append("targets are numbers, the last field")
    else:
        told.append(f"{targets.n_classes} classes, the last field")
        absent = sorted(set(header.classes) - set(targets.classes))
        if absent:
            told.append(f"classes of the header without a sequence here are left out: {listed(absent)}")
    return tuple(told)
