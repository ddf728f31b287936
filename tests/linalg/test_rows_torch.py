"""The rows on torch against the compiled kernels: the same scores for every solver, weight, shared part, bias and pull."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matweave as mw
from matweave.errors import ConfigError
from matweave.linalg.rows import RowSolver, RowSystems
from matweave.linalg.rows_block import BlockDescent
from matweave.linalg.rows_cg import ConjugateGradient
from matweave.linalg.rows_cholesky import Cholesky
from matweave.linalg.rows_torch import OnTorch
from matweave.linalg.vectors import Vectors

SOLVERS: dict[str, RowSolver] = {
    "cholesky": Cholesky(),
    "cg": ConjugateGradient(steps=2),
    "cg, three": ConjugateGradient(steps=3),
    "block": BlockDescent(size=16),
}


def problem(
    seed: int, *, rows: int, columns: int, rank: int, weighted: bool, shared: bool, biased: bool, pulled: bool
) -> tuple[RowSystems, Vectors, Vectors, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    counts = np.minimum(rng.geometric(0.15, rows) - 1, columns)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate([np.sort(rng.choice(columns, n, replace=False)) for n in counts] or [[]])
    n = len(indices)
    systems = RowSystems(
        indptr,
        indices.astype(np.int32),
        columns,
        weights=rng.random(n).astype(np.float32) + 0.5 if weighted else 1.0,
        targets=rng.standard_normal(n).astype(np.float32) if weighted else 1.5,
    )
    scale = 1 / np.sqrt(rank)
    other = Vectors.of(
        rng.standard_normal((columns, rank)) * scale, rng.standard_normal(columns) if biased else None
    )
    own = Vectors.of(rng.standard_normal((rows, rank)) * scale, rng.standard_normal(rows) if biased else None)
    given: dict[str, Any] = {"ridge": rng.random(rows) + 0.1}
    if shared:
        given["shared"] = 0.3 * other.gram()
    if biased:
        given["bias_ridge"] = rng.random(rows) + 0.1
    if pulled:
        given["pull"] = Vectors.of(rng.standard_normal((rows, rank)))
    return systems, other, own, given


def solved(solver: RowSolver, seed: int, **shape: Any) -> tuple[np.ndarray, float]:
    """Scores of every row and column, and the objective."""
    systems, other, own, given = problem(seed, **shape)
    value = solver.step(systems, other, own, **given)
    scores = own.array @ other.array.T
    if own.bias is not None:
        scores = scores + own.bias[:-1, None]
    return scores, value


@pytest.mark.parametrize("name", SOLVERS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    rank=st.sampled_from([1, 5, 16]),
    weighted=st.booleans(),
    shared=st.booleans(),
    biased=st.booleans(),
    pulled=st.booleans(),
    tile=st.sampled_from([1 << 26, 1 << 9]),
)
def test_scores_and_objective_are_those_of_the_kernels(
    name: str, seed: int, rank: int, weighted: bool, shared: bool, biased: bool, pulled: bool, tile: int
) -> None:
    shape: dict[str, Any] = {"rows": 23, "columns": 31, "rank": rank, "weighted": weighted, "shared": shared}
    shape |= {"biased": biased and not name.startswith("block"), "pulled": pulled}
    wanted, value = solved(SOLVERS[name], seed, **shape)
    found, told = solved(OnTorch(solver=SOLVERS[name], device="cpu", tile=tile), seed, **shape)
    scale = np.abs(wanted).max() + 1e-6
    np.testing.assert_allclose(found, wanted, atol=1e-4 * scale)
    assert told == pytest.approx(value, rel=1e-4, abs=1e-3)


def test_every_row_is_solved_whatever_its_length() -> None:
    """A few long rows, many empty ones: each in one block, and padding weighs nothing."""
    counts = np.array([0, 200, 0, 3, 64, 65, 1, 0, 150])
    indptr = np.concatenate([[0], np.cumsum(counts)])
    rng = np.random.default_rng(0)
    indices = np.concatenate([np.sort(rng.choice(200, n, replace=False)) for n in counts]).astype(np.int32)
    systems = RowSystems(indptr, indices, 200, weights=1.0, targets=1.0)
    other = Vectors.of(rng.standard_normal((200, 8)))
    ridge = np.full(9, 0.5)
    own, on = Vectors(9, 8), Vectors(9, 8)
    Cholesky().step(systems, other, own, ridge=ridge)
    OnTorch(solver=Cholesky(), device="cpu", tile=1 << 10).step(systems, other, on, ridge=ridge)
    np.testing.assert_allclose(on.array, own.array, atol=1e-4)
    assert not on.array[[0, 2, 7]].any()


def test_rows_without_a_factor_get_the_smallest_solution() -> None:
    systems = RowSystems(np.array([0, 1]), np.array([0], np.int32), 1, weights=1.0, targets=1.0)
    own = Vectors(1, 2)
    OnTorch(solver=Cholesky(), device="cpu").step(
        systems, Vectors.of(np.array([[3.0, 4.0]])), own, ridge=np.zeros(1)
    )
    np.testing.assert_allclose(own.array[0], [3 / 25, 4 / 25], atol=1e-6)


def test_lost_vectors_are_told_and_grams_are_the_same() -> None:
    systems, other, own, given = problem(
        1, rows=5, columns=7, rank=3, weighted=False, shared=False, biased=False, pulled=False
    )
    np.testing.assert_allclose(OnTorch(solver=Cholesky(), device="cpu").gram(other), other.gram(), rtol=1e-5)
    other.array[0, 0] = np.nan
    assert np.isnan(OnTorch(solver=ConjugateGradient(), device="cpu").step(systems, other, own, **given))


def test_a_device_that_is_not_there_and_a_solver_without_biases_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        OnTorch(solver=Cholesky(), device="no such card")
    systems, other, own, given = problem(
        1, rows=5, columns=7, rank=3, weighted=False, shared=False, biased=True, pulled=False
    )
    with pytest.raises(ConfigError, match="BlockDescent does not solve rows with biases"):
        OnTorch(solver=BlockDescent(), device="cpu").step(systems, other, own, **given)


LOG = mw.simulate_log(users=90, items=50, rank=3, interactions=1500, newcomers=0, shape="ratings", seed=2).log
RECIPES = {
    "iALS, cg": mw.ImplicitALS(rank=8, epochs=6, tolerance=0.0),
    "iALS, cholesky": mw.ImplicitALS(rank=8, epochs=6, solver="cholesky", tolerance=0.0),
    "iALS, block": mw.ImplicitALS(rank=20, epochs=6, solver="block", block_size=16, tolerance=0.0),
    "Hu et al., values": mw.ImplicitALS(
        rank=8, epochs=6, background="unseen", unobserved_weight=1.0, alpha=4.0, use_values=True,
        regularization=0.5, regularization_exponent=0.0, tolerance=0.0,
    ),
    "ALS-WR, cg": mw.ExplicitALS(rank=8, epochs=6, tolerance=0.0),
    "ALS-WR, cholesky": mw.ExplicitALS(rank=8, epochs=6, solver="cholesky", tolerance=0.0),
    "flat": mw.ExplicitALS(rank=8, epochs=6, scale_by_count=False, regularization=2.0, tolerance=0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_whole_fits_agree_on_every_score(name: str) -> None:
    recipe = RECIPES[name]
    models = [recipe.fit(LOG), replace(recipe, device="torch").fit(LOG)]
    wanted, found = (m.scores(m.known(np.arange(LOG.n_users))) for m in models)
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()
    np.testing.assert_allclose(models[1].history.objective, models[0].history.objective, rtol=1e-4)


@pytest.mark.parametrize(
    "how", [{}, {"scale_by_count": False, "regularization": 2.0}], ids=["by count", "flat"]
)
def test_few_attributes_leave_nothing_to_rounding(how: dict) -> None:
    # their part of the rows' systems has a rank below the vectors': what basis its null space gets must not be chance
    few = mw.ItemContent.of(
        LOG.users.to_list(),
        attributes=np.random.default_rng(0).random((LOG.n_users, 3)),
        names=["a", "b", "c"],
    )
    recipe = mw.ExplicitALS(rank=16, epochs=6, tolerance=0.0, **how)
    models = [r.fit(LOG, user_features=few) for r in (recipe, replace(recipe, device="torch"))]
    wanted, found = (m.scores(m.known(np.arange(LOG.n_users))) for m in models)
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_a_card_that_is_not_there_is_an_error_with_a_mend() -> None:
    with pytest.raises(ConfigError, match="cpu \\(compiled kernels\\)"):
        mw.ImplicitALS(device="gpu")
    with pytest.raises(ConfigError, match="cannot be used") as error:
        mw.ImplicitALS(device="cuda:99").fit(LOG)
    assert "device='cpu'" in error.value.mend
