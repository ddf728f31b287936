import numpy as np
import pytest
import scipy.sparse as sp

from matweave.linalg.normal_priors import Histories, Priors, precisions
from matweave.linalg.rows import RowSystems
from matweave.linalg.vectors import Vectors

N, M, RANK = 30, 20, 4


def table(seed=0):
    random = np.random.default_rng(seed)
    dense = (random.random((N, M)) < 0.4) * random.standard_normal((N, M))
    dense[4] = 0
    return sp.csr_array(dense)


def test_rows_are_the_dense_solutions_and_the_answer_is_their_error() -> None:
    a, random = table(), np.random.default_rng(1)
    y, w = random.standard_normal((M, RANK)), random.standard_normal((N, RANK))
    prior = Priors(mean=random.standard_normal(RANK), ridge=random.gamma(2.0, size=RANK))
    systems = RowSystems(a.indptr, a.indices, M, weights=1.0, targets=a.data)
    own = Vectors(N, RANK)
    answer = prior.solve(systems, Vectors.of(y), own, w)
    error = 0.0
    for u in range(N):
        mine, r = y[a[[u]].indices], a[[u]].data
        centre = prior.mean + w[u]
        wanted = np.linalg.solve(mine.T @ mine + np.diag(prior.ridge), mine.T @ r + prior.ridge * centre)
        np.testing.assert_allclose(own.array[u], wanted, atol=1e-4)
        error += ((r - mine @ wanted) ** 2).sum()
    assert answer + (a.data**2).sum() == pytest.approx(error, rel=1e-4)
    away = ((own.array - prior.mean - w) ** 2).sum(axis=0)
    np.testing.assert_allclose(prior.deviations(own.array, w), away, rtol=1e-4)


def test_precisions_are_at_the_minimum() -> None:
    s, n, expected, strength = np.array([3.0, 40.0]), 25, 2.0, 7.0

    def value(lam: np.ndarray) -> np.ndarray:
        return 0.5 * (lam * s - n * np.log(lam) + strength * (lam / expected - np.log(lam)))

    found = precisions(s, n, expected=expected, strength=strength)
    for move in (0.99, 1.01):
        assert (value(found * move) > value(found)).all()


def test_histories_are_fitted_to_the_dense_solution_and_each_step_lowers_the_objective() -> None:
    a, random = table(2), np.random.default_rng(3)
    a.data[:] = 1
    turned = sp.csr_array(a.T)
    turned.sort_indices()
    found = Histories((a.indptr, a.indices), (turned.indptr, turned.indices))
    share = a.toarray() / np.maximum(1, a.toarray().sum(axis=1, keepdims=True))
    target, weights = random.standard_normal((N, RANK)).astype(np.float32), random.gamma(2.0, size=RANK)
    start = random.standard_normal((M, RANK)).astype(np.float32)
    np.testing.assert_allclose(found.means(start), share @ start, atol=1e-5)

    def value(w: np.ndarray) -> np.ndarray:
        return weights * ((target - share @ w) ** 2).sum(axis=0) + 0.3 * (w.astype(float) ** 2).sum(axis=0)

    values = np.array([value(found.fit(start, target, weights, 0.3, steps)) for steps in range(8)])
    assert (np.diff(values, axis=0) <= 1e-5).all()
    best = found.fit(start, target, weights, 0.3, 100)
    for f in range(RANK):
        wanted = np.linalg.solve(
            weights[f] * share.T @ share + 0.3 * np.eye(M), weights[f] * share.T @ target[:, f]
        )
        np.testing.assert_allclose(best[:, f], wanted, atol=1e-4)
