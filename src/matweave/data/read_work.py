"""The workers that read delimited text: each takes a piece, parses it, encodes its ids, and hands in the rows.

Each worker has a buffer, scratch arrays and two id tables of its own. Rows are handed in as pieces that know
their number; `Rows` lays them one after the other into arrays that are made once. So neither order nor codes
depend on which worker was faster, and memory is touched once: a row takes 20 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Condition
from typing import NamedTuple, final

import numpy as np

from matweave.data import parse_rows as p
from matweave.data.bad_rows import KINDS, BadRow, BadRowList
from matweave.data.id_table import IdTable, encode, grown, new_table
from matweave.data.read_bytes import Buffer, Piece, Source
from matweave.data.read_columns import ROLES, Columns
from matweave.data.read_times import MISSING_TEXTS, TimeForm, parse_time
from matweave.threads import in_parallel, threads

_ODD = 4096


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

    def column(self, role: int) -> str:
        """The name of the column of a role; none for the whole row."""
        return "" if role == p.OTHER else self.columns.name(ROLES[role])


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
    while not job.stopped and (piece := job.source.take(buffer)) is not None:
        most = (piece.end - piece.start) // (len(job.layout.roles) + 1) + 1
        if out is None or len(out.values) < most:
            out = _output(most)
        try:
            job.rows.add(_parse(job, worker, buffer, piece, out))
        except BaseException:
            job.stopped = True
            raise


def _output(rows: int) -> p.Output:
    return p.Output(
        spans=np.empty((4, rows), np.int32),
        rows=np.empty((2, rows), np.int32),
        values=np.empty(rows, np.float32),
        times=np.empty(rows, np.int64),
        odd=np.empty((_ODD, 4), np.int64),
        bad=np.empty((p.NAMED, 5), np.int64),
        counts=np.zeros(len(KINDS), np.int64),
    )


def _parse(job: Job, worker: int, buffer: Buffer, piece: Piece, out: p.Output) -> Part:
    text, layout = buffer.text, job.layout
    at = np.zeros(6, np.int64)
    at[p.POSITION] = piece.start
    out.counts[:] = 0
    bad: list[BadRow] = []
    lost: list[int] = []
    while (why := p.parse(text, piece.end, layout, out, at)) != p.QUOTE_SEEN:
        _settle_odd(job, text, out, int(at[p.ODDS]), lost, bad, piece)
        at[p.ODDS] = 0
        if why == p.DONE:
            break
    else:
        raise QuoteSeen
    for line, kind, role, start, end in out.bad[: at[p.BAD_ROWS]].tolist():
        bad.append(BadRow(line, kind, job.column(role), _line(text, start, end)))
    n = int(at[p.ROWS])
    spans, rows = out.spans[:, :n], out.rows[:, :n]
    keep: slice | np.ndarray = slice(0, n)
    if lost:
        keep = np.setdiff1d(np.arange(n), lost)
        spans, rows = np.ascontiguousarray(spans[:, keep]), rows[:, keep]
    users, items = job.tables[worker]
    users, u = _encoded(users, text, spans[0], spans[1], piece)
    items, j = _encoded(items, text, spans[2], spans[3], piece)
    job.tables[worker] = users, items
    values = out.values[keep].copy() if layout.has_value else None
    times = out.times[keep].copy() if layout.has_time else None
    faulty = np.flatnonzero((u < 0) | (j < 0)) if len(u) and min(u.min(), j.min()) < 0 else None
    if faulty is not None:
        kinds = np.where(u < 0, -1 - u, -1 - j)[faulty]
        out.counts[:] += np.bincount(kinds, minlength=len(out.counts))
        for row, kind in zip(faulty[: p.NAMED].tolist(), kinds.tolist(), strict=False):
            line = _lines_before(text, piece, rows[0, row])
            column = job.column(p.USER if u[row] < 0 else p.ITEM)
            bad.append(BadRow(line, kind, column, _line(text, *rows[:, row])))
        u, j = np.delete(u, faulty), np.delete(j, faulty)
        values = None if values is None else np.delete(values, faulty)
        times = None if times is None else np.delete(times, faulty)
    return Part(
        index=piece.index,
        worker=worker,
        users=u,
        items=j,
        values=values,
        times=times,
        lines=int(at[p.LINES]),
        counts=out.counts.copy(),
        bad=bad,
        thinned=faulty is not None,
    )


def _encoded(
    table: IdTable, text: np.ndarray, starts: np.ndarray, ends: np.ndarray, piece: Piece
) -> tuple[IdTable, np.ndarray]:
    codes = np.empty(len(starts), np.int32)
    done = 0
    while (done := encode(text, starts, ends, done, piece.index << 32, table, codes)) < len(codes):
        table = grown(table, int(ends[done] - starts[done]))
    return table, codes


def _settle_odd(
    job: Job, text: np.ndarray, out: p.Output, n: int, lost: list[int], bad: list[BadRow], piece: Piece
) -> None:
    """Read what the compiled loop left: numbers and times of an odd form."""
    for row, role, start, end in out.odd[:n].tolist():
        if lost and lost[-1] == row:
            continue
        word = text[start:end].tobytes().decode("utf-8", "replace")
        if role == p.VALUE:
            kind, out.values[row] = parse_value(word)
        else:
            kind, out.times[row] = parse_time(word, job.form)
        if kind >= 0:
            lost.append(row)
            out.counts[kind] += 1
            if len(bad) < p.NAMED:
                begin, stop = out.rows[:, row]
                bad.append(
                    BadRow(
                        _lines_before(text, piece, begin), kind, job.column(role), _line(text, begin, stop)
                    )
                )


def _lines_before(text: np.ndarray, piece: Piece, at: int) -> int:
    return int(np.count_nonzero(text[piece.start : at] == 10))


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
