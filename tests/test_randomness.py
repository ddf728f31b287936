"""One seed in, named child generators out: independent, repeatable, and no global state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import ConfigError
from matweave.randomness import child, child_seed, stepped

SEEDS = st.integers(0, 2**63 - 1)
NAMES = st.lists(st.text(max_size=5), max_size=3)


def draw(seed: int, *names: object) -> list[int]:
    return child(seed, *names).integers(2**63, size=4).tolist()


@given(SEEDS, NAMES)
def test_the_same_seed_and_names_draw_the_same(seed: int, names: list[str]) -> None:
    assert draw(seed, *names) == draw(seed, *names)
    assert child_seed(seed, *names) == child_seed(seed, *names)
    assert 0 <= child_seed(seed, *names) < 2**63


@given(SEEDS, NAMES, SEEDS, NAMES)
def test_another_seed_or_name_draws_another(a: int, names: list[str], b: int, others: list[str]) -> None:
    assert (draw(a, *names) == draw(b, *others)) == ((a, names) == (b, others))


def test_names_are_told_apart_by_their_cuts_and_order() -> None:
    cases = [(), ("",), ("ab",), ("a", "b"), ("b", "a"), ("a", "b", ""), (0,), (1,), (0, 0)]
    assert len({tuple(draw(5, *names)) for names in cases}) == len(cases)


def test_children_do_not_follow_each_other() -> None:
    many = np.stack([child(0, "row", i).standard_normal(500) for i in range(40)])
    correlations = np.corrcoef(many)[np.triu_indices(40, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(500)
    assert abs(correlations.mean()) < 6 / np.sqrt(500 * len(correlations))


def test_numpys_global_state_is_neither_read_nor_moved() -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = draw(3, "x")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert draw(3, "x") == first


def test_numbers_stay_what_they_were_when_models_were_first_saved() -> None:
    # a change here makes every seed mean another model: say so in the changelog
    assert child_seed(0, "implicit_als", "start") == 4346085382822639190


@pytest.mark.parametrize("seed", [-1, 1.7, "3", None])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ConfigError, match="seed is"):
        child(seed, "split_randomly")


def test_a_seed_of_numpy_is_the_same_seed():
    assert draw(np.int64(7), "a") == draw(7, "a")


# seeds of steps


def test_steps_are_the_numbers_of_splitmix64() -> None:
    # its reference implementation, seeded by 1234567: the counter is the place in that stream
    stream = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [stepped(1234567, at) for at in range(5)] == [number >> 1 for number in stream]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(0, 2**20))
def test_a_step_is_a_seed_and_depends_on_all_it_is_given(base: int, epoch: int, at: int) -> None:
    seed = stepped(base, epoch, at)
    assert seed == stepped(base, epoch, at)
    assert 0 <= seed < 2**63
    others = [(base, at), (base, epoch), (base, epoch, at + 1), (base, epoch + 1, at), (base ^ 1, epoch, at)]
    assert seed not in [stepped(*other) for other in others]


def test_steps_of_all_epochs_differ_and_their_bits_are_even() -> None:
    seeds = [stepped(11, epoch, at) for epoch in range(100) for at in range(100)]
    assert len(set(seeds)) == len(seeds)
    bits = (np.array(seeds, np.uint64)[:, None] >> np.arange(63, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.025  # five standard errors


def test_steps_of_epochs_and_places_are_not_taken_for_each_other() -> None:
    assert stepped(7, 1, 2) != stepped(7, 2, 1)
    assert stepped(7, 0) != stepped(7, 0, 0) != stepped(7)
