"""Hidden steps: their share, the last alone, at least one, whole histories, and that (seed, epoch, at) says all."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.sequences import drawn_rows, histories

from matweave.neural.cloze import Cloze

N, LENGTH = 50, 20
ROWS = drawn_rows([9, 1, 0, 2, 30, 20, 12, 7] * 40, N)


def batches(**more):
    given = {"length": LENGTH, "share": 0.3, "last_share": 0.2, "batch_size": 64, "seed": 3}
    return Cloze(histories(*ROWS, n_items=N), **given | more)


def read(batch):
    """Whole histories of a batch, and which of their steps are hidden."""
    targets, hidden, inputs, slots, positions, lengths = (t.numpy() for t in batch)
    assert (inputs[hidden] == N).all()
    assert (np.delete(inputs, hidden) < N).all()
    whole, mask = inputs.copy(), np.zeros(len(inputs), bool)
    whole[hidden], mask[hidden] = targets, True
    cuts = np.cumsum(lengths)[:-1]
    assert slots.tolist() == [b * lengths.max() + t for b, n in enumerate(lengths) for t in range(n)]
    assert positions.tolist() == [LENGTH - n + t for n in lengths for t in range(n)]
    return list(zip((p.tolist() for p in np.split(whole, cuts)), np.split(mask, cuts), strict=True))


def test_an_epoch_holds_the_last_items_of_every_user_of_two_once():
    made = batches()
    found = [row for at in range(made.steps_per_epoch) for row, _ in read(made.batch(1, at))]
    assert sorted(found) == sorted(row[-LENGTH:] for row in ROWS if len(row) > 1)


@pytest.mark.parametrize(("share", "last"), [(0.3, 0.0), (0.3, 0.5), (0.0, 0.0), (0.5, 1.0), (1.0, 0.0)])
def test_steps_are_hidden_as_often_as_asked(share, last):
    made = batches(share=share, last_share=last)
    masks = [
        mask for e in range(6) for at in range(made.steps_per_epoch) for _, mask in read(made.batch(e, at))
    ]
    assert all(mask.any() for mask in masks)
    long = [mask for mask in masks if len(mask) == LENGTH]
    steps = np.mean([mask[:-1].mean() for mask in long])
    assert steps == pytest.approx(share * (1 - last), abs=0.03)
    ends = np.mean([mask[-1] for mask in long])
    none = (1 - share) ** LENGTH
    assert ends == pytest.approx(last + (1 - last) * (share + none), abs=0.05)


def test_batches_follow_from_seed_epoch_and_place():
    one, other = batches(), batches()
    one.batch(4, 2)
    for at in (1, 0):
        assert all(bool((a == b).all()) for a, b in zip(one.batch(2, at), other.batch(2, at), strict=True))
    masks = {str([mask.tolist() for _, mask in read(one.batch(e, 0))]) for e in range(4)}
    assert len(masks) == 4


def test_single_items_have_nothing_to_guess_from():
    made = Cloze(histories([1], [], n_items=2), length=3, share=0.5, last_share=0.1, batch_size=4, seed=0)
    assert (made.examples, made.steps_per_epoch) == (0, 0)
