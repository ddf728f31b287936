import numpy as np
import pytest
from by_hand import biased_mf as slow

from matweave.linalg import grid as grids
from matweave.linalg import sgd
from matweave.threads import set_threads


def log(seed=0, n_users=30, n_items=20, density=0.4):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((n_users, n_items)) < density)
    return users, items, random.integers(1, 6, len(users)).astype(np.float64)


def cut(users, items, values, side=3, n_users=30, n_items=20, seed=0):
    return grids.cut(users, items, values, n_users=n_users, n_items=n_items, seed=seed, side=side)


WEIGHT = sgd.Penalty(factors=0.05, bias=0.02)


def begin(grid, **settings):
    mean = float(grid.values.mean()) if len(grid.values) else 0.0
    return sgd.start(grid.n_users, grid.n_items, mean=mean, **settings)


def test_an_epoch_equals_the_slow_twin_in_the_same_order():
    grid = cut(*log(2), side=1)  # one block: the order is the order of the grid
    fast = begin(grid, rank=5, scale=0.3, seed=0)
    x, y = fast.user_factors[:, :5].astype(np.float64), fast.item_factors[:, :5].astype(np.float64)
    b, c = np.zeros(30), np.zeros(20)
    order = list(zip(grid.users, grid.items, grid.values.astype(np.float64), strict=True))
    for number in range(3):
        sgd.epoch(grid, fast, WEIGHT, rate=0.05, bias_rate=0.03, seed=0, number=number)
        slow.sgd_pass(
            order if number % 2 == 0 else order[::-1],
            fast.mean,
            b,
            c,
            x,
            y,
            rate=0.05,
            bias_rate=0.03,
            regularization=0.05,
            bias_regularization=0.02,
        )
    np.testing.assert_allclose(fast.user_factors[:, :5], x, atol=2e-5)
    np.testing.assert_allclose(fast.item_factors[:, :5], y, atol=2e-5)
    np.testing.assert_allclose(fast.user_bias, b, atol=2e-5)
    np.testing.assert_allclose(fast.item_bias, c, atol=2e-5)
    assert not fast.user_factors[:, 5:].any()
    assert not fast.item_factors[:, 5:].any()


def test_objective_equals_the_slow_twin():
    users, items, values = log(3)
    grid = cut(users, items, values)
    at = begin(grid, rank=7, scale=0.5, seed=1)
    at.user_bias[:] = np.linspace(-1, 1, 30)
    expected = slow.objective(
        users,
        items,
        values,
        at.mean,
        at.user_bias,
        at.item_bias,
        at.user_factors,
        at.item_factors,
        0.05,
        0.02,
    )
    assert sgd.objective(grid, at, WEIGHT) == pytest.approx(expected, rel=1e-6)


def test_a_step_is_the_negative_half_gradient_of_its_term():
    """Numerical gradient in float64 of one rating's term of J against one step."""
    random = np.random.default_rng(0)
    start = random.standard_normal(8)  # b, c, x (3), y (3)

    def term(theta):
        b, c, x, y = theta[:1], theta[1:2], theta[2:5][None], theta[5:][None]
        return slow.objective([0], [0], [4.0], 3.0, b, c, x, y, 0.05, 0.02)

    numeric = [(term(start + h) - term(start - h)) / 2e-6 for h in 1e-6 * np.eye(8)]
    grid = grids.cut(np.zeros(1), np.zeros(1), np.full(1, 4.0), n_users=1, n_items=1, seed=0)
    at = begin(grid, rank=3, scale=0.0, seed=0)
    at = sgd.Biased(mean=3.0, **at.arrays())
    at.user_bias[:], at.item_bias[:] = start[0], start[1]
    at.user_factors[0, :3], at.item_factors[0, :3] = start[2:5], start[5:]
    sgd.epoch(grid, at, WEIGHT, rate=1e-3, bias_rate=1e-3, seed=0, number=0)
    after = np.concatenate([at.user_bias, at.item_bias, at.user_factors[0, :3], at.item_factors[0, :3]])
    np.testing.assert_allclose((after - start) / 1e-3, -0.5 * np.array(numeric), rtol=2e-3, atol=2e-3)


def test_same_bits_for_any_number_of_threads():
    results = []
    for count in (1, 2, 3):
        set_threads(count)
        grid = cut(*log(4, 200, 100, 0.2), side=4, n_users=200, n_items=100)
        at = begin(grid, rank=8, scale=0.1, seed=5)
        for number in range(3):
            sgd.epoch(grid, at, WEIGHT, rate=0.05, bias_rate=0.05, seed=5, number=number)
        results.append((*at.arrays().values(), sgd.objective(grid, at, WEIGHT)))
    set_threads(None)
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_noise_free_low_rank_data_are_recovered():
    random = np.random.default_rng(6)
    x, y = random.standard_normal((60, 2)), random.standard_normal((50, 2))
    b, c = random.standard_normal(60), random.standard_normal(50)
    truth = 3 + b[:, None] + c + x @ y.T
    known = random.random((60, 50)) < 0.6
    users, items = np.nonzero(known)
    grid = cut(users, items, truth[known], n_users=60, n_items=50)
    at = begin(grid, rank=2, scale=0.1, seed=0)
    none = sgd.Penalty(factors=0.0, bias=0.0)
    for number in range(150):
        sgd.epoch(grid, at, none, rate=0.04, bias_rate=0.04, seed=0, number=number)
    guess = at.mean + at.user_bias[:, None] + at.item_bias + at.user_factors @ at.item_factors.T
    assert np.sqrt(np.mean((guess - truth)[~known] ** 2)) < 0.02


def test_an_empty_log_and_rows_without_ratings():
    grid = grids.cut(np.zeros(0), np.zeros(0), np.zeros(0), n_users=3, n_items=2, seed=0)
    at = begin(grid, rank=2, scale=0.1, seed=0)
    sgd.epoch(grid, at, WEIGHT, rate=0.1, bias_rate=0.1, seed=0, number=0)
    assert sgd.objective(grid, at, WEIGHT) == 0


def test_a_copy_shares_nothing():
    at = begin(cut(*log()), rank=2, scale=0.1, seed=0)
    other = at.copy()
    other.user_factors[:] = 9
    assert not (at.user_factors == 9).any()
