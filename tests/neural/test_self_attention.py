"""Blocks by hand in float64: causal and bidirectional, packed together against alone, the last step against all."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand import transformer as by_hand
from by_hand.sequences import packed_rows, weights_of, widened

from matweave.deep import functional, torch
from matweave.neural.self_attention import Block, PostNormBlock, attend

WIDTH, COUNTS = 8, [5, 1, 7, 3]


@pytest.fixture
def steps():
    rows = [list(range(n)) for n in COUNTS]
    _, slots, _, lengths = packed_rows(rows, max(COUNTS))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((sum(COUNTS), WIDTH)))
    return x, slots, lengths


def parts(x):
    return np.split(x.detach().numpy(), np.cumsum(COUNTS)[:-1])


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("output", [False, True])
def test_a_causal_block_is_the_papers(steps, heads, output):
    x, slots, lengths = steps
    block = widened(Block(WIDTH, heads, 0.3, inner=12, output=output))
    found = block(x, slots, len(COUNTS), max(COUNTS))
    for mine, alone in zip(parts(found), parts(x), strict=True):
        wanted = by_hand.causal_block(alone, weights_of(block), "", heads, output=output)
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-10)
    last = block.last(x, slots, lengths, max(COUNTS))
    torch.testing.assert_close(last, found[lengths.cumsum(0) - 1])


@pytest.mark.parametrize("heads", [1, 2])
def test_a_bidirectional_block_is_the_papers(steps, heads):
    x, slots, lengths = steps
    block = widened(PostNormBlock(WIDTH, heads, 0.3, inner=12))
    there = torch.arange(max(COUNTS)) < lengths[:, None]
    found = block(x, slots, there)
    for mine, alone in zip(parts(found), parts(x), strict=True):
        wanted = by_hand.bidirectional_block(alone, weights_of(block), "", heads)
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(block.last(x, slots, lengths, max(COUNTS)), found[lengths.cumsum(0) - 1])
    rows = torch.tensor([0, 4, 5, 11])
    torch.testing.assert_close(block(x, slots, there, rows), found[rows])


def test_the_future_does_not_leak():
    block = widened(Block(WIDTH, 2, 0.0, inner=8, output=True))
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((6, WIDTH)))
    slots = torch.arange(6)
    before = block(x, slots, 1, 6)
    x[4, ::2] += 1  # a shift of all would be nothing to the norm
    after = block(x, slots, 1, 6)
    assert bool((before[:4] == after[:4]).all())
    assert bool((before[4:] != after[4:]).any(1).all())


@pytest.mark.parametrize("how", ["causal", "masked", "all"])
def test_attention_is_torchs_own(how):
    rng = np.random.default_rng(2)
    q, k, v = (torch.from_numpy(rng.standard_normal((3, 2, 5, 4))) for _ in range(3))
    mask = (torch.arange(5) < torch.tensor([5, 2, 4])[:, None])[:, None, None] if how == "masked" else None
    causal = how == "causal"
    wanted = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    torch.testing.assert_close(attend(q, k, v, causal=causal, mask=mask), wanted)


@pytest.mark.parametrize("kind", ["causal", "bidirectional"])
def test_gradients_are_numerical_ones(steps, kind):
    x, slots, lengths = steps
    there = torch.arange(max(COUNTS)) < lengths[:, None]
    made = (
        Block(WIDTH, 2, 0.0, inner=4, output=True)
        if kind == "causal"
        else PostNormBlock(WIDTH, 2, 0.0, inner=4)
    )
    block = widened(made)

    def forward(x):
        return block(x, slots, len(COUNTS), max(COUNTS)) if kind == "causal" else block(x, slots, there)

    assert torch.autograd.gradcheck(forward, [x.requires_grad_()])


def test_long_histories_by_the_fused_kernel_are_the_same(monkeypatch):
    q, k, v = (torch.randn(3, 2, 9, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    there = (torch.arange(9) < torch.tensor([[9], [4], [1]]))[:, None, None]
    for how in ({"causal": True}, {"causal": False}, {"causal": False, "mask": there}):
        short = attend(q, k, v, **how)
        monkeypatch.setattr("matweave.neural.self_attention.SHORT", 8)
        long = attend(q, k, v, **how)
        monkeypatch.undo()
        torch.testing.assert_close(long, short)
        for a, b in zip(
            *(torch.autograd.grad(x.square().sum(), (q, k, v)) for x in (long, short)), strict=True
        ):
            torch.testing.assert_close(a, b)
