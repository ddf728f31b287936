import numpy as np
import pytest
from by_hand import warp as slow

from matweave.linalg import cells
from matweave.linalg.pairwise import Rates
from matweave.linalg.rank_loss import PARTS, Search, epoch, race, rank_losses, start, steps
from matweave.threads import set_threads

RATES = Rates(step=0.1, bias=0.5, pull=0.03, bias_pull=0.02)
USERS, ITEMS, RANK = 12, 18, 5


def log(side=2):
    met = np.random.default_rng(0).random((USERS, ITEMS)) < 0.35
    met[3], met[4] = True, False
    indptr = np.concatenate([[0], np.cumsum(met.sum(axis=1))]).astype(np.int64)
    return cells.cut(indptr, np.nonzero(met)[1].astype(np.int32), ITEMS, side), met


def begin():
    random = np.random.default_rng(0)
    x, y = np.zeros((USERS, 16), np.float32), np.zeros((ITEMS, 16), np.float32)
    x[:, :RANK], y[:, :RANK] = random.normal(size=(USERS, RANK)), random.normal(size=(ITEMS, RANK))
    return start(x, y)


@pytest.mark.parametrize("longest", [0.0, 1.5])
def test_an_epoch_equals_the_slow_twin_on_the_same_draws(longest):
    made, met = log()
    fast = begin()
    exact = {
        name: (part[:, :RANK] if part.ndim == 2 else part).astype(np.float64) for name, part in fast.items()
    }
    search = Search(most=4, longest=longest)
    for number in range(2):
        found = steps(made, fast, RANK, RATES, search, seed=3, number=number, samples=True)
        lost = 0.0
        for _, _, rows in found:
            for u, i, j, n in rows:
                assert met[u, i]
                assert 1 <= n <= 4
                assert n == 4 if j < 0 else not met[u, j]
            lost += slow.learn(
                rows, exact, unmet=(~met).sum(axis=1), rate=0.1, bias_rate=0.05, pull=0.03, bias_pull=0.02, longest=longest
            )  # fmt: skip
        assert sum(part for part, _, _ in found) == pytest.approx(lost, rel=1e-4)
    for name in PARTS:
        here = fast[name][:, :RANK] if fast[name].ndim == 2 else fast[name]
        np.testing.assert_allclose(here, exact[name], rtol=1e-4, atol=5e-5)
    if longest:
        assert np.linalg.norm(fast["item_factors"], axis=1)[met.any(axis=0)].max() < 4
        taken = np.unique(np.concatenate([rows for *_, rows in found])[:, 0])
        assert len(taken) > 8


def test_the_first_violation_is_found_when_it_should_be():
    """With one item that violates the margin among n, N is geometric: mean 1/q, cut at most."""
    n = 11
    made = cells.cut(np.array([0, 1]), np.array([0], np.int32), n, 1)
    trials, missed = [], 0
    for number in range(600):
        x, y = np.zeros((1, 16), np.float32), np.zeros((n, 16), np.float32)
        x[0, 0], y[0, 0], y[7, 0] = 1, 2, 1.5
        at = start(x, y)
        still = Rates(step=0.0, bias=0.0, pull=0.0, bias_pull=0.0)
        ((_, _, rows),) = steps(
            made, at, 1, still, Search(most=12, longest=0), seed=0, number=number, samples=True
        )
        assert rows[0, 2] in (7, -1)
        missed += rows[0, 2] < 0
        trials.append(rows[0, 3])
    q = 0.1
    assert missed / 600 == pytest.approx((1 - q) ** 12, abs=0.08)
    assert np.mean(trials) == pytest.approx((1 - (1 - q) ** 12) / q, abs=0.6)


def test_the_hinge_is_the_slope_of_the_twin():
    """Numerical gradient in float64 of L |1 - s_i + s_j| with N fixed, against the twin's step where G is zero."""
    random = np.random.default_rng(1)
    at = {name: random.normal(size=part.shape) for name, part in begin().items()}
    for name in PARTS[3:]:
        at[name][:] = 0

    def loss(at):
        x, y, c = (at[name] for name in PARTS[:3])
        return slow.rank_loss(9 // 2) * (1 - x[2] @ y[3] - c[3] + x[2] @ y[5] + c[5])

    if loss(at) < 0:
        at["item_bias"][5] += 20
    moved = {name: part.copy() for name, part in at.items()}
    still = dict(unmet=np.full(USERS, 9), pull=0.0, bias_pull=0.0, longest=0.0)
    slow.learn([(2, 3, 5, 2)], moved, rate=1e-3, bias_rate=1e-3, **still)
    for name in PARTS[:3]:
        for place in np.ndindex(at[name].shape):
            ends = []
            for shift in (1e-5, -1e-5):
                tried = {**at, name: at[name].copy()}
                tried[name][place] += shift
                ends.append(loss(tried))
            slope = (ends[0] - ends[1]) / 2e-5
            assert (at[name] - moved[name])[place] == pytest.approx(1e-3 * slope, abs=1e-11)


def test_cells_give_the_same_bits_for_any_number_of_threads_and_a_race_for_one():
    made, _ = log(side=3)
    results = []
    for take, threads in ((epoch, 1), (epoch, 2), (epoch, 3), (race, 1), (race, 1)):
        set_threads(threads)
        at = begin()
        lost = [take(made, at, RANK, RATES, Search(most=5, longest=2.0), seed=1, number=n) for n in range(3)]
        results.append((lost, [at[name].tobytes() for name in PARTS]))
    set_threads(None)
    assert results[0] == results[1] == results[2]
    assert results[3] == results[4] != results[0]


def test_harmonic_numbers_and_the_twin():
    assert rank_losses(6)[6] == pytest.approx(slow.rank_loss(6))
    assert slow.first_violation(0.0, [-1, 0, 2]) == 3
    assert slow.first_violation(0.0, [-1]) is None
