"""Simulated logs: what was planted can be measured in the log."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from matweave.data.simulate import simulate_log
from matweave.errors import ConfigError

SHAPES = ["ratings", "clicks", "purchases", "blocks"]


def ids(made):
    log = made.log
    return log.users.decode(log.user_codes), log.items.decode(log.item_codes)


def affinities(made, at):
    truth, (users, items) = made.truth, ids(made)
    u, j = truth.users.encode(users)[0], truth.items.encode(items)[0]
    return truth.affinity_of(u, j, np.broadcast_to(np.asarray(at, float), len(u)))


@pytest.mark.parametrize("shape", SHAPES)
def test_form_of_the_log(shape):
    log = simulate_log(users=200, items=100, interactions=3000, shape=shape, days=10, seed=3).log
    assert len(log) == 3000
    assert len(np.unique(log.user_codes.astype(np.int64) * log.n_items + log.item_codes)) == 3000
    assert np.all(np.diff(log.times) >= 0)
    first = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    assert first <= log.times[0] <= log.times[-1] < first + 10 * 86_400_000_000
    assert np.all(log.times % 1_000_000 == 0)
    assert set(np.unique(log.user_codes)) == set(range(log.n_users))
    assert set(np.unique(log.item_codes)) == set(range(log.n_items))
    assert log.users.to_list()[0].startswith("user-")
    if shape in ("clicks", "blocks"):
        assert log.values is None
    elif shape == "ratings":
        assert set(np.unique(log.values)) == {1.0, 2.0, 3.0, 4.0, 5.0}
    else:
        assert np.all(log.values >= 1)
        assert np.all(log.values == np.rint(log.values))
        assert log.values.max() > 3


def test_the_seed_decides_everything():
    one, same, other = (simulate_log(interactions=2000, seed=s).log for s in (5, 5, 6))
    assert np.array_equal(one.user_codes, same.user_codes)
    assert np.array_equal(one.values, same.values)
    assert np.array_equal(one.times, same.times)
    assert not np.array_equal(one.user_codes, other.user_codes)


@pytest.mark.parametrize("skew", [0.0, 0.6, 1.0])
def test_popularity_follows_the_planted_slope(skew):
    made = simulate_log(
        users=20_000,
        items=200,
        interactions=40_000,
        popularity_skew=skew,
        attraction=0,
        newcomers=0,
        shape="clicks",
    )
    seen = np.zeros(200)
    codes = made.truth.items.encode(made.log.items.ids)[0]
    seen[codes] = np.bincount(made.log.item_codes)
    rank = np.argsort(np.argsort(-made.truth.popularity, kind="stable"), kind="stable") + 1
    tail = (rank >= 8) & (rank <= 100)  # the head is saturated: one row for each user and item at most
    slope = np.polyfit(np.log(rank[tail]), np.log(seen[tail]), 1)[0]
    assert slope == pytest.approx(-skew, abs=0.07)


def test_ratings_have_the_planted_expectation():
    made = simulate_log(users=2000, items=400, interactions=40_000, drift=0.5, noise=0.8)
    users, items = ids(made)
    expected = made.truth.expected(users, items, at=made.truth.moments(made.log.times))
    error = made.log.values - expected
    for part in np.array_split(np.argsort(expected), 8):
        assert abs(error[part].mean()) < 4 * error[part].std() / np.sqrt(len(part))
    shuffled = np.random.default_rng(0).permutation(expected)
    assert np.var(error) < 0.75 * np.var(made.log.values - shuffled)


def test_purchases_have_the_planted_expectation():
    made = simulate_log(users=2000, items=400, interactions=40_000, shape="purchases")
    users, items = ids(made)
    expected = made.truth.expected(users, items, at=made.truth.moments(made.log.times))
    error = made.log.values - expected
    for part in np.array_split(np.argsort(expected), 8):
        assert abs(error[part].mean()) < 4 * error[part].std() / np.sqrt(len(part))


def test_without_noise_and_attraction_the_mean_is_the_planted_one():
    made = simulate_log(
        users=1000, items=500, interactions=60_000, attraction=0, noise=0, mean=3.0, scale=(-9.0, 15.0, 0.5)
    )
    users, items = ids(made)
    at = made.truth.moments(made.log.times)
    # times are kept to the second, so a score on a border may be one step off
    assert np.mean(made.log.values == made.truth.expected(users, items, at=at)) > 0.9999
    weights = np.outer(np.ones(1000), made.truth.popularity / 1000)
    planted = np.sum(weights * made.truth.matrix(at=0.5))
    assert made.log.values.mean() == pytest.approx(planted, abs=0.06)


@pytest.mark.parametrize(("attraction", "bar"), [(0.0, 1.0), (1.0, 1.0), (3.0, 1.0), (3.0, 4.0)])
def test_selection_is_as_strong_as_planted(attraction, bar):
    made = simulate_log(
        users=8000,
        items=300,
        interactions=12_000,  # few enough that pairs seldom repeat
        attraction=attraction,
        bar=bar,
        newcomers=0,
        drift=0,
        shape="clicks",
    )
    truth = made.truth
    a = truth.affinity()
    weights = truth.popularity * truth.probability(a)
    assert affinities(made, 0.0).mean() == pytest.approx(np.sum(weights * a) / weights.sum(), abs=0.06)


def test_pure_noise_is_blind_to_taste():
    made = simulate_log(users=2000, items=300, interactions=20_000, shape="clicks", noise=1.0, attraction=5)
    assert abs(affinities(made, made.truth.moments(made.log.times)).mean()) < 0.05


def test_drift_moves_the_tastes_seen_in_the_log():
    still, turning = (
        simulate_log(users=2000, items=200, interactions=20_000, shape="clicks", drift=d, newcomers=0, seed=1)
        for d in (0.0, 1.0)
    )
    early, late = slice(0, 5000), slice(15_000, None)
    by_first = affinities(still, 0.0)
    assert by_first[early].mean() == pytest.approx(by_first[late].mean(), abs=0.06)
    by_first, by_last = affinities(turning, 0.0), affinities(turning, 1.0)
    assert by_first[early].mean() > by_first[late].mean() + 0.4
    assert by_last[late].mean() > by_last[early].mean() + 0.4


def test_newcomers_do_not_act_before_they_came():
    made = simulate_log(users=1000, items=300, interactions=15_000, newcomers=0.5)
    truth = made.truth
    users, items = ids(made)
    at = truth.moments(made.log.times) + 1e-6  # times are cut to the second
    u, j = truth.users.encode(users)[0], truth.items.encode(items)[0]
    assert np.all(at >= truth.first_users[u])
    assert np.all(at >= truth.first_items[j])
    assert 0.4 < np.mean(truth.first_users > 0) < 0.6


def test_blocks_keep_to_their_own():
    made = simulate_log(
        users=600, items=120, rank=4, interactions=6000, shape="blocks", drift=0, attraction=6, noise=0
    )
    truth = made.truth
    users, items = ids(made)
    u, j = truth.users.encode(users)[0], truth.items.encode(items)[0]
    own = truth.weights[0, u, truth.item_genres[j]] == 1.0
    assert own.mean() > 0.9


def test_start_and_scale():
    made = simulate_log(
        interactions=500, start=datetime(2020, 5, 1, tzinfo=UTC), days=1, scale=(0.5, 5.0, 0.5), seed=2
    )
    assert made.log.times[0] >= int(datetime(2020, 5, 1, tzinfo=UTC).timestamp() * 1e6)
    assert set(np.unique(made.log.values * 2)) <= set(range(1, 11))
    assert 3.5 in made.log.values


def test_impossible_saturation_is_told():
    with pytest.raises(ConfigError, match="distinct pairs came of"):
        simulate_log(users=10, items=1500, interactions=5000, popularity_skew=3)
