"""Known cells, lists, components and communities from arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError
from matweave.factor.relation_answers import (
    best_table,
    communities_table,
    components_table,
    known_of,
    length,
    memberships,
)

WHO = Vocabulary(ids=pa.array(["a", "b", "c", "d"]))


def test_known_entities_are_those_of_the_relation_and_side():
    rng = np.random.default_rng(0)
    held = rng.random((3, 5, 5)) < 0.4
    cells = np.flatnonzero(held)
    for k in range(3):
        for code in range(5):
            assert known_of(cells, 5, k, code, ahead=True).tolist() == np.flatnonzero(held[k, code]).tolist()
            assert (
                known_of(cells, 5, k, code, ahead=False).tolist() == np.flatnonzero(held[k, :, code]).tolist()
            )


def test_lists_leave_out_and_break_ties_by_code():
    made = best_table(WHO, np.array([1.0, 2.0, 2.0, 3.0]), np.array([3], np.int32), 4, "arrow")
    assert made.to_pylist() == [
        {"entity": "b", "score": 2.0, "rank": 1},
        {"entity": "c", "score": 2.0, "rank": 2},
        {"entity": "a", "score": 1.0, "rank": 3},
    ]


def test_components_tell_signed_strengths():
    rows = components_table(WHO, np.array([[1.0, 0.0], [-3.0, 1.0], [2.0, 0.5], [0.0, 0.0]]), 2).to_pylist()
    assert [(r["component"], r["entity"], r["strength"], r["rank"]) for r in rows] == [
        (1, "b", 3.0, 1), (1, "c", -2.0, 2), (2, "b", 1.0, 1), (2, "c", 0.5, 2),
    ]  # fmt: skip


def test_communities_do_not_depend_on_the_scale_of_a_component():
    factors = np.array([[1.0, 0.1], [0.9, 0.2], [0.1, 0.3], [0.0, 0.0]])
    community, strength, share = memberships(factors)
    again = memberships(factors * [100, 1])
    assert community.tolist() == again[0].tolist() == [0, 0, 1, -1]
    np.testing.assert_allclose(strength, again[1])
    assert share[3] == 0
    rows = communities_table(WHO, factors, 1).to_pylist()
    assert [(r["community"], r["entity"], r["rank"]) for r in rows] == [(1, "a", 1), (2, "c", 1)]


@pytest.mark.parametrize("k", [0, True, 2.0, "x"])
def test_a_length_is_a_whole_number(k):
    with pytest.raises(ConfigError, match="k is"):
        length(k, 5, "RESCAL")
