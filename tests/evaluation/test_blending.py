"""The convenience is the recipe and the validation put together, of neural models too, in the order of time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import matweave as mw
from matweave.errors import ConfigError, DataError
from matweave.evaluation.blending import blend
from matweave.factor.blend import Blend

LOG = mw.simulate_log(users=80, items=40, interactions=1000, seed=0).log
SPLIT = mw.split_leave_last_out(LOG)
MODELS = [
    mw.EASE(regularization=20.0).fit(SPLIT.train),
    mw.SASRec(rank=8, length=10, epochs=3, blocks=1, device="cpu").fit(SPLIT.train),
]


def test_it_is_the_recipe_with_the_measure_of_that_name() -> None:
    found = blend(MODELS, SPLIT.valid, metric="recall@5", steps=4, rounds=1)
    wanted = Blend(steps=4, rounds=1).fit(MODELS, mw.validation(SPLIT.valid, metric="recall@5"))
    assert found.weights.tolist() == wanted.weights.tolist()
    assert found.history.validation == wanted.history.validation
    assert (found.history.validation_name, found.settings) == ("recall@5", {"steps": 4, "rounds": 1})


def test_networks_are_mixed_saved_and_folded_in_by_the_order_given(tmp_path: Path) -> None:
    mixed = blend(MODELS, SPLIT.valid, steps=4)
    assert mixed.seen.order is not None  # of the part that knows it
    mixed.save(tmp_path)
    back = mw.load(tmp_path)
    rows = [m.scores(m.known(np.arange(len(m.users)))) for m in (mixed, back)]
    assert rows[0].tobytes() == rows[1].tobytes()
    both = mixed.parts[1].recommend_for(mixed.items.to_list()[:4], k=3)
    other = mixed.parts[1].recommend_for(mixed.items.to_list()[:4][::-1], k=3)
    assert not both.equals(other)
    last = {
        (u, t)
        for u, t in zip(
            SPLIT.test.users.decode(SPLIT.test.user_codes).to_pylist(), SPLIT.test.times, strict=True
        )
    }
    mine = zip(LOG.users.decode(LOG.user_codes).to_pylist(), LOG.times, strict=True)
    before = LOG.take(np.array([pair not in last for pair in mine]))  # training and validation rows
    judged = mw.evaluate(mixed, SPLIT.test, known=before, metrics=["ndcg@10"])
    assert 0 < judged.metrics["ndcg@10"].mean <= 1


def test_no_validation_part_and_unknown_metrics_are_refused() -> None:
    with pytest.raises(DataError, match="no validation part"):
        blend(MODELS, None)
    with pytest.raises(ConfigError, match="ndgc"):
        blend(MODELS, SPLIT.valid, metric="ndgc@10")
