import numpy as np
import pytest

from matweave.linalg.gibbs import draw_rows
from matweave.linalg.rows import RowSystems
from matweave.linalg.vectors import Vectors
from matweave.threads import set_threads


def problem(seed, rank, rows=12, columns=30):
    random = np.random.default_rng(seed)
    there = random.random((rows, columns)) < 0.4
    there[0] = False  # a row without values
    row, column = np.nonzero(there)
    values = random.standard_normal(len(row))
    indptr = np.searchsorted(row, np.arange(rows + 1))
    systems = RowSystems(indptr, column.astype(np.int32), columns, weights=1.0, targets=values)
    other = Vectors.of(random.standard_normal((columns, rank)), random.standard_normal(columns))
    root = random.standard_normal((rank + 1, rank + 1))
    precision = root @ root.T + np.eye(rank + 1)
    means = random.standard_normal((rows, rank + 1))
    return systems, other, precision, means, (row, column, values)


def by_hand(other, precision, means, entries, noise_precision, row):
    """Mean and precision of one row."""
    at, columns, values = entries
    mine = at == row
    design = np.concatenate([other.array[columns[mine]], np.ones((mine.sum(), 1))], axis=1).astype(np.float64)
    total = precision + noise_precision * design.T @ design
    right = precision @ means[row] + noise_precision * design.T @ (values[mine] - other.bias[columns[mine]])
    return np.linalg.solve(total, right), total, design


@pytest.mark.parametrize("rank", [1, 5, 16])
def test_each_draw_is_the_mean_and_the_root_of_the_covariance_times_the_normals(rank):
    systems, other, precision, means, entries = problem(rank, rank)
    normals = np.random.default_rng(1).standard_normal((12, rank + 1)).astype(np.float32)
    own = Vectors(12, rank, biased=True)
    errors = draw_rows(
        systems, other, own, precision=precision, noise_precision=2.5, means=means, normals=normals
    )
    expected = 0.0
    for row in range(12):
        mean, total, design = by_hand(other, precision, means, entries, 2.5, row)
        wanted = mean + np.linalg.solve(np.linalg.cholesky(total).T, normals[row])
        found = np.append(own.array[row], own.bias[row])
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
        mine = entries[0] == row
        expected += np.sum((entries[2][mine] - other.bias[entries[1][mine]] - design @ wanted) ** 2)
    assert errors == pytest.approx(expected, rel=1e-4)
    assert not own.data[:, rank:].any()


def test_without_normals_it_is_the_conditional_mean_and_one_mean_may_serve_all():
    systems, other, precision, means, entries = problem(7, 3)
    own, one = Vectors(12, 3, biased=True), np.broadcast_to(means[4], means.shape)
    draw_rows(systems, other, own, precision=precision, noise_precision=0.7, means=means[4], normals=None)
    for row in range(12):
        wanted = by_hand(other, precision, one, entries, 0.7, row)[0]
        np.testing.assert_allclose(np.append(own.array[row], own.bias[row]), wanted, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(own.array[0], means[4, :3], rtol=1e-4)  # nothing seen: the prior's mean


def test_many_draws_have_the_covariance_of_the_posterior():
    columns, n = np.array([0, 2, 3], np.int32), 20_000
    other = Vectors.of(np.random.default_rng(0).standard_normal((4, 2)), np.zeros(4))
    systems = RowSystems(
        3 * np.arange(n + 1), np.tile(columns, n), 4, weights=1.0, targets=np.tile([1.0, -1.0, 0.5], n)
    )
    own = Vectors(n, 2, biased=True)
    normals = np.random.default_rng(5).standard_normal((n, 3), np.float32)
    draw_rows(
        systems, other, own, precision=np.eye(3), noise_precision=1.5, means=np.zeros(3), normals=normals
    )
    rows = np.concatenate([own.array, own.bias[:-1, None]], axis=1)
    design = np.concatenate([other.array[columns], np.ones((3, 1))], axis=1)
    covariance = np.linalg.inv(np.eye(3) + 1.5 * design.T @ design)
    np.testing.assert_allclose(np.cov(rows.T), covariance, atol=0.012)
    np.testing.assert_allclose(
        rows.mean(axis=0), covariance @ (1.5 * design.T @ [1.0, -1.0, 0.5]), atol=0.012
    )


def test_the_same_bits_for_any_number_of_threads():
    systems, other, precision, means, _ = problem(3, 4, rows=200)
    normals, found = np.random.default_rng(2).standard_normal((200, 5)), []
    for count in (1, 2, 3):
        set_threads(count)
        own = Vectors(200, 4, biased=True)
        errors = draw_rows(
            systems, other, own, precision=precision, noise_precision=1.0, means=means, normals=normals
        )
        found.append((own.data.tobytes(), own.bias.tobytes(), errors))
    set_threads(None)
    assert len(set(found)) == 1


def test_no_rows_and_no_columns_are_no_trouble():
    empty = RowSystems(np.zeros(3, int), np.zeros(0, np.int32), 0, weights=1.0, targets=np.zeros(0))
    own = Vectors(2, 1, biased=True)
    given = {"precision": np.eye(2), "noise_precision": 1.0, "means": np.array([3.0, 4.0]), "normals": None}
    assert draw_rows(empty, Vectors(0, 1, biased=True), own, **given) == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(np.append(own.array[1], own.bias[1]), [3.0, 4.0])
