"""A delimited text file (CSV, TSV, semicolons) as an Arrow table, checked by row and by cell.

The separator is told by the first line: of tab, comma and semicolon the one that cuts the first rows into equally
many fields, and most of them. Between tabs, quotes are letters like any other unless whole fields stand in them.
Rows of other lengths, cells that are no numbers where numbers are asked for, broken quotes and encodings are
refused with their lines. Parsing is Arrow's; a file is read whole, and takes about its own size more as a table.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa

from matweave.data.arrow_columns import not_numbers
from matweave.data.places import SHOWN, Places
from matweave.data.quoted_rows import row_starts
from matweave.data.read_sniff import rows_of
from matweave.data.whole_text import read_whole_text
from matweave.errors import DataError

SEPARATORS = ("\t", ",", ";")
HEAD = 200
"""Rows looked at to tell how a file is written; of long rows fewer, but LEAST, as soon as they fill HEAD_BYTES."""

LEAST = 20
HEAD_BYTES = 1 << 17

_WRAPPED = re.compile(rb'(?:^|\t)"[^"\n]*"(?=[\t\r\n]|\Z)', re.MULTILINE)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DelimitedText:
    """The file's bytes, how they are written, and where each row begins: its line (from 1) and its byte.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = Path(folder) / "plants.csv"
    ...     _ = at.write_text("name;height\\nfern;0.5\\n")
    ...     text = DelimitedText.open(at)
    >>> text.separator, text.head()
    (';', [('name', 'height'), ('fern', '0.5')])
    >>> text.read().to_pylist()
    [{'name': 'fern', 'height': 0.5}]
    """

    path: Path
    data: bytes
    separator: str
    quoted: bool
    lines: np.ndarray
    starts: np.ndarray

    @staticmethod
    def open(path: Path) -> DelimitedText:
        """Read a file, plain or packed, and tell how it is written. Raises DataError for what is no such text."""
        data = read_whole_text(path)
        data += b"" if data.endswith(b"\n") else b"\n"  # Arrow reads no header that ends with the file
        separator = _separator(_beginning(data))
        quoted = separator != "\t" or bool(_WRAPPED.search(_beginning(data)))
        lines, starts = row_starts(data, separator, quoted, str(path))
        return DelimitedText(
            path=path, data=data, separator=separator, quoted=quoted, lines=lines, starts=starts
        )

    def head(self) -> list[tuple[str, ...]]:
        """The fields of the first rows, as text."""
        rows = min(HEAD, max(LEAST, int(np.searchsorted(self.starts, HEAD_BYTES))))
        return [self._fields(row) for row in range(min(rows, len(self.starts)))]

    def names(self) -> tuple[str, ...]:
        """The names in the first row. Raises DataError where one stands there twice."""
        names = self._fields(0)
        refuse_repeats(names, str(self.path))
        return names

    def _fields(self, row: int) -> tuple[str, ...]:
        end = int(self.starts[row + 1]) if row + 1 < len(self.starts) else len(self.data)
        text = self.data[int(self.starts[row]) : end].decode("latin-1")
        # a lone pair of quotes is a row of one empty field, which rows_of takes for a blank line
        return next(rows_of(text, self.separator, self.quoted), (("",), 0, 0))[0]

    def places(self, header: bool = True) -> Places:
        """The line of each row of data."""
        return Places(unit="line", numbers=self.lines[int(header) :])

    def read(
        self,
        *,
        names: Sequence[str] | None = None,
        skip: int = 0,
        types: Mapping[str, pa.DataType] | None = None,
        nulls: Sequence[str] = ("",),
        only: Sequence[str] | None = None,
    ) -> pa.Table:
        """The table below the header, or with `names` of every row but the first `skip`.

        types: of some columns; the others are inferred. nulls: what stands for a missing value in columns that are
        not text. only: the columns wanted. Raises DataError for rows of another length than the first, and for
        cells that do not fit `types`, with lines.
        """
        import pyarrow.csv as csv

        every = self.names() if names is None else tuple(names)
        longest = int(np.diff(np.append(self.starts, len(self.data))).max(initial=0))
        reading = csv.ReadOptions(
            column_names=None if names is None else list(names),
            skip_rows=int(self.lines[skip]) - 1 if names is not None and skip < len(self.lines) else 0,
            block_size=min(max(1 << 20, 2 * longest), (1 << 31) - 1),
        )
        converting = csv.ConvertOptions(
            column_types=dict(types or {}),
            null_values=list(nulls),
            strings_can_be_null=False,
            include_columns=None if only is None else list(only),
        )
        try:
            return csv.read_csv(
                io.BytesIO(self.data),
                read_options=reading,
                parse_options=self._parsing(),
                convert_options=converting,
            )
        except pa.ArrowInvalid as error:
            self._refuse_uneven(reading, every)
            self._refuse_cells(types or {}, nulls, names, skip)
            raise DataError(
                f"{self.path} cannot be read as a table: {error}",
                where=str(self.path),
                mend="write it as CSV: equally many fields in every row, text with separators in quotes",
            ) from error

    def _parsing(self, **more: Any) -> Any:
        import pyarrow.csv as csv

        return csv.ParseOptions(
            delimiter=self.separator,
            quote_char='"' if self.quoted else False,
            newlines_in_values=self.quoted,
            **more,
        )

    def _refuse_uneven(self, reading: Any, names: Sequence[str]) -> None:
        """DataError that names the rows of another length than the first."""
        import pyarrow.csv as csv

        uneven: list[str] = []
        wanted = 0

        def note(row: Any) -> str:
            nonlocal wanted
            wanted = row.expected_columns
            if len(uneven) < SHOWN:  # rows are counted from 1, blank ones not
                uneven.append(f"line {self.lines[row.number - 1]:,} has {row.actual_columns:,}")
            else:
                uneven.append("")
            return "skip"

        reading = csv.ReadOptions(
            column_names=reading.column_names, use_threads=False, block_size=reading.block_size
        )
        # every cell is good as text, so that nothing but lengths can fail
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        with csv.open_csv(
            io.BytesIO(self.data),
            read_options=reading,
            parse_options=self._parsing(invalid_row_handler=note),
            convert_options=as_text,
        ) as stream:
            for _ in stream:
                pass
        if uneven:
            more = f" (+{len(uneven) - SHOWN:,} more)" if len(uneven) > SHOWN else ""
            raise DataError(
                f"rows have another number of fields than the first, which has {wanted:,}: "
                f"{', '.join(uneven[:SHOWN])}{more}",
                where=str(self.path),
                mend="give every row equally many fields; a cell may be empty, but its separator must stand there",
            )

    def _refuse_cells(
        self, types: Mapping[str, pa.DataType], nulls: Sequence[str], names: Sequence[str] | None, skip: int
    ) -> None:
        """DataError that names the cells of numeric columns that are no numbers."""
        numeric = [name for name, kind in types.items() if pa.types.is_floating(kind)]
        if not numeric:
            return
        table = self.read(names=names, skip=skip, types=dict.fromkeys(numeric, pa.string()), only=numeric)
        places = (
            self.places(header=names is None) if not skip else Places(unit="line", numbers=self.lines[skip:])
        )
        wrong = [
            (int(row), name, table.column(name)[int(row)].as_py())
            for name in numeric
            for row in not_numbers(table.column(name), nulls)
        ]
        if wrong:
            shown = [
                f"{places.named([row])}, {name!r}: {text!r}" for row, name, text in sorted(wrong)[:SHOWN]
            ]
            more = [f"and {len(wrong) - SHOWN:,} more"] if len(wrong) > SHOWN else []
            raise DataError(
                "\n    ".join([f"{len(wrong):,} cells are no numbers:", *shown, *more]),
                where=str(self.path),
                mend="correct them; numbers are written 12, -0.5 or 1e-3",
            )


def refuse_repeats(names: Sequence[str], where: str) -> None:
    """Raise DataError where a column's name stands twice.

    >>> refuse_repeats(["a", "b", "a"], "plants.csv")
    Traceback (most recent call last):
    matweave.errors.DataError: names of columns stand more than once: 'a' (2 times)
      where: plants.csv
      mend:  give each column a name of its own; a file without a header needs one
    """
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    repeated = [f"{name!r} ({times} times)" for name, times in counts.items() if times > 1]
    if repeated:
        more = f" (+{len(repeated) - SHOWN} more)" if len(repeated) > SHOWN else ""
        raise DataError(
            f"names of columns stand more than once: {', '.join(repeated[:SHOWN])}{more}",
            where=where,
            mend="give each column a name of its own; a file without a header needs one",
        )


def _beginning(data: bytes) -> bytes:
    """The first lines, whole."""
    end = -1
    for row in range(HEAD):
        end = data.find(b"\n", end + 1)
        if end < 0:
            return data
        if row >= LEAST and end > HEAD_BYTES:
            break
    return data[: end + 1]


def _separator(head: bytes) -> str:
    text = head.decode("latin-1")
    first = text.lstrip("\r\n").partition("\n")[0]
    found = [s for s in SEPARATORS if s in first]
    if not found:
        return ","

    def merit(separator: str) -> tuple[bool, int]:
        widths = [len(row) for row, *_ in rows_of(text, separator, separator != "\t")]
        return len(set(widths)) == 1, widths[0]

    return max(found, key=merit)
