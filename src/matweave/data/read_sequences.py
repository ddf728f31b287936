"""Labelled sequences from files: `read_sequences` and the parts that a set comes with.

    .ts              UEA and UCR archives                                    data/read_ts.py
    .csv, .tsv, ...  wide (a row is a sequence), long (a row is a step), or text by character (a row is a text):
                     told by the columns, data/sequence_columns.py           data/read_wide_sequences.py, ...
    .txt             a text in each line, unless columns are said            data/read_text_sequences.py

All plain or packed (.gz, .zst). A folder is read as its one file of these kinds, or by part.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from matweave.data.delimited_text import DelimitedText
from matweave.data.read_long_sequences import read_long
from matweave.data.read_text_sequences import read_text_lines, read_texts
from matweave.data.read_ts import read_ts
from matweave.data.read_wide_sequences import read_wide
from matweave.data.sequence_columns import Asked, Chosen, check_asked, choose_columns
from matweave.data.sequences import Sequences
from matweave.data.target_column import check_task
from matweave.data.whole_text import read_head
from matweave.errors import ConfigError, DataError, listed

PARTS = ("train", "test")

_FILE = re.compile(r".+\.(ts|csv|tsv|txt)(\.gz|\.zst)?", re.IGNORECASE)
_PART = re.compile(r"(?:.*[_-])?(train|test)\.(?:ts|csv|tsv|txt)(?:\.gz|\.zst)?", re.IGNORECASE)
_READERS = {"wide": read_wide, "long": read_long, "text": read_texts}


def read_sequences(
    path: str | os.PathLike[str],
    *,
    target: str | int | None = None,
    id: str | int | None = None,
    time: str | int | None = None,
    text: str | int | None = None,
    layout: str | None = None,
    task: str | None = None,
    part: str | None = None,
    targets: bool = True,
) -> Sequences:
    """Read sequences of numbers or of characters, with their targets where they have some.

    path: a `.ts` file, a delimited file with or without a header, a `.txt` file with a text in each line, plain or
        packed; or a folder with one of them, or with one for each part.
    target, id, time, text: names of columns, or their places from 0 in a file without a header; "-" is none of that
        kind. None finds the target by name (target, label, class, y), or takes the first column of a file without
        a header; the id by name, where it repeats; the text where only one column can be it.
    layout: "wide", "long", or None to tell by the columns (long where an id is said, or found and repeating).
    task: "classify" or "regress"; None: whole numbers are classes where at least half of them repeat, and so is text.
    part: "train" or "test", of a folder that has both.
    targets: False leaves the target unread, whatever its cells hold; it need not be there.

    Returns `Sequences`; their `report` tells what was chosen and left out. Raises DataError, with lines, for what
    cannot be read whole: missing or infinite values, sequences without steps, uneven channels, labels that are
    missing or change within a sequence; ConfigError for settings.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = pathlib.Path(folder) / "waves.csv"
    ...     _ = at.write_text("label,0,1,2\\nup,1,2,3\\ndown,3,2,\\n")
    ...     waves = read_sequences(at)
    >>> waves, waves.lengths.tolist(), waves.targets.labels()
    (Sequences(2 sequences, 5 steps, 1 channels), [3, 2], ['up', 'down'])
    """
    columns = {"target": target, "id": id, "time": time, "text": text}
    said = {name: None if value is None else str(value) for name, value in columns.items()}
    return read_with_columns(path, Asked(**said, layout=layout, task=task), part=part, targets=targets)[0]


def read_with_columns(
    path: str | os.PathLike[str], asked: Asked, *, part: str | None = None, targets: bool = True
) -> tuple[Sequences, Chosen | None]:
    """What `read_sequences` reads, and the columns that it chose; None where the file has no columns."""
    task = asked.task
    check_asked(asked)
    check_task(task, "read_sequences")
    file = _file(Path(path), part)
    read_head(file)
    kind = _kind(file.name)
    if kind == "ts":
        useless = [name for name, value in vars(asked).items() if value is not None]
        if useless:
            raise ConfigError(
                f"{', '.join(useless)} say what the columns of a table are, but {file.name} is a .ts file",
                where="read_sequences",
                mend="leave them out",
            )
        return read_ts(file, targets=targets), None
    if kind == "txt" and asked == Asked():
        return read_text_lines(file), None
    table = DelimitedText.open(file)
    if not targets and not _is_there(asked.target, table):
        asked = replace(asked, target="-")
    chosen = choose_columns(table, asked)
    told = (*chosen.report, "targets are not read")
    used = chosen if targets or chosen.target is None else replace(chosen, target=None, report=told)
    found = _READERS[chosen.layout](table, used, task)
    separator = {",": "commas", "\t": "tabs", ";": "semicolons"}[table.separator]
    return replace(found, report=(f"{file.name}: columns between {separator}", *found.report)), chosen


def parts_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The parts that a set comes with: ("train", "test") for a folder with a file of each, else ().

    A part's file is named like X_TRAIN.ts or train.csv.gz. Raises DataError where a part has several files.

    >>> parts_of("waves.csv")
    ()
    """
    return PARTS if _parts(Path(path)) else ()


