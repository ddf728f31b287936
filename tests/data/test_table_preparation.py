"""Tables as numbers: by hand, against scikit-learn, permuted, and with what training never saw."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from matweave import artifact
from matweave.data.read_table import read_table
from matweave.data.table_preparation import TablePreparation
from matweave.data.tables import Table
from matweave.errors import DataError


def table(**columns):
    return Table(features=pa.table(columns))


TRAIN = table(
    age=[20.0, None, 40.0, 30.0],
    colour=["red", "blue", None, "red"],
    member=[True, False, True, None],
    day=[dt.date(1970, 1, 1), dt.date(1970, 1, 3), dt.date(1970, 1, 1), dt.date(1970, 1, 3)],
    size=pa.array(["S", "L", "S", "L"]).dictionary_encode(),
    id=["p1", "p2", "p3", "p4"],
    same=[7, 7, 7, 7],
    void=pa.nulls(4),
)


def test_every_feature_by_hand():
    preparation = TablePreparation.fit(TRAIN)
    assert preparation.feature_names == (
        "age", "age is missing", "colour=blue", "colour=red", "colour is missing",
        "member", "member is missing", "day", "size=L", "size=S",
    )  # fmt: skip
    z = np.sqrt(1.5)
    wanted = [
        [-z, 0, 0, 1, 0, 1, 0, -1, 0, 1],
        [0, 1, 1, 0, 0, 0, 0, 1, 1, 0],
        [z, 0, 0, 0, 1, 1, 0, -1, 0, 1],
        [0, 0, 0, 1, 0, 2 / 3, 1, 1, 1, 0],
    ]
    found = preparation.apply(TRAIN)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
    assert preparation.report == (
        "'age' has 1 missing cell, read as the mean 30; a feature tells them",
        "'colour' has 1 missing cell, a level of their own",
        "'member' has 1 missing cell, read as the mean 0.666667; a feature tells them",
        "'day' is read as seconds since 1970",
        "'id' is left out: its text is another in every row",
        "'same' is left out: it is constant",
        "'void' is left out: it is empty",
    )
    assert preparation.text_columns == ("colour", "size")


def test_without_standardizing_numbers_keep_their_units():
    found = TablePreparation.fit(TRAIN, standardize=False).apply(TRAIN)
    np.testing.assert_array_equal(found[:, 0], [20, 30, 40, 30])
    np.testing.assert_array_equal(found[:, 7], [0, 2 * 86400, 0, 2 * 86400])


def test_scikit_learns_scaler_and_encoder_say_the_same():
    rng = np.random.default_rng(0)
    numbers, letters = rng.normal(5, 3, (200, 2)), rng.choice(list("abcde"), 200)
    train = table(p=numbers[:, 0], q=numbers[:, 1], letter=letters)
    wanted = np.column_stack(
        [
            StandardScaler().fit_transform(numbers),
            OneHotEncoder(sparse_output=False).fit_transform(letters[:, None]),
        ]
    )
    np.testing.assert_allclose(TablePreparation.fit(train).apply(train), wanted, rtol=1e-5, atol=1e-6)


cells = {
    "n": st.one_of(st.none(), st.integers(-50, 50).map(float)),
    "w": st.sampled_from([None, "a", "b", "c", ""]),
    "f": st.sampled_from([None, True, False]),
}
KINDS = {"n": pa.float64(), "w": pa.string(), "f": pa.bool_()}


def build(rows, names=("n", "w", "f")):
    return Table(
        features=pa.table({name: pa.array([row[name] for row in rows], KINDS[name]) for name in names})
    )


some_rows = st.lists(st.fixed_dictionaries(cells), min_size=3, max_size=10)


@given(rows=some_rows, later=some_rows, seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_of_columns_matters(rows, later, seed):
    rows = [*rows, {"n": 1.0, "w": "a", "f": True}, {"n": 2.0, "w": "a", "f": False}]
    preparation = TablePreparation.fit(build(rows))
    x = preparation.apply(build(later))
    assert np.isfinite(x).all()
    order = np.random.default_rng(seed).permutation(len(rows))
    again = TablePreparation.fit(build([rows[i] for i in order]))
    assert again.feature_names == preparation.feature_names
    np.testing.assert_allclose(again.apply(build(later)), x, atol=1e-5)
    turned = build(later, ("f", "w", "n"))
    np.testing.assert_array_equal(preparation.apply(turned), x)
    swapped = TablePreparation.fit(build(rows, ("f", "w", "n")))
    place = [swapped.feature_names.index(name) for name in preparation.feature_names]
    np.testing.assert_array_equal(swapped.apply(build(later))[:, place], x)


@given(rows=some_rows, later=some_rows)
def test_blocks_of_levels_sum_to_one_but_for_what_was_never_seen(rows, later):
    rows = [*rows, {"n": 1.0, "w": "a", "f": True}, {"n": 2.0, "w": "a", "f": False}]
    preparation = TablePreparation.fit(build(rows))
    seen = {row["w"] for row in rows}
    lost = sum(row["w"] not in seen for row in later)
    if len(seen) > 1:
        block = [k for k, name in enumerate(preparation.feature_names) if name.startswith("w")]
        x = preparation.apply(build(later))[:, block]
        assert set(x.sum(axis=1).tolist()) <= {0.0, 1.0}
        assert int((x.sum(axis=1) == 0).sum()) == lost
        assert preparation.unseen(build(later)).get("w", 0) == lost
    missing = sum(row["n"] is None for row in later)
    known = any(row["n"] is None for row in rows)
    assert preparation.unseen(build(later)).get("n", 0) == (0 if known else missing)


@given(rows=some_rows, scale=st.sampled_from([0.5, 3.0, 1e200]), shift=st.sampled_from([0.0, -7.0]))
def test_units_do_not_matter(rows, scale, shift):
    numbers = [1.0, 2.0, *(row["n"] for row in rows)]
    train = table(n=pa.array(numbers, pa.float64()))
    other = table(n=pa.array([None if v is None else v * scale + shift for v in numbers], pa.float64()))
    np.testing.assert_allclose(
        TablePreparation.fit(other).apply(other), TablePreparation.fit(train).apply(train), atol=1e-5
    )


def test_rare_levels_share_one_feature_and_strangers_have_none():
    texts = [f"t{i:03}" for i in range(150) for _ in range(2 if i >= 50 else 1)]
    preparation = TablePreparation.fit(table(w=texts))
    assert len(preparation.feature_names) == 101
    assert preparation.feature_names[:2] == ("w=t050", "w=t051")
    assert preparation.feature_names[-1] == "w=(other)"
    x = preparation.apply(table(w=["t000", "t149", "new"]))
    assert x.sum(axis=1).tolist() == [1, 1, 0]
    assert x[0, -1] == x[1, -2] == 1
    assert preparation.unseen(table(w=["t000", "t149", "new", None])) == {"w": 2}
    assert "150 levels: the 100 most frequent have a feature each" in preparation.report[0]


def test_ties_among_rare_levels_are_cut_by_name():
    preparation = TablePreparation.fit(table(w=[f"t{i:03}" for i in range(120)] * 2))
    assert preparation.levels[0][-1] == "t099"
    assert preparation.rest[0][0] == "t100"


def test_a_level_written_like_the_rest_keeps_its_own_feature():
    texts = [f"t{i:03}" for i in range(120)] * 2 + ["(other)"] * 3
    names = TablePreparation.fit(table(w=texts)).feature_names
    assert names[-1] == "w=(other levels)"
    assert len(set(names)) == len(names)


def test_a_column_that_is_constant_but_for_missing_cells_tells_these():
    preparation = TablePreparation.fit(table(a=[5, None, 5], f=[True, None, True]))
    assert preparation.feature_names == ("a is missing", "f is missing")
    assert preparation.apply(table(a=[9, None], f=[False, None])).tolist() == [[0, 0], [1, 1]]
    assert "constant but for 1 missing cell:" in preparation.report[0]


def test_the_memory_of_the_caller_is_left_alone():
    values = np.array([1.0, np.nan, 3.0])
    train = table(a=pa.array(values), b=pa.array(np.array([1.0, 2.0, 4.0])))
    TablePreparation.fit(train).apply(train)
    assert np.isnan(values[1])


def test_nan_is_missing():
    train = table(a=[1.0, np.nan, 3.0])
    np.testing.assert_array_equal(TablePreparation.fit(train).apply(train), [[-1, 0], [0, 1], [1, 0]])


def test_columns_that_are_empty_later_are_missing_cells():
    preparation = TablePreparation.fit(TRAIN)
    x = preparation.apply(table(**{name: pa.nulls(1) for name in TRAIN.features.column_names}))
    np.testing.assert_allclose(x[0], [0, 1, 0, 0, 1, 2 / 3, 1, 0, 0, 0], rtol=1e-6, atol=1e-7)


def test_more_columns_and_no_rows_are_no_matter():
    preparation = TablePreparation.fit(TRAIN)
    assert preparation.apply(TRAIN.take([])).shape == (0, 10)
    more = Table(features=TRAIN.features.append_column("new", pa.array([[1]] * 4)))
    np.testing.assert_array_equal(preparation.apply(more), preparation.apply(TRAIN))


def test_every_column_that_does_not_fit_is_listed():
    preparation = TablePreparation.fit(TRAIN)
    later = table(
        age=["20", "12kg", None, "old"],
        color=["red"] * 4,
        member=[1, 0, 1, 1],
        day=[0, 1, 2, 3],
        size=[1, 2, 3, 4],
    )
    for ask in (preparation.apply, preparation.unseen):
        with pytest.raises(DataError) as error:
            ask(later)
        assert error.value.what.splitlines() == [
            "column 'age' is string, but was numbers in training, for example '12kg' (row 2), 'old' (row 4)",
            "column 'colour' is missing; did you mean 'color'?",
            "column 'member' is int64, but was booleans in training",
            "column 'day' is int64, but was dates in training",
            "column 'size' is int64, but was text in training",
        ]
        assert "read 'size' as text: read_table(path, text=...)" in error.value.mend


def test_infinite_values_and_types_that_are_no_features():
    with pytest.raises(DataError, match=r"infinite values stand in 'age' \(row 2\)"):
        TablePreparation.fit(table(age=[1.0, np.inf]))
    preparation = TablePreparation.fit(table(age=[1.0, 2.0]))
    with pytest.raises(DataError, match="infinite"):
        preparation.apply(table(age=[np.inf]))
    with pytest.raises(DataError, match=r"no features: 'a' \(list<.*>\), 'b' \(binary\)"):
        TablePreparation.fit(table(a=[[1]], b=[b"x"], c=[1]))


def test_values_beyond_float32_are_refused():
    preparation = TablePreparation.fit(table(a=[0.0, 1e-30], b=[1, 2]))
    with pytest.raises(DataError, match=r"beyond float32 as features: 'a' \(row 2\)"):
        preparation.apply(table(a=[0.0, 1e30], b=[1, 2]))
    with pytest.raises(DataError, match="beyond float32"):
        TablePreparation.fit(table(a=[0.0, 1e300]), standardize=False).apply(table(a=[1e300]))
    TablePreparation.fit(table(a=[0.0, 1e300])).apply(table(a=[1e300]))


def test_a_table_without_a_column_of_use():
    with pytest.raises(
        DataError, match="no column of the table is of use:\n    'a' is left out: it is constant"
    ):
        TablePreparation.fit(table(a=[1, 1], b=["p", "q"]))


def test_a_preparation_comes_back_from_its_folder(tmp_path):
    preparation = TablePreparation.fit(TRAIN)
    artifact.save(preparation, tmp_path)
    back = artifact.load(tmp_path, {"TablePreparation": TablePreparation})
    np.testing.assert_array_equal(back.apply(TRAIN), preparation.apply(TRAIN))
    assert back.feature_names == preparation.feature_names
    assert (back.kinds, back.levels, back.report) == (
        preparation.kinds,
        preparation.levels,
        preparation.report,
    )


def test_files_that_differ_in_what_arrow_infers_are_prepared_alike(tmp_path):
    train, later = tmp_path / "train.csv", tmp_path / "later.csv"
    train.write_text("zip,age,y\n01,30,u\nx9,31.5,v\n01,,u\nx9,33,v\n")
    later.write_text("zip,age\n01,30\n01,31\n")
    preparation = TablePreparation.fit(read_table(train))
    with pytest.raises(DataError, match="'zip' is int64, but was text"):
        preparation.apply(read_table(later, target="-"))
    x = preparation.apply(read_table(later, target="-", text=preparation.text_columns))
    assert x[:, preparation.feature_names.index("zip=01")].tolist() == [1, 1]
