"""The log: both directions, taking rows, laying over other vocabularies, frames."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import DataError

LOG = dict(
    users=["u", "v", "u", "w", "u"],
    items=[1, 1, 2, 3, 1],
    values=[5.0, 4.0, 3.0, 2.0, 1.0],
    times=[50, 40, 30, 20, 10],
)


def test_duplicates_last_goes_by_time_and_is_told():
    log = Interactions.of(**LOG)
    assert log.values.tolist() == [5.0, 4.0, 3.0, 2.0]
    assert "1 row merged" in log.report[-1]
    assert Interactions.of(**{**LOG, "times": None}).values.tolist() == [4.0, 3.0, 2.0, 1.0]
    assert Interactions.of(**LOG, duplicates="first").values.tolist() == [4.0, 3.0, 2.0, 1.0]
    summed = Interactions.of(**LOG, duplicates="sum")
    assert summed.values.tolist() == [6.0, 4.0, 3.0, 2.0]
    assert summed.times.tolist() == [50, 40, 30, 20]


def test_summing_clicks_counts_them_whether_or_not_one_repeats():
    twice = Interactions.from_codes([0, 0, 1], [0, 0, 0], duplicates="sum")
    assert twice.values.tolist() == [2.0, 1.0]
    assert Interactions.from_codes([0, 1], [0, 0], duplicates="sum").values.tolist() == [1.0, 1.0]


def test_duplicates_can_be_an_error_that_names_them():
    with pytest.raises(DataError, match=r"1 \(user, item\) pairs .*\('u', 1\)"):
        Interactions.of(**LOG, duplicates="error")
    assert len(Interactions.of(users=["a", "b"], items=[1, 1], duplicates="error")) == 2


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_both_directions_hold_the_rows_whatever_their_order(pairs):
    log = Interactions.of(users=[p[0] for p in pairs], items=[p[1] for p in pairs], values=range(len(pairs)))
    full = np.zeros((log.n_users, log.n_items))
    full[log.user_codes, log.item_codes] = log.values
    np.testing.assert_array_equal(log.by_user.scipy().toarray(), full)
    np.testing.assert_array_equal(log.by_item.scipy().toarray(), full.T)
    assert log.by_user is log.by_user
    assert len(log) == len(set(pairs)) == log.by_user.nnz


def test_take_compacts_the_vocabularies_and_keeps_the_order_of_codes():
    log = Interactions.of(**LOG)
    part = log.take([3, 1])
    assert part.users.to_list() == ["v", "w"]
    assert part.items.to_list() == [1, 3]
    assert part.to_frame().column("user").to_pylist() == ["w", "v"]
    assert part.values.tolist() == [2.0, 4.0]
    assert part.times.tolist() == [20, 40]
    masked = log.take(np.array([False, True, False, True]))
    assert masked.to_frame().column("user").to_pylist() == ["v", "w"]
    assert len(log.take([])) == 0


def test_recode_lays_the_log_over_other_codes_and_counts_what_is_lost():
    log = Interactions.of(**LOG)
    over = log.recode(Vocabulary(ids=pa.array(["x", "v", "u"])), Vocabulary(ids=pa.array([2, 1])))
    np.testing.assert_array_equal(over.matrix.scipy().toarray(), [[0, 0], [0, 4], [3, 5]])
    assert (over.unknown_users, over.unknown_items, over.lost_rows) == (1, 1, 1)
    other_type = log.recode(Vocabulary(ids=pa.array(["u"])), Vocabulary(ids=pa.array(["1"])))
    assert (other_type.matrix.nnz, other_type.unknown_items, other_type.lost_rows) == (0, 3, 4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 4)), max_size=25))
def test_histories_are_in_the_order_of_time_and_then_of_rows(rows):
    rows = list({(u, j): (u, j, t) for u, j, t in rows}.values())
    users, items, times = (list(c) for c in zip(*rows, strict=True)) if rows else ([], [], [])
    log = Interactions.from_codes(users, items, [float(t) for t in times], times, n_users=4, n_items=7)
    wanted = [[j for u, j, _ in sorted(rows, key=lambda row: row[2]) if u == user] for user in range(4)]
    found = log.histories
    assert [found.rows(np.array([u])).in_order().tolist() for u in range(4)] == wanted
    assert found.values_in_order().tolist() == [
        float(t) for user in range(4) for u, _, t in sorted(rows, key=lambda row: row[2]) if u == user
    ]
    np.testing.assert_array_equal(found.scipy().toarray(), log.by_user.scipy().toarray())
    assert log.histories is found


def test_a_log_without_times_has_no_histories():
    with pytest.raises(DataError, match="no times") as error:
        _ = Interactions.of(users=["u"], items=["a"]).histories
    assert "time column" in error.value.mend


def test_recode_keeps_the_order_where_asked_and_known():
    log = Interactions.of(**LOG)  # u: 2 at 30, 1 at 50; v: 1 at 40
    users, items = Vocabulary(ids=pa.array(["x", "v", "u"])), Vocabulary(ids=pa.array([2, 9, 1]))
    found = log.recode(users, items, ordered=True).matrix
    assert found.in_order().tolist() == [2, 0, 2]
    turned = replace(log, times=-log.times).recode(users, items, ordered=True).matrix
    assert turned.in_order().tolist() == [2, 2, 0]
    assert log.recode(users, items).matrix.order is None
    assert replace(log, times=None).recode(users, items, ordered=True).matrix.order is None


def test_frames_of_each_kind():
    log = Interactions.of(**LOG, frame="pandas")
    frame = log.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["user", "item", "value", "time"]
    assert frame["time"].iloc[0] == pd.Timestamp(50, unit="us", tz="UTC")
    assert isinstance(log.to_frame("polars"), pl.DataFrame)
    arrow = log.to_frame("arrow")
    assert arrow.column("time")[0].as_py() == dt.datetime(1970, 1, 1, 0, 0, 0, 50, tzinfo=dt.UTC)
    assert Interactions.from_codes([0], [0]).to_frame().column_names == ["user", "item"]


def test_from_codes_takes_ids_and_refuses_what_does_not_fit():
    log = Interactions.from_codes([1, 0], [0, 0], n_users=3, item_ids=pa.array(["only"]))
    assert log.users.to_list() == [0, 1, 2]
    assert log.items.to_list() == ["only"]
    for wrong in (
        dict(user_codes=[3], item_codes=[0], n_users=3),
        dict(user_codes=[0], item_codes=[-1]),
        dict(user_codes=[0.5], item_codes=[0]),
        dict(user_codes=[2**40], item_codes=[0]),
        dict(user_codes=[0, 1], item_codes=[0]),
        dict(user_codes=[0], item_codes=[0], values=[np.nan]),
        dict(user_codes=[0], item_codes=[0], times=[1, 2]),
    ):
        with pytest.raises(DataError):
            Interactions.from_codes(**wrong)


def test_logs_and_their_parts_show_themselves_in_one_line() -> None:
    log = Interactions.from_codes([0, 0, 1], [1, 0, 1], values=[4, 2, 5])
    assert repr(log) == "Interactions(3 rows, 2 users, 2 items, with values)"
    assert repr(log.users) == "Vocabulary(2 int64 ids: 0, 1)"
    assert repr(log.by_user) == "Csr(2 x 2, 3 entries, with values)"
