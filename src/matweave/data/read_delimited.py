"""Delimited text to a log: threads parse pieces of rows, then codes are made one for all.

Each worker has a buffer and two id tables of its own and takes piece after piece. A row's codes are those of
its worker's tables until the end; then the tables are merged by first appearance, and each piece is renamed into
its place of the log. So the result does not depend on the number of threads. Time: one pass over the bytes, two
table look-ups a row; memory: 20 bytes a row and the ids, plus a few pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from matweave.data import parse_rows as p
from matweave.data.bad_rows import BadRow, BadRowList
from matweave.data.id_table import IdTable, grown, new_table
from matweave.data.interactions import Interactions
from matweave.data.read_bytes import PIECE, Buffer, PlainFile, Source, Stream, open_stream, packing
from matweave.data.read_columns import Columns, choose
from matweave.data.read_ids import by_first_use, vocabulary_of
from matweave.data.read_sniff import HEAD, Look, by_place, look
from matweave.data.read_times import MISSING_TEXTS, NO_TIME, TimeForm, form_of, parse_time
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError
from matweave.threads import in_parallel, threads

_ODD = 4096
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


class _Part(NamedTuple):
    """What a piece became: codes of its worker's tables; lines are counted from the piece's first."""

    index: int
    worker: int
    users: np.ndarray
    items: np.ndarray
    values: np.ndarray | None
    times: np.ndarray | None
    lines: int
    counts: np.ndarray
    bad: list[BadRow]
    thinned: bool


@final
@dataclass
class _Job:
    source: Source
    layout: p.Layout
    form: TimeForm
    columns: Columns
    parts: list[_Part | None] = field(default_factory=list)
    tables: list[tuple[IdTable, IdTable]] = field(default_factory=list)
    stopped: bool = False


class _QuoteSeen(Exception):
    """A quote stands where pieces were cut at every line end."""


def read_delimited(
    path: Path,
    said: dict[str, str | None],
    how: Delimited,
    *,
    duplicates: str,
    on_bad_rows: str,
) -> Interactions:
    """A log from a delimited file, plain, gzip or zstd; see `read_interactions`."""
    where = str(path)
    with path.open("rb") as file:
        packed = packing(file.read(8), path, how.encoding)
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
    quotes = found.quoted and b'"' in head
    try:
        job = _job(path, packed, how, found, columns, form, quotes, streamed or quotes)
        _run(job)
    except _QuoteSeen:  # rare: the first quote stands far down
        job = _job(path, packed, how, found, columns, form, True, True)
        _run(job)
    return _assembled(job, found.lines, where, report, duplicates, on_bad_rows)


def _head(stream, where: str) -> bytes:
    source = Stream(stream, where, HEAD, quoted=False, separator=0)
    buffer = np.zeros(HEAD, np.uint8)
    return buffer[: source.fill(memoryview(buffer))].tobytes()


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
) -> _Job:
    separator = found.separator.encode()
    if streamed:
        file = open_stream(path, packed, how.encoding)
        source: Source = Stream(file, str(path), how.piece, quoted=quotes, separator=separator[0])
        file.read(found.skip)
    else:
        source = PlainFile(path, found.skip, how.piece)
    layout = p.Layout(
        roles=np.array(columns.roles((p.USER, p.ITEM, p.VALUE, p.TIME), p.OTHER), np.int64),
        separator=separator[0],
        second=separator[1] if len(separator) > 1 else 0,
        runs=found.separator == " ",
        quoting=(2 if quotes else 1) if found.quoted else 0,
        time_form=form.form,
        time_unit=form.unit,
        time_low=form.low,
        time_high=form.high,
        has_value=columns.value is not None,
        has_time=columns.time is not None,
    )
    return _Job(source=source, layout=layout, form=form, columns=columns)


def _run(job: _Job) -> None:
    count = threads()
    if job.source.size is not None:
        count = max(1, min(count, -(-job.source.size // (1 << 20))))
    job.tables = [(new_table(), new_table()) for _ in range(count)]
    in_parallel(lambda worker: _work(job, worker), [(w,) for w in range(count)])
    job.parts.sort(key=lambda part: part.index if part else 0)


def _work(job: _Job, worker: int) -> None:
    buffer = Buffer()
    out: p.Output | None = None
    while not job.stopped and (piece := job.source.take(buffer)) is not None:
        most = (piece.end - piece.start) // (len(job.layout.roles) + 1) + 1
        if out is None or len(out.users) < most:
            out = _output(most)
        try:
            job.parts.append(_parse(job, worker, buffer, piece, out))
        except BaseException:
            job.stopped = True
            raise


def _output(rows: int) -> p.Output:
    return p.Output(
        users=np.empty(rows, np.int32),
        items=np.empty(rows, np.int32),
        values=np.empty(rows, np.float32),
        times=np.empty(rows, np.int64),
        odd=np.empty((_ODD, 7), np.int64),
        bad=np.empty((p.NAMED, 5), np.int64),
        counts=np.zeros(len(p.Output._fields) + 8, np.int64),
    )


def _parse(job: _Job, worker: int, buffer: Buffer, piece, out: p.Output) -> _Part:
    text = buffer.text
    at = np.zeros(5, np.int64)
    at[p.POSITION] = piece.start
    out.counts[:] = 0
    users, items = job.tables[worker]
    bad: list[BadRow] = []
    lost: set[int] = set()
    while True:
        why = p.parse(text, piece.end, piece.index << 32, job.layout, users, items, out, at)
        if why == p.USERS_FULL:
            users = grown(users, piece.end - piece.start)
        elif why == p.ITEMS_FULL:
            items = grown(items, piece.end - piece.start)
        elif why == p.QUOTE_SEEN:
            raise _QuoteSeen
        else:
            _settle_odd(job, text, out, int(at[p.ODDS]), lost, bad)
            at[p.ODDS] = 0
            if why == p.DONE:
                break
    job.tables[worker] = users, items
    for line, kind, role, start, end in out.bad[: at[p.BAD_ROWS]].tolist():
        column = job.columns.name(("user", "item", "value", "time")[role]) if role != p.OTHER else ""
        bad.append(BadRow(line, kind, column, _line(text, start, end)))
    n = int(at[p.ROWS])
    keep: slice | np.ndarray = slice(0, n)
    if lost:
        keep = np.setdiff1d(np.arange(n), np.fromiter(lost, np.int64))
    return _Part(
        index=piece.index,
        worker=worker,
        users=out.users[keep].copy(),
        items=out.items[keep].copy(),
        values=out.values[keep].copy() if job.layout.has_value else None,
        times=out.times[keep].copy() if job.layout.has_time else None,
        lines=int(at[p.LINES]),
        counts=out.counts.copy(),
        bad=bad,
        thinned=bool(lost),
    )


def _settle_odd(
    job: _Job, text: np.ndarray, out: p.Output, n: int, lost: set[int], bad: list[BadRow]
) -> None:
    """Read what the compiled loop left: numbers and times of an odd form."""
    for row, role, start, end, line, begin, stop in out.odd[:n].tolist():
        if row in lost:
            continue
        word = text[start:end].tobytes().decode("utf-8", "replace")
        if role == p.VALUE:
            kind, value = parse_value(word)
            out.values[row] = value
        else:
            kind, out.times[row] = parse_time(word, job.form)
        if kind >= 0:
            lost.add(row)
            out.counts[kind] += 1
            bad.append(BadRow(line, kind, job.columns.name("value" if role == p.VALUE else "time"), _line(text, begin, stop)))


def parse_value(text: str) -> tuple[int, float]:
    """(-1, the number as float32 holds it), or the kind of bad row and 0.

    >>> parse_value(" 1e-3"), parse_value("nan"), parse_value("1_000")
    ((-1, 0.001), (3, 0.0), (5, 0.0))
    """
    text = text.strip()
    if text.casefold() in MISSING_TEXTS:
        return p.MISSING, 0.0
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        number = None
    if number is None:
        return p.NUMBER, 0.0
    if number != number:
        return p.NAN, 0.0
    return (-1, number) if abs(number) < 3.4028235677973366e38 else (p.INFINITE, 0.0)


def _line(text: np.ndarray, start: int, end: int) -> str:
    return text[start : min(end, start + 400)].tobytes().decode("utf-8", "replace").rstrip("\r")


def _assembled(
    job: _Job, lines: int, where: str, report: list[str], duplicates: str, on_bad_rows: str
) -> Interactions:
    parts = [part for part in job.parts if part is not None]
    bad = BadRowList()
    for part in parts:
        for kind, count in enumerate(part.counts[: len(bad.counts)].tolist()):
            bad.counts[kind] += count
        for row in part.bad:
            bad.note(row._replace(line=row.line + lines + 1))
        lines += part.lines
    borders = np.cumsum([0] + [len(part.users) for part in parts])
    n = int(borders[-1])
    report += bad.settle(on_bad_rows, where, n + bad.total)
    if not n:
        raise DataError(
            f"{where} has {'no good row' if bad.total else 'no rows'}{'' if lines == 0 else ' below its header'}",
            where=where,
            mend="give a file with one interaction a line",
        )
    users, user_maps, told = vocabulary_of([t[0] for t in job.tables], job.columns.name("user"))
    items, item_maps, more = vocabulary_of([t[1] for t in job.tables], job.columns.name("item"))
    u, j = np.empty(n, np.int32), np.empty(n, np.int32)
    v = np.empty(n, np.float32) if job.layout.has_value else None
    t = np.empty(n, np.int64) if job.layout.has_time else None
    job.parts, thinned = [], any(part.thinned for part in parts)
    waiting: list[_Part | None] = list(parts)
    del parts

    def place(i: int) -> None:
        part, waiting[i] = waiting[i], None  # freed as soon as it is in its place
        assert part is not None
        here = slice(borders[i], borders[i + 1])
        np.take(user_maps[part.worker], part.users, out=u[here], mode="clip")
        np.take(item_maps[part.worker], part.items, out=j[here], mode="clip")
        if v is not None:
            v[here] = part.values
        if t is not None:
            t[here] = part.times

    in_parallel(place, [(i,) for i in range(len(waiting))])
    if thinned:
        (u, users), (j, items) = by_first_use(u, users), by_first_use(j, items)
    return finished(users, items, u, j, v, t, "arrow", [*report, *told, *more], duplicates)


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
) -> Interactions:
    """The log, its duplicates merged; tells where float32 may have rounded a value."""
    if v is not None and len(v) and max(float(v.max()), -float(v.min())) > _EXACT:
        report.append(f"values are kept as float32, which rounds numbers beyond {_EXACT:,}")
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
    return log.merge_duplicates(duplicates)
