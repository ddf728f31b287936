"""FastDropout: shares, independence, gradients, and that draws follow torch's generator."""

from __future__ import annotations

import pytest

from matweave.deep import seeded, torch
from matweave.errors import ConfigError
from matweave.nets.fast_dropout import FastDropout

N = 200_000


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_kept_and_the_mean_are_right(p):
    with seeded(0, "test"):
        y = FastDropout(p)(torch.ones(N))
    kept = (y != 0).float().mean().item()
    assert kept == pytest.approx(1 - p, abs=5 * (p * (1 - p) / N) ** 0.5)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])


def test_numbers_and_calls_are_independent():
    with seeded(1, "test"):
        drop = FastDropout(0.5)
        a, b = ((drop(torch.ones(N)) != 0).float() - 0.5 for _ in range(2))
    limit = 5 / (4 * N**0.5)
    for lag in (1, 2, 8, 64, 256):
        assert abs((a[lag:] * a[:-lag]).mean().item()) < limit
    assert abs((a * b).mean().item()) < limit


def test_the_gradient_passes_where_the_number_was_kept():
    x = torch.randn(50, 7, requires_grad=True)
    y = FastDropout(0.3)(x)
    (y * 2).sum().backward()
    assert x.grad is not None
    kept = (y != 0).float()
    torch.testing.assert_close(x.grad, 2 * kept / 0.7)
    torch.testing.assert_close(y, x.detach() * kept / 0.7)


def test_a_residual_is_added_and_takes_the_whole_gradient():
    x, r = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    drop = FastDropout(0.5)
    with seeded(2, "test"):
        alone = drop(x)
    with seeded(2, "test"):
        both = drop(x, r)
    torch.testing.assert_close(both, r + alone)
    both.sum().backward()
    assert r.grad is not None
    assert (r.grad == 1).all()


def test_draws_follow_torchs_generator_and_transposed_inputs_are_taken():
    x = torch.randn(40, 30).T
    with seeded(3, "test"):
        a = FastDropout(0.5)(x)
    with seeded(3, "test"):
        b = FastDropout(0.5)(x)
    assert torch.equal(a, b)
    torch.testing.assert_close(a[a != 0], 2 * x[a != 0])


def test_nothing_is_dropped_when_not_training_or_with_p_zero():
    x = torch.randn(9)
    assert FastDropout(0.5).eval()(x) is x
    assert FastDropout(0.0)(x) is x
    torch.testing.assert_close(FastDropout(0.0)(x, x), 2 * x)


def test_other_types_go_to_torchs_own():
    y = FastDropout(0.5)(torch.ones(1000, dtype=torch.float64))
    assert y.dtype == torch.float64
    assert set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("p", [-0.1, 1.0, "half"])
def test_a_share_out_of_range_is_refused(p):
    with pytest.raises(ConfigError, match="p is"):
        FastDropout(p)
