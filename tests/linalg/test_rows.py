"""The rows' layout, and what all three solvers have in common."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.ridge_rows import exact, random_problem

import matweave.linalg.rows as rows_module
from matweave.linalg.rows import RowSystems, tile_rows
from matweave.linalg.rows_block import BlockDescent
from matweave.linalg.rows_cg import ConjugateGradient
from matweave.linalg.rows_cholesky import Cholesky
from matweave.linalg.vectors import Vectors
from matweave.threads import set_threads

SOLVERS = [ConjugateGradient(steps=3), Cholesky(), BlockDescent(size=16)]


def systems_of(p, weights=None, targets=None):
    return RowSystems(
        p.indptr,
        p.indices,
        len(p.other),
        weights=p.weights if weights is None else weights,
        targets=p.targets if targets is None else targets,
    )


def test_padding_points_at_the_zero_row_and_weighs_nothing():
    s = RowSystems(
        np.array([0, 1, 1, 6]),
        np.array([2, 0, 1, 2, 3, 4]),
        5,
        weights=np.full(6, 2.0),
        targets=np.arange(1.0, 7),
    )
    assert s.indptr.tolist() == [0, 4, 4, 12]
    assert s.indices.tolist() == [2, 5, 5, 5, 0, 1, 2, 3, 4, 5, 5, 5]
    assert s.a.tolist() == [2, 0, 0, 0, 2, 2, 2, 2, 2, 0, 0, 0]
    assert s.b.tolist() == [1, 0, 0, 0, 2, 3, 4, 5, 6, 0, 0, 0]
    assert s.mass.tolist() == [2, 0, 10]
    assert s.popular.tolist() == [1, 1, 2, 1, 1]
    assert s.order.tolist() == [2, 0, 1]
    assert sorted(i for low, high in s.pieces for i in range(low, high)) == [0, 1, 2]


def test_shifted_targets_and_their_squares():
    s = RowSystems(
        np.array([0, 2, 3]), np.array([0, 2, 1]), 3, weights=1.0, targets=np.array([1.0, 2.0, 3.0])
    )
    bias = np.array([10, 20, 30, 99], np.float32)  # the last belongs to padding
    shifted, squares = s.shifted(bias)
    assert shifted.tolist() == [-9, -28, 0, 0, -17, 0, 0, 0]
    assert squares == 9**2 + 28**2 + 17**2


def test_the_tile_holds_the_longest_row_up_to_its_limit(monkeypatch):
    s = systems_of(random_problem(0, longest=25))
    assert tile_rows(s, 32) == 28
    monkeypatch.setattr(rows_module, "_TILE", 32 * 9)
    assert tile_rows(s, 32) == 8


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_the_same_bits_for_any_number_of_threads(solver):
    p, found = random_problem(1, n=200), []
    try:
        for threads in (1, 2):
            set_threads(threads)
            own, other = Vectors.of(p.start), Vectors.of(p.other)
            value = solver.step(systems_of(p), other, own, ridge=p.ridge, shared=p.gram)
            found.append((own.array.copy(), value))
    finally:
        set_threads(None)
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_rows_in_another_order_and_columns_under_other_numbers(solver):
    p = random_problem(2)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(40), rng.permutation(30)
    parts = [np.arange(p.indptr[u], p.indptr[u + 1]) for u in rows]
    taken = np.concatenate(parts)
    moved = RowSystems(
        np.r_[0, np.cumsum([len(part) for part in parts])],
        columns[p.indices[taken]],
        30,
        weights=p.weights[taken],
        targets=p.targets[taken],
    )
    own, other = Vectors.of(p.start), Vectors.of(p.other)
    value = solver.step(systems_of(p), other, own, ridge=p.ridge, shared=p.gram)
    scores = own.array @ other.array.T
    own, other = Vectors.of(p.start[rows]), Vectors.of(p.other[np.argsort(columns)])
    again = solver.step(moved, other, own, ridge=p.ridge[rows], shared=p.gram)
    np.testing.assert_allclose((own.array @ other.array.T)[:, columns], scores[rows], atol=2e-4)
    assert again == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
def test_a_weight_of_two_is_the_entry_given_twice(solver):
    p = random_problem(3, unit_weights=True)
    twice = RowSystems(
        2 * p.indptr, np.repeat(p.indices, 2), 30, weights=1.0, targets=np.repeat(p.targets, 2)
    )
    once = systems_of(p, weights=np.full(len(p.indices), 2.0), targets=2 * p.targets)
    found = []
    for systems in (once, twice):
        own, other = Vectors.of(p.start), Vectors.of(p.other)
        value = solver.step(systems, other, own, ridge=p.ridge, shared=p.gram)
        found.append((own.array @ other.array.T, value))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=2e-4)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_solvers_agree_with_each_other_and_with_dense_solutions():
    p = random_problem(4)
    vectors, _, least = exact(p)
    for solver, times in ((ConjugateGradient(steps=40), 1), (Cholesky(), 1), (BlockDescent(size=16), 60)):
        own, other, value = Vectors.of(p.start), Vectors.of(p.other), np.inf
        for _ in range(times):
            value = solver.step(systems_of(p), other, own, ridge=p.ridge, shared=p.gram)
        np.testing.assert_allclose(own.array @ other.array.T, vectors @ p.other.T, atol=5e-4)
        assert value == pytest.approx(least, rel=1e-5)


SURE = [(ConjugateGradient(steps=60), 1), (Cholesky(), 1), (BlockDescent(size=16), 80)]


@pytest.mark.parametrize(("solver", "times"), SURE, ids=lambda s: type(s).__name__)
def test_a_pull_with_its_shared_part_is_what_dense_columns_are(solver, times):
    p, rng = random_problem(5), np.random.default_rng(5)
    columns, wanted, weight = rng.normal(size=(6, 20)), rng.normal(size=(40, 6)), 0.7
    parts, b = np.split(p.indices, p.indptr[1:-1]), np.split(p.targets, p.indptr[1:-1])
    a = np.split(p.weights, p.indptr[1:-1])
    dense = RowSystems(
        p.indptr + 6 * np.arange(41),
        np.concatenate([np.r_[part, 30:36] for part in parts]),
        36,
        weights=np.concatenate([np.r_[part, np.full(6, weight)] for part in a]),
        targets=np.concatenate([np.r_[part, weight * row] for part, row in zip(b, wanted, strict=True)]),
    )
    own, other = Vectors(40, 20), Vectors.of(np.vstack([p.other, columns]))
    least = Cholesky().step(dense, other, own, ridge=p.ridge, shared=p.gram)
    pull, value = weight * wanted @ columns, np.inf
    mine, others = Vectors.of(p.start), Vectors.of(p.other)
    for _ in range(times):
        value = solver.step(
            systems_of(p),
            others,
            mine,
            ridge=p.ridge,
            shared=p.gram + weight * columns.T @ columns,
            pull=Vectors.of(pull),
        )
    np.testing.assert_allclose(mine.array @ others.array.T, own.array @ p.other.T, atol=5e-4)
    assert value == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("solver", [s for s, _ in SURE[:2]], ids=lambda s: type(s).__name__)
def test_a_pull_beside_biases(solver):
    p, rng = random_problem(6, unit_weights=True), np.random.default_rng(6)
    columns, pull = rng.normal(size=(6, 20)), rng.normal(size=(40, 20))
    shared = 0.7 * columns.T @ columns
    other, own = Vectors.of(p.other, p.other_bias), Vectors(40, 20, biased=True)
    systems = RowSystems(p.indptr, p.indices, 30, weights=1.0, targets=p.targets)
    value = solver.step(
        systems,
        other,
        own,
        ridge=p.ridge,
        shared=shared,
        bias_ridge=p.bias_ridge,
        pull=Vectors.of(pull),
    )
    least, scores = 0.0, np.empty((40, 30))
    for u in range(40):
        cut = slice(p.indptr[u], p.indptr[u + 1])
        design = np.column_stack([p.other[p.indices[cut]], np.ones(cut.stop - cut.start)])
        b = p.targets[cut] - p.other_bias[p.indices[cut]]
        matrix = design.T @ design + np.diag([*[p.ridge[u]] * 20, p.bias_ridge[u]])
        matrix[:20, :20] += shared
        right = design.T @ b + np.append(pull[u], 0)
        x = np.linalg.solve(matrix, right)
        least += float(b @ b - x @ right)
        scores[u] = p.other @ x[:20] + x[20]
    assert own.bias is not None
    np.testing.assert_allclose(own.array @ other.array.T + own.bias[:-1, None], scores, atol=1e-3)
    assert value == pytest.approx(least, rel=1e-4)
