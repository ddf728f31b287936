import numpy as np
import pytest
from by_hand.warp import rank_loss

from matweave.linalg import cells
from matweave.linalg.pairwise import Rates
from matweave.linalg.rank_loss import Search, race, rank_losses, start
from matweave.linalg.rank_loss_row import TILE, Items, mean_rows, mean_steps


def problem(seed=0, items=30, rank=4, met=6):
    random = np.random.default_rng(seed)
    table = random.normal(size=(items, rank)).astype(np.float32)
    bias = random.normal(size=items).astype(np.float32)
    return table, bias, np.sort(random.choice(items, met, replace=False)).astype(np.int32)


def row_of(table, bias, met, most, epochs, rate, final, pull, longest):
    """The row of one user."""
    return mean_rows(
        Items.of(table, bias), np.array([0, len(met)]), met, rank_losses(len(table)),
        most=most, epochs=epochs, rate=rate, final=final, pull=pull, longest=longest,
    )[0]  # fmt: skip


@pytest.mark.parametrize("most", [1, 3, 20])
@pytest.mark.parametrize(("items", "rank", "count"), [(30, 4, 6), (2 * TILE + 7, 6, 40)])
def test_the_mean_step_is_the_sum_over_all_that_can_be_drawn(most, items, rank, count):
    table, bias, met = problem(0, items, rank, count)
    x = np.random.default_rng(1).normal(0, 0.3, rank).astype(np.float32)
    d, (m, z) = np.empty((1, rank)), np.empty((2, 1))
    read = Items.of(table, bias)
    tables = (read.rows, read.tiles, read.squares, read.bias)
    mean_steps(x[None], *tables, np.array([0, count]), met, rank_losses(items), most, d, m, z)
    free = np.ones(items, bool)
    free[met] = False
    scores = table.astype(np.float64) @ x + bias
    wanted, square, taken = np.zeros(rank), 0.0, 0.0
    others = np.flatnonzero(free)
    for i in met:
        violating = [j for j in others if scores[j] > scores[i] - 1]
        q = len(violating) / len(others)
        taken += (1 - (1 - q) ** most) / len(met)
        gaps = (table[i] - table[violating]).astype(np.float64)
        for n in range(1, most + 1):
            chance, loss = (1 - q) ** (n - 1) / len(others) / len(met), rank_loss(len(others) // n)
            wanted += chance * loss * gaps.sum(axis=0)
            square += chance * loss**2 * np.square(gaps).sum() / rank
    np.testing.assert_allclose(d[0], wanted, rtol=1e-4, atol=1e-5)
    assert m[0] == pytest.approx(square, rel=1e-4)
    assert z[0] == pytest.approx(taken, rel=1e-4)


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
    trained = at["user_factors"][:, :4]
    row = row_of(table, bias, met, 8, 15, 0.1, 1.0, 0.01, 0.0)
    mean = trained.mean(axis=0)
    assert np.linalg.norm(row - mean) < 0.2 * np.linalg.norm(mean)
    assert np.linalg.norm(row - mean) < np.sqrt(((trained - mean) ** 2).sum(axis=1).mean())


def test_no_row_is_longer_than_it_may_be():
    row = row_of(*problem(2), 8, 15, 0.5, 1.0, 0.0, 0.25)
    assert np.linalg.norm(row) == pytest.approx(0.25, rel=1e-5)


def test_a_row_has_the_same_bits_whoever_is_taken_beside_it():
    table, bias, _ = problem(3, items=TILE + 20, rank=6)
    random = np.random.default_rng(0)
    histories = [
        np.sort(random.choice(len(table), n, replace=False)).astype(np.int32) for n in (1, 5, 200, 17)
    ]
    ends = np.cumsum([0, *map(len, histories)])
    together = mean_rows(
        Items.of(table, bias), ends, np.concatenate(histories), rank_losses(len(table)),
        most=8, epochs=15, rate=0.1, final=1.0, pull=0.01, longest=3.0,
    )  # fmt: skip
    for row, met in zip(together, histories, strict=True):
        assert np.array_equal(row, row_of(table, bias, met, 8, 15, 0.1, 1.0, 0.01, 3.0))
        assert row.any()
