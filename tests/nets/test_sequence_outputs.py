"""Outputs of padded batches: against loops over single sequences; what the padding holds never matters."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.net_forwards import arrays

from matweave.deep import torch
from matweave.errors import ConfigError, DataError
from matweave.nets.sequence_outputs import (
    OUTPUTS,
    Attention,
    Last,
    full_lengths,
    only_valid,
    sequence_output,
    valid_steps,
)

LENGTHS = torch.tensor([3, 5, 1, 4])


def padded(fill=0.0, total=5, width=4):
    steps = torch.randn(4, 5, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steps = torch.cat([steps, steps.new_zeros(4, total - 5, width)], 1)
    for row, length in zip(steps, LENGTHS, strict=True):
        row[length:] = fill
    return steps


def by_hand(name, rows, module):
    if name == "last":
        return rows[-1]
    if name == "steps":
        return np.concatenate([rows, np.zeros((5 - len(rows), rows.shape[1]))])
    if name == "attention":
        w = arrays(module)
        scores = np.array(
            [w["score.weight"][0] @ np.tanh(w["inner.weight"] @ h + w["inner.bias"]) for h in rows]
        )
        share = np.exp(scores) / np.exp(scores).sum()
        return share @ rows
    return {"mean": np.mean, "max": np.max}[name](rows, axis=0)


@pytest.mark.parametrize("name", OUTPUTS)
def test_each_output_is_what_a_loop_over_sequences_gives(name):
    module, steps = sequence_output(name, 4).double(), padded()
    found = module(steps, LENGTHS).detach().numpy()
    for i, length in enumerate(LENGTHS):
        np.testing.assert_allclose(found[i], by_hand(name, steps[i, :length].numpy(), module), atol=1e-12)


@pytest.mark.parametrize("fill", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("name", OUTPUTS)
def test_what_the_padding_holds_matters_neither_forward_nor_backward(name, fill):
    module = sequence_output(name, 4).double()
    found = []
    for value, total in ((0.0, 5), (fill, 8)):
        module.zero_grad()
        steps = padded(value, total).requires_grad_()
        out = module(steps, LENGTHS)
        out = out[:, :5] if name == "steps" else out
        out.square().sum().backward()
        found.append((out.detach(), steps.grad[:, :5], [p.grad for p in module.parameters()]))
    torch.testing.assert_close(found[0], found[1])
    assert not found[0][1][~valid_steps(LENGTHS, 5)].any()


@pytest.mark.parametrize("name", OUTPUTS)
def test_gradients_agree_with_differences(name):
    module = sequence_output(name, 4).double()
    steps = padded(total=6).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, *_: module(s, LENGTHS), (steps, *module.parameters()))


def test_last_of_both_ways_takes_the_first_step_of_what_runs_backwards():
    steps = padded()
    found = Last(both_ways=True)(steps, LENGTHS)
    for i, length in enumerate(LENGTHS):
        torch.testing.assert_close(found[i], torch.cat([steps[i, length - 1, :2], steps[i, 0, 2:]]))


def test_attention_weights_sum_to_one_over_valid_steps():
    weights = Attention(4, hidden=3).double().weights(padded(), LENGTHS)
    torch.testing.assert_close(weights.sum(1), torch.ones(4, dtype=torch.float64))
    assert (weights > 0).equal(valid_steps(LENGTHS, 5))


def test_masks_and_lengths():
    assert valid_steps(LENGTHS, 5).sum(1).equal(LENGTHS)
    assert full_lengths(torch.zeros(2, 7, 1), None).tolist() == [7, 7]
    assert full_lengths(torch.zeros(4, 7, 1), LENGTHS) is LENGTHS
    with pytest.raises(DataError, match="for 3 sequences"):
        full_lengths(torch.zeros(3, 7, 1), LENGTHS)
    assert only_valid(torch.ones(4, 5, 1), LENGTHS, 9.0).sum() == 13 + 9 * 7


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'mean'"):
        sequence_output("meen", 3)
