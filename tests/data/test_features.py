"""Features: levels as they are, measures standardised over the log, one stranger from a mapping, errors that list what is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from matweave import artifact
from matweave.data.features import FeatureCode, one_row
from matweave.data.item_content import ItemContent
from matweave.data.read_content import read_content
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

PEOPLE = ItemContent.of(
    ["a", "b", "c", "d"],
    attributes=[[1, 0, 20, 1, 0], [0, 1, 40, 0, 1], [1, 0, np.nan, 1, 1], [0, 1, 900, np.nan, np.nan]],
    names=["gender=F", "gender=M", "age", "likes=x", "likes=y"],
)
IDS = Vocabulary(ids=pa.array(["b", "a", "z", "c"]))


def test_measures_are_standardised_over_the_logs_ids_alone_and_missing_is_zero():
    code = FeatureCode.of(PEOPLE, IDS)
    assert code.names == PEOPLE.attribute_names
    np.testing.assert_array_equal(code.shift, [0, 0, 30, 0, 0])
    np.testing.assert_array_equal(code.scale, [1, 1, 10, 1, 1])
    values = code.matrix(PEOPLE, IDS)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[0, 1, 1, 0, 1], [1, 0, -1, 1, 0], [0] * 5, [1, 0, 0, 1, 1]])
    there = np.isfinite(code.values(PEOPLE, IDS))
    np.testing.assert_array_equal(there, [[1] * 5, [1] * 5, [0] * 5, [1, 1, 0, 1, 1]])


def test_a_constant_measure_is_zero_and_one_that_no_id_has_stays():
    one = ItemContent.of([1, 2, 3], attributes=[[7, np.nan], [7, np.nan], [7, 3]], names=["a", "b"])
    code = FeatureCode.of(one, Vocabulary(ids=pa.array([1, 2])))
    np.testing.assert_array_equal(code.matrix(one, Vocabulary(ids=pa.array([1, 2]))), np.zeros((2, 2)))
    assert np.isfinite(code.values(one)[2]).all()


def test_columns_are_found_by_name_in_any_order():
    code = FeatureCode.of(PEOPLE, IDS)
    turned = ItemContent.of(["q", "r"], attributes=[[50, 1], [np.nan, np.nan]], names=["age", "likes=y"])
    np.testing.assert_array_equal(
        code.values(turned), [[np.nan, np.nan, 2, 0, 1], [np.nan, np.nan, np.nan, np.nan, np.nan]]
    )
    with pytest.raises(DataError, match=r"'likes=w'.*did you mean 'likes=.'.*it knows 'gender=F'"):
        code.values(ItemContent.of([1], attributes=[[1]], names=["likes=w"]))


def test_a_stranger_is_coded_as_the_row_of_the_file():
    code = FeatureCode.of(PEOPLE, IDS)
    for who in (
        {"gender": "F", "age": 20, "likes": ["x"]},
        {"gender": "F", "age": "20", "likes": "x"},
        {"gender": ("F",), "age": np.float32(20), "likes": {"x"}},
    ):
        np.testing.assert_array_equal(code.values(one_row(who, code)), code.values(PEOPLE.take([0])))
    both = one_row({"likes": "x | y", "age": None}, code).attributes
    np.testing.assert_array_equal(both, [[np.nan, np.nan, np.nan, 1, 1]])
    assert not np.isfinite(code.values(one_row({}, code))).any()


def test_numbers_name_levels_as_they_print():
    table = pa.table({"id": [1, 2], "age": [25, 18]})
    people = read_content(table, key="id", levels="age")
    code = FeatureCode.of(people, people.items)
    assert code.names == ("age=18", "age=25")
    for age in (25, 25.0, "25", np.int64(25)):
        np.testing.assert_array_equal(code.matrix(one_row({"age": age}, code)), [[0, 1]])


def test_every_wrong_attribute_is_told_with_what_is_known():
    code = FeatureCode.of(PEOPLE, IDS)
    with pytest.raises(DataError) as error:
        one_row({"gander": "F", "likes": ["x", "w"], "age": "old", "gender": "Q"}, code)
    lines = error.value.what.splitlines()
    assert lines == [
        "there is no attribute 'gander'; did you mean 'gender'?; known are 'gender', 'likes', 'age'",
        "'likes' has no level 'w'; its levels are 'x', 'y'",
        "'age' is a number, and 'old' is none",
        "'gender' has no level 'Q'; its levels are 'F', 'M'",
    ]
    assert "{'gender': 'F'}" in error.value.mend
    with pytest.raises(DataError, match="a list"):
        one_row(["F"], code)  # type: ignore[arg-type]


def test_content_without_attributes_or_of_others_is_refused():
    with pytest.raises(DataError, match="no attributes"):
        FeatureCode.of(ItemContent.of([1], texts=["x"]), Vocabulary(ids=pa.array([1])))
    with pytest.raises(DataError, match=r"no attribute is known of any of the log's 1 ids"):
        FeatureCode.of(ItemContent.of([1], attributes=[[2]]), Vocabulary(ids=pa.array([5])))


def test_it_is_storable(tmp_path):
    code = FeatureCode.of(PEOPLE, IDS)
    back = artifact.load(artifact.save(code, tmp_path / "m"), {"FeatureCode": FeatureCode})
    assert back.names == code.names
    np.testing.assert_array_equal(back.matrix(PEOPLE, IDS), code.matrix(PEOPLE, IDS))
