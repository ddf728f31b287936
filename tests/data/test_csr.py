"""Csr against SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.csr import Csr
from matweave.errors import DataError


@st.composite
def matrices(draw):
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    cells = draw(st.lists(st.integers(0, n * m - 1), unique=True, max_size=20))
    rows, columns = np.divmod(np.array(cells, np.int64), m)
    values = np.arange(1, len(cells) + 1, dtype=np.float32) if draw(st.booleans()) else None
    return rows, columns, values, (n, m)


def dense(rows, columns, values, shape):
    full = np.zeros(shape, np.float32)
    full[rows, columns] = 1 if values is None else values
    return full


@given(matrices())
def test_pairs_in_any_order_make_the_matrix_and_its_transpose(pairs):
    m, full = Csr.from_pairs(*pairs), dense(*pairs)
    assert (m.indptr.dtype, m.indices.dtype) == (np.int64, np.int32)
    assert (m.values is None) == (pairs[2] is None)
    np.testing.assert_array_equal(m.scipy().toarray(), full)
    np.testing.assert_array_equal(m.transpose().scipy().toarray(), full.T)
    np.testing.assert_array_equal(m.counts, (full != 0).sum(1))
    for i in range(m.n_rows):
        columns, values = m.row(i)
        np.testing.assert_array_equal(columns, np.flatnonzero(full[i]))
        assert values is None or (values == full[i, columns]).all()


@given(matrices(), st.lists(st.integers(0, 7), max_size=6))
def test_rows_are_taken_in_order_and_again(pairs, wanted):
    m, full = Csr.from_pairs(*pairs), dense(*pairs)
    wanted = [w % m.n_rows for w in wanted]
    np.testing.assert_array_equal(m.rows(np.array(wanted, int)).scipy().toarray(), full[wanted])


def test_from_scipy_sorts_sums_and_leaves_its_source_alone():
    source = sp.coo_array((np.array([1.0, 2.0, 4.0]), ([0, 0, 1], [2, 2, 0])), shape=(2, 3))
    m = Csr.from_scipy(source)
    np.testing.assert_array_equal(m.scipy().toarray(), [[0, 0, 3], [4, 0, 0]])
    assert source.nnz == 3
    unsorted = sp.csr_array((np.array([1.0, 2.0]), np.array([1, 0]), np.array([0, 2])))
    assert Csr.from_scipy(unsorted).indices.tolist() == [0, 1]
    assert unsorted.indices.tolist() == [1, 0]


def test_weights_are_ones_without_values():
    assert Csr.from_pairs([0, 1], [0, 0]).weights().tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0, 0], [1, 1]), "twice"),
        (([0, 5], [1, 1], None, (2, 2)), "row"),
        (([0], [-1], None, (2, 2)), "column"),
        (([0, 1], [1]), "lengths"),
        (([0], [1], [1.0, 2.0]), "lengths"),
    ],
)
def test_bad_pairs_are_refused(arguments, said):
    with pytest.raises(DataError, match=said):
        Csr.from_pairs(*arguments)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"indptr": np.array([0, 2, 1, 3])}, "falls"),
        ({"indptr": np.array([0, 1, 2, 4])}, "does not run"),
        ({"indptr": np.array([], np.int64)}, "does not run"),
        ({"indices": np.array([0, 1, 9], np.int32)}, "not in 0"),
        ({"indices": np.array([0, 1, 2], np.int64)}, "int32"),
        ({"indptr": np.array([0, 2, 2, 3]), "indices": np.array([1, 0, 2], np.int32)}, "rising"),
        ({"values": np.ones(2, np.float32)}, "2 values"),
        ({"values": np.ones(3)}, "float32"),
        ({"order": np.zeros(3, np.int64)}, "order is not an array of int32 of the 3 entries"),
        ({"order": np.zeros(2, np.int32)}, "order is not an array of int32 of the 3 entries"),
        ({"order": np.array([0, 1, 0], np.int32)}, "order does not name each entry of a row once"),
        ({"order": np.array([0, -1, 0], np.int32)}, "order does not name each entry of a row once"),
        (
            {
                "indptr": np.array([0, 3]),
                "order": np.array([0, 2, 2], np.int32),
            },
            "order does not name each entry of a row once",
        ),
    ],
)
def test_bad_arrays_are_refused(change, said):
    good = dict(
        indptr=np.array([0, 1, 2, 3]), indices=np.array([0, 1, 2], np.int32), values=None, n_columns=3
    )
    Csr(**good)
    with pytest.raises(DataError, match=said):
        Csr(**{**good, **change})


def test_a_row_out_of_range_is_refused():
    with pytest.raises(DataError):
        Csr.from_pairs([0], [0]).rows([1])


@given(matrices(), st.randoms(use_true_random=False), st.lists(st.integers(0, 7), max_size=6))
def test_the_order_of_each_row_is_kept_with_its_entries(pairs, random, wanted):
    m = Csr.from_pairs(*pairs)
    places = [random.sample(range(n), n) for n in m.counts.tolist()]
    ordered = replace(m, order=np.array([p for row in places for p in row], np.int32))
    happened = [[int(m.row(i)[0][p]) for p in row] for i, row in enumerate(places)]
    assert ordered.in_order().tolist() == [c for row in happened for c in row]
    full = dense(*pairs)
    at = np.repeat(np.arange(m.n_rows), m.counts)
    np.testing.assert_array_equal(ordered.values_in_order(), full[at, ordered.in_order()])
    wanted = [w % m.n_rows for w in wanted]
    taken = ordered.rows(np.array(wanted, int))
    assert taken.in_order().tolist() == [c for i in wanted for c in happened[i]]
    assert ordered.transpose().order is None


def test_an_order_that_is_not_known_is_asked_for():
    m = Csr.from_pairs([0, 0], [1, 0])
    for ask in (m.in_order, m.values_in_order):
        with pytest.raises(DataError, match="order in which these entries happened is not known") as error:
            ask()
        assert "time column" in error.value.mend
    assert m.rows(np.array([0])).order is None
