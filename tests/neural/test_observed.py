"""Errors on observed entries: against the dense masked loss in float64, both ways of making products, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import matweave as mw
from matweave.data.csr import Csr
from matweave.neural.observed import ObservedRows, observed_bags, observed_loss
from matweave.threads import set_threads


@pytest.fixture(scope="module")
def rows() -> Csr:
    return mw.simulate_log(users=40, items=25, interactions=300, seed=0).log.by_item


def sides(rows: Csr, n: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (n, 6), (rows.n_columns, 6), (rows.n_columns,)
    return [torch.randn(*shape, dtype=dtype).requires_grad_() for shape in shapes]


def dense(
    rows: Csr, batches: ObservedRows, batch: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and where they are, of the rows of a batch."""
    counts, codes, _, values, *_ = batch
    r = torch.full((len(counts), rows.n_columns), torch.nan, dtype=torch.float64)
    r[torch.repeat_interleave(torch.arange(len(counts)), counts), codes.long()] = values.double()
    return torch.nan_to_num(r), ~torch.isnan(r)


@pytest.mark.parametrize("products", [False, True])
def test_loss_and_gradients_are_those_of_the_masked_rows(rows, products):
    batches = ObservedRows(rows, batch_size=8, seed=1)
    batch = batches.batch(1, 2)
    mine = sides(rows, len(batch[0]))
    loss = observed_loss(*mine, batch, dense=products)
    (0.5 * loss).backward()
    r, there = dense(rows, batches, batch)
    h, table, bias = theirs = [t.detach().double().requires_grad_() for t in mine]
    wanted = torch.where(there, h @ table.T + bias - r, 0.0).square().sum()
    (0.5 * wanted).backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-4)


def test_gradients_numerically(rows):
    batch = ObservedRows(rows, batch_size=5, seed=1).batch(0, 0)
    batch = tuple(t.double() if t.is_floating_point() else t for t in batch)
    given = sides(rows, 5, torch.float64)
    assert torch.autograd.gradcheck(lambda *s: observed_loss(*s, batch, dense=True), given)
    assert torch.autograd.gradcheck(lambda *s: observed_loss(*s, batch, dense=False), given)


def test_products_are_the_same_bits_for_any_number_of_threads():
    wide = mw.simulate_log(users=3000, items=60, interactions=60_000, seed=0).log.by_item
    batch = ObservedRows(wide, batch_size=60).batch(0, 0)
    torch.manual_seed(0)
    h, table, bias = torch.randn(60, 256), torch.randn(3000, 256), torch.zeros(3000)
    found = []
    for threads in (1, 2, 3):
        set_threads(threads)
        found.append(observed_loss(h, table, bias, batch, dense=False).item())
    set_threads(None)
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(observed_loss(h, table, bias, batch, dense=True).item(), rel=1e-5)


def test_an_epoch_has_every_row_once_those_without_entries_too():
    wider = Csr.from_pairs([0, 2], [1, 0], [5.0, 3.0], shape=(5, 3))
    batches = ObservedRows(wider, batch_size=2, seed=3)
    found = [batches.batch(0, at) for at in range(batches.steps_per_epoch)]
    assert [len(b[0]) for b in found] == [2, 2, 1]
    assert sum(int(b[0].sum()) for b in found) == 2
    assert sorted(torch.cat([b[3] for b in found]).tolist()) == [3.0, 5.0]
    assert (
        sum(observed_loss(*[t.detach() * 0 for t in sides(wider, len(b[0]))], b).item() for b in found)
        == 34.0
    )


def test_a_batch_depends_on_seed_epoch_and_place_alone(rows):
    first, second = (ObservedRows(rows, batch_size=8, seed=4) for _ in range(2))
    second.batch(7, 1)
    for one, other in zip(first.batch(2, 1), second.batch(2, 1), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(first.batch(2, 1)[1], first.batch(3, 1)[1])


def test_bags_are_weighted_by_values_scaled_and_shifted_by_row_and_by_column(rows):
    batch = ObservedRows(rows, batch_size=8, seed=1).batch(0, 0)
    bags = observed_bags(batch, 2.0, 1.0)
    assert bags.weights is not None
    assert bags.back_weights is not None
    np.testing.assert_allclose(bags.weights, 2 * batch[3] + 1)
    owners = torch.repeat_interleave(torch.arange(8), batch[0])
    by_row = {(int(r), int(c)): float(w) for r, c, w in zip(owners, bags.codes, bags.weights, strict=True)}
    columns = np.repeat(np.arange(rows.n_columns), np.diff([*batch[5].tolist(), len(bags.codes)]))
    by_column = {
        (int(r), int(c)): float(w) for r, c, w in zip(batch[4], columns, bags.back_weights, strict=True)
    }
    assert by_row == by_column
