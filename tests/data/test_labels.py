"""Labels: natural order, the kinds that are read, and each kind of trouble by index."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.labels import as_list, distinct, is_number, natural_order, refuse_at
from matweave.errors import DataError


def decoded(labels) -> list[str]:
    names, codes = distinct(labels)
    assert codes.dtype == np.int64
    assert len(set(names)) == len(names)
    return [names[code] for code in codes.tolist()]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["10", "2", "1"], ["1", "2", "10"]),
        (["-1", "1", "0"], ["-1", "0", "1"]),
        (["0.5", "0.25", "1", "-2.5"], ["-2.5", "0.25", "0.5", "1"]),
        (["img12", "img2", "img1"], ["img1", "img2", "img12"]),
        (["a1b10", "a1b9", "a10b1"], ["a1b9", "a1b10", "a10b1"]),
        (["b", "A", "a", "B"], ["A", "a", "B", "b"]),
        (["x", "10", "9"], ["9", "10", "x"]),
        (["02", "2", "1"], ["1", "02", "2"]),
        (["²", "1", "a"], ["1", "a", "²"]),
        ([], []),
    ],
)
def test_natural_order(names, wanted) -> None:
    assert natural_order(names) == wanted
    assert natural_order(reversed(names)) == wanted


def test_numbers_of_thousands_of_digits_are_ordered() -> None:
    long = ["9" * 5000, "1" + "0" * 5000, "5"]
    assert natural_order(long) == ["5", long[0], long[1]]
    assert natural_order([f"n{x}" for x in long]) == ["n5", f"n{long[0]}", f"n{long[1]}"]


@given(st.lists(st.integers(-1000, 1000), unique=True))
def test_whole_numbers_are_ordered_by_value(values) -> None:
    assert natural_order(map(str, values)) == [str(v) for v in sorted(values)]


@given(st.lists(st.text(max_size=6)), st.randoms())
def test_order_is_of_the_set_and_not_of_how_it_came(names, random) -> None:
    mixed = list(names)
    random.shuffle(mixed)
    assert natural_order(mixed) == natural_order(names)
    assert sorted(natural_order(names)) == sorted(names)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (["b", "a", "b"], ["b", "a", "b"]),
        ([3, 1, 3], ["3", "1", "3"]),
        ([np.int64(3), 1], ["3", "1"]),
        ([10**30, 1], [str(10**30), "1"]),
        ([1.0, 2.0], ["1", "2"]),
        ([1, 2.5], ["1.0", "2.5"]),
        ([True, False], ["True", "False"]),
        (np.array([3, 1, 3], np.uint8), ["3", "1", "3"]),
        (np.array([3.0, -1.0]), ["3", "-1"]),
        (np.array([0.1, 0.5], np.float32), ["0.1", "0.5"]),
        (np.array([True, False]), ["True", "False"]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array(["b", "a"], object), ["b", "a"]),
        (pa.array(["x", "y", "x"]), ["x", "y", "x"]),
        (pa.chunked_array([[1], [2]]), ["1", "2"]),
        (pd.Series(["x", "y"]), ["x", "y"]),
        (pd.Series([2, 1]), ["2", "1"]),
        ("ab", ["a", "b"]),
        ((c for c in "ab"), ["a", "b"]),
        ([], []),
        (np.zeros(0), []),
    ],
)
def test_what_is_read(labels, wanted) -> None:
    assert decoded(labels) == wanted


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", None, "b", ""], r"2 labels are missing: None \(index 1\), '' \(index 3\)"),
        ([1.0, float("nan")], r"1 labels are missing: nan \(index 1\)"),
        (np.array([np.nan, 1.0]), r"1 labels are missing: nan \(index 0\)"),
        (pd.Series(["a", None]), r"1 labels are missing: nan \(index 1\)|None \(index 1\)"),
        (pa.array(["a", None]), r"1 labels are missing: None \(index 1\)"),
        (np.array([np.inf, 1.0]), r"1 labels are infinite: inf \(index 0\)"),
        ([1, "1"], r"all text or all numbers, but there are: 1 \(index 0, int\), '1' \(index 1, str\)"),
        ([1, True], "index 1, bool"),
        ([b"a"], r"b'a' \(index 0, bytes\)"),
        ([Decimal(1)], "Decimal"),
        ([["a"], ["b"]], r"\['a'\] \(index 0, list\)"),
        (np.zeros((2, 2)), r"shape \(2, 2\)"),
        (np.array(["a", 1], object), "index 1, int"),
    ],
)
def test_what_is_refused(labels, said) -> None:
    with pytest.raises(DataError, match=said):
        distinct(labels)


def test_the_first_ten_are_named_and_the_rest_counted() -> None:
    with pytest.raises(DataError, match=r"^1,012 labels are missing: .*\(index 9\) \(\+1,002 more\)\n"):
        distinct([None] * 1012)


def test_numbers_and_lists() -> None:
    assert [is_number(v) for v in (1, 1.5, np.float32(1), True, np.True_, "1", None)] == [True] * 3 + [
        False
    ] * 4
    assert as_list(np.array([1, 2])) == [1, 2]
    assert as_list(pa.array([1, None])) == [1, None]
    refuse_at(np.zeros(3, bool), [1, 2, 3], "nothing is wrong")
