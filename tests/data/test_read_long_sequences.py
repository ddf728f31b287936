"""Long tables: a step in each row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.read_sequences import read_sequences
from matweave.errors import DataError


@pytest.fixture
def read(tmp_path):
    def write(text, **said):
        path = tmp_path / "waves.csv"
        path.write_text(text)
        return read_sequences(path, **said)

    return write


def written(rows):
    return "id,time,x,y,label\n" + "".join(f"{i},{t},{x},{y},{label}\n" for i, t, x, y, label in rows)


ROWS = [(i, t, i + t / 8, -t, "odd" if i % 2 else "even") for i in (7, 3, 5) for t in range(i)]


@given(seed=st.integers(0, 50))
def test_rows_may_stand_in_any_order(tmp_path_factory, seed):
    shuffled = [ROWS[k] for k in np.random.default_rng(seed).permutation(len(ROWS))]
    folder = tmp_path_factory.mktemp("long")
    (folder / "a.csv").write_text(written(shuffled))
    found = read_sequences(folder / "a.csv")
    assert found.names == tuple(dict.fromkeys(str(row[0]) for row in shuffled))
    for i, name in enumerate(found.names):
        wanted = [(x, y) for who, _, x, y, _ in ROWS if str(who) == name]
        np.testing.assert_array_equal(found.sequence(i), np.array(wanted, np.float32))
        assert found.targets.labels()[i] == ("odd" if int(name) % 2 else "even")


def test_long_and_wide_files_of_the_same_sequences_are_the_same(read, tmp_path):
    long = read("id,step,label,v\n1,1,up,5\n2,1,down,7\n1,2,up,6\n")
    (tmp_path / "wide.csv").write_text("up,5,6\ndown,7,\n")
    wide = read_sequences(tmp_path / "wide.csv")
    assert long.digests().tolist() == wide.digests().tolist()
    assert long.targets.labels() == wide.targets.labels()


@pytest.mark.parametrize(
    "times",
    [
        ("3", "1", "2"),
        ("2.5", "-1", "1e0"),
        ("2024-03-01", "2023-12-31", "2024-01-01"),
        ("2024-01-01T10:00:01", "2024-01-01 09:00:00", "2024-01-01T10:00:00"),
        ("10:00:01", "09:59:00", "10:00:00"),
        ("9007199254740995", "9007199254740993", "9007199254740994"),
    ],
)
def test_times_of_each_form_put_steps_in_order(read, times):
    rows = "".join(f"a,{t},{v}\n" for t, v in zip(times, (30, 10, 20), strict=True))
    found = read("id,time,v\n" + rows)
    assert found.steps[:, 0].tolist() == [10, 20, 30]
    assert "steps are in order of 'time'; 3 rows stood elsewhere" in found.report


def test_without_times_the_order_of_the_rows_counts(read):
    found = read("id,v\na,3\nb,9\na,1\n")
    assert found.steps[:, 0].tolist() == [3, 1, 9]
    assert "steps stand in the order of the rows" in found.report
    again = read("id,time,v\na,2,3\na,1,4\n", time="-")
    assert again.steps.tolist() == [[2, 3], [1, 4]]


def test_ids_stay_text(read):
    assert read("id,v\n007,1\n7,2\n007,3\n").names == ("007", "7")


def test_targets_are_counted_by_sequence(read):
    rows = "".join(f"{i},{k},{i}\n" for i in range(30) for k in range(9))
    found = read("id,v,label\n" + rows)
    assert found.targets.classes is None  # 30 values of 30 sequences, though 270 rows
    assert found.targets.values.tolist() == list(range(30))
    assert read("id,v,label\n" + rows, task="classify").targets.n_classes == 30


def test_every_problem_is_named_by_line(read):
    rows = [
        "a,1,1,up",
        "a,2,,up",
        "a,,3,up",
        "a,,4,up",
        ",4,3,up",
        "b,1,nan,up",
        "b,2,1,down",
        "b,3,1,",
        "b,4,inf,up",
    ]
    with pytest.raises(DataError) as error:
        read("id,time,v,label\n" + "\n".join(rows))
    assert error.value.what.splitlines() == [
        "the id 'id' is empty: line 6",
        "the value 'v' is missing: line 3",
        "the value 'v' is NaN, infinite or beyond float32: lines 7, 10",
        "the time 'time' is missing: lines 4, 5",
        "the target 'label' is another than in the first row of its sequence: lines 8, 9",
    ]


def test_two_steps_at_one_time_have_no_order(read):
    with pytest.raises(DataError, match="has the same 'time': lines 2, 4"):
        read("id,time,v\na,1,1\nb,1,1\na,1.0,2\na,3,2\n")


def test_times_that_are_neither_numbers_nor_dates(read):
    with pytest.raises(DataError, match="neither numbers nor dates in every row, for example 'early'"):
        read("id,time,v\na,early,1\na,2,1\n")
    with pytest.raises(DataError, match="'time' is NaN or infinite: lines 3, 4, 5"):
        read("id,time,v\na,1.5,1\na,nan,1\na,inf,1\na,inf,2\n")


def test_missing_targets_are_named(read):
    with pytest.raises(DataError, match="'label' is missing: line 2"):
        read("id,v,label\na,1,\na,2,\nb,1,x\nb,2,x\n")


def test_columns_of_text_are_left_out_and_told(read):
    found = read("id,v,note,label\na,1,hot,x\na,2,,x\n")
    assert found.channels == 1
    assert "columns left out: 'note'" in found.report


def test_a_bad_cell_does_not_turn_a_channel_into_text(read):
    with pytest.raises(DataError, match="line 4, 'v': 'oops'"):
        read("id,v\na,1\na,2\na,oops\n")
