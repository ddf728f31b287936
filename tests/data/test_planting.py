"""The truth is planted part by part: rank, variance, words, and independence of what is not its own."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from matweave.data.simulate import simulate_log
from matweave.errors import ConfigError


def truth(**settings):
    return simulate_log(**({"users": 120, "items": 80, "interactions": 400} | settings)).truth


@pytest.mark.parametrize(
    ("shape", "rank"), [("ratings", 1), ("ratings", 5), ("clicks", 12), ("purchases", 3)]
)
@pytest.mark.parametrize("at", [0.0, 0.6])
def test_affinity_has_the_planted_rank_and_variance(shape, rank, at):
    a = truth(shape=shape, rank=rank, drift=1.0).affinity(at=at).astype(np.float64)
    values = np.linalg.svd(a, compute_uv=False)
    assert np.sum(values > 1e-4 * values[0]) == rank
    assert abs(a.mean()) < 1e-5
    if at == 0.0:
        assert a.var() == pytest.approx(1.0, rel=1e-4)


def test_blocks_have_one_rank_less():
    a = truth(shape="blocks", rank=6).affinity(at=0.0)
    assert np.linalg.matrix_rank(a, tol=1e-3) == 5


def test_weights_are_shares_with_two_favourites():
    weights = truth(rank=10).weights
    assert weights.sum(2) == pytest.approx(1.0, abs=1e-6)
    ordered = np.sort(weights, axis=2)[..., ::-1]
    assert np.all(ordered[..., 0] >= 0.6)
    assert np.all(ordered[..., 1] >= 0.3)
    assert np.all(ordered[..., 2] <= 0.1)


def test_popularity_is_zipf():
    popularity = np.sort(truth(popularity_skew=1.3).popularity)[::-1]
    assert popularity.sum() == pytest.approx(1.0)
    assert popularity[0] / popularity[9] == pytest.approx(10**1.3)


def test_names():
    made = truth(rank=40, items=81)
    names = made.items.to_list()
    assert len(set(names)) == 81
    assert made.genres[:2] == ("jazz", "rock")
    assert made.genres[35] == "style36"
    assert len(set(made.genres)) == 40
    assert all(made.genre(name) == name.rsplit("-", 1)[0] for name in names)
    assert made.users.to_list()[7] == "user-00007"


def test_the_truth_does_not_depend_on_how_much_is_drawn():
    few, many = truth(interactions=100, seed=4), truth(interactions=2000, seed=4)
    assert np.array_equal(few.tastes, many.tastes)
    assert np.array_equal(few.popularity, many.popularity)
    assert np.array_equal(truth(attraction=0, seed=4).item_bias, few.item_bias)


def test_more_items_leave_the_users_tastes_as_they_are():
    few, many = truth(items=80, seed=4), truth(items=90, seed=4)
    assert np.array_equal(few.weights, many.weights)
    assert np.array_equal(few.user_bias, many.user_bias)


def test_all_settings_out_of_range_are_named_at_once():
    with pytest.raises(ConfigError) as error:
        simulate_log(users=10, items=10, rank=11, interactions=34, shape="rating", drift=2, noise=-1)
    for said in (
        "rank is 11",
        "[1, 10]",
        "interactions is 34",
        "[1, 33]",
        "did you mean 'ratings'",
        "drift is 2",
        "noise",
    ):
        assert said in error.value.what
    with pytest.raises(ConfigError, match="rank is 1, but must be an integer in"):
        simulate_log(shape="blocks", rank=1)
    with pytest.raises(ConfigError, match=r"users is '9'"):
        simulate_log(users="9")


@pytest.mark.parametrize("scale", [(1.0, 5.0, 0.0), (5.0, 1.0, 1.0), (1.0, 5.0, 3.0)])
def test_scales_without_whole_steps(scale):
    with pytest.raises(ConfigError, match="whole steps"):
        simulate_log(scale=scale)


def test_start_needs_a_time_zone():
    with pytest.raises(ConfigError, match="time zone"):
        simulate_log(start=datetime(2024, 1, 1))
