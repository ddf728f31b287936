"""Fold-in: the ridge row against a dense normal equation by hand, the projection against its product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from by_hand.gmf import row_objective

from matweave.data.csr import Csr
from matweave.errors import DataError
from matweave.factor.fold import FLOOR, LogisticFold, ProjectionFold, PropagationFold, RidgeFold
from matweave.threads import set_threads

ITEMS, RANK, USERS = 9, 3, 130
RNG = np.random.default_rng(5)
FACTORS = RNG.standard_normal((ITEMS, RANK)).astype(np.float32)
ITEM_BIAS = RNG.standard_normal(ITEMS).astype(np.float32)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_threads(None)


def model(biased: bool) -> Any:
    """What a fold reads of a model."""
    return SimpleNamespace(
        method="Toy",
        items=range(ITEMS),
        item_factors=FACTORS,
        mean=3.5 if biased else 0.0,
        item_bias=ITEM_BIAS if biased else None,
        user_bias=np.zeros(2, np.float32) if biased else None,
    )


def histories(values: bool = True) -> Csr:
    at = np.nonzero(RNG.random((USERS, ITEMS)) < 0.5)
    at = tuple(a[at[0] != 4] for a in at)  # row 4 is empty
    return Csr.from_pairs(*at, RNG.integers(1, 6, len(at[0])) if values else None, shape=(USERS, ITEMS))


def by_hand(fold: RidgeFold, log: Csr, m: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows (bias, factors) by the least squares of the stacked system [A; sqrt(penalty)] z = [r; 0], in float64."""
    table, seen = log.scipy().toarray().astype(np.float64), np.zeros((log.n_rows, ITEMS), bool)
    seen[np.repeat(np.arange(log.n_rows), log.counts), log.indices] = True
    biases, factors = np.zeros(log.n_rows), np.zeros((log.n_rows, RANK))
    biased = m.user_bias is not None
    for u in range(log.n_rows):
        js = np.flatnonzero(seen[u])
        if not len(js):
            continue
        scale = len(js) if fold.scale_by_count else 1
        residual = table[u, js] - m.mean - (m.item_bias[js].astype(float) if biased else 0.0)
        a = FACTORS[js].astype(float)
        penalty = [fold.regularization * scale] * RANK
        if biased:
            a, penalty = np.hstack([np.ones((len(js), 1)), a]), [fold.bias_regularization * scale, *penalty]
        stacked = np.vstack([a, np.diag(np.sqrt(penalty))])
        z = np.linalg.lstsq(stacked, np.concatenate([residual, np.zeros(len(penalty))]), rcond=None)[0]
        if biased:
            biases[u], z = z[0], z[1:]
        factors[u] = z
    return biases, factors


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
def test_ridge_is_the_stacked_least_squares(biased: bool, scaled: bool) -> None:
    fold = RidgeFold(regularization=0.3, bias_regularization=0.07, scale_by_count=scaled)
    log = histories()
    found, (biases, factors) = fold.solve(log, model(biased)), by_hand(fold, log, model(biased))
    np.testing.assert_allclose(found.factors, factors, rtol=2e-5, atol=1e-6)
    assert found.factors.dtype == np.float32
    assert not found.factors[4].any()
    if biased:
        assert found.bias is not None
        np.testing.assert_allclose(found.bias, biases, rtol=2e-5, atol=1e-6)
    else:
        assert found.bias is None


def test_without_a_penalty_a_row_of_many_ratings_is_fitted_exactly() -> None:
    fold = RidgeFold(regularization=0.0, bias_regularization=0.0, scale_by_count=False)
    x, b, m = np.array([0.5, -1.0, 2.0]), 0.25, model(True)
    values = m.mean + ITEM_BIAS + b + FACTORS @ x
    row = fold.solve(Csr.from_pairs([0] * ITEMS, range(ITEMS), values, shape=(1, ITEMS)), m)
    np.testing.assert_allclose(row.factors[0], x, atol=1e-4)
    np.testing.assert_allclose(row.bias, [b], atol=1e-4)
    few = fold.solve(Csr.from_pairs([0], [2], values[2:3], shape=(1, ITEMS)), m)  # underdetermined
    assert np.isfinite(few.factors).all()


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e4, 1e12])
def test_few_ratings_without_a_penalty_are_solved_at_any_scale(scale: float) -> None:
    m = model(False)
    m.item_factors = FACTORS * np.float32(scale)
    fold = RidgeFold(regularization=0.0, bias_regularization=0.0, scale_by_count=False)
    few = fold.solve(Csr.from_pairs([0, 0], [1, 2], [3.0, 4.0], shape=(1, ITEMS)), m)
    np.testing.assert_allclose(m.item_factors[1:3] @ few.factors[0], [3.0, 4.0], rtol=1e-3)


def test_an_infinite_penalty_gives_nothing() -> None:
    fold = RidgeFold(regularization=1e12, bias_regularization=1e12, scale_by_count=True)
    found = fold.solve(histories(), model(True))
    assert np.abs(found.factors).max() < 1e-9


