"""Histories: the target is the next item in time, negatives are wrong, batches follow from (seed, epoch, at) alone."""

from __future__ import annotations

import numpy as np
import pytest
from by_hand.sequences import drawn_rows, histories, tensors

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.neural.histories import NextItems, last_steps, packed
from matweave.neural.sampling import draw_negatives

N = 30
ROWS = drawn_rows([9, 1, 0, 2, 14, 5, 3, 30, 7], N)
LENGTH = 6


def batches(**more):
    return NextItems(histories(*ROWS, n_items=N), length=LENGTH, batch_size=3, **{"seed": 4, **more})


def steps_by_user(batch):
    """inputs, targets and positions of each user of a batch."""
    inputs, targets, slots, positions, lengths = (t.numpy() for t in batch[:5])
    longest = lengths.max()
    return [
        (
            inputs[mine].tolist(),
            targets[mine].tolist(),
            positions[mine].tolist(),
            (slots[mine] % longest).tolist(),
        )
        for mine in (slots // longest == b for b in range(len(lengths)))
    ]


def test_the_target_is_the_next_item_in_time():
    rng = np.random.default_rng(0)
    users, items, times = rng.integers(0, 12, 200), rng.integers(0, N, 200), rng.integers(0, 10**6, 200)
    log = Interactions.from_codes(users, items, times=times, n_users=12, n_items=N)
    made = NextItems(log.histories, length=50, batch_size=12)
    (batch,) = [made.batch(0, at) for at in range(made.steps_per_epoch)]
    after = {}
    for user in range(log.n_users):
        mine = np.flatnonzero(log.user_codes == user)
        order = mine[np.argsort(log.times[mine], kind="stable")]
        after[tuple(log.item_codes[order][:-1])] = log.item_codes[order][1:].tolist()
    for inputs, targets, _, _ in steps_by_user(batch):
        assert after[tuple(inputs)] == targets


def test_an_epoch_holds_every_user_of_two_items_once():
    made = batches()
    wanted = sorted((row[-LENGTH - 1 : -1], row[-LENGTH:]) for row in (r for r in ROWS if len(r) > 1))
    wanted = [(a, b[-len(a) :]) for a, b in wanted]
    for epoch in (0, 1, 7):
        found = [user for at in range(made.steps_per_epoch) for user in steps_by_user(made.batch(epoch, at))]
        assert sorted((inputs, targets) for inputs, targets, _, _ in found) == sorted(wanted)
        for inputs, _, positions, places in found:
            assert positions == list(range(LENGTH - len(inputs), LENGTH))
            assert places == list(range(len(inputs)))
    assert made.examples == 7
    assert made.steps_per_epoch == 3


def test_batches_follow_from_seed_epoch_and_place():
    one, other = batches(negatives=2), batches(negatives=2)
    one.batch(5, 1)
    for at in (2, 0, 1):
        assert all(bool((a == b).all()) for a, b in zip(one.batch(3, at), other.batch(3, at), strict=True))
    again = batches(negatives=2, seed=5)
    assert any(
        a.shape != b.shape or bool((a != b).any())
        for a, b in zip(one.batch(3, 0), again.batch(3, 0), strict=True)
    )


@pytest.mark.parametrize("negatives", [1, 4])
def test_negatives_of_a_step_are_nowhere_in_its_users_history(negatives):
    made = batches(negatives=negatives)
    had = {tuple(row[-LENGTH - 1 : -1]): set(row) for row in ROWS}
    seen = set()
    for epoch in range(5):
        for at in range(made.steps_per_epoch):
            *batch, drawn = made.batch(epoch, at)
            assert drawn.shape == (len(batch[0]), negatives)
            first = 0
            for inputs, _, _, _ in steps_by_user(batch):
                mine = set(drawn[first : first + len(inputs)].flatten().tolist())
                first += len(inputs)
                if len(had[tuple(inputs)]) < N:  # a user of every item gets any
                    assert not mine & had[tuple(inputs)]
                seen |= mine
    assert seen <= set(range(N))


def test_other_draws_have_their_shapes_and_weights():
    any_batch = batches(negatives=5, draw="any").batch(0, 0)
    assert any_batch[5].shape == (len(any_batch[0]), 5)
    assert batches(negatives=5, draw="batch").batch(0, 0)[5].shape == (5,)
    counts = np.bincount([item for row in ROWS for item in row], minlength=N)
    found = batches(negatives=40_000, draw="batch", alpha=0.5).batch(0, 0)[5].numpy()
    shares = np.bincount(found, minlength=N) / len(found)
    np.testing.assert_allclose(shares, counts**0.5 / (counts**0.5).sum(), atol=0.01)


def test_wrong_items_are_uniform_over_the_others():
    matrix = histories([0, 2, 3], list(range(6)), n_items=6)
    found = draw_negatives(matrix, np.zeros(30_000, int), 1, seed=9)
    shares = np.bincount(found.ravel(), minlength=6) / len(found)
    np.testing.assert_allclose(shares, [0, 1 / 3, 0, 0, 1 / 3, 1 / 3], atol=0.01)
    whole = draw_negatives(matrix, np.ones(50, int), 2, seed=9)
    assert whole.min() >= 0
    assert whole.max() <= 5


def test_last_steps_and_packing_are_those_of_loops():
    codes, lengths = last_steps(histories(*ROWS, n_items=N), LENGTH)
    assert [codes[r, :n].tolist() for r, n in enumerate(lengths)] == [row[-LENGTH:] for row in ROWS]
    keep = lengths > 0
    inputs, slots, positions = packed(*tensors([codes[keep], lengths[keep]]), LENGTH)
    rows = [row[-LENGTH:] for row in ROWS if row]
    assert inputs.tolist() == [item for row in rows for item in row]
    assert slots.tolist() == [b * LENGTH + t for b, row in enumerate(rows) for t in range(len(row))]
    assert positions.tolist() == [LENGTH - len(row) + t for row in rows for t in range(len(row))]


def test_a_log_of_single_items_has_no_batches():
    made = NextItems(histories([1], [0], [], n_items=3), length=4, batch_size=2)
    assert (made.examples, made.steps_per_epoch) == (0, 0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="batch_size is 0"):
        NextItems(histories([0, 1], n_items=2), length=4, batch_size=0)
    with pytest.raises(DataError, match="order"):
        NextItems(Interactions.from_codes([0, 0], [0, 1]).by_user, length=4, batch_size=2)
