"""Rows fall into place by the number of their piece, and numbers of an odd form are read as Python does."""

from __future__ import annotations

import random
from threading import Thread

import numpy as np
import pytest

from matweave.data.bad_rows import KINDS, BadRow
from matweave.data.parse_rows import INFINITE, MISSING, NAN, NUMBER
from matweave.data.read_work import Part, Rows, parse_value


def part(index, n, bad=0):
    numbers = np.arange(n) + 1000 * index
    counts = np.zeros(len(KINDS), np.int64)
    counts[0] = bad
    return Part(
        index=index,
        worker=index % 2,
        users=numbers.astype(np.int32),
        items=-numbers.astype(np.int32),
        values=numbers.astype(np.float32),
        times=numbers.astype(np.int64) << 33,
        lines=n + bad,
        counts=counts,
        bad=[BadRow(0, 0, "", "text")] * bad,
        thinned=False,
    )


@pytest.mark.parametrize("guess", [1, 100, 10_000])
@pytest.mark.parametrize("threads", [1, 4])
def test_pieces_in_any_order_fall_into_place(guess, threads):
    parts = [part(k, n, bad=k == 7) for k, n in enumerate([0, 3, 500, 1, 0, 40, 7, 2, 90])]
    wanted = np.concatenate([p.users for p in parts])
    random.Random(0).shuffle(parts)
    rows = Rows(guess, has_value=True, has_time=True)
    workers = [Thread(target=lambda w=w: [rows.add(p) for p in parts[w::threads]]) for w in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    rows.finish()
    users, items, values, times = rows.columns
    np.testing.assert_array_equal(users, wanted)
    np.testing.assert_array_equal(items, -wanted)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(times, wanted.astype(np.int64) << 33)
    assert rows.n == len(wanted)
    assert rows.bad.first == [BadRow(3 + 500 + 1 + 40 + 7 + 1, 0, "", "text")]
    spans = sorted(rows.spans)
    assert [s[0] for s in spans] == np.cumsum([0, 0, 3, 500, 1, 0, 40, 7, 2]).tolist()


def test_columns_that_are_not_there_stay_none():
    rows = Rows(4, has_value=False, has_time=False)
    rows.add(part(0, 9)._replace(values=None, times=None))
    rows.finish()
    assert rows.columns[2:] == [None, None]
    assert len(rows.columns[0]) == 9


@pytest.mark.parametrize(
    ("text", "found"),
    [("1e-3", (-1, 1e-3)), (" +5 ", (-1, 5.0)), ("", (MISSING, 0)), ("NULL", (MISSING, 0)), ("NaN", (NAN, 0)), ("-inf", (INFINITE, 0)),
     ("1e39", (INFINITE, 0)), ("3.4028235e38", (-1, 3.4028235e38)), ("five", (NUMBER, 0)), ("1_0", (NUMBER, 0)), ("1,5", (NUMBER, 0))],
)  # fmt: skip
def test_values_read_slowly(text, found):
    assert parse_value(text) == found
