"""Rules for lists of numbers and odd widths."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.nets.mlp import MLP
from matweave.nets.settings import integers, odd, tuples


@pytest.mark.parametrize("good", [(1,), (3, 7), (np.int64(4),)])
def test_tuples_of_whole_numbers_are_taken(good):
    assert integers(1)(good) is None


@pytest.mark.parametrize("bad", [(), (0,), (1.0,), (True,), ("8",), 8, "8", None, [8]])
def test_others_are_refused(bad):
    assert integers(1)(bad) == "a list of integers >= 1, such as [1, 1]"


def test_least_and_count():
    assert integers(1, least=0)(()) is None
    assert integers(1, count=2)((1, 2)) is None
    for bad in ((1,), (1, 2, 3)):
        assert integers(1, count=2)(bad) == "a list of 2 integers >= 1, such as [1, 1]"


@pytest.mark.parametrize(
    ("value", "good"), [(1, True), (5, True), (4, False), (-1, False), (3.0, False), ("3", False)]
)
def test_odd(value, good):
    assert (odd()(value) is None) == good
    assert odd(3)(1) == "an odd integer >= 3"


def test_lists_become_tuples_and_nothing_else_changes():
    made = MLP(hidden=[4, 2])
    assert made.hidden == (4, 2)
    assert hash(made) == hash(MLP(hidden=(4, 2)))
    tuples(made, "hidden", "norm")
    assert (made.hidden, made.norm) == ((4, 2), "none")
