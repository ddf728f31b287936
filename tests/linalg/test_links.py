import numpy as np
import pytest
import scipy.sparse as sp

from matweave.linalg.links import EigenLink, NoiseLink, link, strength
from matweave.threads import set_threads


def truth(design, rows, precision, strength):
    gram = design.T @ design + strength * np.eye(design.shape[1])
    return np.linalg.solve(gram, design.T @ rows), np.linalg.inv(gram), np.linalg.inv(precision)


def setting(shape, seed=0):
    random = np.random.default_rng(seed)
    design = random.standard_normal(shape) * (random.random(shape) < 0.6)
    rows = random.standard_normal((shape[0], 2)).astype(np.float32)
    root = np.array([[2.0, 0.0], [0.7, 1.0]])
    return design, rows, root


MANY = 600


@pytest.mark.parametrize("kind", [EigenLink, NoiseLink])
@pytest.mark.parametrize("shape", [(9, 3), (3, 5)])
def test_draws_have_the_mean_and_covariance_of_the_posterior(kind, shape):
    """Many draws at once: columns in pairs, each pair with the same rows and precision."""
    design, rows, root = setting(shape)
    made, inverse = kind(sp.csr_array(design)), np.linalg.inv(root)
    random = Paired(np.random.default_rng(1), inverse)
    state = made.draw(random, np.tile(rows, MANY), np.eye(2 * MANY, dtype=np.float32), 0.8)
    draws = made.effect(state).reshape(shape[0], MANY, 2).transpose(1, 0, 2)
    mean, between, columns = truth(design, rows, root @ root.T, 0.8)
    np.testing.assert_allclose(draws.mean(axis=0), design @ mean, atol=0.1)
    seen = design @ between @ design.T
    np.testing.assert_allclose(np.cov(draws.reshape(MANY, -1).T), np.kron(seen, columns), atol=0.15)


class Paired:
    """A generator whose rows of normals come in pairs of columns with the covariance Λ⁻¹, so that the root may be 1."""

    def __init__(self, random, inverse):
        self.random, self.inverse = random, inverse

    def standard_normal(self, shape, dtype=np.float64):
        drawn = self.random.standard_normal((shape[0], shape[1] // 2, 2)) @ self.inverse
        return drawn.reshape(shape).astype(dtype)


@pytest.mark.parametrize("shape", [(9, 3), (3, 5)])
def test_weights_say_what_the_effect_says_and_are_least_where_rows_do_not_reach(shape):
    design, rows, root = setting(shape, 2)
    for made in (EigenLink(design), NoiseLink(sp.csr_array(design))):
        state = made.draw(np.random.default_rng(3), rows, root, 0.5)
        np.testing.assert_allclose(design @ made.weights(state), made.effect(state), atol=1e-4)
        assert made.weights(state).shape == (made.features, 2)
    eigen = EigenLink(design)
    weights = eigen.weights(eigen.draw(np.random.default_rng(3), rows, root, 0.5))
    np.testing.assert_allclose(np.linalg.pinv(design) @ design @ weights, weights, atol=1e-4)
    assert eigen.size == min(shape)


def test_dense_and_sparse_designs_are_the_same_and_size_chooses_the_way():
    design, rows, root = setting((30, 6), 4)
    dense, sparse = (link(d) for d in (design, sp.csr_array(design)))
    a, b = (one.effect(one.draw(np.random.default_rng(0), rows, root, 1.0)) for one in (dense, sparse))
    np.testing.assert_allclose(np.abs(a - b).max(), 0, atol=1e-4)
    assert isinstance(link(design, decomposed=5), NoiseLink)


def test_columns_that_repeat_leave_the_directions_that_rows_show():
    design = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert EigenLink(design).size == 1
    nothing = EigenLink(np.zeros((3, 2)))
    rows = np.ones((3, 2), np.float32)
    assert not nothing.effect(nothing.draw(np.random.default_rng(0), rows, np.eye(2), 1.0)).any()
    assert nothing.size == 0


def test_the_strength_has_its_gamma_distribution():
    state = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
    root = np.array([[1.0, 0.0], [0.3, 0.5]])
    random = np.random.default_rng(1)
    draws = [strength(random, state, root) for _ in range(4000)]
    shape, rate = 1 + 20, 1 + np.trace(state @ root @ root.T @ state.T) / 2
    assert np.mean(draws) == pytest.approx(shape / rate, rel=0.02)
    assert np.var(draws) == pytest.approx(shape / rate**2, rel=0.1)


@pytest.mark.parametrize("kind", [EigenLink, NoiseLink])
def test_the_same_bits_for_any_number_of_threads(kind):
    random = np.random.default_rng(6)
    design = sp.csr_array(random.random((3000, 20)) * (random.random((3000, 20)) < 0.1))
    rows = random.standard_normal((3000, 3)).astype(np.float32)
    found = []
    for count in (1, 2):
        set_threads(count)
        made = kind(design)
        state = made.draw(np.random.default_rng(0), rows, np.eye(3), 1.0)
        found.append(made.effect(state).tobytes() + made.weights(state).tobytes())
    set_threads(None)
    assert found[0] == found[1]
