import numpy as np
import pytest
from numba import njit

from matweave.linalg.cells import cut
from matweave.linalg.unmet import draws, has, tables, unmet, unmet_of_all


@njit
def in_group(count, mark, first, m, weighted, weights, keep, other):
    found, state = np.zeros(len(mark)), np.uint64(7)
    for _ in range(count):
        state, place = unmet(state, mark, first, m, weighted, weights, keep, other)
        found[place] += 1
    return found


@njit
def in_all(count, met, n, weighted, weights, keep, other):
    found, state = np.zeros(n), np.uint64(7)
    for _ in range(count):
        state, item = unmet_of_all(state, met, 1, len(met), n, weighted, weights, keep, other)
        found[item] += 1
    return found


WEIGHTS = np.array([3.0, 1.0, 0.0, 5.0, 2.0, 900.0, 900.0, 4.0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("met", [[], [3], [5, 6], [1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]])
def test_draws_are_by_weight_among_the_unmet_also_where_nearly_all_is_met(weighted, met):
    """With 5 and 6 met, 99 draws of 100 by weight are met: the scan must not change the shares."""
    weights = WEIGHTS if weighted else np.zeros(0)
    wanted = WEIGHTS.copy() if weighted else np.ones(8)
    wanted[met] = 0
    wanted /= wanted.sum()
    keep, other, _ = tables(weights, np.array([0, len(weights)]))
    history = np.array([-1, *met], np.int32)  # its run begins at 1
    everywhere = in_all(20000, history, 8, weighted, weights, keep, other)
    padded = np.concatenate([[0.0, 0.0], weights, [0.0]]) if weighted else weights
    keep, other, _ = tables(padded, np.array([0, 2, 10, 11]) if weighted else np.array([0, 0]))
    mark = np.zeros(11, np.uint8)
    mark[np.array(met, int) + 2] = 1
    grouped = in_group(20000, mark, 2, 8, weighted, padded, keep, other)
    assert grouped[[0, 1, 10]].sum() == 0
    for found in (everywhere, grouped[2:10]):
        allowed = 4.5 * np.sqrt(wanted * (1 - wanted) / 20000) + 1e-12
        assert (np.abs(found / 20000 - wanted) <= allowed).all()


def test_looking_up_a_run():
    look = njit(lambda run, low, high, item: has(run, low, high, item))
    run = np.array([9, 1, 4, 6, 9, 2], np.int32)
    assert [look(run, 1, 5, item) for item in range(11)] == [item in (1, 4, 6, 9) for item in range(11)]
    assert not look(run, 2, 2, 4)


def test_what_each_user_has_not_met():
    log = cut(np.array([0, 2, 2, 8, 10]), np.array([0, 3, 0, 1, 2, 3, 4, 5, 6, 7], np.int32), 8)
    total = WEIGHTS.sum()
    np.testing.assert_allclose(draws(log, WEIGHTS).unmet, [total - 8, total, 904, total - 904])
    whole = cut(np.array([0, 8]), np.arange(8, dtype=np.int32), 8)
    assert draws(whole, WEIGHTS * 0.1).unmet.tolist() == [0.0]
    assert draws(log).weights is None
