"""Tables: the target chosen, parts that fit, rows taken, contents compared."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.places import Places
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.errors import ConfigError, DataError

COLUMNS = pa.table({"a": [1.5, None, 3.0], "b": ["x", "y", None], "label": ["u", "v", "u"], "y": [1, 2, 3]})


def test_the_target_is_found_said_or_left_out():
    table = Table.of(COLUMNS)
    assert (len(table), table.target, table.features.column_names) == (3, "label", ["a", "b", "y"])
    assert table.targets.labels() == ["u", "v", "u"]
    table = Table.of(COLUMNS, target="y", task="regress", drop=["label"])
    assert (table.target, table.features.column_names) == ("y", ["a", "b"])
    assert table.targets.values.tolist() == [1, 2, 3]
    table = Table.of(COLUMNS, target="-")
    assert (table.target, table.targets, table.features.num_columns) == (None, None, 4)
    assert "3 rows, 3 columns, target 'label'" in repr(Table.of(COLUMNS))


def test_what_was_chosen_is_told():
    told = Table.of(COLUMNS, drop=["b"], report=["read"]).report
    assert told == (
        "read",
        "target 'label': 2 classes (text)",
        "columns dropped, as said: 'b'",
        "'y' numbers the rows; drop it unless their order means something",
        "3 rows, 2 columns of features",
    )
    assert "no target, as said" in Table.of(COLUMNS, target="-").report


@pytest.mark.parametrize(
    ("columns", "said", "what"),
    [
        (COLUMNS, {"target": "labl"}, "no column 'labl'; did you mean 'label'?; the columns are 'a', 'b'"),
        (COLUMNS.select(["a", "b"]), {}, "no column is named like a target (target, label, class, y)"),
        (COLUMNS, {"drop": ["a", "c"]}, "columns to drop are not there: 'c'"),
        (COLUMNS, {"drop": ["label"]}, "'label' is the target, and is to be dropped too"),
        (COLUMNS.slice(0, 0), {}, "has no rows"),
        (COLUMNS.select(["label"]), {}, "no column is left for features: 'label'"),
        (COLUMNS.select(["label", "a"]), {"drop": ["a"]}, "no column is left for features"),
        (pa.table([pa.array([1])] * 3, names=["a", "a", "y"]), {}, "'a' (2 times)"),
        (pa.table({"a": [1, 2, 3], "label": ["u", None, "w"]}), {}, "'label' is missing: row 2"),
    ],
)
def test_tables_that_cannot_be_used(columns, said, what):
    with pytest.raises(DataError) as error:
        Table.of(columns, where="plants.csv", **said)
    assert what in error.value.what
    assert error.value.where == "plants.csv"


def test_an_unknown_task():
    with pytest.raises(ConfigError, match="task is 'rank'"):
        Table.of(COLUMNS, task="rank")


def test_parts_must_fit():
    one = pa.table({"a": [1]})
    with pytest.raises(DataError, match="1 rows, but 2 targets\nthere are 1 rows, but 3 places"):
        Table(features=one, targets=Targets.of_labels("ab"), places=Places.rows(3))
    with pytest.raises(DataError, match="no column of features"):
        Table(features=pa.table({}))


def test_rows_keep_their_places_when_taken():
    table = Table.of(COLUMNS, places=Places(unit="line", numbers=np.array([2, 4, 9])))
    part = table.take([2, 0])
    assert part.features.to_pylist() == [{"a": 3.0, "b": None, "y": 3}, {"a": 1.5, "b": "x", "y": 1}]
    assert part.targets.labels() == ["u", "u"]
    assert part.targets.classes == ("u", "v")
    assert part.named([0]) == "line 9"
    assert len(table.take([])) == 0
    assert table.take(np.array([False, True, False])).named([0]) == "line 4"
    assert Table(features=COLUMNS).named([1]) == "row 2"


cells = st.one_of(st.none(), st.integers(-2, 2), st.just(-0.0))


@given(rows=st.lists(st.tuples(cells, st.sampled_from([None, "", "x", "y"])), min_size=1, max_size=8))
def test_digests_are_equal_where_rows_are(rows):
    a, b = [None if r[0] is None else float(r[0]) for r in rows], [r[1] for r in rows]
    table = Table(features=pa.table({"a": pa.array(a, pa.float64()), "b": pa.array(b, pa.string())}))
    digests = table.digests()
    assert digests.dtype == np.uint64
    for i in range(len(rows)):
        for j in range(len(rows)):
            assert (digests[i] == digests[j]) == (rows[i] == rows[j])
    turned = Table(
        features=pa.table(
            {"b": pa.array(b).cast(pa.string()).dictionary_encode(), "a": pa.array(a, pa.float64())}
        )
    )
    np.testing.assert_array_equal(turned.digests(), digests)


def test_digests_know_columns_and_types():
    def digest(**columns):
        return Table(features=pa.table(columns)).digests().tolist()

    assert digest(a=[1, 2]) == digest(a=[1.0, 2.0])
    assert digest(a=[1], b=[2]) != digest(a=[2], b=[1])
    assert digest(a=[1]) != digest(a=["1"])
    assert digest(a=[1], b=[1]) != digest(a=[2], b=[2])
    days = [dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.date(2020, 1, 1)]
    found = digest(a=days)
    assert found[0] == found[2] != found[1]
    found = digest(a=[[1, 2], None, [1, 2]])
    assert found[0] == found[2] != found[1]
    assert len(set(digest(a=[None, None]))) == 1
    assert digest(a=pa.nulls(1)) == digest(a=pa.array([None], pa.int8()))
    assert len(set(digest(a=list(range(5000))))) == 5000


def test_targets_do_not_count_in_digests():
    other = COLUMNS.set_column(2, "label", pa.array(["p", "q", "r"]))
    np.testing.assert_array_equal(Table.of(COLUMNS).digests(), Table.of(other).digests())


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([1, 2, None], pa.timestamp("ns")),
        pa.array([10**17, 3, None], pa.timestamp("s", "UTC")),
        pa.array([100_000_000, 3, None], pa.date32()),
        pa.array([1, 2, None], pa.duration("ns")),
        pa.array([1001, 1002, None], pa.time64("ns")),
        pa.array([1, 2, None], pa.time32("ms")),
    ],
)
def test_moments_of_any_fineness_and_year_have_digests(cells: pa.Array) -> None:
    table = Table(features=pa.table({"at": pa.concat_arrays([cells, cells])}), targets=None)
    first, again = np.split(table.digests(), 2)
    assert (first == again).all()
    assert len(set(first)) == 3


def test_moments_are_equal_in_any_unit() -> None:
    seconds = pa.array([-5, 0, 7], pa.timestamp("s"))
    found = [
        Table(features=pa.table({"at": seconds.cast(pa.timestamp(unit))}), targets=None).digests().tolist()
        for unit in ("s", "ms", "us", "ns")
    ]
    assert found == [found[0]] * 4
