"""Ranking-max losses step by step in float64: rivals of each step, both losses, gradients, steps without rivals."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import gru as by_hand
from by_hand.sequences import drawn_rows, histories

from matweave.deep import torch
from matweave.neural.gain_losses import bpr_max, rivals, top1_max
from matweave.neural.histories import NextItems

N, D = 12, 4
ROWS = drawn_rows([4, 2, 6, 3], N)
DRAWN = [3, 0, 3, 7]


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    _, targets, slots, _, lengths = NextItems(histories(*ROWS, n_items=N), length=9, batch_size=4).batch(0, 0)
    h, table, bias = (
        torch.from_numpy(rng.standard_normal(shape)).requires_grad_()
        for shape in ((len(targets), D), (N, D), (N,))
    )
    return h, table, bias, targets, torch.tensor(DRAWN), (slots, lengths)


def by_loops(h, table, bias, targets, drawn, grid):
    """Each step's target score and its rivals' scores."""
    slots, lengths = grid
    h, table, bias = (t.detach().numpy() for t in (h, table, bias))
    longest = int(lengths.max())
    column = [int(slot) % longest for slot in slots]
    made = []
    for p, y in enumerate(targets.tolist()):
        others = [
            int(targets[q]) for q in range(len(h)) if column[q] == column[p] and q != p
        ] + drawn.tolist()
        scores = [float(h[p] @ table[j] + bias[j]) for j in others if j != y]
        made.append((float(h[p] @ table[y] + bias[y]), scores))
    return made


def test_rivals_are_the_columns_other_targets_and_the_sample(given):
    good, bad, there = rivals(*given)
    for p, (wanted, others) in enumerate(by_loops(*given)):
        assert good[p].item() == pytest.approx(wanted)
        assert sorted(bad[p][there[p]].tolist()) == pytest.approx(sorted(others))


@pytest.mark.parametrize("regularization", [0.0, 0.7])
def test_losses_are_the_papers(given, regularization):
    steps = by_loops(*given)
    assert top1_max(*rivals(*given)).item() == pytest.approx(np.mean([by_hand.top1_max(*s) for s in steps]))
    wanted = np.mean([by_hand.bpr_max(*s, regularization) for s in steps])
    found = bpr_max(*rivals(*given), regularization=regularization)
    assert found.item() == pytest.approx(wanted)


@pytest.mark.parametrize("loss", [top1_max, lambda *s: bpr_max(*s, regularization=0.5)], ids=["top1", "bpr"])
def test_gradients_are_numerical_ones(given, loss):
    *inputs, targets, drawn, grid = given
    assert torch.autograd.gradcheck(lambda h, e, b: loss(*rivals(h, e, b, targets, drawn, grid)), inputs)


@pytest.mark.parametrize("loss", [top1_max, lambda *s: bpr_max(*s, regularization=0.5)], ids=["top1", "bpr"])
def test_a_step_without_rivals_adds_nothing(loss):
    good = torch.zeros(2, requires_grad=True)
    bad = torch.full((2, 3), 50.0, requires_grad=True)
    there = torch.tensor([[False] * 3, [True] * 3])
    value = loss(good, bad, there)
    assert value.item() == pytest.approx(loss(good[1:], bad[1:], there[1:]).item() / 2)
    found = torch.autograd.grad(value, [good, bad])
    assert all(bool(torch.isfinite(g).all()) for g in found)
    assert bool((found[1][0] == 0).all())


def test_the_strongest_rival_counts_most():
    """The gradient does not vanish with weak rivals beside one strong one, as it does for the mean of pairs."""
    good = torch.zeros(1, requires_grad=True)
    bad = torch.tensor([[2.0] + [-12.0] * 500])
    there = torch.ones_like(bad, dtype=torch.bool)
    for loss in (top1_max, lambda *s: bpr_max(*s, regularization=0.0)):
        (slope,) = torch.autograd.grad(loss(good, bad, there), good)
        (alone,) = torch.autograd.grad(loss(good, bad[:, :1], there[:, :1]), good)
        assert slope.item() == pytest.approx(alone.item(), rel=0.1)
