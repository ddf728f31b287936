"""Columns of numbers and times: each row as the parsers of one text say."""

from __future__ import annotations

import numpy as np

from matweave.data.bytes_simd import PADDING
from matweave.data.parse_columns import read_times, read_values
from matweave.data.parse_rows import MISSING, MIXED
from matweave.data.read_times import form_of


def spans(texts):
    letters = np.frombuffer("".join(texts).encode() + b"0" * PADDING, np.uint8).copy()
    ends = np.cumsum([len(t) for t in texts], dtype=np.int32)
    starts = ends - np.array([len(t) for t in texts], np.int32)
    n = len(texts)
    return letters, starts, ends, np.full(n, -1, np.int8), np.full(n, -9, np.int32)


def values(texts):
    letters, starts, ends, faults, odd = spans(texts)
    found = np.empty(len(texts), np.float32)
    n = read_values(letters, starts, ends, found, faults, odd)
    return found, faults.tolist(), odd[:n].tolist()


def times(texts, like):
    letters, starts, ends, faults, odd = spans(texts)
    form = form_of([like])
    assert form is not None
    found = np.empty(len(texts), np.int64)
    n = read_times(letters, starts, ends, found, faults, odd, form.form, form.unit, form.low, form.high)
    return found, faults.tolist(), odd[:n].tolist()


def test_values_of_every_length():
    texts = ["5", "0", "3.5", "-1", "12", "12.25", "1e3", "0.125", "-0.5", "16777217", "9.9"]
    found, faults, odd = values(texts)
    assert found.tolist() == np.array([float(t) for t in texts]).astype(np.float32).tolist()
    assert (set(faults), odd) == ({-1}, [])


def test_odd_and_missing_values_are_told_apart():
    _, faults, odd = values(["1", "", "nan", "x", " 2", "3.x", "/.5", ":", "x.5", "1.0"])
    assert odd == [2, 3, 4, 5, 6, 7, 8]
    assert faults == [-1, MISSING, -1, -1, -1, -1, -1, -1, -1, -1]


def test_whole_numbers_of_every_length_are_seconds():
    texts = [str(10**k + 7 % 10**k) for k in range(11)] + ["0", "00012", "99999999", "99999999999"]
    found, faults, odd = times(texts, "1")
    assert found.tolist() == [int(t) * 1_000_000 for t in texts]
    assert (set(faults), odd) == ({-1}, [])


def test_other_texts_of_times_are_bad_or_odd():
    texts = [
        "1600000000",
        "",
        "1600000000000",
        "x600000000",
        "160000000x",
        "16000000/0",
        "1.5",
        "-5",
        "1234567:",
        "2020-01-01",
    ]
    found, faults, odd = times(texts, "1")
    assert odd == [3, 4, 5, 8, 9]
    assert [faults[1], faults[2]] == [MISSING, MIXED]
    assert found[[0, 6, 7]].tolist() == [1_600_000_000_000_000, 1_500_000, -5_000_000]


def test_other_forms():
    assert times(["1600000000123", "0", "1600000000"], "1600000000000")[0].tolist()[:2] == [
        1_600_000_000_123_000,
        0,
    ]
    assert times(["1600000000"], "1600000000000")[1] == [MIXED]
    assert times(["1600000000123456789"], "1600000000000000000")[0].tolist() == [1_600_000_000_123_456]
    found, faults, odd = times(["2020-01-01", "2020-01-01T00:00:01", "2020-01-01T00:00Z", "5"], "2020-01-01")
    assert found.tolist()[:2] == [1_577_836_800_000_000, 1_577_836_801_000_000]
    assert faults[2] == MIXED
    assert odd == [3]
    assert times(["20200101", "20201301"], "20200101")[2] == [1]
