"""A step is the gradient of the row's part of the objective, by differences of the whole-matrix machine."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from by_hand.machine import predict

from matweave.linalg.machine_sgd import SideWeights, sgd_epoch

USERS, ITEMS, RANK = 4, 3, 2
DESIGNS = (
    sp.csr_array(np.array([[1, 0.5], [0, -1.0], [0, 0], [1, 2.0]])),
    sp.csr_array(np.array([[1.0], [0.0], [1.0]])),
)


def made(seed: int) -> tuple[np.ndarray, tuple[SideWeights, SideWeights]]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(1), tuple(
        SideWeights(
            own_linear=rng.standard_normal(n), own=rng.standard_normal((n, RANK)),
            linear=rng.standard_normal(d), shared=rng.standard_normal((d, RANK)),
        )
        for n, d in ((USERS, 2), (ITEMS, 1))
    )  # type: ignore[return-value]  # fmt: skip


def flat(w0: np.ndarray, sides: tuple[SideWeights, SideWeights]) -> tuple[float, np.ndarray, np.ndarray]:
    w = np.concatenate([part for s in sides for part in (s.own_linear, s.linear)])
    v = np.concatenate([part for s in sides for part in (s.own, s.shared)])
    return float(w0[0]), w, v


def row(u: int, j: int) -> np.ndarray:
    return np.concatenate(
        [np.eye(USERS)[u], DESIGNS[0].toarray()[u], np.eye(ITEMS)[j], DESIGNS[1].toarray()[j]]
    )


def test_a_step_is_half_the_gradient() -> None:
    rate, pull, linear_pull, y, (u, j) = 1e-6, 0.3, 0.7, 1.4, (0, 2)
    z = row(u, j)
    w0, sides = made(5)
    before = flat(w0, sides)

    def loss(b: float, w: np.ndarray, v: np.ndarray) -> float:
        e = y - predict(z[None], b, w, v)[0]
        there = z != 0
        return e**2 + pull * (v[there] ** 2).sum() + linear_pull * (w[there] ** 2).sum()

    sgd_epoch(
        np.array([0]), np.array([u]), np.array([j]), np.array([y]), w0, sides, DESIGNS,
        rate=rate, regularization=pull, linear_regularization=linear_pull,
    )  # fmt: skip
    after, eps = flat(w0, sides), 1e-6
    for at in (1, 2):
        for place in np.ndindex(before[at].shape):
            moved = [np.array(part, copy=True) for part in before]
            moved[at][place] += eps
            up = loss(*moved)  # type: ignore[arg-type]
            moved[at][place] -= 2 * eps
            slope = (up - loss(*moved)) / (2 * eps)  # type: ignore[arg-type]
            np.testing.assert_allclose(
                (after[at][place] - before[at][place]) / rate, -slope / 2, rtol=1e-4, atol=1e-4
            )
    shift = (loss(before[0] + eps, *before[1:]) - loss(before[0] - eps, *before[1:])) / (2 * eps)
    np.testing.assert_allclose((after[0] - before[0]) / rate, -shift / 2, rtol=1e-4)


def test_rows_follow_one_another() -> None:
    users, items, y = np.array([0, 1, 2]), np.array([1, 0, 1]), np.array([1.0, -1.0, 0.5])
    (one, a), (two, b) = made(7), made(7)
    settings = {"rate": 0.05, "regularization": 0.01, "linear_regularization": 0.02}
    sgd_epoch(np.array([2, 0]), users, items, y, one, a, DESIGNS, **settings)
    for t in (2, 0):
        sgd_epoch(np.array([t]), users, items, y, two, b, DESIGNS, **settings)
    for got, wanted in zip(flat(one, a), flat(two, b), strict=True):
        np.testing.assert_array_equal(got, wanted)
