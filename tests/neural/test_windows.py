"""Windows against a slow loop that lists them: inputs, targets, padding, and every window once an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.sequences import drawn_rows, histories

from matweave.neural.windows import Windows, last_images

N = 15
ROWS = drawn_rows([9, 1, 0, 2, 12, 5, 3, 4], N)


def listed(rows, length, targets):
    """Every window of every user, as the paper slides them."""
    made = []
    for user, row in enumerate(rows):
        n = len(row)
        if n < 2:
            continue
        starts = range(length, n - targets + 1) if n >= length + targets else [max(1, n - targets)]
        for s in starts:
            before = row[max(0, s - length) : s]
            after = row[s : s + targets]
            made.append((user, [N] * (length - len(before)) + before, after + [-1] * (targets - len(after))))
    return sorted(made)


@pytest.mark.parametrize(("length", "targets"), [(1, 1), (3, 2), (5, 3), (4, 1), (2, 6)])
def test_an_epoch_holds_every_window_once(length, targets):
    made = Windows(
        histories(*ROWS, n_items=N), length=length, targets=targets, negatives=2, batch_size=4, seed=1
    )
    wanted = listed(ROWS, length, targets)
    assert made.examples == len(wanted)
    for epoch in (0, 3):
        found = []
        for at in range(made.steps_per_epoch):
            items, users, after, wrong = made.batch(epoch, at)
            assert wrong.shape == (len(items), 2 * targets)
            for b, user in enumerate(users.tolist()):
                assert not set(wrong[b].tolist()) & set(ROWS[user])
                found.append((user, items[b].tolist(), after[b].tolist()))
        assert sorted(found) == wanted


def test_batches_follow_from_seed_epoch_and_place():
    settings = {"length": 3, "targets": 2, "negatives": 2, "batch_size": 5}
    one, other = (Windows(histories(*ROWS, n_items=N), **settings, seed=2) for _ in range(2))
    one.batch(4, 1)
    for at in (1, 0):
        assert all(bool((a == b).all()) for a, b in zip(one.batch(2, at), other.batch(2, at), strict=True))
    order = [tuple(t[0].flatten().tolist() for t in one.batch(e, 0)) for e in range(6)]
    assert len(set(map(str, order))) > 1


def test_last_images_stand_at_the_right():
    found = last_images(histories(*ROWS, n_items=N), 4)
    for row, image in zip(ROWS, found, strict=True):
        assert image.tolist() == [N] * max(0, 4 - len(row)) + row[-4:]


def test_single_items_have_no_window():
    made = Windows(histories([1], [], n_items=2), length=3, targets=1, negatives=1, batch_size=4, seed=0)
    assert (made.examples, made.steps_per_epoch) == (0, 0)
    assert np.asarray(last_images(histories([1], [], n_items=2), 2)).tolist() == [[2, 1], [2, 2]]
