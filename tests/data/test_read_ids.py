"""Tables of several workers become one vocabulary by first appearance."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.bytes_simd import PADDING
from matweave.data.id_table import encode, new_table
from matweave.data.read_ids import as_numbers, by_first_use, rename, vocabulary_of
from matweave.data.vocabulary import Vocabulary


def table(ids, place):
    made = new_table()
    text = np.frombuffer("".join(ids).encode() + b"0" * PADDING, np.uint8).copy()
    ends = np.cumsum([len(i.encode()) for i in ids], dtype=np.int32)
    codes = np.empty(len(ids), np.int32)
    encode(text, ends - np.array([len(i.encode()) for i in ids], np.int32), ends, 0, place, made, codes)
    return made, codes


def test_the_order_is_that_of_the_log_not_of_the_workers():
    late, late_codes = table(["b", "c", "a"], place=100)
    early, early_codes = table(["d", "c"], place=0)
    v, (first, second), told = vocabulary_of([late, early], "user")
    assert v.to_list() == ["d", "c", "b", "a"]
    assert [v.to_list()[k] for k in first[late_codes]] == ["b", "c", "a"]
    assert [v.to_list()[k] for k in second[early_codes]] == ["d", "c"]
    assert told == []


def test_numbers_lost_to_text_and_blanks_are_told():
    v, _, told = vocabulary_of([table(["1", "2", "x"], 0)[0]], "user")
    assert v.to_list() == ["1", "2", "x"]
    assert told == ["'user' ids are kept as text: 1 of 3 are not whole numbers as they print: 'x'"]
    _, _, told = vocabulary_of([table(["ann", " bob"], 0)[0]], "user")
    assert told == ["1 'user' ids begin or end with blanks, kept as they are: ' bob'"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-7", -7), ("9223372036854775807", 2**63 - 1), ("-9223372036854775807", -(2**63) + 1)]
    + [(t, None) for t in ("-0", "00", "07", "+7", "7 ", "1.0", "-", "9223372036854775808", "1" * 20, "x", "१")],
)  # fmt: skip
def test_a_number_is_one_that_prints_as_it_stands(text, number):
    made, _ = table([text], 0)
    numbers, whole = np.empty(1, np.int64), np.empty(1, np.bool_)
    as_numbers(made.letters, made.offsets[:2], numbers, whole)
    assert whole[0] == (number is not None)
    assert number is None or numbers[0] == number


def test_ids_without_rows_go_and_the_order_is_of_first_use():
    v, codes = Vocabulary.of(["a", "b", "c"])
    codes, v = by_first_use(np.array([2, 0, 2], np.int32), v)
    assert v.to_list() == ["c", "a"]
    assert codes.tolist() == [0, 1, 0]
    rename(codes, np.array([5, 7], np.int32))
    assert codes.tolist() == [5, 7, 5]
