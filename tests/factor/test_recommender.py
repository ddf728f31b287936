"""What every model is, whatever its form: shown in one line, frozen, and answering by ids through its form's scores."""

from __future__ import annotations

import dataclasses

import pytest

import matweave as mw
from matweave.errors import ConfigError
from matweave.factor.recommender import Recommender


@pytest.fixture(scope="module")
def model() -> Recommender:
    log = mw.simulate_log(users=30, items=20, interactions=200, seed=0).log
    return mw.PureSVD(rank=4).fit(log)


def test_a_model_is_frozen_and_says_what_it_is(model: Recommender) -> None:
    assert repr(model).startswith("FactorModel of PureSVD(rank=4")
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.method = "another"  # type: ignore[misc]


def test_another_frame_is_another_view_of_the_same_model(model: Recommender) -> None:
    other = model.with_frame("pandas")
    assert (other.frame, model.frame) == ("pandas", "arrow")
    assert other.recommend(k=3)["item"].tolist() == model.recommend(k=3)["item"].to_pylist()
    with pytest.raises(ConfigError, match="frame"):
        model.with_frame("excel")
