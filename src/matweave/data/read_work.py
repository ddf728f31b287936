"""The workers that read delimited text: each takes a piece, parses it, encodes its ids, and hands in the rows.

Each worker has a buffer, scratch arrays and two id tables of its own. Rows are handed in as pieces that know
their number; `Rows` lays them one after the other into arrays that are made once. So neither order nor codes
depend on which worker was faster, and memory is touched once: a row takes 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Condition
from typing import Any, NamedTuple, final

import numpy as np

from matweave.data import parse_rows as p
from matweave.data.bad_rows import KINDS, BadRow, BadRowList
from matweave.data.id_table import IdTable, encode, grown, new_table
from matweave.data.parse_columns import read_times, read_values
from matweave.data.read_bytes import Buffer, Piece, Source
from matweave.data.read_columns import Columns
from matweave.data.read_times import MISSING_TEXTS, TimeForm, parse_time
from matweave.threads import in_parallel, threads


class Part(NamedTuple):
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
class Rows:
    """Columns of rows, filled in the order of the pieces; room for more is made where the guess was short."""

    def __init__(self, guess: int, *, has_value: bool, has_time: bool) -> None:
        kinds = (np.int32, np.int32, np.float32 if has_value else None, np.int64 if has_time else None)
        self.columns = [None if kind is None else np.empty(guess, kind) for kind in kinds]
        self.spans: list[tuple[int, int, int]] = []  # first and last row, worker
        self.bad = BadRowList()
        self.n = self.lines = 0
        self.thinned = False
        self._room = guess
        self._early: dict[int, Part] = {}
        self._next, self._writing, self._turn = 0, 0, Condition()

    def add(self, part: Part) -> None:
        """Take a piece's rows in; those of a piece before its turn wait."""
        placed = []
        with self._turn:
            self._early[part.index] = part
            while self._next in self._early:
                ready = self._early.pop(self._next)
                placed.append((self.n, ready))
                self._note(ready)
                self.n += len(ready.users)
                self._next += 1
            while self.n > self._room and self._writing:  # nobody may write while columns move
                self._turn.wait()
            if self.n > self._room:
                self._resize(max(self.n, self._room + self._room // 2))
            self._writing += 1
        for at, ready in placed:
            arrays = (ready.users, ready.items, ready.values, ready.times)
            for column, array in zip(self.columns, arrays, strict=True):
                if column is not None:
                    column[at : at + len(ready.users)] = array
        with self._turn:
            self._writing -= 1
            self.spans += [(at, at + len(ready.users), ready.worker) for at, ready in placed]
            self._turn.notify_all()

    def finish(self) -> None:
        """Cut the columns to the rows that came."""
        self._resize(self.n)

    def _note(self, part: Part) -> None:
        self.bad.count(part.counts.tolist())
        for row in part.bad:
            self.bad.note(row._replace(line=row.line + self.lines + 1))
        self.lines += part.lines
        self.thinned |= part.thinned

    def _resize(self, room: int) -> None:
        for column in self.columns:
            if column is not None:  # moves pages, not bytes; no view of a column is alive here
                column.resize(room, refcheck=False)
        self._room = room


@final
@dataclass(kw_only=True)
class Job:
    """What the workers share. `tables` holds the users and items of each worker."""

    source: Source
    layout: p.Layout
    form: TimeForm
    columns: Columns
    rows: Rows
    tables: list[tuple[IdTable, IdTable]] = field(default_factory=list)
    stopped: bool = False


class QuoteSeen(Exception):
    """A quote stands where pieces were cut at every line end."""


def run(job: Job) -> None:
    """Read all pieces of the job's source into its rows, on `threads()` workers."""
    count = threads()
    if job.source.size is not None:
        count = max(1, min(count, -(-job.source.size // (1 << 20))))
    job.tables = [(new_table(), new_table()) for _ in range(count)]
    try:
        in_parallel(lambda worker: _work(job, worker), [(w,) for w in range(count)])
    finally:
        job.source.close()
    job.rows.finish()


def _work(job: Job, worker: int) -> None:
    buffer = Buffer()
    out: p.Output | None = None
    try:
        while not job.stopped and (piece := job.source.take(buffer)) is not None:
            most = (piece.end - piece.start) // (len(job.layout.roles) + 1) + 1
            if out is None or out.spans.shape[1] < most:
                out = _output(most)
            job.rows.add(_parse(job, worker, buffer, piece, out))
    except BaseException:
        job.stopped = True  # an error or Ctrl-C ends the other workers after the piece that they are at
        raise


def _output(rows: int) -> p.Output:
    return p.Output(
        spans=np.empty((8, rows), np.int32),
        rows=np.empty((2, rows), np.int32),
        bad=np.empty((p.NAMED, 4), np.int64),
        counts=np.zeros(len(KINDS), np.int64),
    )


def _parse(job: Job, worker: int, buffer: Buffer, piece: Piece, out: p.Output) -> Part:
    text, columns = buffer.text, job.columns
    found = np.zeros(3, np.int64)
    out.counts[:] = 0
    if p.split(text, piece.start, piece.end, job.layout, out, found) == p.QUOTE_SEEN:
        raise QuoteSeen
    n = int(found[p.ROWS])
    bad = [
        BadRow(line, kind, "", _line(text, start, end))
        for line, kind, start, end in out.bad[: found[p.BAD_ROWS]].tolist()
    ]
    spans, rows = out.spans[:, :n], out.rows[:, :n]
    keep: Any = slice(None)  # rows whose numbers are good; only their ids enter the tables
    values = times = None
    for column in (columns.value, columns.time):
        if column is None:
            continue
        faults = np.full(n, -1, np.int8)
        if column == columns.value:
            values = _values(text, spans[4], spans[5], faults)
        else:
            times = _times(text, spans[6], spans[7], faults, job.form)
        if faults.max(initial=-1) >= 0:
            bad += _note(faults, columns.names[column], text, piece, rows, out.counts)
            keep = np.flatnonzero(faults < 0)
            n = len(keep)
            spans, rows = np.ascontiguousarray(spans[:, keep]), rows[:, keep]
            values = None if values is None else values[keep]
            times = None if times is None else times[keep]
    users, items = job.tables[worker]
    users, u = _encoded(users, text, spans[0], spans[1], piece)
    items, j = _encoded(items, text, spans[2], spans[3], piece)
    job.tables[worker] = users, items
    thinned = n > 0 and bool(min(u.min(), j.min()) < 0)
    if thinned:
        bad += _note(-1 - np.minimum(u, 0), columns.name("user"), text, piece, rows, out.counts)
        bad += _note(
            np.where(u < 0, -1, -1 - np.minimum(j, 0)), columns.name("item"), text, piece, rows, out.counts
        )
        keep = np.flatnonzero((u >= 0) & (j >= 0))
        u, j = u[keep], j[keep]
        values = None if values is None else values[keep]
        times = None if times is None else times[keep]
    return Part(
        index=piece.index,
        worker=worker,
        users=u,
        items=j,
        values=values,
        times=times,
        lines=int(found[p.LINES]),
        counts=out.counts.copy(),
        bad=bad,
        thinned=thinned,
    )


def _values(text: np.ndarray, starts: np.ndarray, ends: np.ndarray, faults: np.ndarray) -> np.ndarray:
    values, odd = np.empty(len(starts), np.float32), np.empty(len(starts), np.int32)
    n = read_values(text, starts, ends, values, faults, odd)
    for row in odd[:n].tolist():
        faults[row], values[row] = parse_value(_word(text, int(starts[row]), int(ends[row])))
    return values


def _times(
    text: np.ndarray, starts: np.ndarray, ends: np.ndarray, faults: np.ndarray, form: TimeForm
) -> np.ndarray:
    times, odd = np.empty(len(starts), np.int64), np.empty(len(starts), np.int32)
    n = read_times(text, starts, ends, times, faults, odd, form.form, form.unit, form.low, form.high)
    for row in odd[:n].tolist():
        faults[row], times[row] = parse_time(_word(text, int(starts[row]), int(ends[row])), form)
    return times


def _note(
    faults: np.ndarray, column: str, text: np.ndarray, piece: Piece, rows: np.ndarray, counts: np.ndarray
) -> list[BadRow]:
    """Count the rows with a fault and name the first of them."""
    at = np.flatnonzero(faults >= 0)
    counts += np.bincount(faults[at], minlength=len(counts))
    return [
        BadRow(
            int(np.count_nonzero(text[piece.start : rows[0, row]] == 10)),
            int(faults[row]),
            column,
            _line(text, rows[0, row], rows[1, row]),
        )
        for row in at[: p.NAMED]
    ]


def _encoded(
    table: IdTable, text: np.ndarray, starts: np.ndarray, ends: np.ndarray, piece: Piece
) -> tuple[IdTable, np.ndarray]:
    codes = np.empty(len(starts), np.int32)
    done = 0
    while (done := encode(text, starts, ends, done, piece.index << 32, table, codes)) < len(codes):
        table = grown(table, int(ends[done] - starts[done]))
    return table, codes


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


def _word(text: np.ndarray, start: int, end: int) -> str:
    return text[start:end].tobytes().decode("utf-8", "replace")


def _line(text: np.ndarray, start: int, end: int) -> str:
    return text[start : min(end, start + 400)].tobytes().decode("utf-8", "replace").rstrip("\r")
