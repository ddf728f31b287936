"""Losses over a catalogue: torch's cross-entropy in float64 for blocks of every size, loops for the others, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matweave.deep import functional, torch
from matweave.neural.softmax import binary_loss, gbce_power, sampled_softmax_loss, softmax_loss

P, D = 13, 5
BIAS = pytest.mark.parametrize("biased", [False, True], ids=["plain", "biased"])


def drawn(items, biased, dtype=torch.float64):
    given = torch.Generator()
    given.manual_seed(items)
    h = torch.randn(P, D, generator=given, dtype=dtype)
    table = torch.randn(items, D, generator=given, dtype=dtype)
    bias = torch.randn(items, generator=given, dtype=dtype) if biased else None
    targets = torch.randint(items, (P,), generator=given)
    return [None if t is None else t.requires_grad_() for t in (h, table, bias)], targets


def gradients(loss, inputs):
    return torch.autograd.grad(loss, [t for t in inputs if t is not None])


@BIAS
@pytest.mark.parametrize("items", [1, 2, 17, 64])
@pytest.mark.parametrize("cells", [1, 64, 200, 640, 1 << 21])
def test_softmax_is_cross_entropy_whatever_the_blocks(items, cells, biased):
    inputs, targets = drawn(items, biased)
    h, table, bias = inputs
    scores = h @ table.T if bias is None else h @ table.T + bias
    wanted = functional.cross_entropy(scores, targets)
    found = softmax_loss(h, table, bias, targets, cells=cells)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)
    for a, b in zip(gradients(3 * found, inputs), gradients(3 * wanted, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_softmax_of_scores_far_apart_is_finite():
    inputs, targets = drawn(40, True, torch.float32)
    for cells in (64, 1 << 21):
        loss = softmax_loss(inputs[0] * 1e3, inputs[1], inputs[2], targets, cells=cells)
        assert bool(torch.isfinite(loss))
        assert all(bool(torch.isfinite(g).all()) for g in gradients(loss, inputs))


def test_softmax_makes_only_the_gradients_that_are_asked_for():
    (h, table, _), targets = drawn(17, False)
    wanted = gradients(softmax_loss(h, table, None, targets), [h, table])
    alone = gradients(softmax_loss(h, table.detach(), None, targets), [h])
    torch.testing.assert_close(alone[0], wanted[0])


@BIAS
def test_sampled_softmax_is_that_over_target_and_sample(biased):
    (h, table, bias), targets = drawn(17, biased)
    sample = torch.tensor([3, 3, 0, 16, 9])
    s = (h @ table.T + (0 if bias is None else bias)).detach().numpy()
    total = 0.0
    for p, y in enumerate(targets.tolist()):
        rivals = sum(math.exp(s[p, j]) * 17 / 5 for j in sample.tolist() if j != y)
        total -= math.log(math.exp(s[p, y]) / (math.exp(s[p, y]) + rivals))
    found = sampled_softmax_loss(h, table, bias, targets, sample)
    assert found.item() == pytest.approx(total / P, rel=1e-12)


def test_a_sample_of_the_target_alone_costs_nothing_and_has_no_nan():
    (h, table, _), _ = drawn(4, False)
    found = sampled_softmax_loss(h, table, None, torch.zeros(P, dtype=torch.int64), torch.tensor([0, 0]))
    assert found.item() == 0
    assert all(bool((g == 0).all()) for g in gradients(found, [h, table]))


def test_sampled_softmax_estimates_the_full_one():
    (h, table, _), targets = drawn(200, False)
    h, table = h.detach() * 0.5, table.detach()
    given = torch.Generator()
    given.manual_seed(1)
    sample = torch.randint(200, (60_000,), generator=given)
    estimated = sampled_softmax_loss(h, table, None, targets, sample).item()
    assert estimated == pytest.approx(softmax_loss(h, table, None, targets).item(), rel=0.01)


@BIAS
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_binary_losses_are_those_of_loops(biased, dense, beta):
    inputs, targets = drawn(17, biased)
    h, table, bias = inputs
    rng = np.random.default_rng(0)
    negatives = rng.integers(0, 17, (P, 4))
    negatives[2, 1] = targets[2]  # no rival of itself
    negatives[5] = negatives[5, 0]  # one drawn again counts again
    s = (h @ table.T + (0 if bias is None else bias)).detach().numpy()
    total = 0.0
    for p, y in enumerate(targets.tolist()):
        total -= beta * math.log(1 / (1 + math.exp(-s[p, y])))
        total -= sum(math.log(1 - 1 / (1 + math.exp(-s[p, j]))) for j in negatives[p] if j != y)
    found = binary_loss(h, table, bias, targets, torch.from_numpy(negatives), beta=beta, dense=dense)
    assert found.item() == pytest.approx(total / P, rel=1e-10)
    other = binary_loss(h, table, bias, targets, torch.from_numpy(negatives), beta=beta, dense=not dense)
    for a, b in zip(gradients(found, inputs), gradients(other, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dense", [False, True])
def test_gradients_of_the_binary_loss_are_numerical_ones(dense):
    inputs, targets = drawn(9, True)
    negatives = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (P, 3)))
    assert torch.autograd.gradcheck(
        lambda h, e, b: binary_loss(h, e, b, targets, negatives, beta=0.4, dense=dense), inputs
    )


def test_the_power_of_gbce():
    """Petrov & Macdonald 2023: t = 0 is the binary loss, t = 1 gives the sampling rate itself."""
    assert gbce_power(256, 3417, 0.0) == pytest.approx(1.0)
    assert gbce_power(256, 3417, 1.0) == pytest.approx(256 / 3416)
    rate = 256 / 3416
    assert gbce_power(256, 3417, 0.75) == pytest.approx(rate * (0.75 * (1 - 1 / rate) + 1 / rate))
    assert math.isfinite(gbce_power(4, 1, 0.75))
