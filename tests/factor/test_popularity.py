import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.popularity import DAY, Popularity


def log(times=None):
    return Interactions.from_codes([0, 0, 1, 1, 2, 3], [0, 2, 2, 1, 2, 1], times=times)


def scores(model):
    return model.scores(model.known(np.array([0])))[0]


def test_counts_rows_whatever_the_values():
    valued = Interactions.from_codes([0, 1, 2], [0, 1, 1], values=[5, 1, 1])
    assert scores(Popularity().fit(log())).tolist() == [1, 2, 3]
    assert scores(Popularity().fit(valued)).tolist() == [1, 2]


def test_a_row_one_half_life_old_counts_half():
    days = np.array([0, 10, 10, 10, 0, 10]) * DAY
    assert scores(Popularity(half_life_days=10).fit(log(days))).tolist() == [0.5, 2, 2.5]


def test_decay_ends_as_counting_for_a_long_half_life_and_ignores_the_origin_of_time():
    days = np.arange(6) * DAY
    long = scores(Popularity(half_life_days=1e9).fit(log(days)))
    np.testing.assert_allclose(long, [1, 2, 3], rtol=1e-6)
    moved = scores(Popularity(half_life_days=2).fit(log(days + 10_000 * DAY)))
    np.testing.assert_array_equal(moved, scores(Popularity(half_life_days=2).fit(log(days))))


def test_everybody_gets_the_same_but_for_what_they_have_seen():
    model = Popularity().fit(log())
    assert model.recommend([0, 3], k=2).to_pydict() == {
        "user": [0, 3, 3],
        "item": [1, 2, 0],
        "score": [2, 3, 1],
        "rank": [1, 1, 2],
    }


def test_needs():
    with pytest.raises(DataError, match="half_life_days"):
        Popularity(half_life_days=3).fit(log())
    with pytest.raises(ConfigError, match="half_life_days is 0"):
        Popularity(half_life_days=0)
