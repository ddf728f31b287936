import numpy as np
import pytest
from by_hand.warp import rank_loss

from matweave.linalg import cells
from matweave.linalg.pairwise import Rates
from matweave.linalg.rank_loss import Search, race, rank_losses, start
from matweave.linalg.rank_loss_row import mean_row, mean_step


def problem(seed=0, items=30, rank=4, met=6):
    random = np.random.default_rng(seed)
    table = random.normal(size=(items, rank)).astype(np.float32)
    bias = random.normal(size=items).astype(np.float32)
    return table, bias, np.sort(random.choice(items, met, replace=False)).astype(np.int32)


@pytest.mark.parametrize("most", [1, 3, 20])
def test_the_mean_step_is_the_sum_over_all_that_can_be_drawn(most):
    table, bias, met = problem()
    x = np.array([0.5, -0.2, 0.1, 0.3], np.float32)
    free, d = np.ones(30, np.uint8), np.empty(4)
    free[met] = 0
    m, z = mean_step(x, table, bias, met, free, rank_losses(30), most, d)
    scores = table.astype(np.float64) @ x + bias
    wanted, square, taken = np.zeros(4), 0.0, 0.0
    others = np.flatnonzero(free)
    for i in met:
        violating = [j for j in others if scores[j] > scores[i] - 1]
        q = len(violating) / len(others)
        taken += (1 - (1 - q) ** most) / len(met)
        for n in range(1, most + 1):
            for j in violating:
                chance = (1 - q) ** (n - 1) / len(others) / len(met)
                step = rank_loss(len(others) // n) * (table[i] - table[j]).astype(np.float64)
                wanted += chance * step
                square += chance * (step @ step) / 4
    np.testing.assert_allclose(d, wanted, rtol=1e-4, atol=1e-5)
    assert m == pytest.approx(square, rel=1e-4)
    assert z == pytest.approx(taken, rel=1e-4)


def test_the_row_is_the_mean_of_many_trained_rows():
    """Rows of 400 users with the same history, stepped over the same items, which a tiny share of the items' rate keeps still."""
    table, bias, met = problem(1)
    users, wide = 400, np.zeros((30, 16), np.float32)
    wide[:, :4] = table
    log = cells.cut(np.arange(users + 1) * len(met), np.tile(met, users), 30, 1)
    at = start(np.zeros((users, 16), np.float32), wide)
    at["item_bias"][:] = bias
    at["item_squares"][:] = 1e12  # steps of the items are divided by a million
    for number in range(15):
        race(
            log,
            at,
            4,
            Rates(step=0.1, bias=0.0, pull=0.01, bias_pull=0.0),
            Search(most=8, longest=0.0),
            seed=0,
            number=number,
        )
    trained, row = at["user_factors"][:, :4], np.empty(4, np.float32)
    mean_row(table, bias, met, rank_losses(30), 8, 15, 0.1, 1.0, 0.01, 0.0, row)
    mean = trained.mean(axis=0)
    assert np.linalg.norm(row - mean) < 0.2 * np.linalg.norm(mean)
    assert np.linalg.norm(row - mean) < np.sqrt(((trained - mean) ** 2).sum(axis=1).mean())


def test_the_greatest_length_and_empty_or_full_histories():
    table, bias, met = problem(2)
    row = np.empty(4, np.float32)
    mean_row(table, bias, met, rank_losses(30), 8, 15, 0.5, 1.0, 0.0, 0.25, row)
    assert np.linalg.norm(row) == pytest.approx(0.25, rel=1e-5)
    for none in (met[:0], np.arange(30, dtype=np.int32)):
        mean_row(table, bias, none, rank_losses(30), 8, 15, 0.5, 1.0, 0.0, 0.0, row)
        assert not row.any()
