"""A caller's arrays and texts in every form, and what is refused by index."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.sequence_arrays import joined
from matweave.errors import DataError


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [3, 4]],
        [np.array([1.0, 2.0]), np.array([[3.0], [4.0]])],
        np.array([[1, 2], [3, 4]]),
        np.array([[[1], [2]], [[3], [4]]], np.uint8),
        ((1, 2), (3, 4)),
        np.array([[1, 2], [3, 4]], object),
        (row for row in np.array([[1, 2], [3, 4]])),
    ],
)
def test_forms_of_the_same_sequences(x):
    steps, offsets = joined(x)
    assert steps.dtype == np.float32
    assert steps.tolist() == [[1], [2], [3], [4]]
    assert offsets.tolist() == [0, 2, 4]


def test_channels_stay_columns():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(joined(x)[0], x.reshape(6, 4))
    np.testing.assert_array_equal(joined(list(x))[0], x.reshape(6, 4))


def test_the_array_of_the_caller_is_never_shared():
    for x in (np.ones((2, 3), np.float32), [np.ones(3, np.float32)]):
        steps = joined(x)[0]
        steps[:] = 7
        assert np.asarray(x[0]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("x", [["ab", "c"], np.array(["ab", "c"]), np.array(["ab", "c"], object)])
def test_texts(x):
    found = joined(x)
    assert found == ["ab", "c"]
    assert all(type(text) is str for text in found)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([], "there are no sequences"),
        (np.zeros((0, 3)), "there are no sequences"),
        ("abc", "a str is not n sequences"),
        (3, "a int is not n sequences"),
        (np.zeros((1, 2, 3, 4)), "shape (1, 2, 3, 4)"),
        (np.array(3.0), "shape ()"),
        (np.zeros((2, 0)), "without a single step"),
        (np.zeros((2, 3, 0)), "without a single step or channel"),
        (np.array([[1.0, 2], [np.nan, 1], [np.inf, 1]]), "NaN or infinite values: x[1], x[2]"),
        (np.array([[1.0], [1e39]]), "NaN or infinite values: x[1]"),
        ([[1.0], [1e39]], "NaN or infinite values: x[1]"),
        ([1.0, 2.0], "no arrays (T,) or (T, channels) of numbers: x[0], x[1]"),
        ([["a", "b"], [1]], "of numbers: x[0]"),
        ([[[1, 2], [3]], [1]], "of numbers: x[0]"),
        ([[1j]], "of numbers: x[0]"),
        ([np.zeros((1, 1, 1))], "of numbers: x[0]"),
        (["ab", "", "c", ""], "without a single character: x[1], x[3]"),
        (["ab", [1.0], "c"], "of other things among texts: x[1]"),
        ([[1.0], "c", [2.0]], "of text among numbers: x[1]"),
        ([[[1, 2]], [[1, 2, 3]], [1], [[3, 4]]], "x[0], which has 2: x[1], x[2]"),
    ],
)
def test_what_is_refused_names_its_indices(x, said):
    with pytest.raises(DataError) as error:
        joined(x)
    assert said in error.value.what


def test_the_first_ten_of_each_kind_are_named():
    with pytest.raises(DataError, match=r"x\[9\] \(\+5 more\)"):
        joined([[np.nan]] * 15)
