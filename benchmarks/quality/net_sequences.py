"""Sequences: mnist1d by a CNN and a GRU, japanese-vowels by an FCN, names by an LSTM; test accuracy, means of three seeds.

mnist1d (Greydanus & Kobak 2024): 4,000 / 1,000 sequences of 40 numbers. japanese-vowels (UEA): 270 / 370 utterances of 12
channels, 7 to 29 steps. names (Opacus' char-LSTM example): 18 languages, a random 80/20 split for each seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _nets import Parts, arguments, row, show, wanted  # beside this file

from matweave.data.read_sequences import read_sequences
from matweave.nets.network import Network
from matweave.randomness import child

MNIST1D_CNN = Network(
    net="cnn1d",
    optimizer="adamw",
    learning_rate=5e-3,
    weight_decay=0.01,
    schedule="one_cycle",
    epochs=60,
    batch_size=64,
)
MNIST1D_GRU = Network(
    net="gru",
    settings={"hidden": 64, "bidirectional": True},
    optimizer="adamw",
    learning_rate=5e-3,
    weight_decay=0.01,
    schedule="one_cycle",
    clip=1.0,
    epochs=40,
    batch_size=64,
)
VOWELS = Network(net="fcn", optimizer="adam", learning_rate=1e-3, schedule="cosine", epochs=60, batch_size=32)
NAMES = Network(
    net="lstm",
    settings={"hidden": 128, "dropout": 0.3},
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=0.01,
    schedule="one_cycle",
    clip=1.0,
    epochs=12,
    batch_size=128,
)


def parts(data: Path, name: str) -> Parts:
    """A set that comes with its own parts."""
    both = tuple(read_sequences(data / name, part=part) for part in ("train", "test"))
    return lambda seed: both


def names(data: Path) -> Parts:
    """A plain random cut for each seed, as published: a name may stand in several rows, and on both sides."""
    whole = read_sequences(data / "names" / "names.tsv.gz", text="name", target="language")

    def cut(seed: int):
        order = child(seed, "names").permutation(len(whole))
        at = len(whole) * 4 // 5
        return whole.take(np.sort(order[:at])), whole.take(np.sort(order[at:]))

    return cut


def lines(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One line for each row of the table that was asked for."""
    data = given.data
    rows = [
        ("mnist1d, CNN", MNIST1D_CNN, lambda: parts(data, "mnist1d"), 94.0, "94"),
        ("mnist1d, GRU", MNIST1D_GRU, lambda: parts(data, "mnist1d"), 91.0, "91"),
        (
            "japanese-vowels, FCN",
            VOWELS,
            lambda: parts(data, "japanese-vowels"),
            98.0,
            "99.3 (FCN, mean of 10)",
        ),
        ("names, LSTM", NAMES, lambda: names(data), 78.0, "76.1 (Opacus example)"),
    ]
    for name, recipe, made, must, known in rows:
        if wanted(given, name):
            yield row(name, recipe, made(), must=must, known=known, given=given)


if __name__ == "__main__":
    show(lines(arguments(__doc__)))
