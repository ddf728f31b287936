import numpy as np
import pytest
from by_hand import bpr as slow

from matweave.linalg import cells
from matweave.linalg.pairwise import Rates, epoch, race, steps
from matweave.linalg.unmet import draws
from matweave.threads import set_threads

RATES = Rates(step=0.1, bias=0.5, pull=0.03, bias_pull=0.02)
USERS, ITEMS, RANK = 12, 18, 5


def log(side=2, seed=0, density=0.35):
    met = np.random.default_rng(seed).random((USERS, ITEMS)) < density
    met[3] = True  # one who has met everything, and one who has met nothing
    met[4] = False
    indptr = np.concatenate([[0], np.cumsum(met.sum(axis=1))]).astype(np.int64)
    return cells.cut(indptr, np.nonzero(met)[1].astype(np.int32), ITEMS, side), met


def begin(seed=0, dtype=np.float32):
    random = np.random.default_rng(seed)
    x, y = np.zeros((USERS, 16), dtype), np.zeros((ITEMS, 16), dtype)
    x[:, :RANK], y[:, :RANK] = random.normal(size=(USERS, RANK)), random.normal(size=(ITEMS, RANK))
    return x, y, random.normal(size=ITEMS).astype(dtype)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_epoch_equals_the_slow_twin_on_the_same_samples(weighted):
    made, met = log()
    weights = np.arange(1.0, ITEMS + 1) if weighted else None
    fast, exact = begin(), begin(dtype=np.float64)
    for number in range(2):
        dealt = cells.deal(made, seed=3, number=number)
        found = steps(made, dealt, *fast, draws(made, weights), RATES, seed=3, samples=True)
        group = np.empty(ITEMS, int)
        group[dealt.order] = np.repeat(np.arange(2), np.diff(dealt.edges))

        def scale(u, i, j, group=group):
            if not weighted:
                return 1.0
            free = np.where(met[u], 0.0, weights)
            mine = group == group[i]
            return (ITEMS - 1) / (mine.sum() - 1) * free[mine].sum() / free.sum()

        lost = 0.0
        for _, count, samples in found:
            assert count == len(samples)
            for u, i, j in samples:
                assert met[u, i]
                assert not met[u, j]
                assert group[i] == group[j]
            lost += slow.learn(
                samples, *exact, rate=0.1, bias_rate=0.05, pull=0.03, bias_pull=0.02, scale=scale
            )
        assert sum(part for part, _, _ in found) == pytest.approx(lost, rel=1e-5)
        taken = np.concatenate([samples for *_, samples in found])
        rows = [tuple(row) for row in np.argwhere(met).tolist() if row[0] != 3]
        assert len(set(map(tuple, taken[:, :2].tolist()))) == len(taken) <= len(rows)
        assert len(taken) > 0.9 * len(rows)  # a user may have met all of one group
    for here, there in zip(fast, exact, strict=True):
        np.testing.assert_allclose(here, there, atol=2e-5)


def test_a_step_goes_down_the_gradient_of_its_sample():
    """Numerical gradient of the twin's loss in float64 against the twin's step, which the kernels equal."""
    made = begin(1, np.float64)
    x, y, c = (part.copy() for part in made)
    slow.learn([(2, 3, 5)], x, y, c, rate=1e-3, bias_rate=1e-3, pull=0.3, bias_pull=0.2)
    for which, (part, moved) in enumerate(zip(made, (x, y, c), strict=True)):
        slope = np.zeros_like(part)
        for at in np.ndindex(part.shape):
            ends = []
            for shift in (1e-5, -1e-5):
                tried = [p.copy() for p in made]
                tried[which][at] += shift
                ends.append(slow.loss(2, 3, 5, *tried, 0.3, 0.2))
            slope[at] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(part - moved, 1e-3 * slope, atol=1e-11)


@pytest.mark.parametrize("weighted", [False, True])
def test_negatives_are_drawn_as_from_all_items(weighted):
    """Over the epochs, what is drawn for one positive has the shares of all that its user has not met.

    Weighted draws count as much as their step is long: without that the sum of squares below is four times what it may be.
    """
    random = np.random.default_rng(5)
    met = random.random((2, 24)) < 0.25
    met[:, 0] = True
    indptr = np.concatenate([[0], np.cumsum(met.sum(axis=1))]).astype(np.int64)
    made = cells.cut(indptr, np.nonzero(met)[1].astype(np.int32), 24, 3)
    weights = 0.2 + random.exponential(size=24) ** 2 if weighted else None
    draw, epochs = draws(made, weights), 1000
    found, squares = np.zeros((2, 24)), np.zeros((2, 24))
    parts = np.zeros((2, 16), np.float32), np.zeros((24, 16), np.float32), np.zeros(24, np.float32)
    still = Rates(step=0.0, bias=0.0, pull=0.0, bias_pull=0.0)
    for number in range(epochs):
        dealt = cells.deal(made, seed=0, number=number)
        group = np.empty(24, int)
        group[dealt.order] = np.repeat(np.arange(3), np.diff(dealt.edges))
        for *_, samples in steps(made, dealt, *parts, draw, still, seed=0, samples=True):
            for u, i, j in samples:
                if i == 0:
                    size = 1.0
                    if weights is not None:
                        mine, free = group == group[0], np.where(met[u], 0.0, weights)
                        size = 23 / (mine.sum() - 1) * free[mine].sum() / free.sum()
                    found[u, j] += size
                    squares[u, j] += size**2
    free = np.where(met, 0.0, 1.0 if weights is None else weights)
    wanted = free / free.sum(axis=1, keepdims=True)
    variance = squares / epochs - wanted**2
    off = ((found / epochs - wanted) ** 2)[~met] / (variance[~met] / epochs)
    assert off.sum() < len(off) + 4.5 * np.sqrt(2 * len(off))
    assert found[met].sum() == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_cells_give_the_same_bits_for_any_number_of_threads_and_a_race_for_one(weighted):
    made, _ = log(side=3)
    draw = draws(made, np.arange(ITEMS) * 1.0 if weighted else None)
    results = []
    for take, threads in ((epoch, 1), (epoch, 2), (epoch, 3), (race, 1), (race, 1)):
        set_threads(threads)
        at = begin()
        lost = [take(made, *at, draw, RATES, seed=1, number=n) for n in range(3)]
        results.append((lost, [part.tobytes() for part in at]))
    set_threads(None)
    assert results[0] == results[1] == results[2]
    assert results[3] == results[4] != results[0]


def test_both_ways_learn_the_same_order():
    """Users like the items of their own half: both ways find it, to about the same loss."""
    random = np.random.default_rng(0)
    users, items = 60, 64
    met = random.random((users, items)) < np.where(
        np.arange(users)[:, None] % 2 == np.arange(items) % 2, 0.4, 0.02
    )
    indptr = np.concatenate([[0], np.cumsum(met.sum(axis=1))]).astype(np.int64)
    made = cells.cut(indptr, np.nonzero(met)[1].astype(np.int32), items, 4)
    draw, last = draws(made), []
    for take in (epoch, race):
        x, y = (random.normal(size=(n, 16)).astype(np.float32) * np.float32(0.05) for n in (users, items))
        at = x, y, np.zeros(items, np.float32)
        for number in range(60):
            lost, count = take(made, *at, draw, RATES, seed=0, number=number)
        last.append(lost / count)
        scores = x @ y.T + at[2]
        assert scores[::2, ::2].mean() - scores[::2, 1::2].mean() > 1
    assert last[0] == pytest.approx(last[1], rel=0.1)
