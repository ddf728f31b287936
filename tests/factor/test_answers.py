"""From codes to answers: ids looked up with every problem told, lists laid out as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.csr import Csr
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError, UnknownId
from matweave.factor.answers import (
    exclusions,
    history_of,
    pair_table,
    similar_table,
    top_table,
    user_codes_of,
)

NAMES = Vocabulary(ids=pa.array(["anna", "bert", "carl", "dora"]))
NUMBERS = Vocabulary(ids=pa.array([10, 20, 30], pa.int32()))


# users


def test_none_means_all() -> None:
    codes = user_codes_of(NAMES, None)
    assert codes.tolist() == [0, 1, 2, 3]
    assert codes.dtype == np.int32


@pytest.mark.parametrize(
    "ids",
    [
        ["dora", "anna", "dora"],
        ("dora", "anna", "dora"),
        np.array(["dora", "anna", "dora"]),
        np.array(["dora", "anna", "dora"], object),
        pd.Series(["dora", "anna", "dora"]),
        pl.Series(["dora", "anna", "dora"]),
        pa.array(["dora", "anna", "dora"]),
        pa.chunked_array([["dora"], ["anna", "dora"]]),
        iter(["dora", "anna", "dora"]),
    ],
    ids=lambda ids: type(ids).__name__,
)
def test_ids_of_any_container_in_their_order_and_repeated(ids: Any) -> None:
    assert user_codes_of(NAMES, ids).tolist() == [3, 0, 3]


@pytest.mark.parametrize(
    "ids", [[], (), np.array([]), pa.array([]), pa.array([], pa.string()), pd.Series([], dtype=object)]
)
def test_no_ids_are_no_codes(ids: Any) -> None:
    codes = user_codes_of(NAMES, ids)
    assert codes.tolist() == []
    assert codes.dtype == np.int32


def test_one_unknown_id_suggests_the_nearest() -> None:
    with pytest.raises(UnknownId, match="unknown id 'ana'; did you mean 'anna'"):
        user_codes_of(NAMES, ["bert", "ana"])


@pytest.mark.parametrize("container", [list, np.array, pa.array, pd.Series, pl.Series, iter])
def test_every_unknown_id_is_listed_as_it_was_given(container: Any) -> None:
    with pytest.raises(UnknownId) as error:
        user_codes_of(NAMES, container(["x", "anna", "y", "z"]))
    assert error.value.what == "3 of 4 ids were not in the training log: 'x', 'y', 'z'"
    with pytest.raises(UnknownId) as error:
        user_codes_of(NUMBERS, container([20, 1, 2]))
    assert error.value.what == "2 of 3 ids were not in the training log: 1, 2"


def test_text_is_not_a_number_nor_null_an_id() -> None:
    with pytest.raises(UnknownId, match="'10', None"):
        user_codes_of(NUMBERS, ["10", None])


def test_a_long_list_of_unknown_ids_is_cut() -> None:
    with pytest.raises(UnknownId, match=r"30 of 30 .*\(\+20 more\)"):
        user_codes_of(NUMBERS, list(range(1000, 1030)))


@pytest.mark.parametrize("one", ["anna", b"anna", 10, 1.5])
def test_one_id_in_the_place_of_a_list_is_refused(one: Any) -> None:
    with pytest.raises(DataError, match="is one id, where a list") as error:
        user_codes_of(NAMES, one)
    assert error.value.mend == f"put it in a list: [{one!r}]"


# a stranger's history


def test_a_history_is_sorted_with_its_values() -> None:
    one = history_of(NAMES, ["dora", "anna", "carl"], [4, 1.5, 3])
    assert one.shape == (1, 4)
    assert one.indices.tolist() == [0, 2, 3]
    assert one.values is not None
    assert one.values.tolist() == [1.5, 3.0, 4.0]
    assert history_of(NAMES, ["dora"], None).values is None
    assert history_of(NAMES, [], None).shape == (1, 4)


def test_a_history_keeps_the_order_in_which_it_was_given() -> None:
    one = history_of(NAMES, ["dora", "anna", "carl"], [4, 1.5, 3])
    assert one.in_order().tolist() == [3, 0, 2]
    assert one.values_in_order().tolist() == [4, 1.5, 3]
    assert history_of(NAMES, [], None).in_order().tolist() == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1], "1 values for 2 items"),
        ([], "0 values for 2 items"),
        ([1, np.nan], "not a list of finite numbers"),
        ([1, np.inf], "not a list of finite numbers"),
        ([1, 1e39], "not a list of finite numbers"),
        (["1", "x"], "not a list of finite numbers"),
        ([[1, 2]], "not a list of finite numbers"),
        ([None, 1], "not a list of finite numbers"),
        (3, "not a list of finite numbers"),
    ],
)
def test_values_that_do_not_fit(values: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        history_of(NAMES, ["anna", "bert"], values)


def test_a_history_names_each_item_once_and_known() -> None:
    with pytest.raises(DataError, match="names 2 items more than once"):
        history_of(NAMES, ["anna", "bert", "anna", "anna"], None)
    with pytest.raises(UnknownId, match="'q', 'r'"):
        history_of(NAMES, ["q", "anna", "r"], None)
    with pytest.raises(DataError, match="'anna' is one id"):
        history_of(NAMES, "anna", None)


# what is left out


@given(
    st.lists(st.sets(st.integers(0, 3)), max_size=5),
    st.lists(st.sampled_from(["anna", "bert", "carl", "dora"]), max_size=5),
    st.booleans(),
)
def test_exclusions_are_the_union_of_both(rows: list[set[int]], exclude: list[str], known: bool) -> None:
    at = [(r, c) for r, columns in enumerate(rows) for c in columns]
    seen = Csr.from_pairs([r for r, _ in at], [c for _, c in at], shape=(len(rows), 4)) if known else None
    found = exclusions(seen, len(rows), NAMES, exclude)
    if not exclude:
        assert found is seen
        return
    assert found is not None
    never = {NAMES.code(name) for name in exclude}
    for r, columns in enumerate(rows):
        assert found.row(r)[0].tolist() == sorted(never | (columns if known else set()))
    assert found.shape == (len(rows), 4)


def test_exclusions_name_known_items() -> None:
    with pytest.raises(UnknownId, match="did you mean 'carl'"):
        exclusions(None, 2, NAMES, ["karl"])


# tables

TOP = (
    np.array([[2, 0, 1], [3, 0, 0], [0, 0, 0]], np.int32),
    np.array([[3, 2, 1], [9, -np.inf, -np.inf], [-np.inf] * 3], np.float32),
    np.array([3, 1, 0], np.int32),
)


@pytest.mark.parametrize("frame", ["arrow", "pandas", "polars"])
def test_lists_of_different_lengths_become_one_table(frame: str) -> None:
    table = top_table(pa.array([7, 8, 9]), NAMES, TOP, frame)
    columns = {name: list(pa.array(table[name]).to_pylist()) for name in ("user", "item", "score", "rank")}
    assert columns == {
        "user": [7, 7, 7, 8],
        "item": ["carl", "anna", "bert", "dora"],
        "score": [3.0, 2.0, 1.0, 9.0],
        "rank": [1, 2, 3, 1],
    }


def test_types_of_a_table_do_not_depend_on_its_length() -> None:
    full = top_table(pa.array([7, 8, 9]), NAMES, TOP, "arrow")
    none = top_table(pa.array([7, 8, 9])[:0], NAMES, tuple(part[:0] for part in TOP), "arrow")
    assert full.schema == none.schema
    assert len(none) == 0
    assert [str(t) for t in full.schema.types] == ["int64", "string", "float", "int32"]


def test_a_stranger_has_no_user_column() -> None:
    assert top_table(None, NAMES, TOP, "arrow").column_names == ["item", "score", "rank"]


def test_neighbours_and_pairs() -> None:
    near = similar_table(NAMES, np.array([3, 1], np.int32), np.array([0.5, 0.25], np.float32), "arrow")
    assert near.to_pylist() == [
        {"item": "dora", "similarity": 0.5, "rank": 1},
        {"item": "bert", "similarity": 0.25, "rank": 2},
    ]
    codes, items = np.array([2, 2], np.int32), np.array([0, 3], np.int32)
    pairs = pair_table(NUMBERS, codes, NAMES, items, np.array([1, 2], np.float32), "arrow")
    assert pairs.to_pylist() == [
        {"user": 30, "item": "anna", "score": 1.0},
        {"user": 30, "item": "dora", "score": 2.0},
    ]
