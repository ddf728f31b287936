"""The battery, for every recipe of the catalogue in every way that its mathematics differs."""

from __future__ import annotations

import pytest
from contracts.recommender import Case, RecommenderContract

from matweave.app.catalogue import METHODS
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.ease import EASE
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.item_knn import ItemKNN
from matweave.factor.popularity import Popularity
from matweave.factor.pure_svd import PureSVD

TIES = "equal similarities at the cut go to the smaller item code"
LAPACK = "LAPACK divides the Cholesky factorization among its threads, so that sums are rounded otherwise"
SHUFFLE = "the steps of a block are taken in an order drawn over its rows"
GRID = "each block of the grid is walked in the order of the codes"

CASES = {
    "popularity": Case(recipe=Popularity()),
    "popularity, decayed": Case(recipe=Popularity(half_life_days=30.0), needs_times=True),
    "item_knn": Case(recipe=ItemKNN(neighbors=50)),
    "item_knn, few": Case(recipe=ItemKNN(neighbors=5, weighting="none", shrink=0.0), follows_codes=TIES),
    "item_knn, bm25 of values": Case(recipe=ItemKNN(neighbors=50, weighting="bm25", use_values=True), uses_values=True),
    "ease": Case(recipe=EASE(regularization=20.0), follows_threads=LAPACK),
    "ease of values": Case(
        recipe=EASE(regularization=200.0, use_values=True), uses_values=True, follows_threads=LAPACK,
    ),
    "pure_svd": Case(recipe=PureSVD(rank=6, iterations=30), seeded=True, fold=1e-5),
    "pure_svd of values": Case(recipe=PureSVD(rank=6, iterations=30, use_values=True), seeded=True, uses_values=True, fold=1e-5),
    "implicit_als, cholesky": Case(
        recipe=ImplicitALS(rank=6, epochs=8, solver="cholesky", tolerance=0.0),
        seeded=True, iterative=True, falls=True, fold=1e-5,
    ),
    "implicit_als, cg": Case(
        recipe=ImplicitALS(rank=6, epochs=30, solver="cg", tolerance=1e-4),
        seeded=True, iterative=True, falls=True, fold=0.01,
    ),
    "implicit_als, block, unseen, values": Case(
        recipe=ImplicitALS(
            rank=20, epochs=30, solver="block", block_size=16, background="unseen", use_values=True,
            unobserved_weight=1.0, alpha=4.0, regularization=0.5, regularization_exponent=0.5,
        ),
        seeded=True, iterative=True, falls=True, uses_values=True, fold=0.01,
    ),
    "explicit_als, cholesky": Case(
        recipe=ExplicitALS(rank=4, epochs=8, solver="cholesky", tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=1e-5,
    ),
    "explicit_als, cg, flat": Case(
        recipe=ExplicitALS(
            rank=4, epochs=30, solver="cg", scale_by_count=False, regularization=2.0, tolerance=0.0
        ),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.005,
    ),
    "biased_mf, sgd": Case(
        recipe=BiasedMF(rank=4, epochs=60, regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=GRID, follows_rows=SHUFFLE,
    ),
    "biased_mf, gd": Case(
        recipe=BiasedMF(rank=4, epochs=100, optimizer="gd", regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.02,
    ),
}  # fmt: skip
"""Why each figure of `fold`: 1e-5 where the trained row is the exact minimum for the items as they are, up to float32;
more where training stops on the way there."""


def test_every_recipe_of_the_catalogue_has_a_case() -> None:
    assert {type(case.recipe) for case in CASES.values()} == set(METHODS.values())


@pytest.fixture(params=CASES.values(), ids=list(CASES), scope="class")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


class TestEveryMethod(RecommenderContract):
    pass
