"""The door to torch: draws that depend on seed and names alone, and nothing of the caller's that is disturbed."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matweave import deep
from matweave.deep import generator, nn, seeded, torch, torch_threads
from matweave.errors import ConfigError, MissingExtra
from matweave.threads import set_threads

SEEDS = st.integers(0, 2**63 - 1)


@given(SEEDS, SEEDS)
def test_a_generator_depends_on_seed_and_names(a: int, b: int) -> None:
    def draw(*about: object) -> list[int]:
        return torch.randint(2**62, (3,), generator=generator(*about)).tolist()  # pyright: ignore[reportArgumentType]

    assert draw(a, "x", 1) == draw(a, "x", 1)
    assert draw(a, "x", 1) != draw(a, "x", 2)
    assert (draw(a, "x") == draw(b, "x")) == (a == b)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed is"):
        generator(seed)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="seed is"), seeded(seed):  # pyright: ignore[reportArgumentType]
        raise AssertionError("the block was entered")


def test_a_seeded_block_neither_reads_nor_moves_the_callers_draws() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    with seeded(7, "a"):
        first = torch.rand(2)
        with seeded(8, "b"):
            torch.rand(5)
        second = torch.rand(2)
    assert torch.equal(torch.rand(3), wanted)
    torch.manual_seed(2)
    with seeded(7, "a"):
        assert torch.equal(torch.rand(2), first)
        assert torch.equal(torch.rand(2), second)  # the inner block gave its draws back too
    with seeded(7, "b"):
        assert not torch.equal(torch.rand(2), first)


def test_a_seeded_block_gives_back_after_an_error() -> None:
    before = torch.get_rng_state()

    def fails() -> None:
        with seeded(7):
            torch.rand(2)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert torch.equal(torch.get_rng_state(), before)


def test_first_weights_are_drawn_from_the_block() -> None:
    def made(seed: int) -> torch.Tensor:
        with seeded(seed, "weights"):
            return nn.Linear(3, 2).weight.detach()

    assert torch.equal(made(4), made(4))
    assert not torch.equal(made(4), made(5))


def test_threads_are_ours_inside_and_the_callers_afterwards() -> None:
    before = torch.get_num_threads()
    set_threads(before + 1)
    try:
        with torch_threads():
            assert torch.get_num_threads() == before + 1
        assert torch.get_num_threads() == before
        with pytest.raises(KeyError), torch_threads():
            raise KeyError
        assert torch.get_num_threads() == before
    finally:
        set_threads(None)


def imported_again() -> None:
    spec = importlib.util.spec_from_file_location("deep_again", deep.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    imported_again()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="needs torch") as error:
        imported_again()
    assert error.value.mend == "pip install 'matweave[deep]'"


def test_a_broken_torch_is_not_told_as_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.nn.functional", None)
    with pytest.raises(ModuleNotFoundError, match=r"torch\.nn\.functional") as error:
        imported_again()
    assert not isinstance(error.value, MissingExtra)


def test_small_work_gets_one_thread_and_unknown_work_all() -> None:
    set_threads(3)
    try:
        for work, wanted in ((0, 1), (999_999, 1), (1_000_000, 3), (None, 3)):
            with torch_threads(work):
                assert torch.get_num_threads() == wanted
    finally:
        set_threads(None)
