"""The battery of tests/contracts/relations.py on every method of relations."""

from __future__ import annotations

import pytest
from contracts.relations import RelationCase, RelationContract

from matweave.factor.compl_ex import ComplEx
from matweave.factor.dedicom import DEDICOM
from matweave.factor.rescal import RESCAL
from matweave.factor.symmetric_nmf import SymmetricNMF
from matweave.factor.tri_factorization import TriFactorization

CYCLE = "coordinates are visited in the order of the codes"
SHUFFLE = "the triples are shuffled by position"

CASES = {
    "rescal": RelationCase(
        recipe=RESCAL(rank=4, regularization=0.5, core_regularization=0.5, epochs=8, tolerance=0.0), seeded=False, folds=True,
    ),
    "rescal, biases, weights": RelationCase(
        recipe=RESCAL(
            rank=4, regularization=0.5, core_regularization=0.5, unobserved_weight=0.5, biases="own", init="random", epochs=8, tolerance=0.0,
        ),
        folds=True,
    ),
    "dedicom": RelationCase(recipe=DEDICOM(rank=3, epochs=12, tolerance=0.0), seeded=False, folds=True),
    "dedicom, one relation, biases": RelationCase(
        recipe=DEDICOM(rank=3, epochs=12, biases="shared", init="random", unobserved_weight=2.0), one=True, folds=True,
    ),
    "symmetric_nmf": RelationCase(
        recipe=SymmetricNMF(rank=3, epochs=12), one=True, alone=True, nonnegative=True, follows_codes=CYCLE,
    ),
    "symmetric_nmf, weights": RelationCase(
        recipe=SymmetricNMF(rank=3, epochs=12, regularization=0.1, unobserved_weight=0.3, self_loops=False),
        one=True, alone=True, nonnegative=True, follows_codes=CYCLE,
    ),
    "tri_factorization": RelationCase(recipe=TriFactorization(rank=3, epochs=12, tolerance=0.0), nonnegative=True),
    "tri_factorization, weights": RelationCase(
        recipe=TriFactorization(rank=3, epochs=12, regularization=0.1, core_regularization=0.2, unobserved_weight=0.3), nonnegative=True,
    ),
    "tri_factorization, orthogonal": RelationCase(
        recipe=TriFactorization(rank=3, epochs=12, orthogonal=True, tolerance=0.0), nonnegative=True, falls=False,
    ),
    "compl_ex": RelationCase(
        recipe=ComplEx(rank=6, epochs=5, batch_size=64), falls=False, uses_values=False, unknown=False, follows_rows=SHUFFLE,
    ),
    "compl_ex, not reciprocal": RelationCase(
        recipe=ComplEx(rank=6, epochs=5, batch_size=64, reciprocal=False), falls=False, uses_values=False, unknown=False,
        follows_rows=SHUFFLE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES, scope="class")
class TestEveryRelationMethod(RelationContract):
    """Every method against the battery."""