def has_columns(path: str | os.PathLike[str], *, text: str | None = None, part: str | None = None) -> bool:
    """Whether the file that would be read has columns: not `.ts`, and not `.txt` without the column `text`.

    >>> has_columns("waves.ts"), has_columns("waves.csv")
    (False, True)
    """
    file = _file(Path(path), part)
    kind = _kind(file.name)
    if kind == "txt" and text is not None:
        return _is_there(text, DelimitedText.open(file))
    return kind != "ts"


def _parts(folder: Path) -> dict[str, Path]:
    """The file of each part; empty where not every part has one."""
    found: dict[str, list[Path]] = {part: [] for part in PARTS}
    for file in _files(folder):
        named = _PART.fullmatch(file.name)
        if named:
            found[named[1].lower()].append(file)
    several = {part: files for part, files in found.items() if len(files) > 1}
    if several:
        raise DataError(
            "\n".join(
                f"the {part} part may be {listed([f.name for f in files])}" for part, files in several.items()
            ),
            where=str(folder),
            mend="give the file itself, or keep one file for each part",
        )
    return {part: files[0] for part, files in found.items()} if all(found.values()) else {}


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(f for f in folder.iterdir() if _FILE.fullmatch(f.name) and not f.name.startswith("."))


def _file(path: Path, part: str | None) -> Path:
    """The file to read."""
    parts = _parts(path)
    if part is not None:
        if part not in parts:
            has = f"it has {' and '.join(parts)}" if parts else "it comes with no parts"
            raise ConfigError(
                f"{path} has no part {part!r}: {has}",
                where="read_sequences",
                mend="leave part out, or correct it",
            )
        return parts[part]
    if not path.is_dir():
        return path
    if parts:
        raise ConfigError(
            f"{path} comes in parts: {' and '.join(parts)}",
            where="read_sequences",
            mend="say part='train' or 'test'",
        )
    files = _files(path)
    if len(files) != 1:
        inside = [f.name for f in files] if files else sorted(p.name for p in path.iterdir())
        some = "several files" if files else "no file"
        raise DataError(
            f"the folder {path} holds {some} of sequences: {listed(inside) or 'it is empty'}",
            where=str(path),
            mend="give one .ts, .csv, .tsv or .txt file, or a folder with X_TRAIN.ts and X_TEST.ts",
        )
    return files[0]


def _is_there(column: str | None, table: DelimitedText) -> bool:
    """Whether a column that is said stands in the first line, by name or by place; True where none is said."""
    first = [cell.strip() for cell in table.head()[0]]
    return column in (None, "-", *first) or (str(column).isdecimal() and int(str(column)) < len(first))


def _kind(name: str) -> str:
    found = _FILE.fullmatch(name)
    return found[1].lower() if found else "csv"
