"""The figures of docs/reproductions.md that take seconds are reached in every test run; the longer ones by `make slow`."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matweave.data.holdout import hold_out
from matweave.data.read_images import read_images


def given(data: Path | None = None, seeds: int = 1) -> argparse.Namespace:
    return argparse.Namespace(data=data, seeds=seeds, valid=False, only=None)


def test_xor_is_solved_by_every_seed(table) -> None:
    found = table("net_basics").xor(seeds=5)
    assert found["solved"] == 5
    assert found["steps_most"] <= 10_000


@pytest.mark.parametrize("seed", [0, 1])
def test_gd_and_sgd_end_where_the_closed_form_is(table, seed: int) -> None:
    off = table("net_basics").linear(seed)["greatest_difference"]
    assert off["gd"] <= 1e-6
    assert off["sgd"] <= 1e-2


def test_digits(table) -> None:
    basics = table("net_basics")
    began = time.process_time()
    line = basics.row("digits", basics.DIGITS, basics.digits_parts, must=98.5, known="", given=given())
    assert line["accuracy"] >= 98.5
    assert line["parameters"] < 100_000
    assert time.process_time() - began < 60  # processor seconds: the clock depends on what else runs


@pytest.mark.data
def test_japanese_vowels_of_a_third_of_the_epochs(table, real_data: Path) -> None:
    sequences = table("net_sequences")
    parts = sequences.parts(real_data, "japanese-vowels")
    short = replace(sequences.VOWELS, epochs=15)
    line = sequences.row("vowels", short, parts, must=97, known="", given=given(real_data))
    assert line["accuracy"] >= 97


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["mnist1d, CNN", "mnist1d, GRU", "japanese-vowels, FCN", "names, LSTM"])
def test_sequences(table, real_data: Path, name: str) -> None:
    sequences = table("net_sequences")
    (line,) = sequences.lines(argparse.Namespace(data=real_data, seeds=1, valid=False, only=name))
    assert line["accuracy"] >= line["must"]


@pytest.mark.slow
@pytest.mark.data
def test_mnist_on_a_cut(table, real_data: Path) -> None:
    mnist = table("net_mnist")
    train, test = (read_images(real_data / "mnist", part=part) for part in ("train", "test"))
    few = hold_out(train, 1 / 6, seed=0).test
    recipe = replace(mnist.SMALL, epochs=10)
    line = mnist.row("cut", recipe, lambda seed: (few, test), must=98.8, known="", given=given())
    assert line["parameters"] < 100_000
    assert line["accuracy"] >= 98.8
    assert np.isfinite(line["seconds"])