def test_ridge_needs_values() -> None:
    fold = RidgeFold(regularization=0.1, bias_regularization=0.1, scale_by_count=True)
    with pytest.raises(DataError, match="Toy predicts values") as error:
        fold.solve(histories(values=False), model(True))
    assert "values=[" in error.value.mend


def test_ridge_rows_do_not_depend_on_the_others_or_on_threads() -> None:
    fold = RidgeFold(regularization=0.1, bias_regularization=0.1, scale_by_count=True)
    log = histories()
    set_threads(1)
    one = fold.solve(log, model(True))
    set_threads(3)
    three = fold.solve(log, model(True))
    some = fold.solve(log.rows(np.array([129, 3, 4])), model(True))
    assert one.factors.tobytes() == three.factors.tobytes()
    assert one.factors[[129, 3, 4]].tobytes() == some.factors.tobytes()
    assert len(fold.solve(log.rows(np.array([], int)), model(True))) == 0


@pytest.mark.parametrize("use_values", [True, False])
def test_projection_is_the_history_times_the_items(use_values: bool) -> None:
    log = histories()
    found = ProjectionFold(use_values=use_values).solve(log, model(False))
    table = log.scipy().toarray()
    np.testing.assert_allclose(
        found.factors, (table if use_values else table != 0) @ FACTORS, rtol=1e-5, atol=1e-5
    )
    assert (found.factors.dtype, found.bias) == (np.float32, None)
    assert not ProjectionFold().use_values
    plain = ProjectionFold(use_values=use_values).solve(replace(log, values=None), model(False))
    np.testing.assert_allclose(plain.factors, (table != 0) @ FACTORS, rtol=1e-5, atol=1e-5)


def test_a_propagated_row_is_the_sum_of_what_items_send_over_the_root_of_their_number() -> None:
    sent = RNG.standard_normal((ITEMS, RANK)).astype(np.float32)
    log = histories()
    found = PropagationFold(item_layers=sent).solve(log, model(False))
    assert found.bias is None
    assert found.factors.dtype == np.float32
    for u in range(log.n_rows):
        js = log.row(u)[0]
        wanted = sent[js].astype(float).sum(0) / np.sqrt(max(len(js), 1))
        np.testing.assert_allclose(found.factors[u], wanted, atol=1e-5)
    assert not found.factors[4].any()
    plain = PropagationFold(item_layers=sent).solve(replace(log, values=None), model(False))
    assert plain.factors.tobytes() == found.factors.tobytes()


def a_history(*items: int) -> Csr:
    return Csr.from_pairs([0] * len(items), list(items), shape=(1, ITEMS))


@pytest.mark.parametrize("items", [(2,), (1, 4, 5), tuple(range(ITEMS))])
@pytest.mark.parametrize("biased", [False, True])
def test_a_logistic_row_is_the_minimum_of_its_expected_objective(
    items: tuple[int, ...], biased: bool
) -> None:
    columns, m = np.array([0.1, 0.02, 0.3], np.float32), model(biased)
    fold = LogisticFold(negatives=3, regularization=columns, ridge=0.2)
    x = fold.solve(a_history(*items), m).factors[0].astype(np.float64)
    offset = m.mean + (ITEM_BIAS.astype(np.float64) if biased else np.zeros(ITEMS))
    ridge = columns.astype(np.float64) * len(items) * 4 + 0.2

    def value(at: np.ndarray) -> float:
        return row_objective(at, set(items), FACTORS.astype(np.float64), offset, 3, ridge)

    here = value(x)
    for direction in np.concatenate([np.eye(RANK), RNG.standard_normal((20, RANK))]):
        up, down = value(x + 1e-3 * direction), value(x - 1e-3 * direction)
        assert abs(up - down) / 2e-3 < 2e-4 * max(1.0, here) * np.linalg.norm(direction)
        assert up + down > 2 * here


def test_a_logistic_row_without_a_penalty_is_held_by_the_floor() -> None:
    fold = LogisticFold(negatives=1, regularization=np.zeros(RANK, np.float32))
    x = fold.solve(a_history(3), model(False)).factors[0]
    assert np.isfinite(x).all()
    assert 0 < FLOOR < 1e-2
    assert np.abs(x).max() < 1e3


def test_logistic_rows_do_not_depend_on_the_others_or_on_threads_and_values_are_not_read() -> None:
    at, items = np.nonzero(np.random.default_rng(1).random((USERS, ITEMS)) < 0.3)
    log = Csr.from_pairs(at, items, shape=(USERS, ITEMS))
    fold = LogisticFold(negatives=2, regularization=np.full(RANK, 0.05, np.float32))
    whole = fold.solve(log, model(False)).factors
    for threads in (1, 3):
        set_threads(threads)
        assert fold.solve(log, model(False)).factors.tobytes() == whole.tobytes()
    alone = fold.solve(log.rows(np.array([7])), model(False)).factors
    assert alone[0].tobytes() == whole[7].tobytes()
    valued = replace(log, values=np.arange(log.nnz, dtype=np.float32))
    assert fold.solve(valued, model(False)).factors.tobytes() == whole.tobytes()
    assert not whole[log.counts == 0].any()
