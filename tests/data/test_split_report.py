"""The report of a split: counted again by plain Python sets, and said in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.data.split import (
    split_by_time,
    split_by_user,
    split_given,
    split_leave_last_out,
    split_randomly,
)
from matweave.data.split_report import count_shared_pairs, when


def pairs(log):
    return list(
        zip(
            log.users.decode(log.user_codes).to_pylist(),
            log.items.decode(log.item_codes).to_pylist(),
            strict=True,
        )
    )


@pytest.fixture(scope="module")
def log():
    return simulate_log(users=150, items=80, interactions=1500, newcomers=0.4, seed=2).log


@pytest.mark.parametrize("cut", [split_by_time, split_leave_last_out, split_randomly])
def test_counts_by_sets(log, cut):
    split = cut(log)
    users, items = set(split.train.users.to_list()), set(split.train.items.to_list())
    for name, part in (("valid", split.valid), ("test", split.test)):
        told, rows = split.report.part(name), pairs(part)
        assert told.rows == len(rows)
        assert told.users == len({u for u, _ in rows})
        assert told.items == len({i for _, i in rows})
        assert told.unseen_users == len({u for u, _ in rows} - users)
        assert told.unseen_items == len({i for _, i in rows} - items)
        assert told.lost_rows == sum(u not in users or i not in items for u, i in rows)
        assert (told.first, told.last) == (part.times.min(), part.times.max())
    assert split.report.later_rows == np.sum(split.train.times > split.test.times.min())
    assert split.report.train.lost_rows == 0


def test_folded_in_users_are_not_lost(log):
    split = split_by_user(log, 0.2)
    items = set(split.train.items.to_list())
    assert split.report.test.unseen_users == split.test.n_users
    assert split.report.test.lost_rows == sum(i not in items for _, i in pairs(split.test))
    assert [p.name for p in split.report.parts] == ["train", "valid_known", "valid", "test_known", "test"]


def test_shared_pairs_over_other_vocabularies():
    train = Interactions.from_codes([0, 1, 1], [0, 0, 1], user_ids=["a", "b"], item_ids=["x", "y"])
    other = Interactions.from_codes(
        [0, 0, 1, 2], [0, 1, 1, 2], user_ids=["b", "c", "d"], item_ids=["y", "x", "z"]
    )
    assert count_shared_pairs(train, other) == len(set(pairs(train)) & set(pairs(other))) == 2


def test_lines_say_what_leaks(log):
    assert "  leak: none" in split_by_time(log).report.lines()
    split = split_leave_last_out(log)
    said = "\n".join(split.report.lines())
    assert f"{split.report.later_rows:,} training rows" in said
    assert "later than the first test row" in said
    assert f"train: {len(split.train):,} rows" in said
    timeless = Interactions.from_codes([0, 0, 1], [0, 1, 0])
    assert "the log has no times" in "\n".join(split_randomly(timeless, 0.3, 0).report.lines())
    again = "\n".join(split_given(timeless, timeless).report.lines())
    assert "3 (user, item) pairs stand in the training part and in another" in again


def test_lines_say_what_is_lost(log):
    split = split_by_time(log)
    told = split.report.test
    assert told.lost_rows > 0
    line = f"  test: {told.unseen_users} users and {told.unseen_items} items unseen in train; {told.lost_rows} rows"
    assert any(said.startswith(line) for said in split.report.lines())


def test_as_dict_is_json(log):
    report = split_by_user(log).report
    said = json.loads(json.dumps(report.as_dict()))
    assert said["kind"] == "by user"
    assert said["later_rows"] == report.later_rows
    assert [p["rows"] for p in said["parts"]] == [p.rows for p in report.parts]
    with pytest.raises(KeyError):
        split_by_time(log).report.part("test_known")


def test_instants():
    assert when(0) == "1970-01-01T00:00:00Z"
    assert when(-1_000_000) == "1969-12-31T23:59:59Z"
