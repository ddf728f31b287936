"""Targets: codes and names stay together through taking, counting and recoding."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave import artifact
from matweave.data.targets import Targets, as_index, require_targets
from matweave.errors import DataError

labels = st.lists(st.sampled_from(["cat", "dog", "2", "10", "é", " "]), min_size=1, max_size=30)


@given(labels)
def test_every_example_keeps_its_name(given_labels) -> None:
    targets = Targets.of_labels(given_labels)
    assert targets.labels() == given_labels
    assert targets.values.dtype == np.int64
    assert targets.n == len(targets) == len(given_labels)
    assert set(targets.classes or ()) == set(given_labels)
    counted = Counter(given_labels)
    assert targets.counts().tolist() == [counted[name] for name in targets.classes or ()]


@given(labels, st.data())
def test_taking_keeps_the_classes_whole(given_labels, data) -> None:
    targets = Targets.of_labels(given_labels)
    index = data.draw(st.lists(st.integers(0, len(given_labels) - 1), max_size=10))
    part = targets.take(index)
    assert part.labels() == [given_labels[i] for i in index]
    assert part.classes == targets.classes
    mask = np.array([name == given_labels[0] for name in given_labels])
    assert targets.take(mask).labels() == [given_labels[0]] * int(mask.sum())
    assert targets.take(slice(1, None)).labels() == given_labels[1:]


@given(labels, st.permutations(["cat", "dog", "2", "10", "é", " ", "more"]))
def test_recoding_is_by_name_never_by_place(given_labels, classes) -> None:
    recoded = Targets.of_labels(given_labels).with_classes(classes)
    assert recoded.labels() == given_labels
    assert recoded.classes == tuple(classes)


def test_labels_of_a_part_are_recoded_though_the_part_lacks_a_class() -> None:
    part = Targets.of_labels(["a", "b", "c"]).take([0, 2])
    assert part.with_classes(("c", "a")).values.tolist() == [1, 0]  # b has no example: nothing is wrong


def test_labels_outside_the_classes_are_all_listed_with_counts() -> None:
    targets = Targets.of_labels(["cat", "Dog", "Dog", "cow"])
    with pytest.raises(DataError) as caught:
        targets.with_classes(("cat", "dog"), where="test.npz")
    assert caught.value.what == (
        "labels are outside the 2 known classes: 'cow' (1 examples), 'Dog' (2 examples); did you mean 'dog'?"
    )
    assert caught.value.where == "test.npz"
    many = Targets.of_labels([f"n{i}" for i in range(25)])
    with pytest.raises(DataError, match=r"\(\+15 more\)"):
        many.with_classes(("a",))


def test_balance_in_columns() -> None:
    targets = Targets.of_labels(["cat"] * 1000 + ["1"])
    assert targets.balance() == ["1        1   0.1%", "cat  1,000  99.9%"]
    assert targets.take([]).balance() == ["1    0  0.0%", "cat  0  0.0%"]
    assert Targets.of_values([]).balance() == ["0 numbers"]
    assert Targets.of_values([-1e308, 1e308]).balance() == [
        "2 numbers from -1e+308 to 1e+308, mean 0, standard deviation 1e+308"
    ]


def test_values_of_regression() -> None:
    for given_values in ([1, 2.5], np.array([1, 2.5], np.float32), (v for v in (1, 2.5))):
        targets = Targets.of_values(given_values)
        assert targets.values.dtype == np.float64
        assert targets.values.tolist() == [1.0, 2.5]
        assert (targets.classes, targets.n_classes) == (None, 0)
        assert targets.take([1]).values.tolist() == [2.5]
    source = np.array([1.0])
    Targets.of_values(source).values[0] = 7
    assert source[0] == 1.0  # a copy, not the caller's own


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1.0, float("nan"), float("inf")],
            r"2 targets are not finite numbers: nan \(index 1\), inf \(index 2\)",
        ),
        (
            [1, "x", None, True],
            r"3 targets are not numbers: 'x' \(index 1\), None \(index 2\), True \(index 3\)",
        ),
        (np.zeros((2, 1)), r"shape \(2, 1\)"),
        (np.array([True]), "not numbers"),
        (np.array(["1"]), "not numbers"),
    ],
)
def test_values_that_are_refused(values, said) -> None:
    with pytest.raises(DataError, match=said):
        Targets.of_values(values)


@pytest.mark.parametrize(
    ("values", "classes", "said"),
    [
        (np.array([0, 2]), ("a", "b"), r"1 codes are outside the 2 classes: 2 \(index 1\)"),
        (np.array([-1, 0]), ("a", "b"), r"-1 \(index 0\)"),
        (np.array([0.0]), ("a",), "float64"),
        (np.array([0], np.int32), ("a",), "int32"),
        (np.array([0]), None, "int64"),
        (np.array([[0]]), ("a",), r"shape \(1, 1\)"),
        (np.array([0]), ("a", "a"), "twice"),
    ],
)
def test_arrays_that_do_not_fit(values, classes, said) -> None:
    with pytest.raises(DataError, match=said):
        Targets(values=values, classes=classes)


def test_numbers_have_no_classes() -> None:
    numbers = Targets.of_values([1.0, 1.0])
    for ask in (numbers.labels, numbers.counts, lambda: numbers.with_classes(("a",))):
        with pytest.raises(DataError, match="these targets are numbers"):
            ask()
    numbers.refuse_one_class("here")  # a constant can be learned


def test_one_class_and_none() -> None:
    with pytest.raises(
        DataError, match=r"all 2 examples are of class 'a'.*\n.*where: here\n.*two or more classes"
    ):
        Targets.of_labels("ab").take([0, 0]).refuse_one_class("here")
    with pytest.raises(DataError, match="no examples"):
        Targets.of_labels([]).refuse_one_class("here")
    with pytest.raises(DataError, match="no examples"):
        Targets.of_values([]).refuse_one_class("here")
    Targets.of_labels("ab").refuse_one_class("here")


def test_required() -> None:
    data: Any = SimpleNamespace(targets=Targets.of_labels("ab"))
    assert require_targets(data, "here") is data.targets
    data.targets = None
    with pytest.raises(DataError, match="no labels"):
        require_targets(data, "here")


def test_an_index() -> None:
    assert as_index([]).dtype == np.int64
    assert as_index([True, False]).dtype == np.bool_
    assert as_index(slice(2)) == slice(2)


@pytest.mark.parametrize("targets", [Targets.of_labels(["b", "10", "é"]), Targets.of_values([1.5, -2])])
def test_it_is_saved_and_loaded(targets, tmp_path) -> None:
    again = artifact.load(artifact.save(targets, tmp_path), {"Targets": Targets})
    assert again.classes == targets.classes
    assert np.array_equal(again.values, targets.values)
