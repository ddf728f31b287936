import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.linalg.waves import cut_waves
from matweave.threads import set_threads

N_USERS, N_ITEMS = 70, 40


def log(seed=0, density=0.3):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((N_USERS, N_ITEMS)) < density * random.random((N_USERS, 1)))
    return Csr.from_pairs(users, items, 1 + np.arange(len(users)), shape=(N_USERS, N_ITEMS))


def cut(table, **settings):
    return cut_waves(table.indptr, table.indices, table.weights(), n_items=N_ITEMS, seed=3, **settings)


@pytest.mark.parametrize(("wave", "side"), [(10_000, 1), (100, 1), (100, 3), (3, 2)])
def test_every_rating_stands_once_by_block_by_user_and_by_item(wave: int, side: int) -> None:
    table = log()
    found = cut(table, wave=wave, side=side)
    rows = np.repeat(np.arange(N_USERS), table.counts)
    wanted = sorted(zip(rows.tolist(), table.indices.tolist(), table.weights().tolist(), strict=True))
    codes = found.order[found.users]
    assert sorted(zip(codes.tolist(), found.items.tolist(), found.values.tolist(), strict=True)) == wanted
    codes = found.order[np.repeat(np.arange(N_USERS), found.counts)]
    assert sorted(zip(codes.tolist(), found.indices.tolist(), found.ratings.tolist(), strict=True)) == wanted
    pairs = [
        (int(found.order[u]), int(item))
        for one in found.waves
        for item, a, b in zip(one.items, one.starts, one.starts[1:], strict=False)
        for u in one.who[a:b]
    ]
    assert sorted(pairs) == [(u, j) for u, j, _ in wanted]
    assert len(found.waves) == max(1, table.nnz // wave)


def test_waves_hold_whole_users_and_blocks_of_a_diagonal_share_nothing() -> None:
    table = log(1)
    found = cut(table, wave=150, side=3)
    assert [w.first for w in found.waves[1:]] == [w.last for w in found.waves[:-1]]
    assert (found.waves[0].first, found.waves[-1].last) == (0, N_USERS)
    for w, one in enumerate(found.waves):
        for shift in range(3):
            users, items = [], []
            for a in range(3):
                block = (w * 3 + a) * 3 + (a + shift) % 3
                cut_here = slice(found.starts[block], found.starts[block + 1])
                users.append(set(found.users[cut_here].tolist()))
                items.append(set(found.items[cut_here].tolist()))
                assert all(one.first <= u < one.last for u in users[-1])
            assert sum(map(len, users)) == len(set().union(*users))
            assert sum(map(len, items)) == len(set().union(*items))


def test_waves_are_of_nearly_equal_weight() -> None:
    table = log(2)
    found = cut(table, wave=100)
    sizes = [len(one.who) for one in found.waves]
    assert max(sizes) < 100 + 2 * table.counts.max()


def test_the_cut_does_not_depend_on_threads_but_on_the_seed() -> None:
    table = log(3)
    made = []
    for count in (1, 2, 3):
        set_threads(count)
        made.append(cut(table, wave=90, side=2))
    set_threads(None)
    assert all(np.array_equal(made[0].items, other.items) for other in made)
    other = cut_waves(table.indptr, table.indices, table.weights(), n_items=N_ITEMS, seed=4, wave=90, side=2)
    assert not np.array_equal(other.order, made[0].order)


def test_a_user_larger_than_a_wave_is_not_split() -> None:
    table = Csr.from_pairs([0] * 30 + [1], [*range(30), 0], shape=(2, 30))
    found = cut_waves(table.indptr, table.indices, table.weights(), n_items=30, seed=0, wave=5)
    assert sum(one.last - one.first for one in found.waves) == 2
    assert sum(len(one.who) for one in found.waves) == 31
