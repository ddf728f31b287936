"""Delimited text to a log: look at its beginning, let workers read it, make their codes one.

The workers' id tables are merged by first appearance, and each piece's codes are renamed in place. So the
result does not depend on the number of threads. Time: one pass over the bytes, two table look-ups a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

import numpy as np

from matweave.data import parse_rows as p
from matweave.data.duplicates import squeeze
from matweave.data.interactions import Interactions
from matweave.data.read_bytes import PIECE, PlainFile, Source, Stream, open_stream
from matweave.data.read_columns import Columns, choose
from matweave.data.read_ids import by_first_use, rename, vocabulary_of
from matweave.data.read_sniff import HEAD, Look, by_place, look
from matweave.data.read_times import NO_TIME, TimeForm, form_of
from matweave.data.read_work import Job, QuoteSeen, Rows, run
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.threads import in_parallel

_EXACT = 2**24  # whole numbers above this are rounded in float32


@final
@dataclass(frozen=True, kw_only=True)
class Delimited:
    """How a file is said to be; None is found out."""

    separator: str | None = None
    quoted: bool | None = None
    header: bool | None = None
    columns: Sequence[str] | None = None
    encoding: str = "utf-8"
    piece: int = PIECE


def read_delimited(
    path: Path,
    packed: str | None,
    said: dict[str, str | None],
    how: Delimited,
    *,
    duplicates: str,
    on_bad_rows: str,
) -> Interactions:
    """A log from a delimited file, plain or `packed` (gzip, zstd); see `read_interactions`."""
    where = str(path)
    stream = open_stream(path, packed, how.encoding)
    try:
        head = _head(stream, where)
    finally:
        stream.close()
    found = look(
        head,
        len(head) < HEAD,
        where,
        separator=how.separator,
        quoted=how.quoted,
        header=how.header,
        columns=how.columns,
        said=[name for name in said.values() if name],
    )
    named = found.header or how.columns is not None
    columns = choose(found.names, said, where, by_place=None if named else lambda: by_place(found))
    form = _time_form(found, columns, where)
    report = [_told(path, packed, found), *columns.report, *([form.told] if form.told else [])]
    streamed = packed is not None or how.encoding != "utf-8"
    quotes = found.quoted and b'"' in head[found.skip :]
    job = _job(path, packed, how, found, columns, form, quotes, streamed or quotes)
    try:
        run(job)
    except QuoteSeen:  # rare: the first quote stands far down
        job = _job(path, packed, how, found, columns, form, True, True)
        run(job)
    return _assembled(job, found.lines, where, report, duplicates, on_bad_rows)


def _head(stream: BinaryIO, where: str) -> bytes:
    source = Stream(stream, where, HEAD)
    buffer = np.zeros(HEAD, np.uint8)
    return buffer[: source.fill(buffer.data)].tobytes()


def _time_form(found: Look, columns: Columns, where: str) -> TimeForm:
    if columns.time is None:
        return NO_TIME
    texts = found.column(columns.time)
    form = form_of(texts)
    if form is None and texts:
        raise DataError(
            f"the column {columns.name('time')!r} holds no times that can be read, for example {texts[0]!r}",
            where=where,
            mend="give times as numbers since 1970 or as ISO 8601; say time='-' to leave them out",
        )
    return form or NO_TIME


def _told(path: Path, packed: str | None, found: Look) -> str:
    quotes = "quoted fields" if found.quoted else "quotes are letters"
    return (
        f"read {path.name}{f' ({packed})' if packed else ''}: separator {found.separator!r}, "
        f"{'a' if found.header else 'no'} header, {quotes}"
    )


def _job(
    path: Path,
    packed: str | None,
    how: Delimited,
    found: Look,
    columns: Columns,
    form: TimeForm,
    quotes: bool,
    streamed: bool,
) -> Job:
    separator = found.separator.encode()
    if streamed:
        file = open_stream(path, packed, how.encoding)
        source: Source = Stream(
            file, str(path), how.piece, quoted=quotes, separator=separator[0], lines=found.lines
        )
        file.read(found.skip)
    else:
        source = PlainFile(path, found.skip, how.piece)
    layout = p.Layout(
        roles=np.array(columns.roles((p.USER, p.ITEM, p.VALUE, p.TIME), p.OTHER), np.int64),
        separator=separator[0],
        second=separator[1] if len(separator) > 1 else 0,
        runs=found.separator == " ",
        quoting=(2 if quotes else 1) if found.quoted else 0,
    )
    rows = Rows(_guess(source, found), has_value=columns.value is not None, has_time=columns.time is not None)
    return Job(source=source, layout=layout, form=form, columns=columns, rows=rows)


def _guess(source: Source, found: Look) -> int:
    """About how many rows there are, rather too many: room that is never used costs nothing."""
    if source.size is None or not found.rows:
        return 1 << 16
    letters = sum(len(field) + 1 for row in found.rows for field in row)
    return int(1.1 * source.size * len(found.rows) / letters) + 1000


def _assembled(
    job: Job, lines: int, where: str, report: list[str], duplicates: str, on_bad_rows: str
) -> Interactions:
    rows = job.rows
    rows.bad.shift(lines)
    report += rows.bad.settle(on_bad_rows, where, rows.n + rows.bad.total)
    if not rows.n:
        below = " below its header" if lines else ""
        raise DataError(
            f"{where} has {'no good row' if rows.bad.total else 'no row'}{below}",
            where=where,
            mend="give a file with one interaction a line",
        )
    users, user_maps, told = vocabulary_of([t[0] for t in job.tables], job.columns.name("user"))
    items, item_maps, more = vocabulary_of([t[1] for t in job.tables], job.columns.name("item"))
    u, j, v, t = rows.columns
    assert u is not None
    assert j is not None

    in_parallel(rename, [(u[a:b], user_maps[worker]) for a, b, worker in rows.spans])
    in_parallel(rename, [(j[a:b], item_maps[worker]) for a, b, worker in rows.spans])
    if rows.thinned:
        (u, users), (j, items) = by_first_use(u, users), by_first_use(j, items)
    return finished(users, items, u, j, v, t, "arrow", [*report, *told, *more], duplicates, squeeze)


def finished(
    users: Vocabulary,
    items: Vocabulary,
    u: np.ndarray,
    j: np.ndarray,
    v: np.ndarray | None,
    t: np.ndarray | None,
    frame: str,
    report: list[str],
    duplicates: str,
    select: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.ndarray.__getitem__,
) -> Interactions:
    """The log, its duplicates merged (`select` takes the rows kept); tells where float32 may have rounded a value."""
    if v is not None and len(v) and max(float(v.max()), -float(v.min())) >= _EXACT:
        report.append(f"values are kept as float32, which rounds whole numbers from {_EXACT:,} on")
    log = Interactions(
        users=users,
        items=items,
        user_codes=u,
        item_codes=j,
        values=v,
        times=t,
        frame=frame,
        report=tuple(report),
    )
    return log.merge_duplicates(duplicates, select=select)
