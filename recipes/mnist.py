"""MNIST from its original files: a CNN of 70,586 parameters, trained as benchmarks/quality/net_mnist.py does.

    python recipes/mnist.py FOLDER [epochs] [examples]

FOLDER holds train-images-idx3-ubyte.gz and the other three. All of it takes minutes on two cores; fewer examples, seconds.
"""

from __future__ import annotations

import sys

import numpy as np

import matweave as mw


def main(folder: str, epochs: int = 12, examples: int = 60_000) -> None:
    train, test = (mw.read_images(folder, part=part) for part in ("train", "test"))
    train = train.take(np.arange(min(examples, len(train))))
    recipe = mw.Network(
        net="small_cnn",
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=5e-4,
        schedule="one_cycle",
        epochs=epochs,
        batch_size=128,
        augment="shift=0.1,rotate=10,scale=0.1",
    )
    model = recipe.fit(train)
    judged = mw.judge_classes(model.probabilities(test), test.targets.with_classes(model.classes))
    print(f"trained on {len(train):,} images in {model.history.seconds:.0f} s")
    print("\n".join(judged.lines()))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]))
