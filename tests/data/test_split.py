"""Splits: every row in exactly one part, in the right one, and the same again with the same seed."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.data.simulate import simulate_log
from matweave.data.split import (
    Split,
    split_by_time,
    split_by_user,
    split_given,
    split_leave_last_out,
    split_randomly,
)
from matweave.errors import ConfigError, DataError

DAY = 86_400_000_000


@st.composite
def logs(draw):
    """Small logs with many ties, sparse codes and string ids; every row carries its number as value."""
    pairs = draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=4, max_size=40, unique=True)
    )
    users, items = np.array(pairs, np.int32).T
    n = len(pairs)
    at = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    return Interactions.from_codes(
        users,
        items,
        values=np.arange(n),
        times=np.array(at) * DAY,
        user_ids=[f"u{i}" for i in range(7)],
        item_ids=[f"i{i}" for i in range(9)],
    )


def parts(split: Split) -> dict[str, Interactions]:
    named = {name: getattr(split, name) for name in ("train", "valid", "test", "valid_known", "test_known")}
    return {name: part for name, part in named.items() if part is not None}


def rows_of(part: Interactions) -> list[int]:
    assert part.values is not None
    return part.values.astype(int).tolist()


def assert_partition(log: Interactions, split: Split) -> None:
    found = [row for part in parts(split).values() for row in rows_of(part)]
    assert sorted(found) == list(range(len(log)))
    users, items = log.users.decode(log.user_codes).to_pylist(), log.items.decode(log.item_codes).to_pylist()
    for part in parts(split).values():
        assert rows_of(part) == sorted(rows_of(part))  # the order of the log is kept
        assert part.users.decode(part.user_codes).to_pylist() == [users[r] for r in rows_of(part)]
        assert part.items.decode(part.item_codes).to_pylist() == [items[r] for r in rows_of(part)]
        assert len(np.unique(part.user_codes)) == part.n_users  # vocabularies of its own rows only
        assert len(np.unique(part.item_codes)) == part.n_items
        assert np.array_equal(part.times, log.times[rows_of(part)])


def same(a: Split, b: Split) -> bool:
    return {n: rows_of(p) for n, p in parts(a).items()} == {n: rows_of(p) for n, p in parts(b).items()}


# by time


@given(logs(), st.sampled_from([0.1, 0.3, 0.5]), st.sampled_from([0.0, 0.2]))
def test_by_time_is_a_partition_in_order(log, test, valid):
    ordered = sorted(log.times.tolist())
    border = ordered[-max(1, round(len(log) * test))]
    before = [t for t in ordered if t < border]
    second = before[-min(len(before), max(1, round(len(log) * valid)))] if valid and before else border
    if second == ordered[0]:
        with pytest.raises(DataError, match="train part would have no rows"):
            split_by_time(log, test=test, valid=valid)
        return
    split = split_by_time(log, test=test, valid=valid)
    assert len(split.test) == sum(t >= border for t in ordered)
    assert len(split.train) == sum(t < second for t in ordered)
    assert_partition(log, split)
    assert split.train.times.max() < split.test.times.min()
    if split.valid is not None:
        assert split.train.times.max() < split.valid.times.min()
        assert split.valid.times.max() < split.test.times.min()
    assert split.report.later_rows == 0
    assert split.report.shared_pairs == 0


def timed(times):
    n = len(times)
    return Interactions.from_codes([0] * n, np.arange(n), values=np.arange(n), times=np.array(times) * DAY)


def test_by_time_keeps_ties_on_the_later_side_and_tells():
    split = split_by_time(timed([0, 1, 2, 3, 3, 3, 3, 4, 5, 6]), test=0.4, valid=0.1)
    assert rows_of(split.test) == [3, 4, 5, 6, 7, 8, 9]
    assert rows_of(split.valid) == [2]
    assert any("70.00% where 40.00% were asked for" in note for note in split.report.notes)


def test_by_time_takes_the_latest_rows_wherever_they_stand():
    split = split_by_time(timed([9, 0, 8, 1, 7, 2, 6, 3, 5, 4]), test=0.2, valid=0.1)
    assert rows_of(split.test) == [0, 2]
    assert rows_of(split.valid) == [4]


@pytest.mark.parametrize(
    "instant",
    [
        "1970-01-04",
        "1970-01-04T00:00:00Z",
        "1970-01-04T02:00:00+02:00",
        datetime(1970, 1, 4),
        datetime(1970, 1, 3, 19, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_by_time_at_an_instant(instant):
    split = split_by_time(timed([0, 1, 2, 3, 4]), test_from=instant, valid_from="1970-01-03")
    assert [rows_of(p) for p in (split.train, split.valid, split.test)] == [[0, 1], [2], [3, 4]]
    assert "test begins at 1970-01-04T00:00:00Z: 2 rows" in split.report.notes
    assert [
        len(p) for p in parts(split_by_time(timed([0, 1, 2, 3, 4]), valid=0, test_from=instant)).values()
    ] == [3, 2]


def test_by_time_refuses():
    log = timed([0, 1, 2])
    with pytest.raises(ConfigError, match="is not before the test part"):
        split_by_time(log, test_from="1970-01-02", valid_from="1970-01-02")
    with pytest.raises(ConfigError, match="test_from is 'soon'"):
        split_by_time(log, test_from="soon")
    with pytest.raises(DataError, match="train part would have no rows") as error:
        split_by_time(timed([5, 5, 5, 5]))
    assert "split_randomly" in error.value.mend
    with pytest.raises(DataError, match="test part would have no rows"):
        split_by_time(log, test_from="2030-01-01")
    timeless = Interactions.from_codes([0, 1], [0, 1])
    for refuse in (split_by_time, split_leave_last_out):
        with pytest.raises(DataError, match="has no times") as error:
            refuse(timeless)
        assert "split_randomly" in error.value.mend


@pytest.mark.parametrize(
    "shares", [(0, 0.1), (1, 0.1), (0.5, 0.5), (0.1, -0.1), (True, 0.1), ("a", 0.1), (0.1, float("nan"))]
)
@pytest.mark.parametrize("split", [split_by_time, split_randomly])
def test_bad_shares(split, shares):
    with pytest.raises(ConfigError):
        split(timed([0, 1, 2]), *shares)


# leave last out


def leave_last_out_by_hand(log, n, valid):
    """A loop over users, rows sorted by (time, place)."""
    train, valids, tests = [], [], []
    for user in range(log.n_users):
        rows = sorted(np.flatnonzero(log.user_codes == user).tolist(), key=lambda r: (log.times[r], r))
        if len(rows) <= n + valid:
            train += rows
            continue
        tests += rows[len(rows) - n :]
        valids += rows[len(rows) - n - valid : len(rows) - n]
        train += rows[: len(rows) - n - valid]
    return sorted(train), sorted(valids), sorted(tests)


@given(logs(), st.integers(1, 3), st.integers(0, 2))
def test_leave_last_out_by_hand(log, n, valid):
    train, valids, tests = leave_last_out_by_hand(log, n, valid)
    if not tests:
        with pytest.raises(DataError, match="no rows"):
            split_leave_last_out(log, n, valid)
        return
    split = split_leave_last_out(log, n, valid)
    assert_partition(log, split)
    assert rows_of(split.train) == train
    assert rows_of(split.test) == tests
    assert (rows_of(split.valid) if split.valid else []) == valids
    assert split.report.later_rows == np.sum(split.train.times > split.test.times.min())


def test_leave_last_out_tells_of_users_with_too_few():
    log = Interactions.from_codes(
        [0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0], values=range(6), times=[3, 2, 1, 1, 2, 1]
    )
    split = split_leave_last_out(log, n=1, valid=1)
    assert (rows_of(split.train), rows_of(split.valid), rows_of(split.test)) == ([2, 3, 4, 5], [1], [0])
    assert split.report.notes == ("2 users with fewer than 3 rows stay in train whole (3 rows)",)


@pytest.mark.parametrize(("n", "valid"), [(0, 0), (1, -1), (1.0, 0)])
def test_leave_last_out_counts(n, valid):
    with pytest.raises(ConfigError, match="must be an integer"):
        split_leave_last_out(timed([0, 1, 2]), n, valid)


# at random


@given(logs(), st.integers(0, 3))
def test_randomly_is_a_partition_by_seed(log, seed):
    split = split_randomly(log, 0.25, 0.25, seed=seed)
    assert_partition(log, split)
    assert len(split.test) == len(split.valid) == max(1, round(len(log) / 4))
    assert same(split, split_randomly(log, 0.25, 0.25, seed=seed))


def test_randomly_is_random():
    log = simulate_log(interactions=5000, seed=1).log
    one, two = (split_randomly(log, 0.1, 0.0, seed=s) for s in (0, 1))
    assert one.valid is None
    assert not np.array_equal(one.test.times, two.test.times)
    at = np.sort(np.searchsorted(log.times, one.test.times)) / len(log)
    assert np.abs(at - np.linspace(0, 1, len(at))).max() < 0.08  # spread over the whole log


# by user


@given(logs(), st.sampled_from([0.2, 0.5, 0.8]), st.integers(0, 3))
def test_by_user_holds_users_out_whole(log, known, seed):
    able = int(np.sum(np.bincount(log.user_codes, minlength=log.n_users) >= 2))
    if able < 2 or log.n_users - 2 < 1 or len(np.unique(log.user_codes)) < 3:
        return
    split = split_by_user(log, 1, 1, known=known, seed=seed)
    assert_partition(log, split)
    trained = set(split.train.users.to_list())
    for judged, folded in ((split.test, split.test_known), (split.valid, split.valid_known)):
        assert judged.users.to_list() == folded.users.to_list()
        assert len(judged.users) == 1
        assert trained.isdisjoint(judged.users.to_list())
        n = len(judged) + len(folded)
        assert len(folded) == min(max(1, round(known * n)), n - 1)
    assert set(split.test.users.to_list()).isdisjoint(split.valid.users.to_list())
    assert same(split, split_by_user(log, 1, 1, known=known, seed=seed))


def test_by_user_counts_and_shares():
    log = simulate_log(users=200, items=100, interactions=4000).log
    split = split_by_user(log, 0.1, 0.0, known=0.5)
    assert split.valid is None
    assert split.valid_known is None
    assert split.test.n_users == round(0.1 * log.n_users)
    assert split_by_user(log, 30, 10).test.n_users == 30
    report = split.report.test
    assert report.unseen_users == split.test.n_users
    assert report.lost_rows == split.test.recode(log.users, split.train.items).lost_rows


def test_by_user_refuses():
    log = simulate_log(users=20, items=30, interactions=100).log
    for bad in (0, 0.0, -1, 1.5, True, "many"):
        with pytest.raises(ConfigError, match="test_users"):
            split_by_user(log, bad)
    with pytest.raises(ConfigError, match=r"only .* have the two rows"):
        split_by_user(log, 19, 19)
    with pytest.raises(ConfigError, match="known is 1"):
        split_by_user(log, known=1)
    with pytest.raises(DataError, match="train part"):
        split_by_user(Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1]), 2, 0)


def test_by_user_leaves_users_with_one_row_in_train():
    log = Interactions.from_codes([0, 0, 1, 2, 2], [0, 1, 0, 0, 1], values=range(5))
    split = split_by_user(log, 1, 1)
    assert rows_of(split.train) == [2]
    assert split.report.notes == ("1 users with one row stay in train",)


# given


def test_given_parts_are_measured():
    train = Interactions.from_codes([0, 0, 1], [0, 1, 0], times=[1, 5, 2])
    test = Interactions.from_codes([0, 2], [0, 3], times=[4, 6])
    split = split_given(train, test)
    assert split.train is train
    assert split.test is test
    report = split.report
    assert (report.later_rows, report.shared_pairs) == (1, 1)
    assert (report.test.unseen_users, report.test.unseen_items, report.test.lost_rows) == (1, 1, 1)


def test_given_parts_of_other_id_types():
    train = Interactions.from_codes([0], [0])
    test = Interactions.from_codes([0], [0], user_ids=["0"], item_ids=["0"])
    with pytest.raises(DataError) as error:
        split_given(train, test)
    assert "user ids of test are string" in error.value.what
    assert "item ids of test are string" in error.value.what
    with pytest.raises(DataError, match="test part"):
        split_given(train, Interactions.from_codes([], []))


# the same log told in another way


@given(logs(), st.randoms(use_true_random=False))
def test_by_time_does_not_care_for_the_order_of_rows(log, random):
    order = list(range(len(log)))
    random.shuffle(order)
    shuffled = log.take(np.array(order))
    try:
        one = split_by_time(log, 0.3, 0.0)
    except DataError:
        with pytest.raises(DataError):
            split_by_time(shuffled, 0.3, 0.0)
        return
    other = split_by_time(shuffled, 0.3, 0.0)
    assert sorted(rows_of(one.test)) == sorted(rows_of(other.test))
    assert one.report == other.report


def test_names_of_users_do_not_matter():
    log = simulate_log(users=80, items=60, interactions=1200).log
    renamed = Interactions.from_codes(
        log.user_codes, log.item_codes, log.values, log.times, user_ids=[f"x{c}" for c in range(log.n_users)]
    )
    for cut in (split_by_time, split_leave_last_out, split_randomly, split_by_user):
        one, other = cut(log), cut(renamed)
        assert np.array_equal(one.test.times, other.test.times)
        assert one.report.later_rows == other.report.later_rows


# real data


@pytest.fixture(scope="module")
def ml_1m(real_data):
    with gzip.open(real_data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    return Interactions.of(
        users=rows[:, 0], items=rows[:, 1], values=rows[:, 2], times=rows[:, 3] * 1_000_000
    )


@pytest.mark.data
def test_ml_1m_by_global_time(ml_1m):
    split = split_by_time(ml_1m)
    report = split.report
    assert sum(part.rows for part in report.parts) == 1_000_209
    assert 100_021 <= report.test.rows < 100_041  # a tenth, and the ties at the border
    assert (
        split.train.times.max() < split.valid.times.min() <= split.valid.times.max() < split.test.times.min()
    )
    assert report.later_rows == 0
    assert report.test.unseen_users > 100  # most of its users came once: a global split is hard, and says so
    assert report.test.lost_rows == split.test.recode(split.train.users, split.train.items).lost_rows


@pytest.mark.data
def test_ml_1m_leave_last_out_is_the_split_of_ncf(ml_1m, real_data):
    folder = real_data / "ncf-ml-1m"
    movies = np.loadtxt(folder / "item_ids.csv.gz", dtype=np.int64, delimiter=",", skiprows=1)
    movie = dict(zip(movies[:, 0].tolist(), movies[:, 1].tolist(), strict=True))
    theirs = np.loadtxt(folder / "ml-1m.test.rating.gz", dtype=np.int64, delimiter="\t")
    split = split_leave_last_out(ml_1m, n=1, valid=0)
    users = split.test.users.decode(split.test.user_codes).to_pylist()
    items = dict(zip(users, split.test.items.decode(split.test.item_codes).to_pylist(), strict=True))
    times = dict(zip(users, (split.test.times // 1_000_000).tolist(), strict=True))
    assert (len(split.train), len(split.test)) == (994_169, 6_040)
    last = np.zeros(ml_1m.n_users, np.int64)
    np.maximum.at(last, ml_1m.user_codes, ml_1m.times)
    alone = np.bincount(ml_1m.user_codes[ml_1m.times == last[ml_1m.user_codes]], minlength=ml_1m.n_users) == 1
    untied = set(ml_1m.users.decode(np.flatnonzero(alone)).to_pylist())
    assert len(untied) > 3000
    for user, item, _, time in theirs.tolist():
        assert times[user + 1] == time
        if user + 1 in untied:  # at ties the two choose among rows of the same second
            assert items[user + 1] == movie[item]


def test_numbers_of_numpy_are_numbers_and_true_is_none():
    log = Interactions.from_codes([0, 0, 0, 1, 1, 1], [0, 1, 2] * 2, times=[1, 2, 3, 4, 5, 6])
    assert len(split_leave_last_out(log, np.int64(1), np.int32(0)).test) == 2
    assert len(split_by_time(log, np.float32(0.5), 0).test) == 3
    assert split_by_user(log, np.int64(1), 0).test.n_users == 1
    with pytest.raises(ConfigError, match="n is True"):
        split_leave_last_out(log, True, 0)
