"""Places in words, and problems in one error."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.places import Places, Problems
from matweave.errors import DataError


def test_one_place_and_many():
    lines = Places(unit="line", numbers=np.arange(2, 2002))
    assert lines.named([0]) == "line 2"
    assert lines.named(np.array([0, 1998])) == "lines 2, 2,000"
    assert lines.named(list(range(13))) == "lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 (+3 more)"
    assert lines.take([5, 6]).named([1]) == "line 8"
    assert len(lines.take(np.arange(2000) % 2 == 0)) == 1000


def test_problems_are_gathered_by_kind_and_raised_once():
    problems = Problems(Places.rows(20))
    problems.add("too hot", np.array([False, True, True]))
    problems.add("too cold", [])
    problems.add("wet", np.array([7]))
    problems.say("and it is late")
    assert problems
    with pytest.raises(DataError) as error:
        problems.settle("the weather", "stay in")
    assert error.value.what.splitlines() == ["too hot: rows 2, 3", "wet: row 8", "and it is late"]
    assert (error.value.where, error.value.mend) == ("the weather", "stay in")


def test_no_problem_is_no_error():
    problems = Problems(Places.rows(2))
    problems.add("nothing", np.zeros(2, bool))
    assert not problems
    problems.settle("here", "nothing")
