"""Wide tables: a sequence in each row."""

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


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=7), header=st.booleans(), last=st.booleans())
def test_what_is_written_is_read_back(tmp_path_factory, lengths, header, last):
    rng = np.random.default_rng(sum(lengths))
    wanted = [rng.normal(size=t).astype(np.float32) for t in lengths]
    rows = [[*map(str, w.tolist()), *[""] * (max(lengths) - len(w))] for w in wanted]
    labels = [f"label{t}" for t in lengths]
    rows = [[*row, label] if last else [label, *row] for row, label in zip(rows, labels, strict=True)]
    names = [f"step {i}" for i in range(max(lengths))]
    rows = [[*names, "kind"] if last else ["kind", *names]] * header + rows
    path = tmp_path_factory.mktemp("wide") / "a.csv"
    path.write_text("\n".join(map(",".join, rows)))
    target = "kind" if header else max(lengths) if last else 0
    found = read_sequences(path, target=target, layout="wide")
    assert found.lengths.tolist() == lengths
    for i, steps in enumerate(wanted):
        np.testing.assert_array_equal(found.sequence(i)[:, 0], steps)
    assert found.targets.labels() == labels


def test_names_are_ids_or_lines(read):
    assert read("label,a,b\n1,2,3\n\n1,3,4\n").names == ("waves.csv line 2", "waves.csv line 4")
    assert read("id,label,a\n007,2,3\n008,2,3\n").names == ("007", "008")
    assert read("0,1,2\n5,2,3\n5,3,4\n").names == ("waves.csv line 2", "waves.csv line 3")


def test_targets_are_classes_unless_they_hardly_repeat_or_it_is_said(read):
    text = "label,a\n" + "".join(f"{i % 30},{i}\n" for i in range(60))
    assert read(text).targets.n_classes == 30
    assert read(text, task="regress").targets.classes is None
    assert read("label,a\n0.5,1\n2,1\n").targets.values.tolist() == [0.5, 2.0]
    assert read("1.0000e+00,2\n2.0000e+00,3\n").targets.classes == ("1", "2")
    assert read("label,a\n1,2\n", target="-").targets is None


def test_every_problem_is_named_by_line(read):
    with pytest.raises(DataError) as error:
        read("label,a,b,c\n1,2,3,4\n1,,3,4\n1,,,\n\n1,2,nan,\n1,inf,,\n1,2,,4\n1,1e39,,\n")
    assert error.value.what.splitlines() == [
        "without a single step: line 4",
        "empty cells before the last value: lines 3, 8",
        "NaN or infinite values, or beyond float32: lines 6, 7, 9",
    ]


def test_missing_targets_are_named_by_line(read):
    with pytest.raises(DataError, match="'label' is missing: line 3"):
        read("label,a\nx,2\n,3\n")


def test_cells_that_are_no_numbers_are_named_by_line(read):
    with pytest.raises(DataError, match="line 4, 'b': 'two'"):
        read("label,a,b\nx,1,2\nx,1,2\nx,1,two\n")


def test_rows_of_other_lengths_are_refused(read):
    with pytest.raises(DataError, match="line 3 has 2"):
        read("label,a,b\nx,1,2\nx,1\n")


@pytest.mark.data
def test_mnist1d_as_its_card_says(real_data):
    parts = [read_sequences(real_data / "mnist1d", part=part) for part in ("train", "test")]
    assert [len(p) for p in parts] == [4000, 1000]
    for part, name in zip(parts, ("train", "test"), strict=True):
        assert set(part.lengths.tolist()) == {40}
        assert part.targets.classes == tuple("0123456789")
        assert part.targets.counts().min() > 0.08 * len(part)
        whole = np.loadtxt(real_data / "mnist1d" / f"{name}.csv.gz", delimiter=",", max_rows=50)
        np.testing.assert_array_equal(part.targets.values[:50], whole[:, 0])
        np.testing.assert_array_equal(part.steps[: 50 * 40, 0], whole[:, 1:].astype(np.float32).ravel())
