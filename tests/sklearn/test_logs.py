"""Interactions as rows: every form of a log is the same log, and folds leave every user something."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.sklearn import InteractionKFold, interactions
from matweave.sklearn.logs import is_matrix, is_plain, log_of

COLUMNS = {"user": ["u", "v", "u"], "item": [7, 7, 9], "value": [5.0, 3.0, 0.0]}


def rows_of(log: Interactions) -> list[tuple]:
    return [tuple(row.values()) for row in log.to_frame("arrow").to_pylist()]


@pytest.mark.parametrize("form", [pa.table, pd.DataFrame, pl.DataFrame, lambda c: Interactions.of(
    users=c["user"], items=c["item"], values=c["value"])], ids=["arrow", "pandas", "polars", "log"])  # fmt: skip
def test_every_form_is_the_same_log_and_records_keep_its_order(form):
    given_rows = list(zip(*COLUMNS.values(), strict=True))
    assert rows_of(log_of(form(COLUMNS))) == given_rows
    records = interactions(form(COLUMNS))
    assert records.tolist() == given_rows
    assert rows_of(log_of(records)) == given_rows
    assert rows_of(log_of(records[[2, 0]])) == [given_rows[2], given_rows[0]]


def test_a_matrix_is_its_stored_entries_zeros_too():
    matrix = sp.coo_array(([2.0, 0.0, 4.0], ([1, 0, 1], [2, 1, 0])), shape=(3, 4))
    assert interactions(matrix).tolist() == [(0, 1, 0.0), (1, 0, 4.0), (1, 2, 2.0)]
    assert interactions(sp.csr_matrix(matrix)).tolist() == interactions(matrix).tolist()
    assert is_matrix(matrix)
    assert is_matrix(sp.csr_matrix(matrix))


def test_times_travel_in_records():
    log = Interactions.of(users=["u", "v"], items=["a", "b"], times=[978300760123456, 5])
    records = interactions(log)
    assert records.dtype.names == ("user", "item", "time")
    assert log_of(records).times.tolist() == [978300760123456, 5]


def test_values_may_come_as_y():
    bare = pa.table({"user": ["u", "v"], "item": [1, 1]})
    assert log_of(bare, [4, 2]).values.tolist() == [4.0, 2.0]
    records = interactions(log_of(bare, [4, 2]))
    assert log_of(records, records["value"]).values.tolist() == [4.0, 2.0]
    for y in ([1], [1, np.nan], [[1, 2]]):
        with pytest.raises(DataError, match="one for each interaction"):
            log_of(bare, y)
    with pytest.raises(DataError, match="values of its own"):
        log_of(records, [4, 3])


def test_what_is_no_log_is_refused():
    for X in (np.eye(3), [[1, 2]], ((1, 2),)):
        assert is_plain(X)
        with pytest.raises(DataError, match="does not say which cells are interactions"):
            log_of(X)
    with pytest.raises(DataError, match="more than one row"):
        log_of(pd.DataFrame({"user": [1, 1], "item": [2, 2]}))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), unique=True, min_size=1, max_size=40),
    st.integers(2, 5),
    st.integers(0, 3),
)
def test_folds_are_a_partition_that_leaves_every_user_something(pairs, n_splits, seed):
    records = np.array(pairs, dtype=[("user", int), ("item", int)])
    users = records["user"]
    counts = np.bincount(users)
    kfold = InteractionKFold(n_splits, seed=seed)
    if counts[counts > 1].sum() < n_splits:
        with pytest.raises(DataError, match="too few"):
            list(kfold.split(records))
        return
    folds = list(kfold.split(records))
    assert len(folds) == n_splits == kfold.get_n_splits()
    tested = np.concatenate([test for _, test in folds])
    assert sorted(tested.tolist()) == np.flatnonzero(counts[users] > 1).tolist()
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(pairs)))
        assert set(users[test]) <= set(users[train])
        shares = np.bincount(users[test], minlength=len(counts))[counts > 1]
        assert (np.abs(shares - counts[counts > 1] / n_splits) < 1).all()


def test_folds_depend_on_the_seed_alone():
    records = np.array([(u, i) for u in range(5) for i in range(6)], dtype=[("user", int), ("item", int)])

    def drawn(seed):
        return [test.tolist() for _, test in InteractionKFold(3, seed=seed).split(records)]

    assert drawn(0) == drawn(0) != drawn(1)
    assert repr(InteractionKFold(3, seed=2)) == "InteractionKFold(n_splits=3, seed=2)"


def test_matrices_and_odd_numbers_of_folds_are_refused():
    with pytest.raises(DataError, match="the rows of a matrix are users"):
        list(InteractionKFold(2).split(sp.eye_array(4)))
    for n in (1, 2.0, True):
        with pytest.raises(ConfigError, match="n_splits is"):
            InteractionKFold(n)
