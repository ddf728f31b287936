import numpy as np
import pytest

from matweave.linalg.wishart import NormalWishart, moments, wishart
from matweave.threads import set_threads


def test_moments_are_those_of_numpy_for_any_number_of_threads():
    rows = np.random.default_rng(0).normal(3.0, 2.0, (10_000, 3)).astype(np.float32)
    found = []
    for count in (1, 2):
        set_threads(count)
        found.append(moments(rows))
    set_threads(None)
    wide = rows.astype(np.float64)
    np.testing.assert_allclose(found[0].mean, wide.mean(axis=0))
    np.testing.assert_allclose(found[0].scatter, np.cov(wide.T, bias=True) * 10_000, rtol=1e-9)
    assert found[0].scatter.tobytes() == found[1].scatter.tobytes()


def test_wishart_draws_have_its_mean_and_variance():
    inverse = np.array([[2.0, 0.5], [0.5, 1.0]])
    scale, freedom = np.linalg.inv(inverse), 5.0
    random, n = np.random.default_rng(1), 1500
    roots = [wishart(random, inverse, freedom) for _ in range(n)]
    draws = np.stack([root @ root.T for root in roots])
    np.testing.assert_allclose(draws.mean(axis=0), freedom * scale, rtol=0.08)
    variance = freedom * (scale**2 + np.outer(np.diag(scale), np.diag(scale)))
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.2)


def test_the_posterior_lies_where_the_formula_says():
    rows = np.random.default_rng(2).normal(1.0, 0.5, (40, 2))
    of, prior, random = moments(rows), NormalWishart(), np.random.default_rng(3)
    drawn = [prior.draw(random, of) for _ in range(1000)]
    means = np.stack([mean for mean, _ in drawn])
    precisions = np.stack([root @ root.T for _, root in drawn])
    inverse = np.eye(2) + of.scatter + 2 * 40 / 42 * np.outer(of.mean, of.mean)
    np.testing.assert_allclose(precisions.mean(axis=0), 42 * np.linalg.inv(inverse), atol=0.2)
    np.testing.assert_allclose(means.mean(axis=0), 40 / 42 * of.mean, atol=0.02)
    # marginally a t distribution with 42 - 1 degrees of freedom
    np.testing.assert_allclose(np.cov(means.T), inverse / 42 / (42 - 2 - 1), atol=0.004)


def test_other_normals_with_the_same_precision_count_too():
    of = moments(np.zeros((0, 1)))
    draws = [
        NormalWishart().draw(
            np.random.default_rng(s), of, more_scatter=np.array([[400.0]]), more_freedom=100
        )[1]
        for s in range(500)
    ]
    assert np.mean(np.square(draws)) == pytest.approx(101 / 401, rel=0.05)


def test_no_rows_leave_the_prior():
    mean, root = NormalWishart(strength=4.0).draw(np.random.default_rng(0), moments(np.zeros((0, 2))))
    assert np.isfinite(mean).all()
    assert np.isfinite(root).all()
