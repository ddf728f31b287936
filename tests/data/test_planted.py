"""The truth's answers against direct computation from the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from matweave.data.simulate import simulate_log
from matweave.errors import TooBig, UnknownId


@pytest.fixture(scope="module")
def rated():
    return simulate_log(users=60, items=40, rank=4, interactions=500, noise=0.7, drift=0.3).truth


def test_expected_rating_is_the_mean_of_the_rounded_normal(rated):
    users, items = rated.users.to_list()[:6], rated.items.to_list()[:6]
    found = rated.expected(users, items, at=0.4)
    cos, sin = np.cos(np.pi / 2 * 0.3 * 0.4), np.sin(np.pi / 2 * 0.3 * 0.4)
    for n in range(6):
        taste = cos * rated.tastes[0, n] + sin * rated.tastes[1, n]
        score = (
            3.5 + 0.5 * rated.user_bias[n] + 0.5 * rated.item_bias[n] + taste @ rated.factors[n] / np.sqrt(2)
        )

        def density(x, score=score):
            return np.clip(np.floor(x + 0.5), 1, 5) * norm.pdf(x, score, 0.7)

        wanted = quad(density, score - 6, score + 6, points=[1.5, 2.5, 3.5, 4.5], limit=200)[0]
        assert found[n] == pytest.approx(wanted, abs=1e-5)


def test_expected_of_clicks_is_the_probability():
    truth = simulate_log(
        users=60, items=40, rank=4, interactions=500, shape="clicks", noise=0.2, attraction=1.5
    ).truth
    users, items = truth.users.to_list(), truth.items.to_list()
    a = truth.affinity(at=0.0)
    wanted = 0.8 * expit(1.5 * a[3, 5] - 1) + 0.2 * expit(-1)
    assert truth.expected([users[3]], [items[5]], at=0.0)[0] == pytest.approx(wanted, rel=1e-6)


def test_matrix_and_pairs_agree(rated):
    users, items = rated.users.to_list(), rated.items.to_list()
    m = rated.matrix(users=[users[7], users[2]], at=0.8)
    pairs = rated.expected([users[7]] * 40 + [users[2]] * 40, items * 2, at=0.8)
    assert m.ravel() == pytest.approx(pairs, abs=1e-6)
    assert rated.matrix(at=0.8)[[7, 2]] == pytest.approx(m, abs=1e-6)
    assert rated.expected(users[:2], items[:2], at=np.array([0.8, 0.8])) == pytest.approx(
        rated.expected(users[:2], items[:2], at=0.8)
    )


def test_top_is_the_best_by_brute_force(rated):
    user = rated.users.to_list()[9]
    values = dict(zip(rated.items.to_list(), rated.expected([user] * 40, rated.items.to_list()), strict=True))
    best = sorted(values, key=values.__getitem__, reverse=True)
    assert rated.top(user, k=5) == best[:5]
    assert rated.top(user, k=5, leave_out=best[:2]) == best[2:7]
    assert rated.top(user, k=100, leave_out=best[3:]) == best[:3]


def test_favourite_genres_are_said_and_recommended(rated):
    for code in range(20):
        user = rated.users.to_list()[code]
        favourite = rated.genres[int(np.argmax(rated.weights[0, code]))]
        assert rated.taste(user, at=0.0).startswith(f"mostly {favourite}")
    clicks = simulate_log(users=60, items=40, rank=4, interactions=500, shape="clicks", drift=0).truth
    hits = [
        clicks.genres[int(np.argmax(clicks.weights[0, u]))] == clicks.genre(clicks.top(f"user-{u:05d}", 1)[0])
        for u in range(60)
    ]
    assert np.mean(hits) > 0.8  # a second favourite or an item between two genres may win


def test_a_divided_taste_is_said_so():
    truth = simulate_log(users=60, items=40, rank=4, interactions=500, drift=1.0).truth
    halves = [truth.taste(user, at=0.5) for user in truth.users.to_list()]
    assert any("mostly" not in words for words in halves)
    assert all(words for words in halves)


def test_unknown_ids_and_sizes(rated):
    with pytest.raises(UnknownId, match="did you mean 'user-000"):
        rated.expected(["user-0003"], ["jazz-000"])
    with pytest.raises(UnknownId):
        rated.top("user-00003", leave_out=["no such item"])
    with pytest.raises(TooBig, match=r"26,000 users x 2,000 items"):
        simulate_log(users=26_000, items=2_000, interactions=1000).truth.affinity()


def test_moments_are_shares_of_the_span(rated):
    assert rated.moments(np.array([rated.start, rated.start + rated.span])).tolist() == [0.0, 1.0]
