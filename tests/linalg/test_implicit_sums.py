import numpy as np
import pytest
from by_hand import svdpp as slow

from matweave.linalg import implicit_sums as fast
from matweave.linalg.waves import cut_waves
from matweave.randomness import child
from matweave.threads import set_threads

N_USERS, N_ITEMS, RANK = 12, 9, 3
WEIGHT = fast.Penalties(factors=0.05, bias=0.02, implicit=0.3)
RATES = fast.Rates(factors=0.03, bias=0.02, implicit=0.01)


def log(wave: int, side: int = 2):
    random = np.random.default_rng(4)
    users, items = np.nonzero(random.random((N_USERS, N_ITEMS)) < 0.6)
    values = random.standard_normal(len(users)).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=N_USERS))])
    return cut_waves(indptr, items, values, n_items=N_ITEMS, seed=1, wave=wave, side=side)


def parameters() -> fast.Parameters:
    random = np.random.default_rng(5)

    def drawn(n: int, columns: int, rank: int) -> np.ndarray:
        out = np.zeros((n, columns), np.float32)
        out[:, :rank] = 0.5 * random.standard_normal((n, rank))
        return out

    bias = [drawn(n, 1, 1)[:, 0] for n in (N_USERS, N_ITEMS)]
    return fast.Parameters(
        user_bias=bias[0], item_bias=bias[1], user_factors=drawn(N_USERS, 16, RANK),
        item_factors=drawn(N_ITEMS, 16, RANK), implicit_factors=drawn(N_ITEMS, 16, RANK),
    )  # fmt: skip


def by_hand(at: fast.Parameters) -> list[np.ndarray]:
    return [a.astype(np.float64)[..., : RANK if a.ndim == 2 else None] for a in at.arrays().values()]


def lists(cut) -> list[list[tuple[int, float]]]:
    """The log of the slow twin: users by place."""
    bounds = zip(cut.indptr, cut.indptr[1:], strict=False)
    return [list(zip(cut.indices[a:b].tolist(), cut.ratings[a:b].tolist(), strict=True)) for a, b in bounds]


def order_of(cut, wave: int, shifts, forward: bool):
    for shift in shifts:
        for a in range(cut.side):
            block = (wave * cut.side + a) * cut.side + (a + shift) % cut.side
            rows = range(cut.starts[block], cut.starts[block + 1])
            for t in rows if forward else reversed(rows):
                yield int(cut.users[t]), int(cut.items[t]), float(cut.values[t])


@pytest.mark.parametrize(("wave", "number"), [(1000, 0), (20, 0), (20, 1), (1, 1)])
def test_an_epoch_is_that_of_the_slow_twin(wave: int, number: int) -> None:
    cut, at = log(wave), parameters()
    b, c, x, y, z = by_hand(at)
    fast.epoch(cut, at, WEIGHT, RATES, seed=6, number=number)
    random = child(6, "implicit_sums", "epoch", number)
    for w in random.permutation(len(cut.waves)):
        one = cut.waves[w]
        if one.first == one.last:
            continue
        order = list(order_of(cut, w, random.permutation(cut.side), number % 2 == 0))
        slow.wave(
            order, lists(cut), range(one.first, one.last), b, c, x, y, z,
            rate=0.03, bias_rate=0.02, implicit_rate=0.01, penalties=(0.05, 0.02, 0.3),
        )  # fmt: skip
    for found, wanted in zip(by_hand(at), (b, c, x, y, z), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert not at.item_factors[:, RANK:].any()


def test_the_gathered_step_is_the_papers_to_first_order() -> None:
    """Halving the rate divides the distance between the two by four; the moves themselves only by two."""
    cut = log(1000)
    order, far, moved = list(order_of(cut, 0, range(cut.side), True)), [], []
    for size in (1e-3, 5e-4):
        steps = {"rate": size, "bias_rate": size, "implicit_rate": size, "penalties": (0.05, 0.02, 0.3)}
        gathered, paper = by_hand(parameters()), by_hand(parameters())
        slow.wave(order, lists(cut), range(N_USERS), *gathered, **steps)
        slow.paper_pass(order, lists(cut), *paper, **steps)
        far.append(max(np.abs(a - b).max() for a, b in zip(gathered, paper, strict=True)))
        moved.append(max(np.abs(a - b).max() for a, b in zip(gathered, by_hand(parameters()), strict=True)))
    assert moved[0] / moved[1] == pytest.approx(2, rel=0.05)
    assert far[0] / far[1] == pytest.approx(4, rel=0.05)
    assert far[0] < 0.05 * moved[0]


def test_the_objective_is_that_of_the_slow_twin() -> None:
    cut, at = log(20), parameters()
    assert fast.objective(cut, at, WEIGHT) == pytest.approx(
        slow.objective(lists(cut), *by_hand(at), 0.05, 0.02, 0.3), rel=1e-6
    )


def test_the_slow_step_goes_along_the_numerical_gradient() -> None:
    """-½ ∂J/∂θ in float64, all users in one wave and no step within it: a rate of nearly nothing."""
    cut, tiny = log(1000), 1e-7
    start, order = by_hand(parameters()), list(order_of(log(1000), 0, range(2), True))
    now = [a.copy() for a in start]
    slow.wave(
        order, lists(cut), range(N_USERS), *now,
        rate=tiny, bias_rate=tiny, implicit_rate=tiny, penalties=(0.05, 0.02, 0.3),
    )  # fmt: skip
    for part, (old, new) in enumerate(zip(start, now, strict=True)):
        for place in ([*np.ndindex(old.shape)])[::5]:
            step = []
            for move in (1e-5, -1e-5):
                moved = [a.copy() for a in start]
                moved[part][place] += move
                step.append(slow.objective(lists(cut), *moved, 0.05, 0.02, 0.3))
            gradient = (step[0] - step[1]) / 2e-5
            assert (new - old)[place] / tiny == pytest.approx(-0.5 * gradient, abs=1e-4)


def test_same_bits_for_any_number_of_threads() -> None:
    made = []
    for count in (1, 2, 3):
        set_threads(count)
        cut, at = log(15, side=3), parameters()
        for number in range(3):
            fast.epoch(cut, at, WEIGHT, RATES, seed=0, number=number)
        made.append((b"".join(a.tobytes() for a in at.arrays().values()), fast.objective(cut, at, WEIGHT)))
    set_threads(None)
    assert made[0] == made[1] == made[2]


def test_sums_over_histories() -> None:
    cut, at = log(20), parameters()
    found = fast.history_sums(cut.indptr, cut.indices, at.implicit_factors)
    z = at.implicit_factors.astype(np.float64)
    wanted = [slow.history_sum([j for j, _ in mine], z) for mine in lists(cut)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert not fast.history_sums(np.array([0, 0]), np.array([], np.int32), at.implicit_factors).any()
