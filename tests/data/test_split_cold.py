"""Cold items are in one part alone, all of them by chance, and told."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.data.split_cold import split_cold_items
from matweave.errors import ConfigError, DataError

LOG = simulate_log(users=60, items=40, rank=4, interactions=700, seed=2).log


def pairs(part):
    return set(zip(part.users.decode(part.user_codes).to_pylist(), part.items.decode(part.item_codes).to_pylist(), strict=True))  # fmt: skip


def test_every_row_is_in_one_part_and_every_item_too():
    split = split_cold_items(LOG, test=0.2, valid=0.1, seed=3)
    assert split.valid is not None
    parts = [split.train, split.valid, split.test]
    assert sum(map(len, parts)) == len(LOG)
    assert set.union(*map(pairs, parts)) == pairs(LOG)
    items = [set(part.items.to_list()) for part in parts]
    assert sum(map(len, items)) == len(set.union(*items))
    there = len(set(np.unique(LOG.item_codes)))
    assert (len(items[2]), len(items[1])) == (round(0.2 * there), round(0.1 * there))
    assert split.kind == "cold items"
    assert "are cold" in split.report.notes[0]


def test_the_seed_decides():
    def items(seed):
        return split_cold_items(LOG, seed=seed).test.items.to_list()

    assert items(0) == items(0) != items(1)


def test_items_without_rows_are_not_drawn_and_lost_users_are_told():
    log = Interactions.from_codes([0, 0, 1], [0, 1, 2], n_items=50)
    split = split_cold_items(log, test=0.34, valid=0, seed=0)
    assert split.valid is None
    assert len(split.test.items) == 1
    lost = log.n_users - len(split.train.users)
    assert any("unknown to training" in note for note in split.report.notes) == bool(lost)


def test_bad_shares_and_short_logs_are_refused():
    with pytest.raises(ConfigError, match="test is 0"):
        split_cold_items(LOG, test=0)
    with pytest.raises(DataError, match="leave no item of 2"):
        split_cold_items(Interactions.from_codes([0, 0], [0, 1]))
