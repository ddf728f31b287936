"""Which column is the target, and whether it holds classes or numbers."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.places import Places
from matweave.data.target_column import check_task, find_target, read_target
from matweave.errors import ConfigError, DataError


def read(column, task=None, **more):
    column = column if isinstance(column, pa.Array) else pa.array(column)
    return read_target(column, name="y", task=task, places=Places.rows(len(column)), where="x", **more)


def test_names_are_found_in_order_whatever_their_case():
    assert find_target(["y", "a", "Label"]) == "Label"
    assert find_target(["y", "class"]) == "class"
    assert find_target(["TARGET", "label"]) == "TARGET"
    assert find_target(["a", "years"]) is None


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (["b", "a", "b"], ("a", "b")),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b")),
        (pa.array([10, 2, 10]).dictionary_encode(), ("2", "10")),
        ([10, 2, 10], ("2", "10")),
        ([True, False], ("False", "True")),
        (list(range(20)), tuple(map(str, range(20)))),
    ],
)
def test_what_is_taken_for_classes(column, classes):
    targets, told = read(column)
    assert targets.classes == classes
    assert f"{len(classes)} classes" in told


@pytest.mark.parametrize(
    "column", [[0.5, 1.0], [1.0, 2.0], list(range(21)), [decimal.Decimal("1.5"), decimal.Decimal("2")]]
)
def test_what_is_taken_for_numbers(column):
    targets, told = read(column)
    assert targets.classes is None
    assert targets.values.tolist() == [float(v) for v in column]
    assert "numbers to regress on" in told


def test_what_was_chosen_can_be_overruled_and_says_so():
    assert "task='regress'" in read([1, 2])[1]
    assert read([1, 2], "regress")[0].values.tolist() == [1.0, 2.0]
    assert "task='classify'" in read(list(range(30)))[1]
    assert read(list(range(30)), "classify")[0].n_classes == 30
    assert read([1.0, 2.0], "classify")[0].classes == ("1", "2")


def test_labels_of_sequences_are_classes_as_long_as_they_repeat():
    many = [i % 50 for i in range(100)]
    assert read(many)[0].classes is None
    assert read(many, labels=True)[0].n_classes == 50
    assert read([float(v) for v in many], labels=True)[0].classes[:2] == ("0", "1")
    assert read(list(range(100)), labels=True)[0].classes is None
    assert read([0.5, 1.5, 0.5], labels=True)[0].classes is None


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["a", None, "b", ""], "'y' is missing: rows 2, 4"),
        ([1, None], "'y' is missing: row 2"),
        ([1.0, np.nan, np.inf], "'y' is infinite: row 3\nthe target 'y' is missing: row 2"),
        (pa.nulls(2), "'y' is missing: rows 1, 2"),
    ],
)
def test_missing_and_infinite_targets_are_named(column, said):
    with pytest.raises(DataError) as error:
        read(column)
    assert said in error.value.what
    assert "target='-'" in error.value.mend


@pytest.mark.parametrize(
    ("column", "task", "said"),
    [
        (["a", "b"], "regress", "of type large_string"),
        ([True], "regress", "of type bool"),
        ([0.5, 1.0], "classify", "of numbers with decimals"),
        ([dt.date(2020, 1, 1)], None, "of type date32"),
        ([[1], [2]], None, "of type list"),
    ],
)
def test_what_is_no_target_is_refused(column, task, said):
    with pytest.raises(DataError, match=said):
        read(column, task)


def test_tasks_are_checked():
    check_task(None, "here")
    check_task("regress", "here")
    with pytest.raises(ConfigError, match="did you mean 'classify'"):
        check_task("clasify", "here")
