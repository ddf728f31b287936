"""Rows as autoencoders read them: sums against dense products, what is kept, and the same batch from its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import matweave as mw
from matweave.data.csr import Csr
from matweave.neural.user_rows import (
    Bags,
    FirstLayer,
    UserRows,
    bags_of,
    by_item,
    entries_of,
    gathered,
    row_sums,
)


@pytest.fixture(scope="module")
def rows() -> Csr:
    return mw.simulate_log(users=40, items=25, interactions=300, seed=0).log.by_user


def dense(counts: np.ndarray, codes: np.ndarray, items: int, values: np.ndarray | None = None) -> np.ndarray:
    x = np.zeros((len(counts), items))
    x[np.repeat(np.arange(len(counts)), counts), codes] = 1.0 if values is None else values
    return x


def whole(rows: Csr) -> tuple[torch.Tensor, Bags, np.ndarray]:
    counts, codes = gathered(rows, np.arange(rows.n_rows))
    back_rows, back_starts, places = by_item(codes, np.cumsum(counts), rows.n_columns)
    weights = np.random.default_rng(1).normal(size=len(codes)).astype(np.float32)
    arrays = (
        codes,
        (np.cumsum(counts) - counts).astype(np.int32),
        back_rows,
        back_starts,
        weights,
        weights[places],
    )
    return (
        torch.from_numpy(counts),
        Bags(*map(torch.from_numpy, arrays)),
        dense(counts, codes, rows.n_columns, weights),
    )


@pytest.mark.parametrize("weighted", [True, False])
def test_sums_and_their_gradient_are_those_of_the_dense_product(rows, weighted):
    _, bags, x = whole(rows)
    if not weighted:
        bags, x = bags._replace(weights=None, back_weights=None), (x != 0).astype(float)
    table = torch.randn(rows.n_columns, 6, requires_grad=True)
    found = row_sums(bags, table)
    outer = torch.randn(found.shape)
    found.backward(outer)
    np.testing.assert_allclose(found.detach(), x @ table.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(table.grad, x.T @ outer.numpy(), atol=1e-5)


def test_without_entries_sums_are_zero():
    bags = bags_of(torch.zeros(3, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    assert row_sums(bags, torch.ones(4, 2)).tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize("rank", [None, 3])
def test_the_first_layer_normalises_what_was_there_before_it_was_thinned(rows, rank):
    layer = FirstLayer(rows.n_columns, 5, rank=rank, std=0.5)
    batch = UserRows(rows, batch_size=40, drop=0.4, seed=3).batch(0, 0)
    counts, _, kept, starts, *_ = (t.numpy() for t in batch)
    left = np.diff([*starts, len(kept)])
    x = dense(left, kept, rows.n_columns) / np.sqrt(counts)[:, None] / 0.6
    found = layer(batch[0], Bags(*batch[2:]), 0.6)
    wanted = x @ layer.table.whole().detach().numpy() + layer.bias.detach().numpy()
    np.testing.assert_allclose(found.detach(), wanted, atol=1e-5)
    found.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


def test_an_epoch_has_every_row_with_entries_once(rows):
    wider = Csr.from_pairs([0, 2, 2], [1, 0, 1], shape=(5, 3))
    assert UserRows(wider, batch_size=2, drop=None).examples == 2
    batches = UserRows(rows, batch_size=7, drop=None, seed=1)
    found = [batches.batch(2, at) for at in range(batches.steps_per_epoch)]
    assert sum(len(counts) for counts, _ in found) == batches.examples
    assert sorted(torch.cat([codes for _, codes in found]).tolist()) == sorted(rows.indices.tolist())


def test_a_batch_depends_on_seed_epoch_and_place_alone(rows):
    first, second = (UserRows(rows, batch_size=8, drop=0.5, seed=4) for _ in range(2))
    second.batch(7, 1)
    for one, other in zip(first.batch(2, 3), second.batch(2, 3), strict=True):
        assert torch.equal(one, other)
    other_epoch, other_seed = first.batch(3, 3), UserRows(rows, batch_size=8, drop=0.5, seed=5).batch(2, 3)
    assert not torch.equal(first.batch(2, 3)[2], other_epoch[2])
    assert not torch.equal(first.batch(2, 3)[2], other_seed[2])


def test_the_share_that_is_kept_is_as_told():
    n = 200_000
    every = Csr.from_pairs(np.zeros(n, np.int64), np.arange(n), shape=(1, n))
    for drop in (0.0, 0.3, 0.9):
        kept = UserRows(every, batch_size=1, drop=drop, seed=1).batch(0, 0)[2].numpy()
        assert abs(len(kept) / n - (1 - drop)) < 5 * np.sqrt(0.25 / n)
        assert np.all(np.diff(kept) > 0)
        assert abs((kept % 2).mean() - 0.5) < 0.02  # neighbours are dropped independently


def test_entries_by_item_are_the_same_entries():
    codes, ends = np.array([3, 1, 3, 0], np.int32), np.array([2, 2, 4])
    rows, starts, places = by_item(codes, ends, 5)
    assert starts.tolist() == [0, 1, 2, 2, 4]
    assert codes[places].tolist() == [0, 1, 3, 3]
    assert rows.tolist() == [2, 0, 0, 2]


def test_entries_of_rows_stand_one_behind_the_other(rows):
    chosen = np.array([5, 0, 5])
    counts, codes = gathered(rows, chosen)
    assert codes.tolist() == [c for row in chosen for c in rows.row(row)[0]]
    assert np.array_equal(rows.indices[entries_of(rows, chosen, counts)], codes)
