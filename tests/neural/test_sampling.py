"""Negatives: never the user's own, uniform, by position alone; batches: every positive once an epoch, beside its negatives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from matweave.data.csr import Csr
from matweave.deep import torch
from matweave.neural import sampling
from matweave.neural.sampling import Pairwise, Pointwise, draw_negatives
from matweave.threads import set_threads


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    set_threads(None)


def a_log(users: int = 30, items: int = 20, share: float = 0.4) -> Csr:
    there = np.random.default_rng(0).random((users, items)) < share
    there[0], there[1] = True, False  # one user of every item, one of none
    return Csr.from_pairs(*np.nonzero(there), shape=there.shape)


def test_no_negative_is_an_item_of_the_user_but_where_all_are() -> None:
    log = a_log()
    users = np.repeat(np.arange(30), 5)
    drawn = draw_negatives(log, users, 40, seed=3)
    assert drawn.dtype == np.int32
    assert drawn.shape == (150, 40)
    assert drawn.min() >= 0
    assert drawn.max() < 20
    dense = log.scipy().toarray() > 0
    assert dense[users[:, None], drawn][5:].sum() == 0
    assert len(np.unique(drawn[:5])) > 10  # of every item: any


def test_each_free_item_is_drawn_as_often() -> None:
    log = a_log()
    dense = log.scipy().toarray() > 0
    for user in (1, 2, 3):
        drawn = draw_negatives(log, np.full(1000, user), 30, seed=user)
        counts = np.bincount(drawn.ravel(), minlength=20)[~dense[user]]
        wanted = 30_000 / len(counts)
        assert ((counts - wanted) ** 2 / wanted).sum() < 3 * len(counts)  # chi squared: its mean is len - 1


def test_a_draw_depends_on_seed_and_position_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    log, users = a_log(), np.random.default_rng(1).integers(0, 30, 300)
    whole = draw_negatives(log, users, 7, seed=11)
    part = draw_negatives(log, users[100:150], 7, seed=11, first=100)
    np.testing.assert_array_equal(part, whole[100:150])
    assert (draw_negatives(log, users, 7, seed=12) != whole).mean() > 0.5
    monkeypatch.setattr(sampling, "_SHARE", 50)
    for threads in (1, 2, 3):
        set_threads(threads)
        np.testing.assert_array_equal(draw_negatives(log, users, 7, seed=11), whole)


def test_nothing_is_drawn_for_nobody() -> None:
    assert draw_negatives(a_log(), np.empty(0, np.int64), 3, seed=0).shape == (0, 3)


@pytest.mark.parametrize("piece", [1, 100, 1 << 18])
def test_every_positive_comes_once_an_epoch_with_its_negatives(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(sampling, "PIECE", piece)
    log = a_log()
    dense = log.scipy().toarray() > 0
    batches = Pointwise(log, batch_size=20, negatives=3, seed=5)
    assert batches.examples == 4 * log.nnz
    assert batches.steps_per_epoch == -(-log.nnz // 5)
    epochs = []
    for epoch in range(2):
        parts = [batches.batch(epoch, at) for at in range(batches.steps_per_epoch)]
        assert all(len(part[0]) == 20 for part in parts[:-1])
        users, items, labels = (torch.cat(p).numpy() for p in zip(*parts, strict=True))
        assert (users.dtype, items.dtype, labels.dtype) == (np.int64, np.int64, np.float32)
        mine = labels == 1
        assert mine.sum() == log.nnz
        met = np.zeros_like(dense)
        met[users[mine], items[mine]] = True
        np.testing.assert_array_equal(met, dense)
        assert not dense[users[~mine], items[~mine]][users[~mine] > 0].any()
        epochs.append((users, items))
    assert (epochs[0][0] != epochs[1][0]).any()


def test_a_batch_is_a_function_of_epoch_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log()
    ordered = Pointwise(log, batch_size=16, negatives=1, seed=2)
    wanted = {(e, a): ordered.batch(e, a) for e in range(2) for a in range(ordered.steps_per_epoch)}
    monkeypatch.setattr(sampling, "PIECE", 64)
    other = Pointwise(log, batch_size=16, negatives=1, seed=2)
    for place in [(1, 3), (0, 0), (1, 2), (0, 9), (0, 1)]:
        assert all(torch.equal(a, b) for a, b in zip(other.batch(*place), wanted[place], strict=True))
    seeded = Pointwise(log, batch_size=16, negatives=1, seed=3).batch(0, 0)
    assert not torch.equal(seeded[1], wanted[0, 0][1])


def test_labels_of_positives_are_the_logs_own() -> None:
    log = a_log()
    values = np.arange(1, log.nnz + 1, dtype=np.float32)
    users, items, labels = Pointwise(log, batch_size=10**6, negatives=2, seed=0, labels=values).batch(0, 0)
    dense = np.zeros(log.shape, np.float32)
    dense[np.repeat(np.arange(30), log.counts), log.indices] = values
    mine = labels > 0
    np.testing.assert_array_equal(dense[users[mine], items[mine]], labels[mine].numpy())
    assert int(mine.sum()) == log.nnz


def test_pairs_are_the_same_draws_laid_side_by_side() -> None:
    log = a_log()
    flat = Pointwise(log, batch_size=20, negatives=3, seed=5)
    pairs = Pairwise(log, batch_size=5, negatives=3, seed=5)
    assert (pairs.examples, pairs.steps_per_epoch) == (log.nnz, flat.steps_per_epoch)
    for at in (0, 3, pairs.steps_per_epoch - 1):
        users, items, _ = flat.batch(1, at)
        owner, positive, negative = pairs.batch(1, at)
        assert torch.equal(users.view(-1, 4)[:, 0], owner)
        assert torch.equal(items.view(-1, 4), torch.cat([positive[:, None], negative], 1))


def test_batches_without_negatives_are_the_positives() -> None:
    users, _, labels = Pointwise(a_log(), batch_size=7, negatives=0, seed=0).batch(0, 0)
    assert len(users) == 7
    assert bool((labels == 1).all())


def test_batches_go_to_a_device() -> None:
    batches = Pairwise(a_log(), batch_size=4, negatives=1, seed=0)
    here = batches.batch(0, 0)
    batches.to(torch.device("meta"))
    assert all(t.device.type == "meta" for t in batches.batch(0, 0))
    batches.to(torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(batches.batch(0, 0), here, strict=True))
