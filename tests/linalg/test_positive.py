import numpy as np
import pytest

from matweave.errors import Diverged
from matweave.linalg.positive import ease_weights, invert_upper, mirror
from matweave.threads import set_threads


def positive(n, seed=0, dtype=np.float64):
    a = np.random.default_rng(seed).standard_normal((n, n + 5))
    return (a @ a.T / n + np.eye(n)).astype(dtype)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_inverse_times_matrix_is_the_identity(n, dtype, error):
    g = positive(n, dtype=dtype)
    p = np.triu(g)  # what lies below the diagonal is not read
    invert_upper(p)
    mirror(p)
    np.testing.assert_allclose(p @ g, np.eye(n), atol=error * n)


def test_inverse_of_a_fortran_array_is_also_in_place():
    g = positive(40)
    p = np.asfortranarray(g)
    invert_upper(p)
    np.testing.assert_allclose(np.triu(p), np.triu(np.linalg.inv(g)), atol=1e-12)


@pytest.mark.parametrize(
    "bad", [np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros((3, 3)), np.full((2, 2), np.nan)]
)
def test_what_is_not_positive_definite_is_refused(bad):
    with pytest.raises(Diverged, match="not positive definite") as caught:
        invert_upper(bad.copy())
    assert caught.value.mend == "raise regularization"


def test_an_empty_matrix_is_its_own_inverse():
    nothing = np.zeros((0, 0))
    invert_upper(nothing)
    assert nothing.shape == (0, 0)


def test_weights_of_ease_from_the_triangle():
    g = positive(130)
    p = np.linalg.inv(g)
    expected = -p / np.diag(p)[None, :]
    np.fill_diagonal(expected, 0)
    got = np.triu(p)
    diagonal = ease_weights(got)
    np.testing.assert_allclose(got, expected, atol=1e-14)
    np.testing.assert_allclose(diagonal, np.diag(p))


def test_spreading_is_the_same_for_any_number_of_threads():
    g = positive(300, dtype=np.float32)
    results = []
    for count in (1, 3):
        set_threads(count)
        p = np.triu(g)
        mirror(p)
        results.append(p)
    set_threads(None)
    assert np.array_equal(results[0], g)
    assert np.array_equal(results[0], results[1])
