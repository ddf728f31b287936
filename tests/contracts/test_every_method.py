"""The battery, for every recipe of the catalogue in every way that its mathematics differs."""

from __future__ import annotations

import pytest
from contracts.recommender import Case, RecommenderContract

from matweave.app.catalogue import METHODS
from matweave.factor.bayesian_mf import BayesianMF
from matweave.factor.biased_mf import BiasedMF
from matweave.factor.bpr import BPR
from matweave.factor.ease import EASE
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.factorization_machine import FactorizationMachine
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.item_knn import ItemKNN
from matweave.factor.logistic_mf import LogisticMF
from matweave.factor.nmf import NMF
from matweave.factor.popularity import Popularity
from matweave.factor.probabilistic_mf import ProbabilisticMF
from matweave.factor.pure_svd import PureSVD
from matweave.factor.rp3beta import RP3beta
from matweave.factor.slim import SLIM
from matweave.factor.svdpp import SVDpp
from matweave.factor.warp import WARP
from matweave.neural.auto_rec import AutoRec
from matweave.neural.bert4_rec import BERT4Rec
from matweave.neural.caser import Caser
from matweave.neural.deep_mf import DeepMF
from matweave.neural.dot_product import DotProduct
from matweave.neural.gmf import GMF
from matweave.neural.gru4_rec import GRU4Rec
from matweave.neural.light_gcn import LightGCN
from matweave.neural.mult_dae import MultDAE
from matweave.neural.mult_vae import MultVAE
from matweave.neural.neu_mf import NeuMF
from matweave.neural.rec_vae import RecVAE
from matweave.neural.sas_rec import SASRec
from matweave.neural.two_tower import TwoTower

TIES = "equal similarities at the cut go to the smaller item code"
LAPACK = "LAPACK divides the Cholesky factorization among its threads, so that sums are rounded otherwise"
SHUFFLE = "the steps of a block are taken in an order drawn over its rows"
DRAWS = "cells, orders and negatives are drawn over the codes"
GRID = "each block of the grid is walked in the order of the codes"
NORMALS = "normals are drawn by the places of users and items"
PLACES = "batches, negatives and what is dropped are drawn by the places of users and items"
TORCH = "torch divides the sums of a product among its threads, so that they are rounded otherwise"
SCALE = "values above zero are made of parts above zero: a shift of them is another table"
SMALL = {"rank": 8, "length": 12, "epochs": 3, "batch_size": 16, "learning_rate": 0.01, "device": "cpu"}
SEQUENCES = {
    "needs_times": True,
    "seeded": True,
    "iterative": True,
    "follows_codes": PLACES,
    "follows_threads": TORCH,
}
COORDINATES = "members of sets are stepped one after another, in the order of their codes"
PAIRS = "batches are drawn over the rows in the order of their codes"

