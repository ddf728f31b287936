"""The rules that every neural recipe shares."""

from __future__ import annotations

import pytest

from matweave.neural.settings import TRAINING
from matweave.train.optimizers import OPTIMIZERS

GOOD = {
    "epochs": [1, 100],
    "batch_size": [1, 4096],
    "learning_rate": [1e-6, 1.0],
    "weight_decay": [0, 0.1],
    "optimizer": ["adam", "sgd", "muon"],
    "device": ["auto", "cpu", "cuda:1"],
    "seed": [0, 7],
}
BAD = {
    "epochs": [0, 1.5, True, "3"],
    "batch_size": [0, None],
    "learning_rate": [0, -1.0, float("nan"), None],
    "weight_decay": [-0.1, float("inf")],
    "optimizer": ["adamm", None],
    "device": ["", None, 0],
    "seed": [-1, 0.5],
}


def test_every_setting_has_its_rule() -> None:
    assert set(TRAINING) == set(GOOD) == set(BAD)


@pytest.mark.parametrize("name", TRAINING)
def test_what_is_good_passes_and_what_is_not_is_told(name: str) -> None:
    assert [TRAINING[name](value) for value in GOOD[name]] == [None] * len(GOOD[name])
    for value in BAD[name]:
        assert TRAINING[name](value), value


def test_optimizers_that_need_all_examples_at_once_are_left_out() -> None:
    whole = [name for name, row in OPTIMIZERS.items() if row.full_batch]
    assert whole
    assert all(TRAINING["optimizer"](name) for name in whole)
    assert not any(TRAINING["optimizer"](name) for name in OPTIMIZERS if name not in whole)
