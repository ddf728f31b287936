import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matweave.linalg.grid import cut
from matweave.threads import set_threads


def log(seed=0, n_users=30, n_items=20, density=0.4):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((n_users, n_items)) < density)
    return users, items, random.integers(1, 6, len(users)).astype(np.float64)


@given(st.integers(0, 200), st.integers(1, 9), st.floats(0.01, 0.9))
def test_blocks_hold_every_rating_once_and_diagonals_share_nothing(seed, side, density):
    users, items, values = log(seed, density=density)
    grid = cut(users, items, values, n_users=30, n_items=20, side=side, seed=seed)
    rows = sorted(zip(grid.users.tolist(), grid.items.tolist(), grid.values.tolist(), strict=True))
    assert rows == sorted(zip(users.tolist(), items.tolist(), values.tolist(), strict=True))
    for shift in range(side):
        for part in (grid.users, grid.items):
            blocks = [a * side + (a + shift) % side for a in range(side)]
            sets = [set(part[grid.starts[b] : grid.starts[b + 1]].tolist()) for b in blocks]
            assert sum(map(len, sets)) == len(set().union(*sets))


def test_groups_hold_nearly_equal_numbers_of_ratings():
    users, items, values = log(1, 300, 200, 0.2)
    grid = cut(users, items, values, n_users=300, n_items=200, seed=0, side=4)
    sizes = np.diff(grid.starts)
    assert sizes.max() < 1.3 * sizes.mean()


def test_the_order_inside_a_block_is_random_and_the_seed_decides_it():
    users, items, values = log(2, 300, 200, 0.5)
    one, same, other = (
        cut(users, items, values, n_users=300, n_items=200, seed=s, side=1) for s in (0, 0, 1)
    )
    assert np.array_equal(one.users, same.users)
    assert not np.array_equal(one.users, other.users)
    thousands = one.users[: len(users) // 1000 * 1000].reshape(-1, 1000)
    # sorted rows would put a few users in each thousand; a shuffle spreads nearly all of them
    assert all(len(np.unique(part)) > 270 for part in thousands)


def test_same_grid_for_any_number_of_threads():
    grids = []
    for count in (1, 3):
        set_threads(count)
        grids.append(cut(*log(3, 200, 100), n_users=200, n_items=100, seed=0, side=4))
    set_threads(None)
    assert np.array_equal(grids[0].users, grids[1].users)
    assert np.array_equal(grids[0].values, grids[1].values)


def test_the_side_depends_on_the_size_of_the_log():
    small = cut(*log(), n_users=30, n_items=20, seed=0)
    large = cut(*log(0, 600, 400, 0.5), n_users=600, n_items=400, seed=0)
    assert (small.side, large.side) == (1, 3)
    assert small.user_counts.sum() == small.item_counts.sum() == len(small.values)
