import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.errors import DataError
from matweave.factor import require

BARE = Interactions.from_codes([0, 1], [0, 1])


def test_a_log_without_rows_is_refused_by_every_need():
    empty = Interactions.from_codes([], [])
    for need in (lambda: require.rows(empty, "M"), lambda: require.values(empty, "M", "N")):
        with pytest.raises(DataError, match="no rows"):
            need()


def test_missing_values_name_the_method_that_needs_none():
    with pytest.raises(DataError) as caught:
        require.values(BARE, "BiasedMF", "ImplicitALS")
    assert "ImplicitALS" in caught.value.mend
    assert caught.value.where == "BiasedMF.fit"


def test_missing_times_name_the_setting():
    with pytest.raises(DataError, match="half_life_days") as caught:
        require.times(BARE, "Popularity", "half_life_days")
    assert "leave half_life_days out" in caught.value.mend


def test_values_whose_squares_overflow_are_refused():
    assert require.moderate(None, "M") is None
    with pytest.raises(DataError, match=r"1e\+16 overflow when squared") as caught:
        require.moderate(np.array([1, -1e16], np.float32), "M")
    assert caught.value.where == "M.fit"
