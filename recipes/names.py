"""Which language is a family name of? An LSTM reads it character by character.

    python recipes/names.py FILE [epochs]

FILE is a table with the columns language and name (names.tsv.gz of PyTorch's char-RNN tutorial, joined into one).
"""

from __future__ import annotations

import sys

import matweave as mw

ASKED = ["Satoshi", "Dostoyevsky", "O'Brien", "Nguyen", "Schmidt", "Rossi"]


def main(file: str, epochs: int = 12) -> None:
    names = mw.read_sequences(file, text="name", target="language")
    parts = mw.hold_out(names, 0.2, seed=0)  # a name that stands in several rows stays on one side
    recipe = mw.Network(
        net="lstm",
        settings={"hidden": 128, "dropout": 0.3},
        optimizer="adamw",
        learning_rate=3e-3,
        schedule="one_cycle",
        clip=1.0,
        epochs=epochs,
        batch_size=128,
    )
    model = recipe.fit(parts.train)
    judged = mw.judge_classes(model.probabilities(parts.test), parts.test.targets)
    print("\n".join(judged.lines()))
    for name, language in zip(ASKED, model.predict(mw.Sequences.of(ASKED)), strict=True):
        print(f"{name:12s} {language}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
