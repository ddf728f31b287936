"""What a model of relations keeps and refuses; its answers stand in the battery (tests/contracts/relations.py)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import matweave.factor.relation_forms as forms
from matweave.artifact import CARD
from matweave.data.relations import Relations
from matweave.errors import ConfigError, TooBig
from matweave.factor.cores import DenseCores
from matweave.factor.relation_forms import grouped
from matweave.factor.rescal import RESCAL
from matweave.factor.storage import load_relations


@pytest.fixture(scope="module")
def model():
    log = Relations.of(heads=["a", "b", "c"], relations=["r", "r", "s"], tails=["b", "c", "a"])
    return RESCAL(rank=2, epochs=3, biases="own", regularization=0.1, core_regularization=0.1).fit(log)


def test_arrays_of_two_fits_are_refused_with_every_problem(model):
    with pytest.raises(ConfigError) as error:
        replace(
            model, entity_factors=np.ones((4, 2), np.float32), core=DenseCores(values=np.ones((2, 3, 3), np.float32)),
            means=np.ones(3, np.float32), head_bias=np.ones((5, 5), np.float32),
        )  # fmt: skip
    for word in ("4 entities", "cores", "means", "head_bias"):
        assert word in error.value.what


def test_cores_are_made_dense_through_one_door(model, monkeypatch):
    assert model.cores.shape == (2, 2, 2)
    monkeypatch.setattr(forms, "MOST", 7)
    with pytest.raises(TooBig, match="8 numbers"):
        assert model.cores


def test_answers_come_in_the_callers_kind_of_frame(model):
    asked = model.with_frame("pandas").complete(head="a", relation="r", k=2)
    assert isinstance(asked, pd.DataFrame)
    assert asked.columns.tolist() == ["entity", "score", "rank"]
    with pytest.raises(ConfigError, match="frame"):
        model.with_frame("excel")


def test_biases_are_in_every_score(model):
    w, scores = model.entity_factors, model.scores(1)
    wanted = w @ model.cores[1] @ w.T + model.means[1] + model.head_bias[1][:, None] + model.tail_bias[1]
    np.testing.assert_allclose(scores, wanted, rtol=1e-5, atol=1e-6)


def test_cells_of_no_score_at_all_are_scaled_to_nothing(model):
    silent = replace(
        model, entity_factors=np.zeros((3, 2), np.float32), means=None, head_bias=None, tail_bias=None
    )
    assert silent.cell_scores(np.array([0]), np.array([1]), np.array([2]), scaled=True).tolist() == [0.0]


def test_grouping_nothing_gives_nothing():
    assert grouped(np.zeros(0, int)) == []


def test_only_a_symmetric_method_knows_a_triple_both_ways(model):
    def answers(form, **asked):
        return form.complete(relation="r", **asked)["entity"].to_pylist()

    assert set(answers(model, head="b")) == {"a", "b"}
    both = replace(model, symmetric=True, self_loops=False)
    assert answers(both, head="b") == answers(both, tail="b") == []
    assert set(answers(both, head="b", known=True)) == {"a", "c"}
    assert answers(both, head="a") == ["c"]


def test_a_model_saved_before_it_said_whether_it_is_symmetric_is_read(model, tmp_path):
    model.save(tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    for name in ("symmetric", "self_loops"):
        del card["model"]["fields"][name]
    del card["sha256"]
    card["sha256"] = hashlib.sha256(
        json.dumps(card, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()
    (tmp_path / CARD).write_text(json.dumps(card, ensure_ascii=False))
    back = load_relations(tmp_path)
    assert (back.symmetric, back.self_loops) == (False, True)
    assert back.complete(head="a", relation="r").equals(model.complete(head="a", relation="r"))
