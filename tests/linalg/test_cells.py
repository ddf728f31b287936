import numpy as np
import pytest

from matweave.linalg.cells import by_place, cut, deal, each_cell, put_back, race, stages
from matweave.threads import set_threads


def log(seed=0, users=30, items=41, density=0.3, side=3):
    met = np.random.default_rng(seed).random((users, items)) < density
    indptr = np.concatenate([[0], np.cumsum(met.sum(axis=1))]).astype(np.int64)
    return cut(indptr, np.nonzero(met)[1].astype(np.int32), items, side), met


def cells_of(made, dealt):
    """The rows (user, item) of each cell, in the order in which they would be taken."""
    found = {}
    for w in range(made.side):
        for h in range(made.side):
            rows = found[w, h] = []
            for u in dealt.users[made.bounds[w] : made.bounds[w + 1]]:
                begin, end = made.indptr[u] + dealt.starts[u, h : h + 2]
                rows += [(int(u), int(i)) for i in dealt.order[dealt.places[begin:end]]]
    return found


def test_every_row_stands_in_one_cell_and_the_cells_of_a_stage_share_nothing():
    made, met = log()
    dealt = deal(made, seed=1, number=0)
    found = cells_of(made, dealt)
    assert sorted(row for rows in found.values() for row in rows) == sorted(
        map(tuple, np.argwhere(met).tolist())
    )
    group = {int(i): h for h in range(3) for i in dealt.order[dealt.edges[h] : dealt.edges[h + 1]]}
    assert sorted(np.bincount(list(group.values()))) == [13, 14, 14]
    for stage in stages(3):
        assert len({w for w, _ in stage}) == len({h for _, h in stage}) == 3
        for w, h in stage:
            assert {group[i] for _, i in found[w, h]} <= {h}
            assert {u for u, _ in found[w, h]} <= set(range(made.bounds[w], made.bounds[w + 1]))


def test_user_groups_hold_about_the_same_number_of_rows():
    made, _ = log(users=300)
    sizes = np.diff(made.indptr[made.bounds])
    assert sizes.max() < 1.1 * sizes.min()
    assert cut(np.array([0, 5]), np.arange(5, dtype=np.int32), 5, side=3).bounds.tolist() == [0, 1, 1, 1]
    assert [cut(np.zeros(1, np.int64), np.zeros(0, np.int32), n).side for n in (0, 1, 40, 128, 10**6)] == [
        1,
        1,
        2,
        8,
        8,
    ]


def test_each_epoch_and_seed_is_dealt_anew_and_the_same_again_for_any_number_of_threads():
    made, _ = log()
    deals = []
    for threads, seed, number in ((1, 0, 0), (3, 0, 0), (1, 0, 1), (1, 1, 0)):
        set_threads(threads)
        deals.append(deal(made, seed=seed, number=number))
    set_threads(None)
    a, b, *others = deals
    for name in ("order", "users", "places", "starts"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
        if name != "starts":
            assert all(not np.array_equal(getattr(a, name), getattr(c, name)) for c in others)


def test_a_users_rows_come_in_every_order_alike():
    """Three items in one group: six orders, each a sixth of 1,200 epochs, within four deviations."""
    made = cut(np.array([0, 3]), np.arange(3, dtype=np.int32), 3, side=1)
    orders = [tuple(d.order[d.places].tolist()) for d in (deal(made, seed=0, number=n) for n in range(1200))]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 200).max() < 4 * np.sqrt(200)


def test_any_two_items_share_a_group_with_the_chance_that_the_head_of_the_file_states():
    made, _ = log(users=2, items=10, side=3)
    together, epochs = np.zeros((10, 10)), 1500
    wanted = 0.0
    for number in range(epochs):
        dealt = deal(made, seed=0, number=number)
        group = np.empty(10, int)
        group[dealt.order] = np.repeat(np.arange(3), np.diff(dealt.edges))
        together += group[:, None] == group
    wanted = sum(m * (m - 1) for m in np.diff(dealt.edges)) / (10 * 9)
    off = together[~np.eye(10, dtype=bool)] / epochs
    assert np.abs(off - wanted).max() < 4.5 * np.sqrt(wanted * (1 - wanted) / epochs)


def test_arrays_go_to_the_order_of_the_deal_and_back():
    made, _ = log()
    dealt = deal(made, seed=0, number=0)
    table, bias = np.random.default_rng(0).random((41, 16)).astype(np.float32), np.arange(41.0)
    copies = by_place(dealt, table, bias)
    assert np.array_equal(copies[0], table[dealt.order])
    assert copies[0].ctypes.data % 64 == 0
    before = table.copy(), bias.copy()
    copies[0][:] += 1
    put_back(dealt, (table, bias), copies)
    assert np.array_equal(table, before[0] + 1)
    assert np.array_equal(bias, before[1])


def test_results_come_stage_by_stage():
    assert each_cell(2, lambda w, h: (w, h)) == [(0, 0), (1, 1), (0, 1), (1, 0)]


@pytest.mark.parametrize("rows", [0, 5, 500])
def test_a_race_hands_out_every_row_once(rows):
    made = cut(np.array([0, rows // 2, rows]), np.arange(rows, dtype=np.int32), rows)
    seen = []
    states = race(
        made,
        lambda users, order, low, high, state: (seen.extend(order[low:high]), state)[1],
        seed=0,
        number=0,
    )
    assert sorted(seen) == list(range(rows))
    assert len(set(states)) == len(states)
