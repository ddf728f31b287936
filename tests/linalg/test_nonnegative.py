import itertools

import numpy as np
import pytest
from by_hand import nmf as slow
from scipy.optimize import nnls

from matweave.data.csr import Csr
from matweave.linalg.nonnegative import LOSSES, MISSING, SOLVERS, HalfStep, drawn
from matweave.threads import set_threads

N, M, RANK = 14, 11, 3
ALL = list(itertools.product(LOSSES, SOLVERS, MISSING))


def table(seed=0):
    """A table with whole values 1 to 5, about half of its cells."""
    random = np.random.default_rng(seed)
    x = np.where(random.random((N, M)) < 0.5, random.integers(1, 6, (N, M)), 0).astype(float)
    x[3], x[:, 2] = 0, 0  # a row and a column without entries
    return x, Csr.from_scipy(x)


def sides(seed=1):
    return drawn(N, RANK, size=1.0, seed=seed, name="a"), drawn(M, RANK, size=1.0, seed=seed, name="b")


def whole(how, x, rows, columns, own, other, value):
    """The objective of both sides from what a half-step answers."""
    return value + how.constant(rows.weights()) + how.penalty(other, columns.counts)


@pytest.mark.parametrize(("loss", "solver", "missing"), ALL)
@pytest.mark.parametrize(("first", "second", "sweeps"), [(0.0, 0.0, 1), (0.05, 0.1, 3)])
def test_a_half_step_is_that_of_the_slow_twin(loss, solver, missing, first, second, sweeps) -> None:
    x, rows = table()
    own, other = sides()
    f, mine = other[:, :RANK].astype(np.float64), own[:, :RANK].astype(np.float64)
    cells = np.ones_like(x, bool) if missing == "zeros" else x > 0
    scale = (x > 0).sum(axis=1) if missing == "masked" else np.ones(N)
    how = HalfStep(loss=loss, solver=solver, missing=missing, first=first, second=second, sweeps=sweeps)
    value = how.step(rows.indptr, rows.indices, rows.weights(), other, own)
    slow.half_step(x, mine, f, cells, loss, solver, first, second, scale, sweeps)
    np.testing.assert_allclose(own[:, :RANK], mine, rtol=2e-4, atol=2e-5)
    assert not own[:, RANK:].any()
    safe = np.maximum(mine @ f.T, 1e-12)  # a row of zeros fits its empty row
    wanted = slow.divergence(x, safe, cells, loss) + slow.penalty(mine, first, second, scale)
    wanted += how.penalty(other, rows.transpose().counts)
    assert whole(how, x, rows, rows.transpose(), own, other, value) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("loss", "solver", "missing"), ALL)
@pytest.mark.parametrize("second", [0.0, 0.2])
def test_the_objective_never_rises(loss, solver, missing, second) -> None:
    x, rows = table(2)
    columns = rows.transpose()
    own, other = sides(3)
    how = HalfStep(loss=loss, solver=solver, missing=missing, first=0.01, second=second, sweeps=2)
    found = []
    for _ in range(40):
        value = how.step(columns.indptr, columns.indices, columns.weights(), own, other)
        found.append(whole(how, x, columns, rows, other, own, value))
        value = how.step(rows.indptr, rows.indices, rows.weights(), other, own)
        found.append(whole(how, x, rows, columns, own, other, value))
    assert (own >= 0).all()
    assert (other >= 0).all()
    assert np.diff(found).max() <= 2e-6 * abs(found[0])
    assert found[-1] < 0.8 * found[0]


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("start", [1e-4, 1.0, 300.0])
def test_no_newton_step_of_kl_raises_the_objective_however_far_it_starts(missing, start) -> None:
    _, rows = table(4)
    own, other = sides(5)
    own *= np.float32(start)
    how = HalfStep(loss="kl", missing=missing)
    found = [how.step(rows.indptr, rows.indices, rows.weights(), other, own) for _ in range(60)]
    assert np.diff(found).max() <= 1e-6 * max(np.abs(found))


def kkt(x, cells, own, f, loss, second):
    """The largest violation of the optimality conditions of the rows."""
    score = own @ f.T
    pull = (score - x) * cells if loss == "frobenius" else (1 - x / np.maximum(score, 1e-12)) * cells
    slope = pull @ f + second * own
    return max(np.abs(slope[own > 1e-5]).max(initial=0), -slope.min(initial=0))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("missing", MISSING)
def test_sweeps_to_a_tolerance_end_at_the_minimum_of_each_row(loss, missing) -> None:
    x, rows = table(6)
    own, other = sides(7)
    how = HalfStep(loss=loss, missing=missing, second=0.1, sweeps=5000, tolerance=1e-7)
    how.step(rows.indptr, rows.indices, rows.weights(), other, own)
    cells = np.ones_like(x, bool) if missing == "zeros" else x > 0
    scale = np.ones((N, 1)) if missing == "zeros" else cells.sum(axis=1, keepdims=True)
    mine, f = own[:, :RANK].astype(np.float64), other[:, :RANK].astype(np.float64)
    assert kkt(x, cells, mine, f, loss, 0.1 * scale) < 2e-4
    if loss == "frobenius":
        for u in range(N):
            design = np.vstack([f * cells[u][:, None], np.sqrt(0.1 * scale[u % len(scale)]) * np.eye(RANK)])
            wanted = nnls(design, np.concatenate([x[u] * cells[u], np.zeros(RANK)]))[0]
            np.testing.assert_allclose(mine[u], wanted, atol=2e-4)


@pytest.mark.parametrize(("loss", "solver", "missing"), ALL)
def test_same_bits_for_any_number_of_threads(loss, solver, missing) -> None:
    _, rows = table(8)
    made = []
    for count in (1, 2, 3):
        set_threads(count)
        own, other = sides(9)
        value = HalfStep(loss=loss, solver=solver, missing=missing, sweeps=2).step(
            rows.indptr, rows.indices, rows.weights(), other, own
        )
        made.append((own.tobytes(), value))
    set_threads(None)
    assert made[0] == made[1] == made[2]
