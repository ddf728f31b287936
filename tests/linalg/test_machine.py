"""Coordinate steps over blocks against a machine over the whole design matrix; errors kept up to date; any threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from by_hand.machine import factor_step, linear_step, predict

from matweave.linalg.machine import MachineSide, Normals, errors_of
from matweave.threads import set_threads

USERS, ITEMS, RANK = 7, 5, 2
RNG = np.random.default_rng(4)
TABLE = sp.csr_array(RNG.random((USERS, ITEMS)) < 0.6)
DESIGNS = [  # features x ids: two levels and a measure; one level
    np.vstack([RNG.random((2, USERS)) < 0.5, RNG.standard_normal((1, USERS))]).astype(np.float32),
    (RNG.random((1, ITEMS)) < 0.5).astype(np.float32),
]
BY_ITEM = sp.csr_array(TABLE.T)
U, J = TABLE.nonzero()
Y = RNG.standard_normal(TABLE.nnz)
W0 = 0.3


def whole() -> np.ndarray:
    """The design matrix: user ids, user features, item ids, item features."""
    parts = [np.eye(USERS)[U], DESIGNS[0].T[U], np.eye(ITEMS)[J], DESIGNS[1].T[J]]
    return np.concatenate(parts, axis=1).astype(np.float64)


def sides() -> list[MachineSide]:
    place = (
        sp.csr_array((np.arange(TABLE.nnz), TABLE.indices, TABLE.indptr), shape=TABLE.shape).T.tocsr().data
    )
    return [
        MachineSide(TABLE, np.arange(TABLE.nnz), sp.csr_array(DESIGNS[0])),
        MachineSide(BY_ITEM, place, sp.csr_array(DESIGNS[1])),
    ]


def normals(side: int, rng: np.random.Generator, *, draw: bool) -> Normals:
    n, d = (USERS, ITEMS)[side], len(DESIGNS[side])
    scale = 1.0 if draw else 0.0
    return Normals(
        own_mean=rng.standard_normal(n), own_strength=rng.random(n) + 0.5, own_noise=scale * rng.standard_normal(n),
        mean=rng.standard_normal(d), strength=rng.random(d) + 0.5, noise=scale * rng.standard_normal(d),
    )  # fmt: skip


@pytest.mark.parametrize("draw", [False, True], ids=["minimum", "draw"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_sweep_is_the_coordinates_one_after_another(draw: bool, threads: int) -> None:
    set_threads(threads)
    z, alpha = whole(), 0.7
    p = z.shape[1]
    starts = np.cumsum([0, USERS, len(DESIGNS[0]), ITEMS])
    rng = np.random.default_rng(9)
    w, v = rng.standard_normal(p), rng.standard_normal((p, RANK))
    both = sides()
    parts = [(w[a : a + n].copy(), v[a : a + n].T.copy())
             for a, n in zip(starts, (USERS, len(DESIGNS[0]), ITEMS, len(DESIGNS[1])), strict=True)]  # fmt: skip
    linear = [both[s].design.T @ parts[2 * s + 1][0] + parts[2 * s][0] for s in (0, 1)]
    sums = [both[s].sums(parts[2 * s][1], parts[2 * s + 1][1]) for s in (0, 1)]
    within = [0.5 * (a * a - q).sum(axis=0) for a, q in sums]
    errors = errors_of(TABLE, Y - W0, sums[0][0], sums[1][0], linear[0] + within[0], linear[1] + within[1])
    np.testing.assert_allclose(errors, Y - predict(z, W0, w, v), atol=1e-12)
    for s in (0, 1):
        given, first, second = normals(s, rng, draw=draw), starts[2 * s], starts[2 * s + 1]
        both[s].linear(errors, linear[s], parts[2 * s][0], parts[2 * s + 1][0], alpha, given)
        for i in range((USERS, ITEMS)[s]):
            linear_step(
                z, Y, W0, w, v, first + i, given.own_mean[i], given.own_strength[i], alpha, given.own_noise[i]
            )
        for i in range(len(DESIGNS[s])):
            linear_step(z, Y, W0, w, v, second + i, given.mean[i], given.strength[i], alpha, given.noise[i])
    for f in range(RANK):
        for s in (0, 1):
            given, first, second = normals(s, rng, draw=draw), starts[2 * s], starts[2 * s + 1]
            a, q = sums[s][0][f], sums[s][1][f]
            both[s].factor(
                errors, a, q, parts[2 * s][1][f], parts[2 * s + 1][1][f], sums[1 - s][0][f], alpha, given
            )
            for i in range((USERS, ITEMS)[s]):
                factor_step(
                    z,
                    Y,
                    W0,
                    w,
                    v,
                    first + i,
                    f,
                    given.own_mean[i],
                    given.own_strength[i],
                    alpha,
                    given.own_noise[i],
                )
            for i in range(len(DESIGNS[s])):
                factor_step(
                    z, Y, W0, w, v, second + i, f, given.mean[i], given.strength[i], alpha, given.noise[i]
                )
    set_threads(None)
    for at, (mine_w, mine_v) in enumerate(parts):
        cut = slice(starts[at], starts[at] + len(mine_w))
        np.testing.assert_allclose(mine_w, w[cut], atol=1e-9)
        np.testing.assert_allclose(mine_v.T, v[cut], atol=1e-9)
    np.testing.assert_allclose(errors, Y - predict(z, W0, w, v), atol=1e-9)
    for s in (0, 1):  # the kept sums are those of the coordinates
        a, q = both[s].sums(parts[2 * s][1], parts[2 * s + 1][1])
        np.testing.assert_allclose(sums[s][0], a, atol=1e-9)
        np.testing.assert_allclose(sums[s][1], q, atol=1e-9)


def test_what_nothing_is_known_of_stays() -> None:
    """No rows and no strength: the coordinate has no equation."""
    side = MachineSide(sp.csr_array((2, 3)), np.zeros(0), sp.csr_array(np.ones((1, 2))))
    zeros = Normals(own_mean=np.zeros(2), own_strength=np.zeros(2), own_noise=np.ones(2),
                    mean=np.zeros(1), strength=np.zeros(1), noise=np.ones(1))  # fmt: skip
    l, own, shared = np.zeros(2), np.array([1.0, 2.0]), np.array([3.0])
    side.linear(np.zeros(0), l, own, shared, 1.0, zeros)
    side.factor(np.zeros(0), np.ones(2), np.ones(2), own, shared, np.zeros(3), 1.0, zeros)
    assert (own.tolist(), shared.tolist()) == ([1.0, 2.0], [3.0])
    assert side.weights.tolist() == [0.0]
