"""Handwritten digits of 8 x 8 pixels: a CNN with augmentation, judged on images it has not seen, saved and loaded.

    python recipes/digits.py [epochs]

Needs scikit-learn for its 1,797 bundled images.
"""

from __future__ import annotations

import sys
import tempfile

import numpy as np
from sklearn.datasets import load_digits

import matweave as mw


def main(epochs: int = 20) -> None:
    bundled = load_digits()
    images = mw.Images.of((bundled.images / 16).astype(np.float32), [str(d) for d in bundled.target])
    parts = mw.hold_out(images, 0.3, seed=0)
    recipe = mw.Network(
        net="small_cnn",
        optimizer="adamw",
        learning_rate=1e-2,
        weight_decay=0.01,
        schedule="one_cycle",
        epochs=epochs,
        augment="shift=0.1,rotate=10,scale=0.1",
    )
    model = recipe.fit(parts.train)
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        again = mw.load(folder)
    judged = mw.judge_classes(again.probabilities(parts.test), parts.test.targets)
    print(f"{model.parameters:,} parameters, trained in {model.history.seconds:.1f} s")
    print("\n".join(judged.lines()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
