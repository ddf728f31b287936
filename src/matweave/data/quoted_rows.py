"""Where the rows of a delimited text file begin: lines that are not blank, but for those within quotes.

Quotes are read as Arrow's CSV reader reads them: one opens at the start of a field only, a doubled one within is a
letter, and a field may run over several lines. What Arrow would pass over in silence is refused here: text after a
closing quote, and a quote that is never closed.
"""

from __future__ import annotations

import numpy as np

from matweave.data.places import Places, Problems

_OUTSIDE, _INSIDE = 0, 1


def row_starts(data: bytes, separator: str, quoted: bool, where: str) -> tuple[np.ndarray, np.ndarray]:
    """For each row its line (from 1), and the byte at which it begins; both int64 (rows,).

    Raises DataError with the lines in which quotes are broken.

    >>> lines, starts = row_starts(b'a,b\\n\\n1,"x\\ny"\\n2,z\\n', ",", True, "file.csv")
    >>> lines.tolist(), starts.tolist()
    ([1, 3, 5], [0, 5, 13])
    """
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    width = ends - starts
    blank = width == 0
    one = np.flatnonzero(width == 1)
    blank[one] = [data[s : s + 1] == b"\r" for s in starts[one].tolist()]
    begins = ~blank
    if quoted and b'"' in data:
        _join_quoted(data, separator.encode(), starts, ends, begins, where)
    at = np.flatnonzero(begins)
    return at + 1, starts[at]


def _join_quoted(
    data: bytes, separator: bytes, starts: np.ndarray, ends: np.ndarray, begins: np.ndarray, where: str
) -> None:
    """Unmark the lines that go on within a quoted field."""
    marks = np.flatnonzero(np.frombuffer(data, np.uint8) == ord('"'))
    lines = np.unique(np.searchsorted(ends, marks)).tolist()
    state, opened, after = _OUTSIDE, 0, []
    for n in lines:
        if state == _INSIDE:
            begins[opened + 1 : n + 1] = False
        state, good, opens = _scan(data[starts[n] : ends[n]], separator, state)
        if not good:
            after.append(n)
        if opens:  # a field that was open may close, and another open, in one line
            opened = n
    problems = Problems(Places(unit="line", numbers=np.arange(1, len(ends) + 1)))
    problems.add("text stands after a closing quote", after)
    if state == _INSIDE:
        problems.add("the quote that opens here is never closed", [opened])
    problems.settle(where, 'within quotes write a quote twice: "a ""b"" c"')


def _scan(line: bytes, separator: bytes, state: int) -> tuple[int, bool, bool]:
    """The state at the end of a line, whether no text stands after a closing quote, and whether one opens here."""
    at, good, opens = 0, True, False
    while True:
        if state == _OUTSIDE:
            if line.startswith(b'"', at):
                state, at, opens = _INSIDE, at + 1, True
                continue
            stop = line.find(separator, at)
            if stop < 0:
                return state, good, opens
            at = stop + 1
            continue
        close = line.find(b'"', at)
        if close < 0:
            return state, good, opens
        if line.startswith(b'""', close):
            at = close + 2
            continue
        state, at = _OUTSIDE, close + 1
        rest = line[at:]
        if rest in (b"", b"\r"):
            return state, good, opens
        if not rest.startswith(separator):
            good = False
            stop = line.find(separator, at)
            if stop < 0:
                return state, good, opens
            at = stop
        at += 1
