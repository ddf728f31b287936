"""Batches: every example once an epoch, in an order that is a function of seed and epoch, whatever went before."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.deep import Tensor, torch
from matweave.errors import ConfigError, DataError
from matweave.train.batches import InMemory
from matweave.train.task import Batch


def made(n: int, size: int | None, **more: Any) -> InMemory:
    """Examples that say their own number, in both tensors."""
    return InMemory([torch.arange(n), torch.arange(n, dtype=torch.float32)[:, None]], batch_size=size, **more)


def epoch_of(batches: InMemory, epoch: int) -> list[list[int]]:
    return [batches.batch(epoch, at)[0].tolist() for at in range(batches.steps_per_epoch)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.booleans(), st.integers(0, 2**40))
def test_an_epoch_is_a_permutation_in_batches(
    n: int, size: int, epoch: int, shuffle: bool, seed: int
) -> None:
    size = min(n, size)
    parts = epoch_of(made(n, size, shuffle=shuffle, seed=seed), epoch)
    assert sorted(chain(*parts)) == list(range(n))
    assert all(len(part) == size for part in parts[:-1])
    last = n - size * (len(parts) - 1)
    assert len(parts[-1]) == last
    assert last != 1 or size == 1 or n == 1  # batch normalization cannot train on one
    assert last <= size + 1
    if not shuffle:
        assert list(chain(*parts)) == list(range(n))


def test_the_tensors_stay_side_by_side() -> None:
    batches = made(11, 4, seed=5)
    for at in range(batches.steps_per_epoch):
        codes, values = batches.batch(3, at)
        assert codes.tolist() == values[:, 0].tolist()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=12))
def test_a_batch_does_not_depend_on_what_was_asked_before(asked: list[tuple[int, int]]) -> None:
    used = made(17, 4, seed=2)
    for epoch, at in asked:
        assert used.batch(epoch, at)[0].tolist() == made(17, 4, seed=2).batch(epoch, at)[0].tolist()


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {str(epoch_of(made(30, 7, seed=seed), epoch)) for seed in range(3) for epoch in range(4)}
    assert len(orders) == 12


def test_the_callers_global_draws_are_neither_read_nor_moved() -> None:
    torch.manual_seed(0)
    first = epoch_of(made(9, 2, augmentation=noised), 0)
    before = torch.get_rng_state()
    torch.manual_seed(1)
    assert epoch_of(made(9, 2, augmentation=noised), 0) == first
    torch.set_rng_state(before)
    epoch_of(made(9, 2, augmentation=noised), 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_examples_at_once_keep_their_order() -> None:
    whole = made(6, None)
    assert (whole.batch_size, whole.steps_per_epoch, whole.examples) == (6, 1, 6)
    assert epoch_of(whole, 0) == epoch_of(whole, 5) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (5, 4, [5]), (8, 4, [4, 4]), (3, 1, [1, 1, 1]), (1, None, [1])],
)
def test_one_left_over_joins_the_batch_before(n: int, size: int | None, sizes: list[int]) -> None:
    assert [len(part) for part in epoch_of(made(n, size), 0)] == sizes


# augmentation


def noised(batch: Batch, draws: torch.Generator) -> Batch:
    return batch[0] * 1_000_000 + torch.randint(1_000_000, batch[0].shape, generator=draws), *batch[1:]


def test_augmentation_draws_anew_for_every_batch_and_alike_when_asked_again() -> None:
    def change(codes: Tensor) -> list[int]:
        return (codes % 1_000_000).tolist()

    batches = made(12, 4, augmentation=noised, seed=1)
    seen = [change(batches.batch(epoch, at)[0]) for epoch in range(3) for at in range(3)]
    assert len({str(changes) for changes in seen}) == 9
    again = made(12, 4, augmentation=noised, seed=1)
    assert change(again.batch(2, 1)[0]) == seen[7]
    assert change(made(12, 4, augmentation=noised, seed=2).batch(2, 1)[0]) != seen[7]


def test_augmentation_leaves_the_order_alone() -> None:
    plain, changed = made(12, 5, seed=4), made(12, 5, seed=4, augmentation=noised)
    wanted = [[code // 1_000_000 for code in part] for part in epoch_of(changed, 1)]
    assert epoch_of(plain, 1) == wanted


# moving


def test_moving_keeps_the_order_and_leaves_the_callers_tensors() -> None:
    given_tensors = [torch.arange(9)]
    batches = InMemory(given_tensors, batch_size=4, seed=3)
    wanted = epoch_of(batches, 1)
    batches.to(torch.device("meta"))
    assert batches.batch(1, 0)[0].device.type == "meta"
    assert batches.batch(1, 0)[0].shape == (4,)
    assert given_tensors[0].device.type == "cpu"
    batches = InMemory(given_tensors, batch_size=4, seed=3)
    batches.batch(1, 0)
    batches.to(torch.device("cpu"))
    assert epoch_of(batches, 1) == wanted


# refused


@pytest.mark.parametrize("size", [0, -1, 8, 2.0, True, "4"])
def test_a_batch_of_no_possible_size_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match="but the training data hold 7 examples") as error:
        made(7, size)
    assert "from 1 to 7" in error.value.mend


@pytest.mark.parametrize("lengths", [(), (0,), (3, 4), (0, 2)])
def test_tensors_of_other_lengths_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="same number"):
        InMemory([torch.zeros(n, 2) for n in lengths], batch_size=None)


def test_a_seed_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        made(4, 2, seed=-1)