ROWS = {"rank": 4, "hidden": 8, "epochs": 4, "batch_size": 16, "learning_rate": 0.01, "device": "cpu"}
AUTOENCODERS = {"seeded": True, "iterative": True, "follows_codes": PLACES, "follows_threads": TORCH}

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
    "slim": Case(recipe=SLIM(regularization=5.0, l1=0.5, tolerance=1e-8)),
    "slim of values, signed": Case(
        recipe=SLIM(regularization=50.0, l1=1.0, nonnegative=False, use_values=True, tolerance=1e-8), uses_values=True,
    ),
    "rp3beta": Case(recipe=RP3beta(neighbors=50)),
    "rp3beta, few, of values": Case(
        recipe=RP3beta(neighbors=6, alpha=0.7, normalize=False, use_values=True), uses_values=True,
    ),
    "pure_svd": Case(recipe=PureSVD(rank=6, iterations=30), seeded=True, fold=1e-5),
    "pure_svd of values": Case(recipe=PureSVD(rank=6, iterations=30, use_values=True), seeded=True, uses_values=True, fold=1e-5),
    "implicit_als, cholesky": Case(
        recipe=ImplicitALS(rank=6, epochs=8, solver="cholesky", tolerance=0.0),
        seeded=True, iterative=True, falls=True, fold=1e-5, variance=True,
    ),
    "implicit_als, cg": Case(
        recipe=ImplicitALS(rank=6, epochs=30, solver="cg", tolerance=1e-4),
        seeded=True, iterative=True, falls=True, fold=0.01, variance=True,
    ),
    "implicit_als, block, unseen, values": Case(
        recipe=ImplicitALS(
            rank=20, epochs=30, solver="block", block_size=16, background="unseen", use_values=True,
            unobserved_weight=1.0, alpha=4.0, regularization=0.5, regularization_exponent=0.5,
        ),
        seeded=True, iterative=True, falls=True, uses_values=True, fold=0.01, variance=True,
    ),
    "explicit_als, cholesky": Case(
        recipe=ExplicitALS(rank=4, epochs=8, solver="cholesky", tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=1e-5, variance=True,
    ),
    "explicit_als, cg, flat": Case(
        recipe=ExplicitALS(
            rank=4, epochs=30, solver="cg", scale_by_count=False, regularization=2.0, tolerance=0.0
        ),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.005, variance=True,
    ),
    "bpr": Case(
        recipe=BPR(rank=4, epochs=30, learning_rate=0.1, regularization=0.05),
        seeded=True, iterative=True, fold=0.5, follows_codes=DRAWS,
    ),
    "bpr, popularity, no bias": Case(
        recipe=BPR(rank=20, epochs=30, learning_rate=0.2, regularization=0.05, sampling="popularity", item_bias=False),
        seeded=True, iterative=True, fold=0.5, follows_codes=DRAWS,
    ),
    "warp": Case(
        recipe=WARP(rank=4, epochs=10, max_norm=2.0, regularization=0.01), seeded=True, iterative=True, fold=0.5, follows_codes=DRAWS,
    ),
    "logistic_mf": Case(
        recipe=LogisticMF(rank=4, alpha=1.0, epochs=60, regularization=2.0), seeded=True, iterative=True, fold=0.1,
    ),
    "logistic_mf of values": Case(
        recipe=LogisticMF(rank=4, alpha=1.0, epochs=60, regularization=2.0, use_values=True, bias_regularization=0.1),
        seeded=True, iterative=True, uses_values=True, fold=0.1,
    ),
    "biased_mf, sgd": Case(
        recipe=BiasedMF(rank=4, epochs=60, regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=GRID, follows_rows=SHUFFLE,
    ),
    "biased_mf, gd": Case(
        recipe=BiasedMF(rank=4, epochs=100, optimizer="gd", regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.02,
    ),
    "svdpp": Case(
        recipe=SVDpp(rank=4, epochs=60, regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=GRID,
    ),
    "bayesian_mf": Case(
        recipe=BayesianMF(rank=3, burn_in=10, samples=15, thinning=1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, variance=True, follows_codes=NORMALS,
    ),
    "bayesian_mf, implicit": Case(
        recipe=BayesianMF(rank=3, implicit=True, burn_in=10, samples=10, thinning=2),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, variance=True, follows_codes=NORMALS,
    ),
    "factorization_machine": Case(
        recipe=FactorizationMachine(rank=3, burn_in=10, samples=15, thinning=1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, variance=True, follows_codes=NORMALS,
    ),
    "factorization_machine, als, implicit": Case(
        recipe=FactorizationMachine(rank=3, solver="als", implicit=True, epochs=30, regularization=0.2),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.05, follows_codes=COORDINATES,
    ),
    "factorization_machine, sgd": Case(
        recipe=FactorizationMachine(rank=3, solver="sgd", epochs=40, regularization=0.1),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=SHUFFLE,
    ),
    "nmf": Case(
        recipe=NMF(rank=4, regularization=0.5, epochs=40), seeded=True, iterative=True, falls=True, fold=0.1,
    ),
    "nmf, kl, multiplicative, of values": Case(
        recipe=NMF(rank=4, loss="kl", solver="multiplicative", use_values=True, epochs=100, regularization=1.0),
        seeded=True, iterative=True, falls=True, uses_values=True, fold=0.2,
    ),
    "nmf, masked": Case(
        recipe=NMF(rank=3, missing="masked", regularization=0.02, epochs=100, tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=0.1, follows_shift=SCALE,
    ),
    "probabilistic_mf": Case(
        recipe=ProbabilisticMF(rank=4, regularization=2.0, epochs=12, tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=1e-5, variance=True,
    ),
    "probabilistic_mf, adaptive": Case(
        recipe=ProbabilisticMF(rank=4, priors="adaptive", regularization=2.0, epochs=12, tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=1e-5,
    ),
    "probabilistic_mf, constrained": Case(
        recipe=ProbabilisticMF(rank=4, priors="adaptive", constrained=True, regularization=2.0, epochs=12, tolerance=0.0),
        needs_values=True, uses_values=True, seeded=True, iterative=True, falls=True, fold=1e-5,
    ),
    "mult_dae": Case(recipe=MultDAE(layers=1, **ROWS), **AUTOENCODERS),
    "mult_dae, no layers between, low rank": Case(recipe=MultDAE(layers=0, embedding_rank=2, **ROWS), **AUTOENCODERS),
    "mult_vae": Case(recipe=MultVAE(**ROWS), **AUTOENCODERS),
    "mult_vae, low rank": Case(recipe=MultVAE(embedding_rank=3, anneal_steps=0, **ROWS), **AUTOENCODERS),
    "rec_vae": Case(recipe=RecVAE(**ROWS), **AUTOENCODERS),
    "rec_vae, low rank": Case(recipe=RecVAE(embedding_rank=3, encoder_epochs=2, decoder_epochs=2, **ROWS), **AUTOENCODERS),
    "auto_rec, items": Case(
        recipe=AutoRec(hidden=8, epochs=60, batch_size=16, learning_rate=0.01, regularization=3.0, device="cpu"),
        needs_values=True, uses_values=True, fold=0.3, **AUTOENCODERS,
    ),
    "auto_rec, users": Case(
        recipe=AutoRec(side="users", hidden=8, epochs=20, batch_size=16, learning_rate=0.01, regularization=3.0, device="cpu"),
        needs_values=True, uses_values=True, **AUTOENCODERS,
    ),
    "sas_rec, bce": Case(recipe=SASRec(loss="bce", heads=2, **SMALL), **SEQUENCES),
    "sas_rec, gbce, low rank": Case(
        recipe=SASRec(loss="gbce", negatives=5, embedding_rank=3, **SMALL), **SEQUENCES,
    ),
    "sas_rec, softmax": Case(recipe=SASRec(loss="softmax", output_layer=True, **SMALL), **SEQUENCES),
    "sas_rec, sampled": Case(recipe=SASRec(loss="sampled", negatives=6, **SMALL), **SEQUENCES),
    "gru4_rec, softmax": Case(recipe=GRU4Rec(hidden=6, **SMALL), **SEQUENCES),
    "gru4_rec, bpr_max, own table": Case(
        recipe=GRU4Rec(hidden=6, layers=2, hidden_dropout=0.1, tied=False, loss="bpr_max", negatives=6, **SMALL), **SEQUENCES,
    ),
    "gru4_rec, top1_max, low rank": Case(
        recipe=GRU4Rec(hidden=8, loss="top1_max", negatives=6, sample_alpha=0.0, embedding_rank=3, **SMALL), **SEQUENCES,
    ),
    "gru4_rec, sampled": Case(recipe=GRU4Rec(hidden=6, loss="sampled", negatives=6, **SMALL), **SEQUENCES),
    "caser": Case(
        recipe=Caser(horizontal=4, vertical=2, **{**SMALL, "length": 4, "batch_size": 128}), **{**SEQUENCES, "fold": 0.3},
    ),
    "bert4_rec": Case(recipe=BERT4Rec(heads=2, mask_share=0.3, **SMALL), **SEQUENCES),
    "two_tower, ids only": Case(
        recipe=TwoTower(rank=4, hidden=8, epochs=4, batch_size=128, length=8, device="cpu"),
        seeded=True, iterative=True, follows_codes=PAIRS,
    ),
    "two_tower, cosines, low rank": Case(
        recipe=TwoTower(
            rank=4, hidden=8, epochs=4, batch_size=128, temperature=0.2, embedding_rank=2, device="cpu"
        ),
        seeded=True, iterative=True, follows_codes=PAIRS,
    ),
    "deep_mf": Case(
        recipe=DeepMF(rank=8, width=16, epochs=4, batch_size=512, device="cpu"),
        uses_values=True, seeded=True, iterative=True, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "light_gcn": Case(
        recipe=LightGCN(rank=4, epochs=20, batch_size=256, learning_rate=0.02, device="cpu"),
        seeded=True, iterative=True, fold=0.8, follows_codes=PLACES,
    ),
    "light_gcn, low rank": Case(
        recipe=LightGCN(
            rank=5, layers=2, negatives=2, embedding_rank=2, epochs=20, batch_size=256, learning_rate=0.02, device="cpu",
        ),
        seeded=True, iterative=True, fold=0.8, follows_codes=PLACES,
    ),
    "gmf": Case(
        recipe=GMF(rank=4, epochs=40, batch_size=256, learning_rate=0.02, regularization=0.01, device="cpu"),
        seeded=True, iterative=True, fold=0.3, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "gmf, low rank, item bias": Case(
        recipe=GMF(
            rank=4, embedding_rank=2, item_bias=True, epochs=30, batch_size=256, learning_rate=0.02, weight_decay=1e-4, device="cpu",
        ),
        seeded=True, iterative=True, fold=0.6, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "dot_product": Case(
        recipe=DotProduct(rank=4, epochs=60, batch_size=128, learning_rate=0.02, regularization=0.1, device="cpu"),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "dot_product, low rank, all at once": Case(
        recipe=DotProduct(
            rank=4, embedding_rank=2, epochs=60, batch_size=10_000, learning_rate=0.03, regularization=0.05, init_scale=0.1, device="cpu",
        ),
        needs_values=True, uses_values=True, seeded=True, iterative=True, fold=0.3, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "neu_mf": Case(
        recipe=NeuMF(
            rank=4, mlp_rank=4, width=8, epochs=25, batch_size=256, learning_rate=0.02, dropout=0.1, regularization=0.01, device="cpu",
        ),
        seeded=True, iterative=True, fold=0.5, follows_codes=PLACES, follows_threads=TORCH,
    ),
    "neu_mf, low rank": Case(
        recipe=NeuMF(
            rank=4, mlp_rank=4, width=8, layers=3, embedding_rank=3, epochs=20, batch_size=256, learning_rate=0.02, weight_decay=1e-4,
            device="cpu",
        ),
        seeded=True, iterative=True, fold=0.6, follows_codes=PLACES, follows_threads=TORCH,
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
