from itertools import pairwise

import numpy as np
import pytest
from by_hand import biased_mf as slow

from matweave.errors import Diverged
from matweave.linalg import gd, sgd
from matweave.linalg.grid import cut
from matweave.threads import set_threads

WEIGHT = sgd.Penalty(factors=0.05, bias=0.02)


def begin(grid, **settings):
    mean = float(grid.values.mean()) if len(grid.values) else 0.0
    return sgd.start(grid.n_users, grid.n_items, mean=mean, **settings)


def log(seed=0, n_users=30, n_items=20, density=0.4):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((n_users, n_items)) < density)
    return users, items, random.integers(1, 6, len(users)).astype(np.float64)


def table(users, items, values, n_users=30, n_items=20):
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))])
    return gd.table(indptr, items, values, n_items=n_items)


def point(seed=0, rank=4, dtype=np.float64, n_users=30, n_items=20):
    random = np.random.default_rng(seed)
    parts = {
        "user_bias": random.standard_normal(n_users),
        "item_bias": random.standard_normal(n_items),
        "user_factors": random.standard_normal((n_users, rank)),
        "item_factors": random.standard_normal((n_items, rank)),
    }
    return sgd.Biased(mean=3.0, **{name: part.astype(dtype) for name, part in parts.items()})


def test_value_and_gradient_equal_the_slow_twin():
    users, items, values = log()
    at = point()
    value, found = gd.value_and_gradient(table(users, items, values), at, WEIGHT)
    parts = (at.mean, at.user_bias, at.item_bias, at.user_factors, at.item_factors)
    assert value == pytest.approx(slow.objective(users, items, values, *parts, 0.05, 0.02), rel=1e-10)
    expected = slow.gradient(users, items, values, *parts, 0.05, 0.02)
    for mine, theirs in zip(found.arrays().values(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-10)


@pytest.mark.parametrize("part", ["user_bias", "item_bias", "user_factors", "item_factors"])
def test_gradient_is_the_numerical_one(part):
    logged = table(*log(1))
    at = point(1)
    counts = logged.user_counts if part.startswith("user") else logged.item_counts
    direction = gd.value_and_gradient(logged, at, WEIGHT)[1].arrays()[part]
    array = at.arrays()[part]
    for row in (0, 7, 19):
        where = (row, 2) if array.ndim == 2 else (row,)
        kept = array[where]
        sides = []
        for h in (1e-5, -1e-5):
            array[where] = kept + h
            sides.append(gd.value_and_gradient(logged, at, WEIGHT)[0])
        array[where] = kept
        assert -0.5 * (sides[0] - sides[1]) / 2e-5 / counts[row] == pytest.approx(direction[where], abs=1e-6)


def run(steps=60, seed=0, rate=0.5, rank=4):
    logged = table(*log(seed))
    state = gd.start_descent(logged, point(seed, rank, np.float32), WEIGHT, rate=rate)
    states = [state]
    for _ in range(steps):
        state = gd.descend(logged, state, WEIGHT, momentum=0.9, first_rate=rate)
        states.append(state)
    return logged, states


@pytest.mark.parametrize("rate", [0.01, 0.5, 1e4])
def test_the_objective_never_rises_whatever_the_first_rate(rate):
    _, states = run(rate=rate)
    values = [s.value for s in states]
    assert all(b <= a for a, b in pairwise(values))
    assert values[-1] < 0.5 * values[0]


def test_the_value_of_a_state_is_exact():
    logged, states = run(5)
    at = states[-1].at
    assert states[-1].value == pytest.approx(gd.value_and_gradient(logged, at, WEIGHT)[0], rel=1e-6)


def test_descent_ends_where_the_gradient_vanishes():
    logged, states = run(600, rate=0.3)
    ending = gd.value_and_gradient(logged, states[-1].at, WEIGHT)[1]
    first = gd.value_and_gradient(logged, states[0].at, WEIGHT)[1]
    assert np.abs(ending.user_factors).max() < 0.02 * np.abs(first.user_factors).max()


def test_a_state_at_rest_stays():
    logged = table(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    state = gd.start_descent(logged, point(dtype=np.float32), WEIGHT, rate=0.1)
    assert gd.descend(logged, state, WEIGHT, momentum=0.9, first_rate=0.1) is state


def test_same_bits_for_any_number_of_threads():
    results = []
    for count in (1, 2, 3):
        set_threads(count)
        results.append(run(10)[1][-1])
    set_threads(None)
    for other in results[1:]:
        assert other.value == results[0].value
        for a, b in zip(results[0].at.arrays().values(), other.at.arrays().values(), strict=True):
            assert np.array_equal(a, b)


def test_an_objective_that_is_not_finite_is_refused_with_the_mend():
    logged = table(*log())
    at = point(dtype=np.float32)
    at.user_factors[:] = 1e30
    state = gd.start_descent(logged, at, WEIGHT, rate=0.1)
    with pytest.raises(Diverged) as caught:
        gd.descend(logged, state, WEIGHT, momentum=0.9, first_rate=0.1)
    assert "learning_rate" in caught.value.mend


def test_both_methods_have_one_objective():
    users, items, values = log(5)
    grid = cut(users, items, values, n_users=30, n_items=20, seed=0)
    at = begin(grid, rank=16, scale=0.4, seed=0)
    by_descent = gd.value_and_gradient(table(users, items, values), at, WEIGHT)[0]
    assert sgd.objective(grid, at, WEIGHT) == pytest.approx(by_descent, rel=1e-6)
