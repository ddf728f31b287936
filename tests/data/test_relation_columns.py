"""Which column is what, which rows are bad, and triples without direction."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.places import Places
from matweave.data.relation_columns import choose, directed, known_roles, relations_of
from matweave.errors import ConfigError, DataError

NONE = dict.fromkeys(("head", "relation", "tail", "value"))


def read(table: dict, **more):
    made = pa.table(table)
    return relations_of(made, NONE, "a table", places=Places.rows(made.num_rows), **more)


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (["relation", "head", "tail"], "head relation tail"),
        (["Source", "Target", "weight"], "Source Target weight"),
        (["subject_id", "predicate", "object_id", "note"], "subject_id predicate object_id"),
        (["from", "to"], "from to"),
    ],
)
def test_columns_are_found_by_name(names: list[str], roles: str) -> None:
    assert list(known_roles(names).values()) == roles.split()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ([["a"], ["b"]], "head '1', tail '2'; no relation, no value"),
        ([["a"], ["r"], ["b"]], "head '1', relation '2', tail '3'; no value"),
        ([["0"], ["0"], ["45"]], "head '1', relation '2', tail '3'; no value"),
        ([["0"], ["1"], ["0.5"]], "head '1', tail '2', value '3'; no relation"),
        ([["a"], ["b"], ["3"]], "head '1', tail '2', value '3'; no relation"),
        ([["a"], ["r"], ["b"], ["2"], ["x"]], "head '1', relation '2', tail '3', value '4'; ignored: '5'"),
    ],
)
def test_columns_without_names_are_found_by_place(columns: list, told: str) -> None:
    table = pa.table({str(k + 1): column for k, column in enumerate(columns)})
    assert choose(table, NONE, "x", named=False)[1] == f"columns by place (there is no header): {told}"


def test_every_problem_of_the_choice_is_listed() -> None:
    table = pa.table({"x": ["a"], "tail": ["b"]})
    with pytest.raises(DataError) as caught:
        choose(table, {**NONE, "head": "heda", "tail": "-"}, "x", named=True)
    assert caught.value.what.splitlines()[:2] == [
        "there is no column 'heda' for the head",
        "tail is '-', but every triple has one",
    ]
    with pytest.raises(DataError, match="no column is named like the head\nthe columns are 'x', 'tail'"):
        choose(table, NONE, "x", named=True)
    with pytest.raises(DataError, match="one column is named for two roles"):
        choose(table, {**NONE, "head": "x", "tail": "x"}, "x", named=True)


def test_bad_rows_are_named_all_or_dropped_and_told() -> None:
    table = {"head": ["a", "", "c", "d"], "tail": ["b", "b", None, "a"], "value": ["1", "2", "3", "x"]}
    with pytest.raises(DataError) as caught:
        read(table)
    assert caught.value.what.splitlines() == [
        "no head in 'head': row 2",
        "no tail in 'tail': row 3",
        "no finite number in 'value': row 4",
    ]
    assert "on_bad_rows='drop'" in caught.value.mend
    found = read(table, on_bad_rows="drop")
    assert len(found) == 1
    assert found.report[-1].startswith("3 bad rows of 4 dropped: no head in 'head': row 2; ")
    with pytest.raises(DataError, match="no good row"):
        read({"head": [""], "tail": ["a"]}, on_bad_rows="drop")
    with pytest.raises(ConfigError, match="on_bad_rows is 'skip'"):
        read(table, on_bad_rows="skip")
    with pytest.raises(DataError, match="holds no numbers"):
        read({"head": ["a"], "tail": ["b"], "value": [[1]]})


def test_values_of_any_number_are_read_and_ids_of_text_become_numbers_together() -> None:
    found = read({"head": ["1", "2"], "tail": ["2", "x"], "value": [True, False]}, text=True)
    assert found.entities.to_list() == ["1", "2", "x"]
    assert found.values is not None
    assert found.values.tolist() == [1.0, 0.0]
    assert read({"head": ["1"], "tail": ["2"]}, text=True).entities.to_list() == [1, 2]


def test_a_pair_without_direction_is_one_pair_whichever_way_round() -> None:
    values = np.array([1.0, 2.0, 5.0])
    found = directed(["a", "b", "c"], None, ["b", "a", "c"], values, undirected=True, duplicates="sum")
    assert found.symmetric
    assert sorted(zip(*found.to_frame().to_pydict().values(), strict=True)) == [
        ("a", "relation", "b", 3.0),
        ("b", "relation", "a", 3.0),
        ("c", "relation", "c", 5.0),
    ]
